/** What costs a node nothing costs a gateway a deposit for hours: whatever a node does, it gets few jobs for it. */
import { noTokens } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { waits } from '../../../offchain/link';
import { HOUR, testKey, useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, newGate, startBench, until } from './support';

describe('A node that would have one job after the other', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const jobs = () => bench.gateway.book.all;
    const spoiled = async () => (await bench.admin('status')).spoiled;

    afterEach(() => bench.close());

    it.each(['is shown', 'has been shown'])('as another node whenever a job %s to it: two in a day', async (when) => {
        await start();
        bench.worker.info = (info) => {
            const isKnown = ({ hash }: { hash: Buffer }) => bench.worker.jobs.has(hash.toString('hex'));
            const open = jobs().filter(({ phase }) => phase === 'open');
            const isOther = open.some(({ stored }) => when === 'is shown' || isKnown(stored));
            return isOther ? { ...info, node: new Address(0, Buffer.alloc(32, 9)).toRawString() } : info;
        };
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'unknown_session' as const })));
        for (let time = 0; time < 8; time++) {
            expect((await bench.post(ask)).status).toBe(503);
            await until(() => jobs().every(({ phase }) => phase !== 'open'));
        }

        expect(jobs()).toHaveLength(2);
        expect(await spoiled()).toMatchObject({ today: 2, count: 2 });
    });

    it('is not one that changes its keys: the jobs that are open then count once', async () => {
        await start({ config: { job: { deposit: '1000000000', step: '40000', maxParallel: 1 } } });
        const wait = () => new Promise((resolve) => setTimeout(resolve, 500));
        bench.worker.scripts.push(...Array.from({ length: 3 }, () => ({ frames: ['one'], wait })));
        await Promise.all(Array.from({ length: 3 }, () => bench.post(ask)));
        expect(jobs().length).toBeGreaterThan(1);
        market().blockchain.now = market().now + HOUR;
        bench.worker.info = (info) => ({ ...info, receiptKey: testKey(77).publicKey });
        for (const job of jobs()) await bench.gateway.recovery.connect(job);

        await until(() => jobs().every(({ phase }) => phase !== 'open'));
        expect((await spoiled()).today).toBe(1);
    });

    it('and withholds the endings of dear queries: two, until it gives them', async () => {
        await start();
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ cut: 0, withholds: true })));
        for (let time = 0; time < 5; time++) {
            expect((await bench.post({ ...ask, max_tokens: 1_000_000 })).status).toBe(503);
        }
        expect(jobs()).toHaveLength(2);
        bench.worker.scripts.length = 0;
        for (const { queries } of bench.worker.jobs.values()) queries.clear();

        await until(() => jobs().every(({ withheld }) => withheld === 0n));
        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(2);
    });

    it('and breaks off long answers without an ending, which fill memory: two, until it gives them', async () => {
        await start();
        bench.worker.info = (info) => ({ ...info, limits: { ...info.limits, maxAnswer: 4 << 20 } });
        const meter = () => ({ ...noTokens, prompt: 10, cached: 2 });
        const long = { frames: Array(9).fill('y '.repeat(250_000)), meter, cut: 8, withholds: true };
        const answers: number[] = [];
        for (let time = 0; time < 14; time++) {
            bench.worker.scripts.push(long);
            answers.push((await bench.post(ask)).status);
        }
        expect(answers.slice(-3)).toEqual([503, 503, 503]);
        expect(jobs()).toHaveLength(2);
        expect(Math.max(...jobs().map(({ keptBytes }) => keptBytes))).toBeLessThan(20 << 20);
        bench.worker.scripts.length = 0;
        for (const { queries } of bench.worker.jobs.values()) queries.clear();

        await until(() => jobs().every(({ keptBytes }) => keptBytes === 0));
        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(2);
    });

    it('and breaks off answers that cost nothing, without an ending: two, until it gives them', async () => {
        await start();
        const rates = { prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n };
        bench.worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], rates }] });
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ cut: 1, withholds: true })));
        const others = Array.from({ length: 98 }, (_, i) => 1000 + i); // as if it had broken them off, too
        for (const count of [1, 2]) {
            expect((await bench.post(ask)).body.error.code).toBe('answer_broken');
            expect(jobs()).toHaveLength(count);
            others.forEach((number) => jobs()[count - 1].reserve(number, 0n));
            expect((await bench.post(ask)).body.error.code).toBe('answer_broken');
            expect(jobs()[count - 1].brokenOff).toBe(100);
        }
        expect((await bench.post(ask)).status).toBe(503);
        expect(jobs()).toHaveLength(2);
        bench.worker.scripts.length = 0;

        others.forEach((number) => jobs()[1].release({ number } as never));
        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(2);
    });

    it('and breaks off in the name of one of two processes: two', async () => {
        await start();
        bench.worker.processes = [bench.worker.url, 'http://127.0.0.1:9'];
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ cut: 'before accept' as const })));
        for (let time = 0; time < 5; time++) expect((await bench.post(ask)).status).toBe(503);
        expect(jobs()).toHaveLength(2);
        bench.worker.scripts.length = 0;

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(2);
    });

    it('and is one of many of its provider, none of which answers: two, before a dearer one of another', async () => {
        await start({ workers: 8 });
        const [dear, ...cheap] = bench.workers;
        dear.info = (info) => ({ ...info, provider: new Address(0, Buffer.alloc(32, 0x51)).toRawString() });
        for (const worker of cheap) {
            const rates = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
            worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], rates }] });
            worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'shutting_down' as const })));
        }
        const answers: number[] = [];
        while (!answers.includes(200) && answers.length < 40) {
            answers.push((await bench.post(ask)).status);
            await until(() => jobs().every(({ phase }) => phase === 'open'));
        }

        expect(answers.at(-1)).toBe(200);
        expect(jobs().filter(({ stored }) => stored.worker !== dear.url)).toHaveLength(2);
        expect(await spoiled()).toMatchObject({ count: 0 });
    });

    it('and is one of many of its provider, of which one answers and has no place free: two, as well', async () => {
        await start({ workers: 6 });
        const [dear, answering, ...cheap] = bench.workers;
        dear.info = (info) => ({ ...info, provider: new Address(0, Buffer.alloc(32, 0x51)).toRawString() });
        const rates = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
        answering.info = (info) => {
            const available = jobs().length === 0;
            const limits = { ...info.limits, maxParallel: 1 };
            return { ...info, limits, offers: [{ ...info.offers[0], rates, available }] };
        };
        for (const worker of cheap) {
            worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], rates }] });
            worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'shutting_down' as const })));
        }
        expect((await bench.post({ ...ask, provider: { only: [answering.url] } })).status).toBe(200);
        market().blockchain.now = market().now + 60; // what nodes say of themselves is asked anew
        const { gate, go } = newGate();
        answering.scripts.push({ wait: () => gate });
        const running = bench.post({ ...ask, provider: { only: [answering.url] } });
        await until(() => jobs()[0].running === 1, 30_000);

        await until(async () => (await bench.post(ask)).status === 200, 60_000);
        expect(jobs().filter(({ stored }) => cheap.some(({ url }) => url === stored.worker))).toHaveLength(2);
        go();
        expect((await running).status).toBe(200);
    }, 90_000);

    it('and begins no answer until the apps go away: none, until it begins', async () => {
        const times: { begin: number } = waits;
        const short = jest.replaceProperty(times, 'begin', 0.2);
        await start({ config: { shutdownSeconds: 0.2, job: { maxParallel: 1 } } });
        expect((await bench.post(ask)).status).toBe(200);
        let begin: () => void = () => undefined;
        const first = new Promise<void>((resolve) => (begin = resolve));
        bench.worker.scripts.push(...Array.from({ length: 9 }, () => ({ wait: () => first })));
        for (let time = 0; time < 4; time++) {
            const signal = AbortSignal.timeout(1000);
            await expect(bench.openai.chat.completions.create(ask, { signal })).rejects.toThrow();
        }
        short.restore();
        expect(jobs()).toHaveLength(1);
        begin();

        await until(() => jobs()[0].running === 0);
        expect(jobs()[0].silent).toBe(0);
        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(1);
    });

    it('and lists tools when it is asked, and none when a job is shown to it: one for all that need tools', async () => {
        await start();
        bench.worker.info = (info) => {
            const isShown = jobs().some(({ phase, session }) => phase === 'open' && session === undefined);
            const offers = info.offers.map((offer) => ({ ...offer, features: isShown ? [] : ['tools'] }));
            return { ...info, offers };
        };
        const tools = [{ type: 'function', function: { name: 'look' } }];
        const answers = [];
        for (let time = 0; time < 5; time++) answers.push((await bench.post({ ...ask, tools })).status);

        expect(jobs()).toHaveLength(1);
        expect(answers).toEqual([503, 200, 200, 200, 200]);
    });
});
