// Longer than 350 lines because its cases share one set-up.
import { opcodes } from '@cocoon-market/wrappers';
import type { Cell } from '@ton/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openWorkerStore } from '../../../offchain/store/open';
import { askWorker, serveAdmin } from '../../../offchain/worker';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { account, claimRound, type Fixture, type Overrides, startFixture, TOKEN } from '../support/worker';

let fixture: Fixture;

const soon: Overrides = { claim: { seconds: 0.02, threshold: '1000' } };

afterEach(() => fixture.stop());

const withJob = (terms = {}) => TestClient.withJob(fixture.worker.url, fixture.chain, terms);
const opcodeOf = (body: unknown) => (body as Cell).beginParse().loadUint(32);

describe('claims', () => {
    it('are made when vouchers reach the threshold, and not before', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        await client.pay(client.voucher(999n, 0));
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(0);

        await client.pay(client.voucher(1000n, 0));
        await until(() => fixture.chain.paidBy(client.channel) === 1000n);
        expect(fixture.wallet.orders).toHaveLength(1);
        expect(opcodeOf(fixture.wallet.orders[0][0].body)).toBe(opcodes.Claim);
        expect(fixture.wallet.orders[0][0].value).toBe(11_000_000n); // a tenth above what the channel asks
    });

    it('carry many channels in one order', async () => {
        fixture = await startFixture();
        const clients = await Promise.all(Array.from({ length: 20 }, () => withJob()));
        await Promise.all(clients.map((client) => client.pay(client.voucher(5n, 0))));

        expect(await fixture.worker.claimNow()).toEqual({ claimed: 20, amount: 100n, failed: 0 });
        expect(fixture.wallet.orders.map((order) => order.length)).toEqual([20]);
        expect(await fixture.worker.claimNow()).toEqual({ claimed: 0, amount: 0n, failed: 0 });
    });

    it('of some channels do not wait until thousands of others are read', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-claims-'));
        const store = await openWorkerStore(join(folder, 'worker.db'));
        fixture = await startFixture({}, { store });
        const clients = await Promise.all(Array.from({ length: 2 }, () => withJob()));
        await Promise.all(clients.map((client) => client.pay(client.voucher(5n, 0))));
        const claimable = store.jobs.claimable.bind(store.jobs);
        jest.spyOn(store.jobs, 'claimable').mockImplementation((options) => claimable({ ...options, limit: 1 }));
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        let first: TestClient | undefined;
        chain.account = async (address) => {
            const client = clients.find(({ channel }) => channel.equals(address));
            first ??= client;
            await (client === undefined || client === first
                ? undefined
                : until(() => chain.paidBy(first!.channel) > 0n));
            return read(address);
        };

        expect(await fixture.worker.claimNow()).toEqual({ claimed: 2, amount: 10n, failed: 0 });
        expect(fixture.wallet.orders.map((order) => order.length)).toEqual([1, 1]);
        rmSync(folder, { recursive: true });
    });

    it('are no more than the wallet can pay for', async () => {
        fixture = await startFixture();
        const clients = await Promise.all(Array.from({ length: 3 }, () => withJob()));
        await Promise.all(clients.map((client) => client.pay(client.voucher(5n, 0))));
        fixture.wallet.coins = 10_000_000n + 2n * 14_000_000n;
        await fixture.worker.claimNow();
        expect(fixture.wallet.orders.map((order) => order.length)).toEqual([2, 1]);
        fixture.wallet.coins = 1n;
        await clients[0].pay(clients[0].voucher(6n, 0));
        expect(await fixture.worker.claimNow()).toEqual({ claimed: 0, amount: 0n, failed: 0 });
    });

    it('take everything from a channel whose client leaves, and end it when nothing is open', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1700 });
        await client.pay(client.voucher(10n, 0));
        await until(() => fixture.wallet.orders.length === 1);
        expect(opcodeOf(fixture.wallet.orders[0][0].body)).toBe(opcodes.ClaimLast);
        await until(async () => (await fixture.worker.status()).jobs.ended === 1);
    });

    it('find out that a client leaves without its doing anything', async () => {
        fixture = await startFixture({ ...soon, marginSeconds: 4 });
        const client = await withJob();
        await client.pay(client.voucher(10n, 0));
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(0);
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 4 });
        await until(() => fixture.wallet.orders.length === 1); // within a quarter of the margin
    });

    it('leave a channel open whose client still owes for an answer', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        await client.ask(1, 'one two', { pays: false });
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1700 });
        await client.pay(client.voucher(10n, 0));
        await until(() => fixture.wallet.orders.length === 1);
        expect(opcodeOf(fixture.wallet.orders[0][0].body)).toBe(opcodes.Claim);

        await client.pay(client.voucher(4n * TOKEN, 1));
        await until(() => fixture.wallet.orders.length === 2);
        expect(opcodeOf(fixture.wallet.orders[1][0].body)).toBe(opcodes.ClaimLast);
    });

    it('end a job that its client has ended, whether or not anything is owed', async () => {
        fixture = await startFixture();
        const [used, unused] = [await withJob(), await withJob()];
        await used.ask(1, 'one two');
        await Promise.all([used.end(), unused.end()]);
        await until(() => fixture.chain.accounts.size === 1); // the wallet's
        await until(async () => {
            await fixture.worker.claimNow(); // a channel is looked at twice before its job ends
            return (await fixture.worker.status()).jobs.ended === 2;
        });
        expect((await used.ask(2, 'more')).refusal).toMatchObject({ code: 'wrong_channel' });
    });

    it('know the end that they made: nothing looks gone, nothing is lost, also after a restart', async () => {
        const lines: string[] = [];
        const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
        const chain = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 };
        fixture = await startFixture({ chain }, { log });
        const [one, two] = [await withJob(), await withJob()];
        for (const client of [one, two]) {
            await client.ask(1, 'one two');
            await client.end();
        }
        await until(() => fixture.chain.accounts.size === 1);
        for (let look = 0; look < 4; look++) {
            await fixture.worker.claimNow();
            fixture.chain.advance(301);
            if (look === 0) await fixture.restart({ chain });
        }

        expect((await fixture.worker.status()).jobs).toEqual({ open: 0, ending: 0, ended: 2 });
        expect(lines.filter((line) => /gone|lost|nobody/.test(line))).toEqual([]);
        expect(lines.filter((line) => line.includes('"claimed"'))).toHaveLength(2);
    });

    it.each([
        { minAmount: 4n * TOKEN, orders: 1 },
        { minAmount: 4n * TOKEN + 1n, orders: 0 },
    ])('are not sent for less than they cost: $orders of a job worth 40000 nanoTON', async ({ minAmount, orders }) => {
        const claim = { seconds: 0.02, minAmount: minAmount.toString() };
        fixture = await startFixture({ claim });
        const client = await withJob();
        await client.ask(1, 'one two');
        expect(client.newest!.cumulative).toBe(4n * TOKEN);
        const ended = await client.end();
        await claimRound();
        await fixture.worker.claimNow();
        if (orders === 0) {
            fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1000 });
        }
        await claimRound();

        expect(ended.body).toEqual({ claims: orders === 1 });
        expect(fixture.wallet.orders).toHaveLength(orders);
    });

    it('end no job that brought nothing, and one that brought twice what they cost', async () => {
        const claim = { seconds: 0.02, threshold: '1', minAmount: (2n * TOKEN).toString() };
        fixture = await startFixture({ claim });
        const [unused, used] = [await withJob(), await withJob()];
        await used.ask(1, 'one two');
        await until(() => fixture.chain.paidBy(used.channel) === 4n * TOKEN);

        expect([(await unused.end()).body, (await used.end()).body]).toEqual([{ claims: false }, { claims: true }]);
        await until(() => !fixture.chain.accounts.has(used.channel.toRawString()));
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(2); // both of the used one
    });

    it('never end a channel whose payout is another wallet', async () => {
        fixture = await startFixture({ ...soon, payout: account(0x44).toRawString() });
        const client = await withJob();
        await client.pay(client.voucher(10n, 0));
        await client.end();
        await until(() => fixture.wallet.orders.length === 1);
        await claimRound();
        expect(fixture.wallet.orders.map(([transfer]) => opcodeOf(transfer.body))).toEqual([opcodes.Claim]);
    });

    it('survive a chain that does not answer and a wallet that does not send', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        fixture.chain.down = true;
        await claimRound();
        fixture.chain.down = false;
        fixture.wallet.failing = 2;
        await client.pay(client.voucher(5000n, 0));
        await until(() => fixture.wallet.failing === 0);
        fixture.chain.advance(10); // the pause between attempts
        await until(() => fixture.chain.paidBy(client.channel) === 5000n);
    });

    it('are sent when the getter of the channel with the nearest refund fails at the API', async () => {
        fixture = await startFixture();
        const [broken, other] = [await withJob(), await withJob()];
        const fails = { getClaimValue: () => Promise.reject(new Error('exit code 11')) };
        fixture.chain.getters.set(broken.channel.toRawString(), fails);
        fixture.chain.change(broken.channel, { refundAt: fixture.chain.now() + 1000 });
        await broken.pay(broken.voucher(5n, 0));
        await other.pay(other.voucher(7n, 0));

        expect(await fixture.worker.claimNow()).toEqual({ claimed: 2, amount: 12n, failed: 0 });
    });

    it('ask what a claim must carry before all that is only read', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.pay(client.voucher(5n, 0));
        const { chain } = fixture;
        const asked: string[] = [];
        chain.as = (urgency) => {
            const getClaimValue = async () => (asked.push(urgency), 10_000_000n);
            return Object.assign(Object.create(chain) as typeof chain, { open: () => ({ getClaimValue }) });
        };

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1 });
        expect(asked).toEqual(['urgent']);
    });

    it('wait for the next look where no channel says what a claim must carry', async () => {
        fixture = await startFixture();
        const client = await withJob();
        const fails = { getClaimValue: () => Promise.reject(new Error('exit code 11')) };
        fixture.chain.getters.set(client.channel.toRawString(), fails);
        await client.pay(client.voucher(5n, 0));

        await expect(fixture.worker.claimNow()).rejects.toThrow('exit code 11');
        expect(fixture.wallet.orders).toHaveLength(0);
    });

    it('are counted once when another claims first', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.pay(client.voucher(700n, 0));
        fixture.chain.change(client.channel, { paid: 700n, balance: 300n });
        expect(await fixture.worker.claimNow()).toEqual({ claimed: 0, amount: 0n, failed: 0 });
        expect((await fixture.worker.status()).unclaimed).toBe(0n);
    });
});

describe('the admin socket', () => {
    it('answers status and claims what there is; nobody answers when no worker runs', async () => {
        fixture = await startFixture();
        const store = `${fixture.folder}/worker.db`;
        expect(await askWorker({ store }, 'GET', '/status')).toBeUndefined();
        const admin = await serveAdmin({ store }, fixture.worker, async () => undefined);
        const client = await withJob();
        await client.pay(client.voucher(5n, 0));

        const totals = { jobs: { open: 1, ending: 0, ended: 0 }, unclaimed: '5', running: 0 };
        expect(await askWorker({ store }, 'GET', '/status')).toMatchObject(totals);
        expect(await askWorker({ store }, 'POST', '/claim')).toEqual({ claimed: 1, amount: '5', failed: 0 });
        admin!.close();
        expect(await askWorker({ store }, 'GET', '/status')).toBeUndefined();
    });
});

describe('Channels that were lost', () => {
    const gone = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 0 };

    /** Jobs that ended with so much unpaid; how many of their channels the next worker's first look reads. */
    async function readOf(count: number, owed: bigint, minAmount: string): Promise<number> {
        const overrides = { chain: gone, claim: { seconds: 1000, threshold: '100000', minAmount } };
        fixture = await startFixture(overrides);
        const { chain } = fixture;
        const clients = await Promise.all(Array.from({ length: count }, () => withJob()));
        await Promise.all(clients.map((client) => client.pay(client.voucher(owed, 0))));
        clients.forEach((client) => chain.remove(client.channel));
        chain.advance(2 * 86_400);
        for (let look = 0; look < 4; look++) await fixture.worker.claimNow();
        expect((await fixture.worker.status()).jobs.ended).toBe(count);
        const other = await withJob();
        await other.pay(other.voucher(200_000n, 0));
        await fixture.worker.close();
        chain.reads = 0;
        await fixture.restart(overrides);
        await until(() => chain.paidBy(other.channel) === 200_000n);
        return chain.reads;
    }

    it('are not looked for where they are worth less than a claim costs', async () => {
        expect(await readOf(10, 5n, '1000')).toBeLessThan(10);
    });

    const doubtful = {
        chain: { ...gone, confirmSeconds: 600 },
        claim: { seconds: 1000, threshold: '100000', minAmount: '1000' },
    };
    /** One look, which the end of another job brings about. */
    async function look(): Promise<void> {
        const { reads } = fixture.chain;
        await (await withJob()).end();
        await until(() => fixture.chain.reads > reads + 2);
        await new Promise((resolve) => setTimeout(resolve, 200));
    }

    it('and only look gone, are read as often as others, so that no client leaves meanwhile', async () => {
        fixture = await startFixture(doubtful);
        const client = await withJob();
        await client.pay(client.voucher(5000n, 0));
        const account = fixture.chain.accounts.get(client.channel.toRawString())!;
        fixture.chain.remove(client.channel);
        for (const seconds of [500, 1300]) {
            fixture.chain.advance(seconds);
            await look();
        }
        fixture.chain.accounts.set(client.channel.toRawString(), account);
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1800 });
        fixture.chain.advance(460);
        await look();

        await until(() => !fixture.chain.accounts.has(client.channel.toRawString()));
        expect(fixture.wallet.orders).toHaveLength(1);
    });

    it('and only look gone, are read after the claims, a few at a time', async () => {
        fixture = await startFixture(doubtful);
        const lost = await Promise.all(Array.from({ length: 60 }, () => withJob()));
        await Promise.all(lost.map((client) => client.pay(client.voucher(5000n, 0))));
        await look();
        lost.forEach(({ channel }) => fixture.chain.remove(channel));
        for (const seconds of [500, 1300]) {
            fixture.chain.advance(seconds);
            await look();
        }
        const other = await withJob();
        await other.pay(other.voucher(200_000n, 0));
        fixture.chain.advance(3700);
        fixture.chain.reads = 0;
        await other.end();
        await until(() => !fixture.chain.accounts.has(other.channel.toRawString()));

        expect(fixture.chain.reads).toBeLessThan(30);
    });

    it('are looked for a few at a time, so that no claim waits for many', async () => {
        expect(await readOf(60, 5000n, '1000')).toBeLessThan(30);
    });
});
