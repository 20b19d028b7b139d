/**
 * Two endpoints that do not show the same: what the worker serves on the word of one, and until when.
 *
 * Longer than 350 lines because its cases share one set-up.
 */
import { Reason } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import pino from 'pino';
import type { ChainAccount } from '../../../offchain/chain';
import { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { claimRound, type Fixture, type Overrides, startFixture } from '../support/worker';

const ALLOWANCE = 10_000_000n; // nanoTON, twice the threshold
const settings: Overrides = { claim: { threshold: '5000000' } };

let fixture: Fixture;

afterEach(() => fixture.stop());

type Read = FakeChain['account'];

/** From now on the worker has these two endpoints; each gets what the chain holds, and says what it likes. */
function twoEndpoints(first: (read: Read) => Read, second: (read: Read) => Read): void {
    const { chain } = fixture;
    const read = chain.account.bind(chain);
    const accounts = [first(read), second(read)];
    chain.account = accounts[0];
    const others = accounts.map((account, i) => ({ account, name: `${'ab'[i]}.example` }));
    (chain as { others?: unknown[] }).others = others;
}

const honest = (read: Read): Read => read;

/** Shows no account of these. */
const hiding =
    (isHidden: (address: Address) => boolean) =>
    (read: Read): Read =>
    async (address) => {
        const account = await read(address);
        const none = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        return isHidden(address) ? { ...account, ...none } : account;
    };

/** A client whose channel is on the chain, and that has not asked the worker for anything. */
async function withChannel(deposit?: bigint): Promise<TestClient> {
    const client = new TestClient(fixture.worker.url, fixture.chain);
    await client.draft();
    await client.open(deposit);
    return client;
}

async function withJob(): Promise<TestClient> {
    const client = await withChannel();
    expect((await client.register()).status).toBe(200);
    return client;
}

describe('A client and the first of two endpoints, which makes up channels', () => {
    /** Only the first endpoint shows what this test opens from now on. */
    async function startWithLiar(parts = {}) {
        fixture = await startFixture(settings, parts);
        twoEndpoints(
            honest,
            hiding((address) => !address.equals(fixture.wallet.address)),
        );
    }

    it('get no more answered than the allowance, whatever is promised, to the nanoTON', async () => {
        await startWithLiar();
        const client = await withJob();
        expect((await client.ask(1, 'one', { ceiling: ALLOWANCE + 1n })).decline).toMatchObject({
            reason: Reason.Unfunded,
        });
        await client.ask(2, 'one', { ceiling: ALLOWANCE });
        expect(client.owed()).toBeGreaterThan(0n);

        const rest = ALLOWANCE - client.owed();
        expect((await client.ask(3, 'one', { ceiling: rest + 1n })).decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await client.ask(4, 'one', { ceiling: rest })).result).toBeDefined();
    });

    it('share the allowance among all jobs, with the ceilings of the queries that run', async () => {
        await startWithLiar();
        const [one, two] = [await withJob(), await withJob()];
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const running = one.ask(1, 'one', { ceiling: 6_000_000n });
        await fixture.backend.atPause();

        expect((await two.ask(1, 'two', { ceiling: 4_000_001n })).decline).toMatchObject({ reason: Reason.Unfunded });
        const next = two.ask(2, 'two', { ceiling: 4_000_000n });
        await until(async () => (await fixture.worker.status()).running === 2);
        fixture.backend.go();
        fixture.backend.go();
        await Promise.all([running, next]);
    });

    it('cannot leave what is answered unpaid to have the next job answered too', async () => {
        await startWithLiar();
        const one = await withJob();
        await one.ask(1, 'one', { pays: false });
        const two = await withJob();

        expect(one.owed()).toBeGreaterThan(0n);
        const rest = ALLOWANCE - one.owed();
        expect((await two.ask(1, 'two', { ceiling: rest + 1n })).decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await two.ask(2, 'two', { ceiling: rest })).result).toBeDefined();
    });

    it('have no job begun when the allowance is used up, and the refusal says why', async () => {
        await startWithLiar();
        const client = await withJob();
        await client.pay(client.voucher(ALLOWANCE, 0));
        const next = await withChannel();
        const { status, body } = await next.register();

        expect([status, body.error!.code]).toEqual([503, 'chain_down']);
        expect(body.error!.message).toContain('do not agree about the channel');
        expect((await fixture.worker.status()).jobs.open).toBe(1);
    });

    it('have no more than 64 jobs begun', async () => {
        await startWithLiar();
        for (let jobs = 0; jobs < 64; jobs++) await withJob();

        expect((await (await withChannel()).register()).body.error!.code).toBe('chain_down');
    });

    it('have no job served again after a restart, which compares what was promised at its first round', async () => {
        await startWithLiar();
        const client = await withJob();
        await client.pay(client.voucher(ALLOWANCE - 1n, 0));
        client.url = (await fixture.restart({ ...settings, claim: { ...settings.claim, seconds: 0.02 } })).url;
        await claimRound();
        await client.register();

        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('cannot keep a job from being compared by readings that are each a second older', async () => {
        let seconds = 0;
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withJob();
        let age = 0;
        const older =
            (read: Read): Read =>
            async (address) => ({ ...(await read(address)), at: fixture.chain.now() - ++age });
        twoEndpoints(
            older,
            hiding((address) => address.equals(client.channel)),
        );
        seconds += 900; // half a margin since the channel was compared

        expect((await client.ask(1, 'one', { ceiling: ALLOWANCE + 1n })).decline).toMatchObject({
            reason: Reason.Unfunded,
        });
    });

    it('get little more answered once the channel is refunded, which the first endpoint hides', async () => {
        let seconds = 0;
        fixture = await startFixture(settings, { steady: () => seconds });
        let isRefunded = false;
        const client = await withChannel();
        twoEndpoints(
            honest,
            hiding((address) => isRefunded && address.equals(client.channel)),
        );
        await client.register();
        expect((await client.ask(1, 'one', { ceiling: 100_000_000n })).result).toBeDefined();
        isRefunded = true;
        seconds += 900;

        expect((await client.ask(2, 'one', { ceiling: ALLOWANCE })).decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await client.ask(3, 'one', { ceiling: ALLOWANCE - client.owed() })).result).toBeDefined();
    });

    it('get little answered from the refund on, if an endpoint has shown the notice that the first one hides', async () => {
        let seconds = 0;
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withChannel();
        const refundAt = fixture.chain.now() + 3600;
        let isRefunded = false;
        const leaving =
            (read: Read): Read =>
            async (address) => {
                const account = await read(address);
                if (!address.equals(client.channel) || account.state !== 'active') {
                    return account;
                }
                const other = new FakeChain();
                other.set(address, { code: account.code!, data: account.data!, balance: account.balance });
                other.change(address, { refundAt });
                return { ...(await other.account(address)), at: account.at };
            };
        twoEndpoints(honest, (read) => hiding(() => isRefunded)(leaving(read)));
        await client.register();
        seconds += 900;
        expect((await client.ask(1, 'one', { ceiling: 100_000_000n })).result).toBeDefined();
        isRefunded = true;
        seconds += 1;

        expect((await client.ask(2, 'one', { ceiling: ALLOWANCE })).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('get little answered of what the first endpoint alone shows in a channel that holds less, told once', async () => {
        const told: string[] = [];
        const log = pino({ level: 'info' }, { write: (line: string) => void told.push(line) });
        fixture = await startFixture(settings, { log });
        const client = await withChannel(1_000_000n);
        const rich =
            (read: Read): Read =>
            async (address): Promise<ChainAccount> => ({
                ...(await read(address)),
                ...(address.equals(client.channel) && { balance: 10n ** 12n }),
            });
        twoEndpoints(rich, honest);
        await client.register();
        await client.ask(1, 'one');

        expect((await client.ask(2, 'one', { ceiling: ALLOWANCE })).decline).toMatchObject({ reason: Reason.Unfunded });
        expect(told.filter((line) => line.includes('do not agree'))).toHaveLength(2); // new, and going on
        expect(told.filter((line) => line.includes('agree about the channel again'))).toEqual([]);
    });

    it('get no more answered when the first endpoint shows the truth for a moment', async () => {
        fixture = await startFixture(settings);
        const client = await withChannel(6_000_000n);
        let isLying = true;
        const rich =
            (read: Read): Read =>
            async (address): Promise<ChainAccount> => ({
                ...(await read(address)),
                ...(address.equals(client.channel) && isLying && { balance: 10n ** 12n }),
            });
        twoEndpoints(rich, honest);
        await client.register();
        isLying = false;
        expect((await client.ask(1, 'one')).result).toBeDefined();
        isLying = true;

        expect((await client.ask(2, 'one', { ceiling: ALLOWANCE + 1n })).decline).toMatchObject({
            reason: Reason.Unfunded,
        });
    });

    it('get little answered after a top-up that the first endpoint makes up', async () => {
        fixture = await startFixture(settings);
        const client = await withChannel(6_000_000n);
        let toppedUp = 0n;
        const rich =
            (read: Read): Read =>
            async (address): Promise<ChainAccount> => {
                const account = await read(address);
                return address.equals(client.channel) ? { ...account, balance: account.balance + toppedUp } : account;
            };
        twoEndpoints(rich, honest);
        await client.register();
        toppedUp = 10n ** 12n;

        expect((await client.ask(1, 'one', { ceiling: ALLOWANCE + 1n })).decline).toMatchObject({
            reason: Reason.Unfunded,
        });
        expect((await client.ask(2, 'one', { ceiling: ALLOWANCE })).result).toBeDefined();
        expect((await client.ask(3, 'one', { ceiling: ALLOWANCE })).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('get no credit in other jobs by vouchers that only the first endpoint covers', async () => {
        await startWithLiar();
        const client = await withJob();

        const { status, body } = await client.pay(client.voucher(ALLOWANCE + 1n, 0));
        expect([status, body.error!.code]).toEqual([503, 'chain_down']); // a client leaves a node that calls a good one bad
        expect((await client.pay(client.voucher(ALLOWANCE, 0))).status).toBe(200);
    });

    it('may pay for everything that was answered, whatever is left of the allowance', async () => {
        await startWithLiar();
        const [one, two] = [await withJob(), await withJob()];
        await one.ask(1, 'one', { pays: false });
        await two.pay(two.voucher(ALLOWANCE - one.owed(), 0));

        expect((await one.pay()).status).toBe(200);
        expect((await one.ask(2, 'one', { ceiling: 2n })).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('are told to the owner, and the worker goes on with everybody else', async () => {
        fixture = await startFixture({ ...settings, alerts: { seconds: 0.02 } }, { steady: () => fixture.chain.now() });
        const other = await withChannel();
        const liar = await withChannel();
        twoEndpoints(
            honest,
            hiding((address) => address.equals(liar.channel)),
        );
        await liar.register();
        fixture.chain.advance(60);
        const alerts = async () => (await fixture.worker.status()).alerts.filter(({ alert }) => alert === 'endpoints');
        await until(async () => (await alerts()).length > 0);

        const [{ message }] = await alerts();
        expect(message).toContain('a.example says "1 TON, and 0 TON paid", b.example says "no such channel"');
        expect((await fixture.worker.status()).readiness).toMatchObject({ ready: true });
        expect((await other.register()).status).toBe(200);
        expect((await other.ask(1, 'one', { ceiling: 100_000_000n })).result).toBeDefined();
    });
});

describe('A second endpoint that is behind', () => {
    it('costs honest clients nothing once it has caught up, at their next query', async () => {
        // Readings that are not too old are made in the background, except for a disputed job.
        const chain = { freshSeconds: 0, staleSeconds: 60, pollSeconds: 0.01, confirmSeconds: 0 };
        fixture = await startFixture({ ...settings, chain });
        let isBehind = true;
        twoEndpoints(honest, (read) =>
            hiding(() => isBehind)(async (address) => {
                const account = await read(address);
                return isBehind ? { ...account, at: account.at - 5 } : account;
            }),
        );
        const clients = await Promise.all([1, 2, 3, 4].map(() => withJob()));
        const ceiling = ALLOWANCE + 1n;
        for (const client of clients) {
            expect((await client.ask(1, 'one', { ceiling })).decline).toMatchObject({ reason: Reason.Unfunded });
        }
        isBehind = false;

        const answers = await Promise.all(clients.map((client) => client.ask(2, 'one', { ceiling })));
        expect(answers.map(({ text }) => text)).toEqual(['one', 'one', 'one', 'one']);
    });

    it('leaves no job disputed for which no client asks', async () => {
        fixture = await startFixture(
            { ...settings, claim: { ...settings.claim, seconds: 0.02 }, alerts: { seconds: 0.02 } },
            {
                steady: () => fixture.chain.now(),
            },
        );
        let isBehind = true;
        twoEndpoints(
            honest,
            hiding(() => isBehind),
        );
        await withJob();
        fixture.chain.advance(60);
        const isAlerted = async () => (await fixture.worker.status()).alerts.some(({ alert }) => alert === 'endpoints');
        await until(isAlerted);
        isBehind = false;

        await until(async () => !(await isAlerted()));
    });
});

describe('A disputed job', () => {
    it('is nothing to be told of once it has ended with nothing unpaid', async () => {
        const soon = { ...settings, claim: { ...settings.claim, seconds: 0.02 }, alerts: { seconds: 0.02 } };
        fixture = await startFixture(soon, { steady: () => fixture.chain.now() });
        twoEndpoints(
            honest,
            hiding((address) => !address.equals(fixture.wallet.address)),
        );
        const client = await withJob();
        fixture.chain.advance(60);
        const isAlerted = async () => (await fixture.worker.status()).alerts.some(({ alert }) => alert === 'endpoints');
        await until(isAlerted);
        fixture.chain.remove(client.channel);

        await until(async () => !(await isAlerted()));
        expect((await fixture.worker.status()).jobs.ended).toBe(1);
    });
});

describe('Two endpoints that agree', () => {
    it('have a job served as one endpoint has', async () => {
        fixture = await startFixture(settings);
        twoEndpoints(honest, honest);
        const client = await withJob();

        expect((await client.ask(1, 'one', { ceiling: 500_000_000n })).result).toBeDefined();
    });

    it('have no job begun in a channel that neither of them shows as the client says', async () => {
        fixture = await startFixture(settings);
        const client = await withChannel();
        let readings = 0;
        // The first endpoint takes back what it showed a moment before.
        const wavering = (read: Read) => hiding((address) => address.equals(client.channel) && readings++ > 0)(read);
        twoEndpoints(
            wavering,
            hiding((address) => address.equals(client.channel)),
        );

        expect((await client.register()).body.error!.code).toBe('wrong_channel');
    });
});
