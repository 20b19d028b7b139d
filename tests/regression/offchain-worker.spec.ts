// Longer than 350 lines because its cases share one set-up.
import { Channel, Reason, termsCell } from '@cocoon-market/wrappers';
import { type Address, beginCell, Cell } from '@ton/core';
import { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { type ChainAccount, ChainError } from '../../offchain/chain';
import { BytesInUse } from '../../offchain/process/doors';
import { encodeQuery, paths } from '../../offchain/link';
import type { Step } from '../offchain/support/backend';
import { FakeChain } from '../offchain/support/chain';
import { DAY, type Sealed, TestClient } from '../offchain/support/client';
import { until } from '../offchain/support/until';
import { claimRound, type Fixture, holdReadings, startFixture, TOKEN } from '../offchain/support/worker';

let fixture: Fixture;

const withJob = (terms = {}, deposit?: bigint) => TestClient.withJob(fixture.worker.url, fixture.chain, terms, deposit);

/** Sends a query and goes away once it has left; resolves when the connection is gone. */
async function sendAndLeave(query: Sealed): Promise<void> {
    const leave = new AbortController();
    const sending = request(fixture.worker.url + paths.query, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: encodeQuery(query.head, query.sealed),
        signal: leave.signal,
    });
    await sleep(50);
    leave.abort();
    await sending.catch(() => undefined);
    await sleep(50);
}

const waiting: Step[] = [
    { type: 'prompt', prompt: 1, cached: 0 },
    { type: 'delta', content: 'word ', tokens: 1 },
    { type: 'pause' },
    { type: 'end', finish: 'stop' },
];

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

describe('A client that sends many queries while the worker reads the channel', () => {
    /** Sends the queries so that all of them are decided on in one moment. */
    async function atOnce(client: TestClient, numbers: number[], ceiling?: bigint) {
        const release = holdReadings(fixture.chain);
        const options = ceiling === undefined ? {} : { ceiling };
        const answers = numbers.map((number) => client.ask(number, 'hello', options));
        await sleep(100);
        release();
        await fixture.backend.atPause();
        await sleep(100);
        const started = fixture.backend.requests.length;
        fixture.backend.script = () => waiting;
        fixture.backend.go();
        return { started, answers: await Promise.all(answers) };
    }

    it('gets no more of them run than the terms allow', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => waiting;
        const client = await withJob({ maxParallel: 1 });

        const { started, answers } = await atOnce(client, [1, 2, 3, 4]);

        expect(started).toBe(1);
        expect(answers.filter(({ accept }) => accept !== undefined)).toHaveLength(1);
        expect(answers.filter(({ decline }) => decline !== undefined)).toHaveLength(3);
    });

    it('gets none accepted that its money does not cover', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => waiting;
        const client = await withJob({ maxParallel: 4 }, 8_000_000n);

        const { answers } = await atOnce(client, [1, 2, 3], 5_000_000n);

        expect(answers.filter(({ accept }) => accept !== undefined)).toHaveLength(1);
    });

    it('cannot have a number run twice, or run where the worker does not count it', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => waiting;
        const client = await withJob();

        const { started, answers } = await atOnce(client, [1, 1]);

        expect(started).toBe(1);
        expect(answers.filter(({ accept }) => accept !== undefined)).toHaveLength(1);
        expect(answers.filter(({ refusal }) => refusal?.code === 'running')).toHaveLength(1);
    });
});

describe('Two clients whose requests are large and wait for their channels', () => {
    it('keep no short question of another client from being answered', async () => {
        fixture = await startFixture();
        const large = [await withJob(), await withJob()];
        const client = await withJob();
        const read = fixture.chain.account.bind(fixture.chain);
        let release!: () => void;
        const held = new Promise<void>((resolve) => (release = resolve));
        fixture.chain.account = async (address) => {
            await (large.some(({ channel }) => channel.equals(address)) ? held : undefined);
            return read(address);
        };
        const text = 'x'.repeat((2 << 20) - 2000);
        const waiting = large.flatMap((one) =>
            [1, 2, 3, 4, 5, 6, 7, 8].map((number) => one.ask(number, text, { model: 'none' })),
        );
        const decided = jest.spyOn(BytesInUse.prototype, 'take');
        await until(() => decided.mock.calls.length === waiting.length);

        expect(await client.ask(1, 'y'.repeat(50_000), { ceiling: 900_000_000n, maxTokens: 1 })).toMatchObject({
            status: 200,
        });
        release();
        await Promise.all(waiting);
    });
});

describe('A client that goes away', () => {
    it('before its query is accepted does not keep the query running for ever', async () => {
        fixture = await startFixture();
        const client = await withJob();
        const query = client.seal(1, 'hello');
        const release = holdReadings(fixture.chain);
        await sendAndLeave(query);
        release();
        await until(async () => (await client.state()).highest === 1);
        await until(async () => (await fixture.worker.status()).running === 0);

        expect((await client.fetch(query)).fail).toBeDefined();
    });
});

describe('A client that reads nothing', () => {
    it('does not keep the worker from signing the result before the deadline of its accept', async () => {
        fixture = await startFixture({ answerSeconds: 1 });
        const client = await withJob();
        const query = client.seal(1, 'hello');
        jest.spyOn(ServerResponse.prototype, 'write').mockReturnValue(false); // the peer's window stays shut
        const left = sendAndLeaveAfter(query, 2000);
        await until(async () => (await client.state()).highest === 1);
        await sleep(1200);

        expect((await fixture.worker.status()).running).toBe(0);
        const { accept, fail, result } = await client.fetch(query);
        const signedAt = fail?.signedAt ?? result!.finishedAt;
        expect(signedAt).toBeLessThanOrEqual(accept!.deadline);
        await left;
    });

    async function sendAndLeaveAfter(query: Sealed, ms: number): Promise<void> {
        await request(fixture.worker.url + paths.query, {
            method: 'POST',
            headers: { 'content-type': 'application/octet-stream' },
            body: encodeQuery(query.head, query.sealed),
            signal: AbortSignal.timeout(ms),
        }).catch(() => undefined);
    }
});

describe('A client that leaves while claims fail', () => {
    it('is claimed from before its refund, however often a claim has failed', async () => {
        const claim = { seconds: 0.02, threshold: '1000', attempts: 1 };
        fixture = await startFixture({ claim });
        const client = await withJob();
        fixture.wallet.failing = 1;
        await client.pay(client.voucher(TOKEN, 0));
        await until(() => fixture.wallet.failing === 0);
        await claimRound();
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 3600 });

        fixture.chain.advance(1800); // half of the notice, when the margin begins
        await claimRound();

        expect(fixture.wallet.orders).toHaveLength(1); // which took all, and ended the channel
        expect(fixture.chain.accounts.has(client.channel.toRawString())).toBe(false);
    });
});

describe('An API of the chain that says a channel is gone', () => {
    const chain = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 };

    /** Hides the channel as the API would; the returned function shows it again. */
    function hide({ channel }: TestClient): () => void {
        const account = fixture.chain.accounts.get(channel.toRawString())!;
        fixture.chain.remove(channel);
        return () => void fixture.chain.accounts.set(channel.toRawString(), account);
    }

    it('and is wrong costs no voucher: the job rests, takes vouchers, and goes on when it is there again', async () => {
        fixture = await startFixture({ chain });
        const client = await withJob();
        await client.ask(1, 'one');
        const show = hide(client);

        expect((await client.ask(2, 'two')).refusal).toMatchObject({ code: 'internal' });
        expect((await client.pay(client.voucher(TOKEN * 2n, 1))).status).toBe(200);
        expect(await fixture.worker.claimNow()).toEqual({ claimed: 0, amount: 0n, failed: 0 });
        show();

        expect((await client.ask(2, 'two')).text).toBe('two');
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, failed: 0 });
    });

    it('for hours does not end a job with unpaid vouchers before its refund', async () => {
        fixture = await startFixture({ chain });
        const client = await withJob();
        await client.pay(client.voucher(5n, 0));
        const show = hide(client);
        for (let hour = 0; hour < 20; hour++) {
            await fixture.worker.claimNow();
            fixture.chain.advance(3600);
        }
        expect((await fixture.worker.status()).jobs).toMatchObject({ open: 1, ended: 0 });

        show();
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: 5n });
    });

    it('ends a job that it owes nothing after ten minutes, and one with vouchers after its terms', async () => {
        fixture = await startFixture({ chain });
        const [empty, owed] = [await withJob(), await withJob()];
        await owed.pay(owed.voucher(5n, 0));
        [empty, owed].forEach(hide);
        const ended = async () => (await fixture.worker.status()).jobs.ended;
        const look = async () => void (await Promise.all([empty, owed].map((client) => client.ask(1, 'one'))));

        await look();
        fixture.chain.advance(300);
        await look();
        fixture.chain.advance(280); // less than ten minutes, also if the test itself takes long
        await look();
        expect(await ended()).toBe(0);
        fixture.chain.advance(21);
        await look();
        expect(await ended()).toBe(1);
        fixture.chain.advance(DAY - 700);
        await look();
        expect(await ended()).toBe(1);
        fixture.chain.advance(101);
        await look();
        expect(await ended()).toBe(2);
    });

    it('after its own last claim, which was not taken, is wrong: the vouchers are claimed when it is there again', async () => {
        fixture = await startFixture({ chain });
        const client = await withJob();
        await client.ask(1, 'one');
        await client.pay(client.voucher(TOKEN * 2n, 1));
        fixture.wallet.failing = 1;
        await client.end();
        await until(() => fixture.wallet.failing === 0);
        const show = hide(client);
        for (let look = 0; look < 4; look++) {
            await fixture.worker.claimNow();
            fixture.chain.advance(301);
        }
        expect((await fixture.worker.status()).jobs.ended).toBe(1);
        await fixture.restart({ chain });
        show();

        await fixture.worker.claimNow();
        expect(fixture.wallet.orders).toHaveLength(1);
        expect(fixture.chain.accounts.has(client.channel.toRawString())).toBe(false);
    });

    it('for days ends no job of which nothing was said at another endpoint', async () => {
        fixture = await startFixture({ chain });
        const client = await withJob();
        const elsewhere = fixture.chain.accounts.get(client.channel.toRawString())!;
        const other = { account: async () => ({ ...elsewhere, at: fixture.chain.now() }) };
        (fixture.chain as { others?: unknown[] }).others = [other];
        await fixture.restart({ chain });
        client.url = fixture.worker.url;
        hide(client);
        for (let hour = 0; hour < 20; hour++) {
            await client.ask(1, 'one');
            fixture.chain.advance(3600);
        }

        expect((await fixture.worker.status()).jobs).toMatchObject({ open: 1, ended: 0 });
    });
});

describe('An endpoint that hides a channel', () => {
    it('does not keep its vouchers from being claimed while another endpoint shows it', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.ask(1, 'one');
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const hiding = async (address: Address) => {
            const account = await read(address);
            return address.equals(client.channel) ? { ...account, state: 'uninitialized' as const } : account;
        };
        (chain as { others?: unknown[] }).others = [{ account: hiding }, { account: read }];
        chain.account = hiding;

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, failed: 0 });
        expect(chain.paidBy(client.channel)).toBe(client.owed());
        await fixture.worker.claimNow();
        expect(fixture.wallet.orders).toHaveLength(1);
    });

    it('need not say what a claim of it must carry, which the other endpoint says', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.ask(1, 'one');
        const { chain } = fixture;
        const [read, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        (chain as { others?: unknown[] }).others = [{ account: read, open }];
        chain.account = async (address) => ({ ...(await read(address)), state: 'uninitialized' });
        chain.open = (contract) => ({
            ...open(contract),
            getClaimValue: () => Promise.reject(new ChainError('no such account')),
        });

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, failed: 0 });
        expect(chain.paidBy(client.channel)).toBe(client.owed());
    });
});

describe('An endpoint that lies about what can be claimed', () => {
    const OWED = 5000n;

    let client: TestClient;
    let seconds: number;

    beforeEach(async () => {
        seconds = 0;
        const claim = { threshold: '1000', minAmount: '10', seconds: 10_000 };
        const settings = { claim, chain: { confirmSeconds: 600, pollSeconds: 0.001 } };
        fixture = await startFixture(settings, { steady: () => seconds });
        client = await withJob();
        await client.pay(client.voucher(OWED, 0));
    });

    /** From now on the first endpoint, or the second, says this of the channel, and the other tells the truth. */
    function lie(change: Parameters<typeof fixture.chain.change>[1], isFirst = true): void {
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const liar = new FakeChain();
        const { code, data, balance } = chain.accounts.get(client.channel.toRawString())!;
        liar.set(client.channel, { code: code!, data: data!, balance });
        liar.change(client.channel, change);
        const lying = async (address: Address) =>
            address.equals(client.channel) ? { ...(await liar.account(address)), at: chain.now() } : read(address);
        const all = isFirst ? [lying, read] : [read, lying];
        (chain as { others?: unknown[] }).others = all.map((account) => ({ account }));
        chain.account = all[0];
    }

    it.each([
        ['has paid', { paid: OWED }],
        ['is empty', { balance: 0n }],
    ])('and says that the channel %s keeps its vouchers from being claimed for a while only', async (_, change) => {
        lie(change);
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0 });
        seconds += 1300;

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
        expect(fixture.chain.paidBy(client.channel)).toBe(OWED);
    });

    it.each([
        ['is another contract', async () => ({ code: Cell.EMPTY })],
        ['has paid more than anyone promised', async () => ({ paid: OWED + 1n })],
        ['lasts longer than its terms', async () => ({ refundAt: 0xffff_ffff })],
        ['cannot be read', () => Promise.reject(new Error('no bag of cells'))],
    ])(
        'and says for ever that the channel %s keeps its vouchers from being claimed for a while only',
        async (_, change: () => Promise<{ code?: Cell; paid?: bigint; refundAt?: number }>) => {
            lie({});
            const { chain } = fixture;
            const tell = chain.account.bind(chain);
            const lying = async (address: Address) => {
                const account = await tell(address);
                if (!address.equals(client.channel)) {
                    return account;
                }
                const { code, ...changed } = await change();
                const liar = new FakeChain();
                liar.set(address, { code: code ?? account.code!, data: account.data!, balance: account.balance });
                if (code === undefined) {
                    liar.change(address, changed);
                }
                return { ...(await liar.account(address)), at: chain.now() };
            };
            chain.account = lying;
            (chain as { others?: { account: unknown }[] }).others![0].account = lying;
            expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0 });
            seconds += 1300;

            expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
            expect(fixture.chain.paidBy(client.channel)).toBe(OWED);
        },
    );

    it('and says that the channel is gone after a last claim, which could not pay, keeps its vouchers for a while only', async () => {
        const { chain, wallet } = fixture;
        const read = chain.account.bind(chain);
        const gone = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        const lying = async (address: Address) =>
            address.equals(client.channel) ? { ...gone, at: chain.now() } : read(address);
        const sent = jest.spyOn(wallet, 'send').mockImplementation(async () => {
            // The order carried what that endpoint called enough, and the channel refused it.
            (chain as { others?: unknown[] }).others = [{ account: lying }, { account: read }];
            chain.account = lying;
        });
        await client.end();
        await fixture.worker.claimNow();
        sent.mockRestore();
        for (let round = 0; round < 5; round++) {
            seconds += 300;
            chain.advance(300);
            await fixture.worker.claimNow();
        }

        expect(chain.paidBy(client.channel)).toBe(OWED);
    });

    it('and says that the channel has not paid makes the wallet pay for a few claims only', async () => {
        lie({}, false);
        fixture.chain.change(client.channel, { paid: OWED });
        for (let round = 0; round < 20; round++) {
            seconds += 1300;
            await fixture.worker.claimNow();
        }

        expect(fixture.wallet.orders).toHaveLength(5);
    });

    it('and says that a claim must carry what no wallet has keeps nothing from being claimed', async () => {
        const { chain } = fixture;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        chain.open = (contract) => ({ ...open(contract), getClaimValue: async () => 10n ** 15n });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open },
        ];
        fixture.wallet.coins = 30_000_000n; // for what a claim needs, and not for the most that an endpoint is believed
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0 });

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
    });

    it('and says that a claim must carry nearly all that the wallet has leaves room for others in the same order', async () => {
        const { chain, wallet } = fixture;
        const others = await Promise.all([withJob(), withJob()]);
        await Promise.all(others.map((other) => other.pay(other.voucher(OWED, 0))));
        wallet.coins = 300_000_000n;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        chain.open = (contract) => ({ ...open(contract), getClaimValue: async () => 250_000_000n });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open },
        ];
        await fixture.worker.claimNow();

        expect(wallet.orders.map((order) => order.length)).toEqual([3]);
    });

    it('and says that a claim must carry far more than others require keeps nothing from being claimed', async () => {
        const { chain, wallet } = fixture;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        const needed = 40_000_000n;
        const dear: typeof open = (contract) => ({ ...open(contract), getClaimValue: async () => needed });
        chain.open = (contract) => ({ ...open(contract), getClaimValue: async () => 10n ** 15n });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open: dear },
            { account, open: dear },
        ];
        const send = jest.spyOn(wallet, 'send');
        await fixture.worker.claimNow();

        expect(send.mock.calls[0][0].map(({ value }) => value)).toEqual([(needed * 11n) / 10n]);
    });

    it('and says that a claim must carry less than it must keeps none of two channels from being claimed', async () => {
        const { chain, wallet } = fixture;
        const other = await withJob();
        await other.pay(other.voucher(OWED, 0));
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        const needed = await chain.open(Channel.fromAddress(client.channel)).getClaimValue();
        chain.open = (contract) => ({ ...open(contract), getClaimValue: async () => needed / 2n });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open },
        ];
        const send = wallet.send.bind(wallet);
        jest.spyOn(wallet, 'send').mockImplementation((transfers, note) =>
            send(
                transfers.filter(({ value }) => value >= needed),
                note,
            ),
        );
        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0, failed: 2 });

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 2, amount: 2n * OWED });
    });

    it.each([
        ['less than nothing', -1_000_000_000n],
        ['what the fees of a message make up for', -2_727_273n],
    ])('and names %s as what a claim must carry keeps nothing from being claimed', async (_, value) => {
        const { chain } = fixture;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        chain.open = (contract) => ({ ...open(contract), getClaimValue: async () => value });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open },
        ];

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
    });

    it('and never says what a claim must carry keeps nothing from being claimed', async () => {
        const { chain } = fixture;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        const getClaimValue = () => Promise.reject(new Error('exit code 11'));
        chain.open = (contract) => ({ ...open(contract), getClaimValue });
        (chain as { others?: unknown[] }).others = [
            { account, open: chain.open },
            { account, open },
        ];

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
    });

    it('and takes minutes to say nothing of what a claim must carry is asked once for an order', async () => {
        const { chain } = fixture;
        const [account, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        let asked = 0;
        const getClaimValue = () => {
            asked++;
            seconds += 100;
            return Promise.reject(new Error('it does not answer'));
        };
        chain.open = (contract) => ({ ...open(contract), getClaimValue });
        (chain as { others?: unknown[] }).others = [1, 2].map(() => ({ account, open: chain.open }));

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
        expect(asked).toBe(3); // the first, and each of them
    });

    it('and never says what a claim must carry of channels that are gone keeps no other from being claimed', async () => {
        const { chain } = fixture;
        const gone = await Promise.all([withJob(), withJob(), withJob()]);
        const shown = new Map<string, ChainAccount>();
        for (const one of gone) {
            await one.pay(one.voucher(OWED, 0));
            chain.change(one.channel, { refundAt: chain.now() + 1000 }); // the first to be claimed
            shown.set(one.channel.toRawString(), await chain.account(one.channel));
            chain.remove(one.channel);
        }
        const [read, open] = [chain.account.bind(chain), chain.open.bind(chain)];
        const fails = () => Promise.reject(new Error('exit code 11'));
        const honest: Pick<FakeChain, 'account' | 'open'> = {
            account: read,
            open: (contract) =>
                shown.has(contract.address.toRawString())
                    ? { ...open(contract), getClaimValue: fails }
                    : open(contract),
        };
        chain.account = async (address) => {
            const old = shown.get(address.toRawString());
            return old === undefined ? read(address) : { ...old, at: chain.now() };
        };
        chain.open = (contract) => ({ ...open(contract), getClaimValue: fails });
        const others = [{ account: chain.account, open: chain.open }, honest, honest];
        (chain as { others?: unknown[] }).others = others;
        await fixture.worker.claimNow();

        expect(chain.paidBy(client.channel)).toBe(OWED);
    });

    it('and shows a wallet that nobody can read keeps nothing from being claimed', async () => {
        const { chain, wallet } = fixture;
        jest.spyOn(wallet, 'balance').mockRejectedValue(new Error('no bag of cells'));
        const read = chain.account.bind(chain);
        const unread = () => Promise.reject(new Error('no bag of cells'));
        (chain as { others?: unknown[] }).others = [{ account: unread }, { account: read }];

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
    });

    it('and says that the wallet is empty keeps nothing from being claimed', async () => {
        const { chain, wallet } = fixture;
        jest.spyOn(wallet, 'balance').mockResolvedValue(0n);
        const read = chain.account.bind(chain);
        (chain as { others?: unknown[] }).others = [{ account: async () => ({ balance: 0n }) }, { account: read }];

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
    });
});

describe('One of three endpoints that makes up what channels hold', () => {
    /** The first endpoint shows the account of a channel with another balance, and the others as `honest`. */
    function lie(channel: Address, balance: bigint, honest: (address: Address) => Promise<ChainAccount>): void {
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        chain.account = async (address) => ({ ...(await read(address)), ...(address.equals(channel) && { balance }) });
        const others = [chain.account, honest, honest].map((account) => ({ account, open: chain.open.bind(chain) }));
        (chain as { others?: unknown[] }).others = others;
    }

    /** A client whose channel is open, and was not shown to the worker yet. */
    async function withChannel(config: Parameters<typeof startFixture>[0] = {}, deposit?: bigint): Promise<TestClient> {
        fixture = await startFixture(config);
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft();
        await client.open(deposit);
        return client;
    }

    /** The first of three endpoints shows a channel as it likes. */
    function showFirst(channel: Address, show: (shown: ChainAccount) => Promise<ChainAccount>): void {
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        chain.account = async (address) => (address.equals(channel) ? show(await honest(address)) : honest(address));
        const others = [chain.account, honest, honest].map((account) => ({ account, open: chain.open.bind(chain) }));
        (chain as { others?: unknown[] }).others = others;
    }

    async function changed(
        { code, data, balance, at }: ChainAccount,
        channel: Address,
        change: Parameters<FakeChain['change']>[1],
    ): Promise<ChainAccount> {
        const other = new FakeChain();
        other.set(channel, { code: code!, data: data!, balance });
        other.change(channel, change);
        return { ...(await other.account(channel)), at };
    }

    it('has no job begun in a channel that no other shows', async () => {
        const client = await withChannel();
        const nothing = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        lie(client.channel, 10n ** 12n, async () => ({ ...nothing, at: fixture.chain.now() }));

        const { status, body } = await client.register();
        expect([status, body.error?.code]).toEqual([422, 'wrong_channel']);
    });

    it('has no new job refused by hiding its channel, for which its client would leave it', async () => {
        const client = await withChannel();
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        const hides = async (address: Address): Promise<ChainAccount> => ({
            ...(await honest(address)),
            ...(address.equals(client.channel) && { state: 'uninitialized', balance: 0n, code: undefined }),
        });
        chain.account = hides;
        const others = [hides, honest, hides].map((account) => ({ account }));
        (chain as { others?: unknown[] }).others = others;
        const { status, body } = await client.register();
        expect([status, body.error?.code]).toEqual([503, 'chain_down']); // one shows it

        others[2].account = honest;
        expect((await client.register()).status).toBe(200);
        expect((await client.ask(1, 'one')).text).toBe('one'); // it hides the channel still
    });

    it('has no query refused by hiding its channel and keeping back its word when all are asked', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        chain.account = async (address) => ({
            ...(await honest(address)),
            ...(address.equals(client.channel) && { state: 'uninitialized', balance: 0n, code: undefined }),
        });
        let release = () => undefined as void;
        const over = new Promise<void>((resolve) => (release = resolve));
        const late = (address: Address) => over.then(() => honest(address));
        (chain as { others?: unknown[] }).others = [late, honest, honest].map((account) => ({ account }));

        expect((await client.ask(1, 'one')).text).toBe('one');
        release();
    });

    it.each<[string, { paid?: bigint; balance?: bigint; refundAt?: number }]>([
        ['is empty', { balance: 0n }],
        ['has paid before', { paid: 1n }],
        ['is refunded soon', { refundAt: 1 }],
    ])('has no new job refused by saying that its channel %s', async (_, change) => {
        const client = await withChannel({ limits: { minDeposit: '1000' } }, 10n ** 9n);
        showFirst(client.channel, (shown) => changed(shown, client.channel, change));

        const { status, body } = await client.register();
        expect([status, body.balance]).toEqual([200, String(10n ** 9n)]);
    });

    it('has no new job refused by showing more in its channel than there is, and nothing beyond is answered', async () => {
        const client = await withChannel({}, 10n ** 9n);
        lie(client.channel, 10n ** 12n, fixture.chain.account.bind(fixture.chain));

        expect((await client.register()).status).toBe(200);
        const { decline } = await client.ask(1, 'one', { ceiling: 10n ** 9n + 1n });
        expect(decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await client.ask(2, 'two', { ceiling: 10n ** 8n })).text).toBe('two');
    });

    it('has no new job refused by showing another contract where its channel is', async () => {
        const client = await withChannel({}, 10n ** 9n);
        showFirst(client.channel, async (shown) => ({ ...shown, code: shown.data }));

        const { status, body } = await client.register();
        expect([status, body.balance]).toEqual([200, String(10n ** 9n)]);
    });

    it.each<[string, (shown: ChainAccount, channel: Address) => Promise<ChainAccount>]>([
        [
            'a channel that has paid more than was promised',
            (shown, channel) => changed(shown, channel, { paid: 10n ** 8n }),
        ],
        [
            'one that lasts longer than its terms',
            (shown, channel) => changed(shown, channel, { refundAt: 0xffff_ffff }),
        ],
        ['another contract', async (shown) => ({ ...shown, code: shown.data })],
    ])('has no query of a job refused by showing %s', async (_, show) => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        client.url = (await fixture.restart()).url; // nobody has read the channel since
        showFirst(client.channel, (shown) => show(shown, client.channel));

        expect((await client.register()).status).toBe(200);
        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('has no query of a new job refused by showing less than there is', async () => {
        const client = await withChannel({ limits: { minDeposit: '1000' } }, 10n ** 9n);
        showFirst(client.channel, (shown) => changed(shown, client.channel, { balance: 50_000_000n }));
        const { status, body } = await client.register();

        expect([status, body.balance]).toEqual([200, String(10n ** 9n)]);
        expect((await client.ask(1, 'one', { ceiling: 900_000_000n })).text).toBe('one');
    });

    it('has no job begun while strangers use up the calls to the others', async () => {
        const client = await withChannel();
        const busy = () => Promise.reject(new ChainError('it takes no more calls', undefined, { busy: true }));
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const others = [read, busy, busy].map((account) => ({ account, open: chain.open.bind(chain) }));
        (chain as { others?: unknown[] }).others = others;
        const refused = await client.register();
        expect([refused.status, refused.body.error?.code]).toEqual([503, 'chain_down']);

        others[1].account = read;
        expect((await client.register()).status).toBe(200);
    });

    it('has nothing answered in a job that began while the others did not answer', async () => {
        const client = await withChannel();
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        let isDown = true;
        const honest = async () => {
            if (isDown) {
                throw new ChainError('it does not answer');
            }
            return { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined, at: chain.now() };
        };
        (chain as { others?: unknown[] }).others = [read, honest, honest].map((account) => ({ account }));
        expect((await client.register()).status).toBe(200);
        isDown = false;

        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('is asked no more than once a minute about a job while the others do not answer, not for each query', async () => {
        let seconds = 0;
        fixture = await startFixture(
            { chain: { freshSeconds: 60, staleSeconds: 60, pollSeconds: 0.01, confirmSeconds: 0 } },
            { steady: () => seconds },
        );
        const { chain } = fixture;
        const down = () => Promise.reject(new ChainError('it does not answer'));
        const read = jest.fn(chain.account.bind(chain));
        (chain as { others?: unknown[] }).others = [read, down, down].map((account) => ({ account }));
        const client = await withJob();
        read.mockClear();
        const askThree = async (first: number) => {
            for (const number of [first, first + 1, first + 2]) {
                expect((await client.ask(number, 'one')).result).toBeDefined();
            }
        };
        await askThree(1);
        expect(read).toHaveBeenCalledTimes(1);
        seconds = 59;
        await askThree(4);
        expect(read).toHaveBeenCalledTimes(1);

        // They answer again: what was shown meanwhile is believed for its minute only.
        const none = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        const honest = async () => ({ ...none, at: chain.now() });
        (chain as { others?: unknown[] }).others = [read, honest, honest].map((account) => ({ account }));
        seconds = 60;
        expect((await client.ask(7, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('has nothing more answered for vouchers above what the others show', async () => {
        fixture = await startFixture({ claim: { threshold: '1000' } });
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        await client.pay(client.voucher(10n ** 9n, 0));
        chain.change(client.channel, { balance: 10n ** 8n });
        lie(client.channel, 10n ** 12n, chain.account.bind(chain));
        await fixture.worker.claimNow();

        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('has nothing answered beyond what the others show', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 12_000_000n);
        const { chain } = fixture;
        lie(client.channel, 10n ** 12n, chain.account.bind(chain));
        const options = { ceiling: 5_000_000n, pays: false };

        expect((await client.ask(1, 'one '.repeat(400), options)).result?.price).toBeGreaterThan(4_000_000n);
        await client.pay();
        expect((await client.ask(2, 'two '.repeat(400), options)).result?.price).toBeGreaterThan(4_000_000n);
        await client.pay();
        expect((await client.ask(3, 'three', options)).decline).toMatchObject({ reason: Reason.Unfunded });
    });

    it('has nothing answered beyond what the others show after a restart of the worker either', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 12_000_000n);
        lie(client.channel, 10n ** 12n, fixture.chain.account.bind(fixture.chain));
        await client.pay(client.voucher(12_000_000n, 0));
        client.url = (await fixture.restart()).url;
        expect((await client.register()).status).toBe(200);

        const answer = await client.ask(1, 'one', { ceiling: 12_000_001n, pays: false });
        expect(answer.decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await client.ask(2, 'two', { ceiling: 12_000_000n, pays: false })).text).toBe('two');
    });

    it('has no voucher taken that the others do not cover, which would give credit in other jobs', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        lie(client.channel, 10n ** 12n, chain.account.bind(chain));

        const { status, body } = await client.pay(client.voucher(10n ** 9n + 1n, 0));
        expect([status, body.error?.code]).toEqual([422, 'bad_voucher']);
        expect((await client.pay(client.voucher(10n ** 9n, 0))).status).toBe(200);
    });

    it('has no good voucher refused, and no query declined, by showing less than there is', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        const honest = fixture.chain.account.bind(fixture.chain);
        lie(client.channel, 0n, honest);
        expect((await client.pay(client.voucher(10n ** 8n, 0))).status).toBe(200);
        expect((await client.ask(1, 'one', { ceiling: 10n ** 7n })).text).toBe('one');

        client.url = (await fixture.restart()).url;
        await client.register();
        expect((await client.pay(client.voucher(10n ** 9n, 0))).status).toBe(200);
        expect((await client.pay(client.voucher(10n ** 9n + 1n, 0))).body.error?.code).toBe('bad_voucher');
    });

    it('has no query declined by showing less than there is while the others are asked, and not heard yet', async () => {
        fixture = await startFixture({ chain: { freshSeconds: 0, confirmSeconds: 0 } });
        const client = await withJob({}, 10n ** 9n);
        const honest = fixture.chain.account.bind(fixture.chain);
        let release = () => undefined as void;
        const over = new Promise<void>((resolve) => (release = resolve));
        const requested = jest.fn();
        lie(client.channel, 0n, async (address) => {
            requested();
            await over;
            return honest(address);
        });
        await client.ask(1, 'one', { pays: false }); // has the channel read in the background
        await until(() => requested.mock.calls.length > 0);
        const second = client.ask(2, 'two');
        await Promise.race([second, sleep(100)]);
        release();

        expect((await second).text).toBe('two');
    });

    it.each<[string, (shown: ChainAccount, channel: Address, now: number) => Promise<ChainAccount>]>([
        ['hiding its channel', async (shown) => ({ ...shown, state: 'uninitialized', code: undefined })],
        ['showing less than there is', async (shown) => ({ ...shown, balance: 0n })],
        ['showing a notice', (shown, channel, now) => changed(shown, channel, { refundAt: now + 10 })],
    ])('has no query refused by %s while many wait for the others', async (_, lies) => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        showFirst(client.channel, (shown) => lies(shown, client.channel, chain.now()));
        const paced = async (address: Address) => {
            await sleep(5000); // for its turn at an endpoint that takes one call a second
            return honest(address);
        };
        (chain.others as unknown as { account: typeof honest }[]).slice(1).forEach((one) => (one.account = paced));

        expect((await client.ask(1, 'one')).text).toBe('one');
    });

    it('has no voucher called bad by showing less than there is while another does not answer', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        lie(client.channel, 0n, chain.account.bind(chain));
        const others = chain.others as unknown as { account: () => Promise<ChainAccount> }[];
        others[2].account = () => Promise.reject(new ChainError('it does not answer'));
        await client.ask(1, 'one'); // has the channel read

        const { status, body } = await client.pay(client.voucher(10n ** 8n, 0));
        expect([status, body.error?.code]).toEqual([503, 'chain_down']);
    });

    it('asks all of them once for a channel that was topped up', async () => {
        fixture = await startFixture();
        const client = await withJob({}, 10_000_000n);
        const { chain } = fixture;
        const honest = jest.fn(chain.account.bind(chain));
        (chain as { others?: unknown[] }).others = [chain, chain, chain].map(() => ({ account: honest }));
        const options = { ceiling: 6_000_000n };
        expect((await client.ask(1, 'one '.repeat(500), options)).result).toBeDefined();
        expect((await client.ask(2, 'two', options)).decline).toMatchObject({ reason: Reason.Unfunded });
        expect(honest).not.toHaveBeenCalled();
        chain.change(client.channel, { balance: 10n ** 9n });

        for (const number of [3, 4, 5]) {
            expect((await client.ask(number, 'more', options)).result).toBeDefined();
        }
        expect(honest).toHaveBeenCalledTimes(3);
    });

    it('stops no job any more once every voucher is paid', async () => {
        let seconds = 0;
        const settings = { claim: { threshold: '1000' }, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withJob();
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const behind = { ...chain.accounts.get(client.channel.toRawString())!, balance: 1n };
        let isBehind = true;
        const lagging = async (address: Address) =>
            isBehind && address.equals(client.channel) ? { ...behind, at: chain.now() } : read(address);
        (chain as { others?: unknown[] }).others = [read, lagging, lagging].map((account) => ({ account }));
        await client.pay(client.voucher(5000n, 0));
        for (let round = 0; round < 3; round++) {
            await fixture.worker.claimNow();
            seconds += 300;
        }
        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
        isBehind = false;
        await fixture.worker.claimNow();

        expect((await client.ask(2, 'two')).result).toBeDefined();
    });

    it('keeps no channel from its end for ever after last claims that failed', async () => {
        let seconds = 0;
        const settings = { claim: { threshold: '1000' }, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withJob();
        const { chain, wallet } = fixture;
        (chain as { others?: unknown[] }).others = [chain, chain, chain];
        await client.pay(client.voucher(5000n, 0));
        await fixture.worker.claimNow();
        await client.end();
        wallet.failing = 6;
        for (let round = 0; round < 8; round++) {
            seconds += 1300;
            await fixture.worker.claimNow();
        }

        expect(chain.accounts.has(client.channel.toRawString())).toBe(false);
    });

    it('has the wallet pay for a few claims only of a channel that has paid', async () => {
        let seconds = 0;
        const settings = { claim: { threshold: '1000' }, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withJob();
        await client.pay(client.voucher(5000n, 0));
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const unpaid = chain.accounts.get(client.channel.toRawString())!;
        chain.account = async (address) =>
            address.equals(client.channel) ? { ...unpaid, at: chain.now() } : read(address);
        (chain as { others?: unknown[] }).others = [chain.account, read, read].map((account) => ({ account }));
        chain.change(client.channel, { paid: 5000n });
        for (let round = 0; round < 8; round++) {
            seconds += 1300;
            await fixture.worker.claimNow();
        }

        expect(fixture.wallet.orders).toHaveLength(5);
    });

    it.each([
        ['paid', { paid: 50_000n }],
        ['empty', { balance: 0n }],
    ])(
        'keeps no later vouchers from being claimed by claims that failed, and a channel that is %s',
        async (_, change) => {
            let seconds = 0;
            const settings = { claim: { threshold: '1000' }, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
            fixture = await startFixture(settings, { steady: () => seconds });
            const client = await withJob();
            const rounds = async (count: number) => {
                for (let round = 0; round < count; round++) {
                    seconds += 1300;
                    await fixture.worker.claimNow();
                }
            };
            await client.pay(client.voucher(5000n, 0));
            let shown: Parameters<FakeChain['change']>[1] = { paid: 0n };
            showFirst(client.channel, (account) => changed(account, client.channel, shown));
            await rounds(8);
            expect(fixture.wallet.orders.length).toBe(5);

            shown = change;
            await client.pay(client.voucher(50_000n, 0));
            await rounds(4);
            expect(fixture.chain.paidBy(client.channel)).toBe(50_000n);
            expect(fixture.wallet.orders.length).toBe(6);
        },
    );

    it.each([
        ['then as paid', true],
        ['for ever', false],
    ])(
        'has the wallet pay for a few claims only of vouchers below the threshold, by showing it as unpaid %s',
        async (_, isThenPaid) => {
            let seconds = 0;
            const claim = { seconds: 0.005, threshold: '100000000', minAmount: '1000000' };
            const settings = { claim, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
            fixture = await startFixture(settings, { steady: () => seconds });
            const { chain, wallet } = fixture;
            const client = await withJob();
            await client.pay(client.voucher(200_000_000n, 0));
            await claimRound();
            expect(chain.paidBy(client.channel)).toBe(200_000_000n);
            let before = Infinity; // orders
            showFirst(client.channel, async (account) =>
                isThenPaid && wallet.orders.length > before ? account : changed(account, client.channel, { paid: 0n }),
            );
            for (let round = 1n; round <= 20n; round++) {
                seconds += 1300;
                await client.pay(client.voucher(200_000_000n + 1000n * round, 0));
                before = wallet.orders.length;
                await claimRound();
            }

            expect(wallet.orders.length).toBeLessThanOrEqual(6);
        },
    );

    it('keeps no vouchers from being claimed by claims that failed, and a channel that is gone after a last one', async () => {
        let seconds = 0;
        const settings = { claim: { threshold: '1000' }, chain: { pollSeconds: 0.001, confirmSeconds: 600 } };
        fixture = await startFixture(settings, { steady: () => seconds });
        const client = await withJob();
        const { chain, wallet } = fixture;
        const gone = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        let show = async (account: ChainAccount) => account;
        showFirst(client.channel, (account) => show(account));
        const rounds = async (count: number) => {
            for (let round = 0; round < count; round++) {
                seconds += 1300;
                chain.advance(1300);
                await fixture.worker.claimNow();
            }
        };
        await client.pay(client.voucher(5000n, 0));
        show = (account) => changed(account, client.channel, { paid: 0n });
        await rounds(8);
        expect(wallet.orders.length).toBe(5);

        show = async (account) => account;
        await client.pay(client.voucher(50_000n, 0));
        await client.end();
        const sent = jest.spyOn(wallet, 'send').mockResolvedValue(); // the order carries what it calls enough
        await rounds(1);
        expect(sent).toHaveBeenCalled();
        sent.mockRestore();
        show = async (account) => ({ ...account, ...gone });
        await rounds(4);

        expect(chain.paidBy(client.channel)).toBe(50_000n);
    });

    it('stops no job whose vouchers two others cover', async () => {
        fixture = await startFixture({ claim: { threshold: '1000' } });
        const client = await withJob({}, 10n ** 9n);
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const nothing = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        const others = [read, read, async () => ({ ...nothing, at: chain.now() })].map((account) => ({ account }));
        (chain as { others?: unknown[] }).others = others;
        await client.pay(client.voucher(10n ** 8n, 0));
        await fixture.worker.claimNow();

        expect((await client.ask(1, 'one')).result).toBeDefined();
    });
});

describe('An endpoint that shows a channel which is gone', () => {
    it('makes the wallet pay for no more claims than the vouchers are worth, and none of them counts as paid', async () => {
        fixture = await startFixture({ claim: { minAmount: '10000' } });
        const client = await withJob();
        await client.ask(1, 'one');
        const { chain } = fixture;
        const read = chain.account.bind(chain);
        const account = await read(client.channel);
        const lying = async (address: Address) =>
            address.equals(client.channel) ? { ...account, at: chain.now() } : read(address);
        (chain as { others?: unknown[] }).others = [{ account: read }, { account: lying }];
        chain.remove(client.channel);

        for (let round = 0; round < 6; round++) {
            expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0, amount: 0n });
            chain.advance(3600);
        }
        expect(client.owed()).toBe(20_000n);
        expect(fixture.wallet.orders).toHaveLength(2);
    });

    it.each([
        ['were never claimed', false, 5],
        ['it has paid', true, 1],
    ])('of three has the wallet pay for a few claims only of vouchers that %s', async (_, isPaid, orders) => {
        let seconds = 0;
        fixture = await startFixture({}, { steady: () => seconds });
        const client = await withJob();
        const { chain, wallet } = fixture;
        const honest = chain.account.bind(chain);
        const unpaid = await honest(client.channel);
        const lying = async (address: Address) =>
            address.equals(client.channel) ? { ...unpaid, at: chain.now() } : honest(address);
        (chain as { others?: unknown[] }).others = [honest, honest, lying].map((account) => ({
            ...{ account, open: chain.open.bind(chain) },
        }));
        await client.pay(client.voucher(500_000_000n, 0));
        if (isPaid) {
            expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: 500_000_000n });
        }
        chain.remove(client.channel);

        for (let round = 0; round < 12; round++) {
            seconds += 1300;
            chain.advance(1300);
            expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 0 });
        }
        expect(wallet.orders.length).toBe(orders);
    });
});

describe('One answer of an API of the chain', () => {
    const settings = {
        chain: { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 },
        claim: { seconds: 1000, threshold: '1000' },
    };
    const OWED = 5000n;

    let client: TestClient;

    beforeEach(async () => {
        fixture = await startFixture(settings);
        client = await withJob();
        await client.pay(client.voucher(OWED, 0));
    });

    /** The chain says something else of the channel while `action` runs. */
    async function said(change: Parameters<typeof fixture.chain.change>[1], action: () => Promise<unknown>) {
        const { chain } = fixture;
        const honest = chain.accounts.get(client.channel.toRawString())!;
        chain.change(client.channel, change);
        await action();
        chain.accounts.set(client.channel.toRawString(), honest);
    }

    const read = () => client.ask(1, { messages: 'none' });

    it.each([
        ['is refunded already', () => ({ refundAt: fixture.chain.now() - 10 })],
        ['has paid its voucher', () => ({ paid: OWED })],
        ['has paid more than its voucher', () => ({ paid: OWED + 1n })],
        ['has paid nearly all there is', () => ({ paid: 999_999_999n, balance: 1n })],
        ['lasts for ever', () => ({ refundAt: 0xffffffff })],
    ])('that a channel %s costs no voucher, also when the channel then seems gone', async (_, change) => {
        await said(change(), read);
        for (let minute = 0; minute < 3; minute++) {
            const honest = fixture.chain.accounts.get(client.channel.toRawString())!;
            fixture.chain.remove(client.channel);
            fixture.chain.advance(301);
            await read();
            fixture.chain.accounts.set(client.channel.toRawString(), honest);
        }
        expect((await fixture.worker.status()).jobs.ended).toBe(0);

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: OWED });
        expect(fixture.chain.paidBy(client.channel)).toBe(OWED);
    });

    it('that a voucher was paid does not keep the next look from claiming it, also after a restart', async () => {
        await said({ paid: OWED }, read);
        await fixture.restart({ ...settings, claim: { ...settings.claim, seconds: 0.02 } });

        await until(() => fixture.chain.paidBy(client.channel) === OWED);
    });

    it('from the far future is not what later ones are measured by', async () => {
        const now = fixture.chain.now.bind(fixture.chain);
        const account = fixture.chain.account.bind(fixture.chain);
        fixture.chain.account = async (address) => ({ ...(await account(address)), at: now() + 10 * DAY });
        await read();
        fixture.chain.account = account;

        expect((await client.ask(2, 'one')).text).toBe('one');
        expect((await client.ask(3, 'two')).text).toBe('two');
    });

    it('from a server that lags, the first after a start, ends nothing early', async () => {
        const now = fixture.chain.now.bind(fixture.chain);
        const account = fixture.chain.account.bind(fixture.chain);
        fixture.chain.account = async (address) => ({ ...(await account(address)), at: now() - 30 });
        client.url = (await fixture.restart(settings)).url;

        await fixture.worker.claimNow();
        expect(fixture.chain.accounts.has(client.channel.toRawString())).toBe(true);
        await client.register();
        expect((await client.ask(2, 'one')).text).toBe('one');
    });

    it('that is of another contract leaves the job as it is', async () => {
        const code = beginCell().storeUint(1, 1).endCell();
        const honest = fixture.chain.accounts.get(client.channel.toRawString())!;
        fixture.chain.set(client.channel, { code, data: code, balance: 1n });

        expect((await client.ask(1, 'one')).refusal?.code ?? 'served').not.toBe('wrong_channel');
        fixture.chain.accounts.set(client.channel.toRawString(), honest);
        expect((await client.ask(2, 'two')).text).toBe('two');
    });

    it('repeated until a job with vouchers ended leaves them to be claimed when the channel is there again', async () => {
        const honest = fixture.chain.accounts.get(client.channel.toRawString())!;
        fixture.chain.remove(client.channel);
        fixture.chain.advance(DAY);
        for (let look = 0; look < 4; look++) {
            await fixture.worker.claimNow();
            fixture.chain.advance(300);
        }
        expect((await fixture.worker.status()).jobs.ended).toBe(1);
        fixture.chain.accounts.set(client.channel.toRawString(), honest);
        await fixture.restart(settings);

        await until(() => fixture.wallet.orders.length === 1);
        expect(fixture.chain.accounts.has(client.channel.toRawString())).toBe(false);
    });
});

describe('A client whose queries are all declined', () => {
    it('does not fill the disk with signatures: after 64 it is refused without one, and honest queries go on', async () => {
        fixture = await startFixture();
        const client = await withJob();
        const unknown = { model: 'other' };
        for (let number = 1; number <= 64; number++) {
            expect((await client.ask(number, 'one', unknown)).decline).toMatchObject({ number });
        }

        const { refusal, status } = await client.ask(65, 'one', unknown);
        expect([status, refusal!.code]).toEqual([429, 'declined']);
        expect((await client.state()).highest).toBe(64);
        expect((await client.ask(65, 'one')).text).toBe('one');
    });
});

describe('A stranger', () => {
    it('cannot have the worker hash thousands of cells for terms that need three', async () => {
        fixture = await startFixture();
        const client = await withJob();
        let heavy = beginCell().endCell();
        for (let i = 0; i < 300; i++) {
            heavy = beginCell().storeUint(i, 32).storeRef(heavy).endCell();
        }
        const terms = termsCell(client.terms).asBuilder().storeRef(heavy).endCell().toBoc().toString('base64');
        const { enc } = client.session;
        const body = { terms, jobNumber: 4, enc: enc.toString('hex'), signature: '00'.repeat(64) };

        const { status, body: answer } = await client.post(paths.jobs, body);

        expect([status, answer.error?.code]).toEqual([400, 'bad_request']);
    });
});
