// Longer than 350 lines because its cases share one set-up.
import { Finish, Reason, TokenCounts, Verifier, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { eventLoop } from '../../../offchain/process/loopShare';
import type { GatewayStore, StoredQuery } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { NETWORK, testKey, useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';
import { Script } from './support/worker';

/** Frames that cost a quarter of a step (40,000 nanoTON) and a little more. */
const long = Array.from({ length: 12 }, (_, i) => `word ${i} `);

async function streamed(
    bench: Bench,
    fields: object = {},
): Promise<{ text: string; error: Error | undefined; finish: string | null }> {
    let text = '';
    let finish: string | null = null;
    try {
        const stream = await bench.openai.chat.completions.create({ ...ask, ...fields, stream: true });
        for await (const chunk of stream) {
            text += chunk.choices[0]?.delta.content ?? '';
            finish = chunk.choices[0]?.finish_reason ?? finish;
        }
    } catch (error) {
        return { text, error: error as Error, finish };
    }
    return { text, error: undefined, finish };
}

describe('One query', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: Parameters<typeof startBench>[1] = {}) =>
        (bench = await startBench(market(), options));
    const paid = () => bench.worker.only.vouchers.at(-1)?.cumulative ?? 0n;
    const job = () => bench.gateway.book.all[0];
    const script = (one: Script) => bench.worker.scripts.push(one);
    /** A job is open and one honest answer of 3020 nanoTON is paid. */
    const warm = async () => {
        await bench.openai.chat.completions.create(ask);
        await until(() => paid() === 3020n);
    };

    afterEach(() => bench.close());

    it('rule 1: number, salt and commitment are on the disk before the query leaves', async () => {
        const store = await openGatewayStore(':memory:');
        let release: () => void = () => undefined;
        let holding = false;
        const slow = Object.assign(Object.create(store) as GatewayStore, {
            addQuery: async (query: StoredQuery) => {
                await store.addQuery(query);
                holding = true;
                await new Promise<void>((resolve) => (release = resolve));
            },
        });
        await start({ deps: { store: slow } });
        const answer = bench.openai.chat.completions.create(ask);
        await until(() => holding);
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(bench.worker.wire.filter(({ path }) => path === '/v1/query')).toHaveLength(0);
        expect(await store.openQueries(bench.gateway.book.all.at(-1)!.number)).toHaveLength(1);
        release();
        await answer;
        expect(bench.worker.wire.filter(({ path }) => path === '/v1/query')).toHaveLength(1);
    });

    it('does not leave a process that slept meanwhile, so that another one may have its job', async () => {
        const store = await openGatewayStore(':memory:');
        let isHeld = true;
        const cluster = Object.create(store.cluster, { isHeld: { get: () => isHeld } }) as GatewayStore['cluster'];
        const addQuery = async (query: StoredQuery) => {
            await store.addQuery(query);
            isHeld = false;
        };
        await start({ deps: { store: Object.assign(Object.create(store) as GatewayStore, { cluster, addQuery }) } });
        expect((await bench.post(ask)).status).toBe(500);
        expect(bench.worker.wire.filter(({ path }) => path === '/v1/query')).toHaveLength(0);
    });

    it('rule 3: the accept of a query that goes on is on the disk after a while, before any ending', async () => {
        const store = await openGatewayStore(':memory:');
        const accepts: number[] = [];
        const watched = Object.assign(Object.create(store) as GatewayStore, {
            saveAccept: async (jobNumber: number, number: number, accept: Buffer) => {
                accepts.push(number);
                await store.saveAccept(jobNumber, number, accept);
            },
        });
        await start({ deps: { store: watched } });
        await warm();
        expect(accepts).toEqual([]); // it was stored with the ending
        let goOn: () => void = () => undefined;
        script({ wait: () => new Promise<void>((resolve) => (goOn = resolve)) });

        const answer = bench.openai.chat.completions.create(ask);
        await until(() => accepts.length === 1);
        expect((await store.openQueries(job().number)).map(({ number }) => number)).toEqual(accepts);
        await until(() => {
            goOn();
            return job().running === 0;
        });
        await answer;
    });

    it.each<[string, Script]>([
        ['rule 3: an accept that another key signed', { receiptKey: testKey(77) }],
        ['rule 3: an accept of another request', { accept: (accept) => ({ ...accept, request: Buffer.alloc(32, 1) }) }],
        [
            'rule 3: an accept with another ceiling',
            { accept: (accept) => ({ ...accept, ceiling: accept.ceiling + 1n }) },
        ],
        [
            'rule 3: an accept of a clock two minutes off',
            { accept: (accept) => ({ ...accept, deadline: accept.deadline + 120 }) },
        ],
        ['rule 3: two accepts', { twoAccepts: true }],
        ['a frame that does not open', { spoilFrame: 0 }],
        ['rule 6: a meter that falls', { frames: ['a', 'b'], meter: (meter, i) => ({ ...meter, prompt: 10 - i }) }],
        ['rule 6: a meter far above what arrived', { meter: (meter) => ({ ...meter, completion: 1000 }) }],
        ['rule 6: a meter far above what was sent', { meter: (meter) => ({ ...meter, prompt: 10_000 }) }],
    ])('leaves the node for %s', async (_, lie) => {
        await start();
        await warm();
        script(lie);
        const { status } = await bench.post(ask);

        expect([502, 503]).toContain(status);
        await until(() => job().phase === 'leaving' && bench.chain.sent === 2);
        expect(paid()).toBe(3020n);
    });

    it.each<[string, Script]>([
        ['a price that is not that of its counts', { result: (result) => ({ ...result, price: result.price + 1n }) }],
        [
            'a cumulative that is not the last plus the price',
            { result: (result) => ({ ...result, cumulative: result.cumulative + 1n }) },
        ],
        ['an index that was used', { result: (result) => ({ ...result, index: 1 }) }],
        ['a root of another answer', { result: (result) => ({ ...result, content: Buffer.alloc(32, 3) }) }],
        ['a time two minutes ago', { result: (result) => ({ ...result, finishedAt: result.finishedAt - 120 }) }],
        [
            'counts above what arrived',
            { result: (result) => ({ ...result, completion: 1000, price: 1_001_020n, cumulative: 1_004_040n }) },
        ],
        ['a whole answer without its final frame', { cut: 1, finish: Finish.Stop }],
    ])('rule 10: refuses a result with %s, pays no more and leaves', async (_, lie) => {
        await start();
        await warm();
        script(lie);
        const { status, body } = await bench.post(ask);

        if (lie.cut === undefined) {
            expect([502, 503]).toContain(status);
        } else {
            expect(body.choices[0].finish_reason).toBe('error'); // the lie is read afterwards
        }
        await until(() => job().phase === 'leaving');
        const { status: after } = await bench.post(ask);
        expect(after).toBe(503);
        expect(paid()).toBeLessThan(6040n);
    });

    it('rule 10: a refused result ends a stream with an error event', async () => {
        await start();
        script({ result: (result) => ({ ...result, price: 5n }) });
        const { text, error, finish } = await streamed(bench);

        expect(text).toBe('Hello world');
        expect(finish).toBeNull();
        expect(error?.message).toContain('ended the answer');
    });

    it('rule 7: pays for a running answer at every quarter of a step, on another connection', async () => {
        await start();
        let seen = 0n;
        script({
            frames: long,
            tokensPerFrame: 6,
            wait: (frame) => (frame < 4 ? tick() : until(() => (seen = paid()) > 10_000n)),
        });
        const { text } = await streamed(bench);

        expect(text).toBe(long.join(''));
        expect(seen).toBeGreaterThan(0n);
        await until(() => paid() === 1020n + 72_000n);
    });

    it('rule 7: vouchers only grow, each is for its channel, and the count follows the results', async () => {
        await start();
        for (let i = 0; i < 3; i++) {
            script({ frames: long, tokensPerFrame: 6 });
            await bench.post(ask);
        }
        await until(() => bench.worker.only.vouchers.at(-1)?.count === 3);

        const { vouchers, channel, terms } = bench.worker.only;
        const verifier = new Verifier(terms.voucherKey);
        bench.worker.posted.reduce((last, next) => {
            expect(next.cumulative).toBeGreaterThanOrEqual(last.cumulative);
            expect(next.count).toBeGreaterThanOrEqual(last.count);
            return next;
        });
        for (const { cumulative, count, signature } of vouchers) {
            expect(verifier.verify(Voucher.hash(voucherFor(NETWORK, channel, cumulative, count)), signature)).toBe(
                true,
            );
        }
    });

    it('rule 7: one post is in flight, the next carries the newest', async () => {
        await start();
        await warm();
        let flying = 0;
        let max = 0;
        const { worker } = job();
        const post = worker.voucher.bind(worker);
        worker.voucher = async (...args) => {
            max = Math.max(max, ++flying);
            await tick(20);
            return post(...args).finally(() => flying--);
        };
        await Promise.all(Array.from({ length: 4 }, () => bench.post(ask)));
        await until(() => paid() === 5n * 3020n);
        expect(max).toBe(1);
    });

    it('rule 7: a voucher that was lost on the wire goes with the next query', async () => {
        await start();
        await warm();
        const { worker } = job();
        worker.voucher = async () => Promise.reject(new Error('lost'));
        await bench.post(ask);
        await tick(30);
        expect(paid()).toBe(3020n);
        await bench.post(ask);
        expect(paid()).toBe(6040n);
    });

    it('rule 11: parallel queries share one voucher and one count', async () => {
        // With room for all of them, so that no other job is opened for those that wait.
        await start({
            config: { job: { deposit: '1000000000', step: '40000', notice: 3600, lifetime: 86400, maxParallel: 16 } },
        });
        await warm();
        const answers = await Promise.all(Array.from({ length: 8 }, () => bench.post(ask)));

        expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
        await until(() => paid() === 9n * 3020n && bench.worker.only.vouchers.at(-1)?.count === 9);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('rule 14: a client that goes away cuts the query; the signed result is fetched and paid', async () => {
        await start();
        await warm();
        let frames = 0;
        script({ frames: long, wait: async (frame) => ((frames = frame), tick(frame < 3 ? 1 : 40)) });
        const stream = await bench.openai.chat.completions.create({ ...ask, stream: true });
        for await (const chunk of stream) {
            if (chunk.choices[0]?.delta.content) break;
        }
        stream.controller.abort();

        await until(() => bench.worker.only.index === 2);
        expect(frames).toBeLessThan(long.length - 1);
        await until(() => paid() === bench.worker.only.cumulative && job().unfinished.length === 0);
        expect(bench.worker.wire.some(({ path }) => path.endsWith('/queries/2'))).toBe(true);
    });

    it('a client that goes away before the first word leaves no work unpaid: the query is cut after that word', async () => {
        await start();
        await warm();
        let go: () => void = () => undefined;
        const first = new Promise<void>((resolve) => (go = resolve));
        let frames = 0;
        script({ frames: long, wait: (frame) => ((frames = frame), frame === 0 ? first : tick(40)) });
        const gone = new AbortController();
        const request = bench.openai.chat.completions.create({ ...ask, stream: true }, { signal: gone.signal });
        await until(() => bench.worker.asked.length === 2);
        gone.abort();
        await expect(request).rejects.toThrow();
        await tick(100);
        expect(job().running).toBe(1);
        go();

        await until(() => job().running === 0 && job().unfinished.length === 0);
        expect(frames).toBeLessThan(long.length - 1);
        await until(() => paid() === bench.worker.only.cumulative);
        expect(paid()).toBeGreaterThanOrEqual(3020n + 2020n); // the prompt and a word
    });

    it('a client that went away before the first word does not keep the gateway from stopping', async () => {
        await start();
        await warm();
        script({ wait: () => new Promise(() => undefined) });
        const gone = new AbortController();
        const request = bench.openai.chat.completions.create({ ...ask, stream: true }, { signal: gone.signal });
        await until(() => bench.worker.asked.length === 2);
        gone.abort();
        await expect(request).rejects.toThrow();
        await tick(50);
        const before = performance.now();
        await bench.restart();

        expect(performance.now() - before).toBeLessThan(10_000);
    });

    it('is paid for an answer whose ending a proxy hid for a while with a page of its own', async () => {
        await start();
        await warm();
        bench.worker.proxyPages = 3;
        script({ frames: long, wait: async (frame) => tick(frame < 3 ? 1 : 40) });
        const stream = await bench.openai.chat.completions.create({ ...ask, stream: true });
        for await (const chunk of stream) {
            if (chunk.choices[0]?.delta.content) break;
        }
        stream.controller.abort();

        await until(() => bench.worker.only.index === 2);
        await until(() => paid() === bench.worker.only.cumulative && job().unfinished.length === 0);
        expect([bench.worker.proxyPages, job().phase]).toEqual([0, 'open']);
    });

    it.each([
        ['is paid for what was on its way, up to a step', '37020', 3020n + 37_020n, 'open'],
        ['is not paid for more: the job is left', '37019', 3020n, 'leaving'],
    ])('a node that goes on with an answer after it was cut %s', async (_, step, max, phase) => {
        await start({
            config: { job: { deposit: '1000000000', step, notice: 3600, lifetime: 86400, maxParallel: 4 } },
        });
        await warm();
        let go: () => void = () => undefined;
        const gone = new Promise<void>((resolve) => (go = resolve));
        script({
            frames: long,
            tokensPerFrame: 3,
            goesOn: true,
            wait: (frame) => (frame === 1 ? gone : Promise.resolve()),
        });
        const stream = await bench.openai.chat.completions.create({ ...ask, stream: true });
        for await (const chunk of stream) {
            if (chunk.choices[0]?.delta.content) break;
        }
        stream.controller.abort();
        await until(() => job().running === 0);
        go();

        await until(() => job().unfinished.length === 0 && job().phase === phase);
        await until(() => paid() === max || phase === 'leaving');
        expect(paid()).toBe(max);
    });

    it('is over with its signed end: a node that holds the connection open holds no place of the job', async () => {
        await start({
            config: { job: { deposit: '1000000000', step: '40000', notice: 3600, lifetime: 86400, maxParallel: 1 } },
        });
        script({ holdsOpen: true });

        expect((await bench.post(ask)).status).toBe(200);
        expect(job().running).toBe(0);
        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
        await until(() => bench.worker.letGo === 1);
    });

    it('an answer in one long record is opened in turns of the event loop, and arrives whole', async () => {
        await start();
        const text = 'ab '.repeat(30_000);
        bench.worker.scripts.push({ frames: [text] });
        const take = jest.spyOn(eventLoop, 'take');

        const { body } = await bench.post(ask);
        const parts = take.mock.calls.map(([bytes]) => bytes);
        take.mockRestore();
        expect(body.choices[0].message.content).toBe(text);
        expect(parts.length).toBeGreaterThan(2);
        expect(Math.max(...parts)).toBe(32 << 10);
        expect(parts.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(text.length);
    });

    it('rule 13: takes a result over a prefix of what arrived', async () => {
        await start();
        await warm();
        script({ frames: long, cut: 6, storedPrefix: 3 });
        const { text, error } = await streamed(bench);

        expect(text).toContain('word 0');
        expect(error).toBeDefined();
        await until(() => job().unfinished.length === 0);
        await until(() => paid() === 3020n + 1020n + 3000n);
        expect(job().phase).toBe('open');
    });

    it('rule 14: refuses a stored answer that is not the one that was sent', async () => {
        await start();
        await warm();
        script({ frames: long, cut: 6, contradict: true });
        await streamed(bench);

        await until(() => job().phase === 'leaving');
        expect(job().stored.note).toContain('another than the one that was sent');
    });

    it('rule 12: refuses a result over an answer that was cut before it had a word, and pays nothing of it', async () => {
        await start({ workers: 2 });
        await bench.post(ask);
        const used = bench.workers.find(({ jobs }) => jobs.size > 0)!;
        await until(() => used.only.vouchers.at(-1)?.cumulative === 3020n);
        used.scripts.push({ frames: [], finish: Finish.CutByBackend });

        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
        await until(() => bench.gateway.book.all[0].phase === 'leaving');
        expect(used.only.vouchers.at(-1)?.cumulative).toBe(3020n);
    });

    it('rule 16: a fail leaves what was paid as credit, and twice in a row leaves the node', async () => {
        await start({ workers: 2 });
        await bench.post(ask);
        const used = bench.workers.find(({ jobs }) => jobs.size > 0)!;
        const held = used.only;
        await until(() => (held.vouchers.at(-1)?.cumulative ?? 0n) === 3020n);
        const fail: Script = { frames: long, tokensPerFrame: 6, failAtEnd: Reason.BackendDown };
        used.scripts.push(fail);
        await streamed(bench);
        expect(bench.gateway.book.all[0].phase).toBe('open');
        const credit = bench.gateway.book.all[0].ledger.voucher.cumulative;
        expect(credit).toBeGreaterThan(3020n);

        used.scripts.push({});
        await bench.post(ask);
        expect(bench.gateway.book.all[0].ledger.voucher.cumulative).toBe(credit);

        used.scripts.push(fail, fail);
        await streamed(bench);
        await streamed(bench);
        await until(() => bench.gateway.book.all[0].phase === 'leaving');
        const other = bench.workers.find((one) => one !== used)!;
        expect((await bench.post(ask)).status).toBe(200);
        expect(other.asked.length).toBeGreaterThan(0);
    });

    it('never promises more than the job covers', async () => {
        await start({
            config: {
                job: {
                    deposit: '20000000',
                    step: '40000',
                    notice: 3600,
                    lifetime: 86400,
                    maxParallel: 4,
                    openAhead: 0,
                },
            },
        });
        await bench.post({ ...ask, max_tokens: 1_000_000 });
        const [query] = [...bench.worker.only.queries.values()];
        expect(query.head.ceiling).toBeLessThan(18_100_000n);
    });

    it('a voucher that the worker holds is taken over only with our signature', async () => {
        await start();
        await warm();
        bench.worker.answerVoucher = (newest) => ({ ...newest, cumulative: newest.cumulative + 1n });
        await bench.post(ask);
        await tick(50);
        expect(job().ledger.voucher.cumulative).toBe(6040n);
    });

    it('rule 6: what a meter says is the least that a later one says', async () => {
        await start();
        const meters: TokenCounts[] = [];
        script({ frames: long, meter: (meter) => (meters.push(meter), meter) });
        expect((await bench.post(ask)).status).toBe(200);
        expect(meters).toHaveLength(long.length);
    });
});

function tick(ms = 1): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
}
