/**
 * What one client, stranger or endpoint of the chain may take of a worker, so that it does not take it from others.
 *
 * Longer than 350 lines because these limits share one worker.
 */
import { Reason } from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { type ChainAccount, ChainError, type Urgency } from '../../offchain/chain';
import { encodeQuery, paths } from '../../offchain/link';
import { BytesInUse, Turns } from '../../offchain/process/doors';
import { openWorkerStore } from '../../offchain/store/open';
import { ECHO, type Step } from '../offchain/support/backend';
import { FakeChain } from '../offchain/support/chain';
import { type Answer, type AskOptions, DAY, type Sealed, TestClient } from '../offchain/support/client';
import { until } from '../offchain/support/until';
import {
    account,
    caseRound,
    claimRound,
    type Fixture,
    holdReadings,
    startFixture,
    TOKEN,
} from '../offchain/support/worker';

let fixture: Fixture;

const withJob = (terms = {}, deposit?: bigint) => TestClient.withJob(fixture.worker.url, fixture.chain, terms, deposit);
const octets = { 'content-type': 'application/octet-stream' };

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

describe('Readings of the chain', () => {
    let reads: Urgency[];
    let isFull: boolean; // too many calls of clients wait
    let turn: Promise<void>; // of the calls of clients

    beforeEach(async () => {
        [reads, isFull, turn] = [[], false, Promise.resolve()];
        jest.spyOn(FakeChain.prototype, 'as').mockImplementation(function (this: FakeChain, urgency) {
            const account = async (address: Address) => {
                reads.push(urgency);
                await (urgency === 'client' ? turn : undefined);
                if (urgency === 'client' && isFull) {
                    throw new ChainError('takes no more calls for now', undefined, { busy: true });
                }
                return this.account(address);
            };
            return Object.assign(Object.create(this) as FakeChain, { account });
        });
        fixture = await startFixture();
    });

    it('that queries and vouchers of clients cause are told from those for claims and demands', async () => {
        const client = await withJob();
        await client.ask(1, 'one');
        await client.pay(client.voucher(10n ** 12n, 1)); // more than the channel holds, so it is read again
        expect(new Set(reads)).toEqual(new Set(['stranger', 'client']));

        reads = [];
        expect((await fixture.worker.claimNow()).claimed).toBe(1);
        expect(reads).not.toContain('client');
    });

    it('are not made again for each voucher of a client that is above what its channel holds', async () => {
        const client = await withJob();
        const tooMuch = (cumulative: bigint) => client.pay(client.voucher(cumulative, 0));
        const at = fixture.chain.freeze();
        expect((await tooMuch(10n ** 12n)).status).toBe(422);
        reads = [];

        for (let less = 1n; less <= 3n; less++) {
            expect((await tooMuch(10n ** 12n - less)).status).toBe(422);
        }
        expect(reads).toEqual([]);
        fixture.chain.freeze(at + 6);
        expect((await tooMuch(10n ** 12n)).status).toBe(422);
        expect(reads).toEqual(['client']);
    });

    it('for claims do not wait for that of a client of the same channel', async () => {
        const client = await withJob();
        await client.ask(1, 'one');
        let release!: () => void;
        turn = new Promise((resolve) => (release = resolve));
        const asked = client.ask(2, 'two');
        await sleep(50);

        const claims = await Promise.race([fixture.worker.claimNow(), sleep(2000)]);
        release();
        expect(claims).toMatchObject({ claimed: 1, failed: 0 });
        expect(fixture.chain.paidBy(client.channel)).toBeGreaterThan(0n);
        expect((await asked).text).toBe('two');
    });

    it('keep no query waiting for long while many jobs of another client use up the calls', async () => {
        const client = await withJob();
        await client.ask(1, 'one');
        turn = new Promise(() => undefined);

        expect((await client.ask(2, 'two')).text).toBe('two');
        expect(reads.filter((urgency) => urgency === 'client').length).toBeGreaterThan(0);
    });

    it('for claims are made while those of clients are refused, and a job that was read goes on', async () => {
        const client = await withJob();
        await client.ask(1, 'one');
        isFull = true;

        const [claims, answer] = await Promise.all([fixture.worker.claimNow(), client.ask(2, 'two')]);

        expect(claims).toMatchObject({ claimed: 1, failed: 0 });
        expect(answer.text).toBe('two');
        expect((await request(`${fixture.worker.url}/readyz`)).statusCode).toBe(200);
    });
});

describe('A client that leaves its queries before they run', () => {
    async function sendAndLeave(query: Sealed): Promise<void> {
        const leave = new AbortController();
        const body = encodeQuery(query.head, query.sealed);
        const sending = request(fixture.worker.url + paths.query, {
            ...{ method: 'POST', headers: octets, body, signal: leave.signal },
        });
        await sleep(50);
        leave.abort();
        await sending.catch(() => undefined);
        await sleep(50);
    }

    async function useUpDeclines(client: TestClient, first: number): Promise<void> {
        for (let number = first; number < first + 64; number++) {
            expect((await client.ask(number, 'one', { model: 'other' })).decline).toBeDefined();
        }
    }

    it('fills no disk with their accepts and fails once its declines are used up', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await useUpDeclines(client, 1);
        const release = holdReadings(fixture.chain);
        await sendAndLeave(client.seal(65, 'hello'));
        release();
        await sleep(100);

        expect((await client.state()).highest).toBe(64);
        expect((await client.ask(65, 'hello')).text).toBe('hello');
    });

    it('has none accepted that its job has no credit for, once its declines are used up', async () => {
        fixture = await startFixture();
        const step = 1000n * TOKEN;
        const client = await withJob({ step });
        const words = Array.from({ length: 200 }, (): Step => {
            return { type: 'delta', content: 'word '.repeat(4), tokens: 20 };
        });
        fixture.backend.script = () => [{ type: 'prompt', prompt: 10, cached: 0 }, ...words];
        await client.ask(1, 'more', { pays: false, ceiling: 50_000_000n });
        await useUpDeclines(client, 2);

        expect((await client.ask(66, 'more')).refusal?.code).toBe('declined');
        expect((await client.state()).highest).toBe(65);
    });
});

describe('A client that sends large queries while the chain does not answer', () => {
    it('has few of them held in memory at once, and the others refused without a signature', async () => {
        fixture = await startFixture();
        const client = await withJob({ maxParallel: 4 });
        const release = holdReadings(fixture.chain);
        const queries = Array.from({ length: 10 }, (_, i) =>
            client.seal(i + 1, 'x'.repeat(1_900_000), { model: 'other' }),
        );
        const answers = queries.map((query) => client.send(query));
        let refused = 0;
        answers.forEach((answer) => void answer.then(({ status }) => (refused += status === 503 ? 1 : 0)));
        while (refused < 2) await sleep(5);
        release();

        await Promise.all(answers);
        expect(refused).toBe(2);
        expect((await client.ask(20, 'hello')).text).toBe('hello');
    });
});

describe('Clients of two escrows whose large queries wait for the chain', () => {
    it('keep no large query of another client out for longer than some seconds', async () => {
        fixture = await startFixture({
            chain: { freshSeconds: 60, staleSeconds: 60, pollSeconds: 0.01, confirmSeconds: 0 },
        });
        const [first, second, other] = [await withJob(), await withJob(), await withJob()];
        const release = holdReadings(fixture.chain);
        const room = jest.spyOn(BytesInUse.prototype, 'take');
        // Each brings a voucher beyond its deposit, so that the channel is read. Together they take all room.
        const answers = [first, second].flatMap((client) =>
            Array.from({ length: 8 }, (_, i) => {
                const voucher = client.voucher(10n ** 12n, 0);
                return client.send(client.seal(i + 1, 'x'.repeat(2_095_000), { voucher }));
            }),
        );
        await until(() => room.mock.results.length === 16);
        const statuses: number[] = [];
        const ask = async () => {
            const { status } = await other.ask(statuses.length + 1, 'x'.repeat(100_000));
            statuses.push(status);
            return status;
        };
        expect(await ask()).toBe(503);
        await until(async () => (await ask()) === 200);

        const refusals = (await Promise.all(answers)).map(({ refusal }) => refusal?.code);
        release();
        expect(refusals).toEqual(Array(16).fill('chain_down'));
    });
});

describe('A client whose large queries wait for credit', () => {
    const rates = { prompt: '1000', cached: '1000', completion: '10000000000', reasoning: '20000000000' };
    const offers = [{ model: ECHO, rates }];
    const step = 1000n * TOKEN;
    const text = 'x'.repeat(1_900_000);
    const hello: Step[] = [
        { type: 'prompt', prompt: 1, cached: 0 },
        { type: 'delta', content: 'hello', tokens: 1 },
        { type: 'end', finish: 'stop' },
    ];
    let refused: number;

    async function start(creditSeconds: number): Promise<void> {
        refused = 0;
        fixture = await startFixture({ limits: { startSteps: 1 }, creditSeconds, offers });
        fixture.backend.script = (asked) => [
            ...(JSON.stringify(asked).length > 1000 ? [{ type: 'pause' } as const] : []),
            ...hello,
        ];
    }

    function send(
        client: TestClient,
        numbers: readonly number[],
        options: AskOptions = {},
        prompt = text,
    ): Promise<Answer>[] {
        const answers = numbers.map((number) => client.send(client.seal(number, prompt), options));
        answers.forEach((answer) => void answer.then(({ status }) => (refused += status === 503 ? 1 : 0)));
        return answers;
    }

    /** Resolves once the worker has accepted so many queries of a job, or refused one of any. */
    const accepted = (client: TestClient, count: number) =>
        until(async () => refused > 0 || (await client.state()).highest >= count);

    async function endOf(answers: Promise<Answer>[]): Promise<Answer[]> {
        let isOver = false;
        void Promise.all(answers).finally(() => (isOver = true));
        await until(() => {
            fixture.backend.go();
            return isOver;
        });
        return Promise.all(answers);
    }

    /** Both answers arrive, for which one query of those that waited gave way. */
    async function expectOneGaveWay(waiting: Promise<Answer>[], answers: Promise<Answer>[]): Promise<void> {
        expect(refused).toBe(0);
        expect((await endOf(answers)).map(({ text: answer }) => answer)).toEqual(['hello', 'hello']);
        const fails = (await endOf(waiting)).flatMap(({ fail }) => fail ?? []);
        expect(fails).toMatchObject([{ reason: Reason.TooBusy }]);
    }

    it('has others accepted once these run', async () => {
        await start(60);
        const client = await withJob({ step, maxParallel: 8 });
        const answers = send(client, [1, 2, 3, 4, 5]);
        await accepted(client, 5);
        await client.pay(client.voucher(4n * step, 0)); // now all five run
        answers.push(...send(client, [6, 7, 8]));
        await accepted(client, 8);

        expect(refused).toBe(0);
        expect((await endOf(answers)).map(({ text: answer }) => answer)).toEqual(Array(8).fill('hello'));
    });

    it('has them accepted if it has paid, while those of clients that have paid nothing take all the room', async () => {
        await start(60);
        const others = await Promise.all([1, 2].map(() => withJob({ step, maxParallel: 8 })));
        const waiting = others.map((one) => send(one, [1, 2, 3, 4, 5]));
        await Promise.all(others.map((one) => accepted(one, 5)));
        const client = await withJob({ step });
        await client.ask(1, 'hello');
        const answers = send(client, [2, 3]); // one runs, the other waits
        await accepted(client, 3);

        await expectOneGaveWay(waiting.flat(), answers);
    });

    it('keeps no short one of another client from being accepted, also if it has paid more', async () => {
        await start(60);
        const others = await Promise.all([1, 2].map(() => withJob({ step, maxParallel: 8 })));
        await Promise.all(others.map((one) => one.pay(one.voucher(1000n, 0))));
        const waiting = others.map((one) => send(one, [1, 2, 3, 4, 5], {}, 'x'.repeat(2_096_000)));
        await Promise.all(others.map((one) => accepted(one, 5)));
        const client = await withJob({ step });
        const answers = send(client, [1, 2], {}, 'x'.repeat(20_000)); // one runs, the other waits
        await accepted(client, 2);

        await expectOneGaveWay(waiting.flat(), answers);
    });

    it('has none that was accepted end for a later one of its own, however much it has paid meanwhile', async () => {
        await start(60);
        const client = await withJob({ step, maxParallel: 8 });
        const answers = send(client, [1, 2, 3, 4, 5]);
        await accepted(client, 5);
        await client.pay(client.voucher(1000n, 0)); // too little for one more to run
        void send(client, [6]);
        await accepted(client, 6);

        expect(refused).toBe(1);
        expect((await endOf(answers)).map(({ text: answer }) => answer)).toEqual(Array(5).fill('hello'));
    });

    it('has few of them held in memory at once, and the others refused without a signature', async () => {
        await start(1);
        const client = await withJob({ step, maxParallel: 8 });
        const answers = send(client, [1, 2, 3, 4, 5, 6, 7, 8], { pays: false });
        await until(() => refused === 3); // one runs, and four wait

        const other = await withJob({ step });
        expect((await other.ask(1, 'hello')).text).toBe('hello');
        await endOf(answers);
        await client.pay();
        const [last] = await endOf(send(client, [20]));
        expect(refused).toBe(3);
        expect(last.text).toBe('hello');
    });
});

describe('Strangers of one address', () => {
    /** Asks from an address, as a proxy tells it, and reads nothing of the answer. */
    async function opened(path: string, from: string): Promise<Socket> {
        const { hostname, port } = new URL(fixture.worker.url);
        const socket = connect(Number(port), hostname);
        socket.on('error', () => undefined).pause();
        await once(socket, 'connect');
        socket.write(`GET ${path} HTTP/1.1\r\nhost: worker\r\nx-forwarded-for: ${from}\r\n\r\n`);
        return socket;
    }

    it('that read stored answers slowly do not keep others from theirs', async () => {
        const limits = { maxAnswer: 16 << 20 };
        fixture = await startFixture({ limits, creditSeconds: 30, listen: { port: 0, proxies: ['127.0.0.1'] } });
        // More than the kernel takes for a connection that nobody reads.
        const deltas = Array.from({ length: 360 }, (): Step => {
            return { type: 'delta', content: 'x'.repeat(16_000), tokens: 1 };
        });
        fixture.backend.script = () => [
            { type: 'prompt', prompt: 1, cached: 0 },
            ...deltas,
            { type: 'end', finish: 'stop' },
        ];
        const client = await withJob({ maxAnswer: 16 << 20 });
        expect((await client.ask(1, 'more')).result).toBeDefined();
        const path = paths.stored(client.job.toString('hex'), 1);
        const slow = await Promise.all(Array.from({ length: 30 }, () => opened(path, '10.0.0.1')));
        await sleep(300);

        const headers = { 'x-forwarded-for': '10.0.0.2' };
        const { statusCode, body } = await request(fixture.worker.url + path, { headers });
        expect(statusCode).toBe(200);
        expect((await body.arrayBuffer()).byteLength).toBeGreaterThan(5_000_000);
        slow.forEach((socket) => socket.destroy());
    });

    it('that leave with several requests on one connection do not keep others from stored answers', async () => {
        fixture = await startFixture({ listen: { port: 0, proxies: ['127.0.0.1'] } });
        const client = await withJob();
        const query = client.seal(1, 'one');
        await client.send(query);
        fixture.backend.script = () => [{ type: 'delta', content: 'two', tokens: 1 }, { type: 'pause' }];
        const path = paths.stored(client.job.toString('hex'), 1);
        const taken = jest.spyOn(Turns.prototype, 'take');
        for (const number of [2, 3]) {
            const { head, sealed } = client.seal(number, 'more');
            const body = encodeQuery(head, sealed);
            const from = `host: worker\r\nx-forwarded-for: 10.0.0.${number}\r\n`;
            const post = `POST ${paths.query} HTTP/1.1\r\n${from}content-type: ${octets['content-type']}\r\n`;
            const others = [paths.node, path, path, path, path].map((one) => `GET ${one} HTTP/1.1\r\n${from}\r\n`);
            taken.mockClear();
            const { hostname, port } = new URL(fixture.worker.url);
            const socket = connect(Number(port), hostname).on('error', () => undefined);
            socket.write(`${post}content-length: ${body.length}\r\n\r\n`);
            socket.write(body);
            socket.write(others.join(''));
            await until(() => socket.closed || taken.mock.calls.length === 4);
            socket.destroy();
        }

        expect((await client.fetch(query)).text).toBe('one');
    });

    it('that show channels which do not exist do not keep others from registering a job', async () => {
        fixture = await startFixture({ listen: { port: 0, proxies: ['127.0.0.1'] } });
        const read = fixture.chain.account.bind(fixture.chain);
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft();
        await client.open();
        fixture.chain.account = async (address) => {
            await (address.equals(client.channel) ? undefined : sleep(300)); // the API is slow
            return read(address);
        };
        const posts = jest.spyOn(TestClient.prototype, 'post').mockImplementation(async function (
            this: TestClient,
            path,
            body,
        ) {
            const from = { 'x-forwarded-for': this === client ? '10.0.0.2' : '10.0.0.1' };
            const headers = { 'content-type': 'application/json', ...from };
            const answer = await request(fixture.worker.url + path, {
                ...{ method: 'POST', headers, body: JSON.stringify(body) },
            });
            return { status: answer.statusCode, body: (await answer.body.json()) as never };
        });
        const strangers = Array.from({ length: 30 }, async () => {
            const stranger = new TestClient(fixture.worker.url, fixture.chain);
            await stranger.draft();
            await stranger.open();
            fixture.chain.remove(stranger.channel);
            return stranger.register();
        });
        await sleep(150);

        expect((await client.register()).status).toBe(200);
        await Promise.all(strangers);
        posts.mockRestore();
    });
});

describe('A clock of the machine that jumps a day ahead and back', () => {
    it('does not keep the worker from seeing that a client leaves', async () => {
        let ahead = 0;
        const chain = { now: (): number => 0 };
        const parts = { now: () => chain.now() + ahead, steady: () => chain.now() };
        fixture = await startFixture({ claim: { seconds: 1000 } });
        const worker = await restartWith(parts, chain);
        const client = await TestClient.withJob(worker.url, fixture.chain, { end: fixture.chain.now() + 30 * DAY });
        await client.ask(1, 'one');
        ahead = DAY;
        await claimRound();
        ahead = 0;

        fixture.chain.advance(500);
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1000 });
        await claimRound();
        await claimRound();

        expect(fixture.wallet.orders).toHaveLength(1);
    });

    /** The fixture's worker with other clocks. */
    async function restartWith(parts: { now: () => number; steady: () => number }, chain: { now: () => number }) {
        await fixture.stop();
        fixture = await startFixture({ claim: { seconds: 0.02 } }, parts);
        chain.now = () => fixture.chain.now();
        return fixture.worker;
    }
});

describe('One answer of an API of the chain', () => {
    it('that receipts are evidence for a century keeps no answer longer than rules can ask for', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-evidence-'));
        const store = await openWorkerStore(join(folder, 'worker.db'));
        const pruned = jest.spyOn(store, 'prune');
        let evidence = 3_153_600_000n;
        fixture = await startFixture({ cases: { seconds: 0.02 } }, { store });
        const { chain } = fixture;
        chain.set(account(0x11), { code: Cell.EMPTY, data: Cell.EMPTY, balance: 1n });
        const getNodeRecord = async () => ({ evidence });
        chain.getters.set(account(0x11).toRawString(), { getNodeRecord, getNodeState: async () => ({ number: 0n }) });
        await caseRound();
        evidence = 3600n;
        await caseRound();

        expect(chain.now() - pruned.mock.lastCall![0]).toBeLessThan(32 * 86_400);
        rmSync(folder, { recursive: true });
    });

    it('that it is a century later, told when a job ends, keeps nothing of that job for a century', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-century-'));
        const store = await openWorkerStore(join(folder, 'worker.db'));
        fixture = await startFixture({}, { store });
        const client = await withJob();
        await client.ask(1, 'one');
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        chain.account = async (address) => ({ ...(await honest(address)), at: chain.now() + 3_153_600_000 });
        await client.ask(2, 'two');
        await client.end();
        await until(async () => {
            await fixture.worker.claimNow();
            return (await fixture.worker.status()).jobs.ended === 1;
        });

        expect(await store.jobs.lastEnd()).toBeLessThan(chain.now() + 2 * DAY);
        rmSync(folder, { recursive: true });
    });

    it('of three that tells a time long past keeps no answers for ever', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-past-'));
        const store = await openWorkerStore(join(folder, 'worker.db'));
        const pruned = jest.spyOn(store, 'prune');
        fixture = await startFixture({ cases: { seconds: 0.02 } }, { store });
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        chain.account = async (address) => ({ ...(await honest(address)), at: 1000 });
        const others = [chain.account, honest, honest].map((read) => ({ account: read, open: chain.open.bind(chain) }));
        (chain as { others?: unknown[] }).others = others;
        await caseRound();

        expect(chain.now() - pruned.mock.lastCall![0]).toBeLessThan(32 * 86_400);
        rmSync(folder, { recursive: true });
    });

    it('of three that shows no node deletes no answer that is evidence, as others say that take one call a second', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-window-'));
        const store = await openWorkerStore(join(folder, 'worker.db'));
        const pruned = jest.spyOn(store, 'prune');
        fixture = await startFixture({ cases: { seconds: 0.02 } }, { store });
        const { chain } = fixture;
        const none = chain.account.bind(chain);
        const evidence = 20 * DAY;
        const node = { getNodeRecord: async () => ({ evidence: BigInt(evidence) }) };
        const open = () => node as never;
        const paced = async (address: Address): Promise<ChainAccount> => {
            await sleep(3000); // for its turn
            return { ...(await none(address)), state: 'active' };
        };
        const others = [none, paced, paced].map((account) => ({ account, open }));
        (chain as { others?: unknown[] }).others = others;
        await caseRound();

        expect(chain.now() - pruned.mock.lastCall![0]).toBeGreaterThan(evidence);
        rmSync(folder, { recursive: true });
    });

    it('that a claim needs more than the wallet has keeps nothing from being claimed in the next round', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.pay(client.voucher(5000n, 0));
        const address = client.channel.toRawString();
        fixture.chain.getters.set(address, { getClaimValue: async () => 10n ** 18n });
        fixture.wallet.coins = 30_000_000n; // for what a claim needs, and not for the most that an API is believed
        expect((await fixture.worker.claimNow()).claimed).toBe(0);

        fixture.chain.getters.delete(address);
        expect((await fixture.worker.claimNow()).claimed).toBe(1);
    });
});
