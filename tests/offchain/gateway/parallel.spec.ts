// Longer than 350 lines because its cases share one set-up.
import { Finish, Reason } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { ChainError } from '../../../offchain/chain';
import { ModelUsage } from '../../../offchain/gateway/forecast';
import { NodeStats } from '../../../offchain/gateway/nodeStats';
import { useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, FakeWorker, newGate, SandboxChain, startBench, until } from './support';
import { RATES } from './support/worker';

describe('Many questions at once', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const jobs = () => bench.gateway.book.all;
    const many = (count: number) => Promise.all(Array.from({ length: count }, () => bench.post(ask)));
    const statuses = (answers: { status: number }[]) => [...new Set(answers.map(({ status }) => status))];

    /** Every query of every worker takes so long, and what ran at once in one job is counted. */
    const slow = (ms: number) => {
        const max = { all: 0, running: 0 };
        for (const worker of bench.workers) {
            const wait = async () => {
                max.all = Math.max(max.all, ++max.running);
                await new Promise((resolve) => setTimeout(resolve, ms));
                max.running--;
            };
            worker.scripts.push(...Array.from({ length: 200 }, () => ({ frames: ['one'], wait })));
        }
        return max;
    };

    afterEach(() => bench?.close());

    it('64 over two nodes with default settings: every one is answered, and as many run at once as asked', async () => {
        await start({ workers: 2, config: { job: {} } });
        const max = slow(1500);

        const answers = await many(64);

        expect(statuses(answers)).toEqual([200]);
        expect(max.all).toBeGreaterThan(16);
        expect(jobs().length).toBeGreaterThan(2);
        expect(jobs().length).toBeLessThanOrEqual(8);
        expect(jobs().every((job) => job.running === 0)).toBe(true);
    }, 20_000);

    it('a burst that ends in a moment opens no other job', async () => {
        await start();
        await bench.post(ask);
        slow(20);

        expect(statuses(await many(12))).toEqual([200]);
        expect(jobs()).toHaveLength(1);
    });

    it('a job that is full gets another beside it, and no question waits for its slot', async () => {
        await start();
        await bench.post(ask);
        slow(3000);

        const startedAt = Date.now();
        expect(statuses(await many(8))).toEqual([200]);

        expect(jobs()).toHaveLength(2);
        expect(Date.now() - startedAt).toBeLessThan(5900);
    });

    it('a job that is full gets another beside it, though jobs that cannot answer have free places', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2 };
        await start({ workers: 3, config: { shutdownSeconds: 0.2, job } });
        const features = [[], ['tools'], ['tools']];
        bench.workers.forEach((worker, i) => {
            const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
            worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], features: features[i] }] });
        });
        const tools = [{ type: 'function' as const, function: { name: 'look' } }];
        const at = (i: number) => ({ provider: { only: [bench.workers[i].url] } });
        expect(
            statuses([await bench.post({ ...ask, ...at(0) }), await bench.post({ ...ask, tools, ...at(1) })]),
        ).toEqual([200]);
        const { gate, go } = newGate();
        bench.workers[1].scripts.push(...[1, 2].map(() => ({ frames: ['one'], wait: () => gate })));
        const running = [1, 2].map(() => bench.post({ ...ask, tools }));
        await until(() => jobs()[1].running === 2, 30_000);

        expect((await bench.post({ ...ask, tools })).status).toBe(200);

        expect(jobs().map(({ running: count }) => count)).toEqual([0, 2, 0]);
        go();
        expect(statuses(await Promise.all(running))).toEqual([200]);
    });

    it('a job that is full gets another beside it at no node that has a free place and refuses such questions', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2 };
        await start({ workers: 2, config: { shutdownSeconds: 0.2, job } });
        bench.workers.forEach((worker, i) => {
            const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
            const rates = i === 0 ? { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n } : RATES;
            worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], rates }] });
        });
        const [refusing, able] = bench.workers;
        const at = ({ url }: FakeWorker) => ({ provider: { only: [url] } });
        expect(
            statuses([await bench.post({ ...ask, ...at(refusing) }), await bench.post({ ...ask, ...at(able) })]),
        ).toEqual([200]);
        refusing.scripts.push({ decline: Reason.ContextExceeded });
        expect((await bench.post({ ...ask, provider: { order: [refusing.url, able.url] } })).status).toBe(200);
        const { gate, go } = newGate();
        able.scripts.push(...[1, 2].map(() => ({ frames: ['one'], wait: () => gate })));
        const running = [1, 2].map(() => bench.post(ask));
        await until(() => jobs()[1].running === 2, 30_000);

        const status = (await bench.post(ask)).status;

        expect([status, ...jobs().map(({ stored }) => stored.worker)]).toEqual([200, refusing.url, able.url, able.url]);
        go();
        expect(statuses(await Promise.all(running))).toEqual([200]);
    });

    it('a job that is full gets another beside it, though two nodes that answer nothing have free places', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2 };
        await start({ workers: 3, config: { shutdownSeconds: 0.2, job } });
        bench.workers.forEach((worker, i) => {
            const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
            worker.info = (info) => ({ ...info, node });
        });
        const [able, ...others] = bench.workers;
        for (const { url } of bench.workers) {
            expect((await bench.post({ ...ask, provider: { only: [url] } })).status).toBe(200);
        }
        others.forEach(({ scripts }) => scripts.push(...Array(1000).fill({ refuse: 'shutting_down' })));
        const { gate, go } = newGate();
        able.scripts.push(...[1, 2].map(() => ({ frames: ['one'], wait: () => gate })));
        const running = [1, 2].map(() => bench.post({ ...ask, provider: { only: [able.url] } }));
        await until(() => jobs()[0].running === 2, 30_000);

        await until(async () => (await bench.post(ask)).status === 200, 30_000);

        expect(jobs().map(({ stored }) => stored.worker)).toEqual([able, ...others, able].map(({ url }) => url));
        go();
        expect(statuses(await Promise.all(running))).toEqual([200]);
    }, 60_000);

    it('a job that is full gets another beside it, though job.maxOpen are open with one at a node that answers nothing', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 };
        await start({ workers: 2, config: { shutdownSeconds: 0.2, job } });
        bench.workers.forEach((worker, i) => {
            const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
            worker.info = (info) => ({ ...info, node });
        });
        const [able, other] = bench.workers;
        for (const { url } of bench.workers) {
            expect((await bench.post({ ...ask, provider: { only: [url] } })).status).toBe(200);
        }
        const answersNone = jest.spyOn(NodeStats.prototype, 'isPassedOver');
        answersNone.mockImplementation((url) => url === other.url);
        const { gate, go } = newGate();
        able.scripts.push(...[1, 2].map(() => ({ frames: ['one'], wait: () => gate })));
        const running = [1, 2].map(() => bench.post({ ...ask, provider: { only: [able.url] } }));
        await until(() => jobs()[0].running === 2, 30_000);

        expect((await bench.post(ask)).status).toBe(200);

        expect(jobs().map(({ stored }) => stored.worker)).toEqual([able, other, able].map(({ url }) => url));
        go();
        expect(statuses(await Promise.all(running))).toEqual([200]);
        answersNone.mockRestore();
    }, 60_000);

    it('job.maxOpen jobs are open at most, and the others wait', async () => {
        await start({
            config: { job: { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 } },
        });
        await bench.post(ask);
        slow(400);

        expect(statuses(await many(8))).toEqual([200]);
        expect(jobs()).toHaveLength(2);
    });

    it('job.maxOpen jobs are open at most, also if each question may cost as much as a job holds', async () => {
        await start({
            config: { job: { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 } },
        });
        slow(300);
        const dear = { ...ask, max_tokens: 1_000_000 };

        expect(statuses(await Promise.all(Array.from({ length: 5 }, () => bench.post(dear))))).toEqual([200]);
        expect(jobs()).toHaveLength(2);
    });

    it('of job.maxOpen jobs one makes room for a question that none of them may answer, and then no other', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 };
        await start({ workers: 3, config: { shutdownSeconds: 0.2, job } });
        const features = [[], ['tools'], ['logprobs']];
        bench.workers.forEach((worker, i) => {
            const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
            worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], features: features[i] }] });
        });
        slow(500);
        const provider = { only: [bench.worker.url] };
        await Promise.all(Array.from({ length: 4 }, () => bench.post({ ...ask, provider })));
        bench.workers.forEach(({ scripts }) => (scripts.length = 0));
        expect(jobs().map(({ stored }) => stored.worker)).toEqual([bench.worker.url, bench.worker.url]);
        const tools = [{ type: 'function' as const, function: { name: 'look' } }];

        expect((await bench.post({ ...ask, tools })).status).toBe(200);
        const signal = AbortSignal.timeout(700);
        const other = bench.openai.chat.completions.create({ ...ask, logprobs: true }, { signal });
        await expect(other).rejects.toThrow();
        expect(jobs().map(({ phase, stored }) => [stored.worker, phase === 'open'])).toEqual([
            [bench.worker.url, false],
            [bench.worker.url, true],
            [bench.workers[1].url, true],
        ]);
        expect((await bench.post(ask)).status).toBe(200);

        const { now } = Date;
        const later = (seconds: number) => jest.spyOn(Date, 'now').mockImplementation(() => now() + seconds * 1000);
        later(301);
        expect((await bench.post({ ...ask, logprobs: true })).status).toBe(200);
        // That was the only one of its node, so the next one is an hour later.
        later(602);
        const again = bench.openai.chat.completions.create({ ...ask, provider } as never, {
            signal: AbortSignal.timeout(700),
        });
        await expect(again).rejects.toThrow();
        later(3902);
        expect((await bench.post({ ...ask, provider })).status).toBe(200);
        jest.restoreAllMocks();
    });

    it('a job for which another makes room is not the one beyond job.maxOpen while its worker does not see it', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 };
        await start({ workers: 3, config: { job } });
        const only = (node: number) => ({ ...ask, provider: { only: [bench.workers[node].url] } });
        expect(statuses([await bench.post(only(0)), await bench.post(only(1))])).toEqual([200]);
        const [, , unseeing] = bench.workers;
        unseeing.refuseJob = 'wrong_channel';

        const asked = bench.post(only(2));
        await until(() => unseeing.refusedJobs > 0);
        await bench.gateway.sweep();
        unseeing.refuseJob = undefined;
        expect((await asked).status).toBe(200);
        expect(areOpen(jobs())).toEqual([false, true, true]);
    });

    it('of one worker that takes no job one is open beyond job.maxOpen, and no other is opened there', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 2 };
        await start({ workers: 3, config: { job } });
        const only = (node: number) => ({ ...ask, provider: { only: [bench.workers[node].url] } });
        expect(statuses([await bench.post(only(0)), await bench.post(only(1))])).toEqual([200]);
        [bench.workers[2].refuseJob, bench.workers[2].refuseJobStatus] = ['shutting_down', 503];

        for (let time = 0; time < 3; time++) {
            expect((await bench.post(only(2))).status).toBe(503);
            await bench.gateway.sweep();
            expect(areOpen(jobs())).toEqual([true, true, true]);
        }
        bench.workers[2].refuseJob = undefined;
        await until(() => jobs()[2].session !== undefined);
        expect((await bench.post(only(2))).status).toBe(200);
        expect(jobs()).toHaveLength(3);
    });

    /** Every query of a worker waits until `go` is called. */
    function holdQueries(...workers: FakeWorker[]) {
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        workers.forEach(({ scripts }) => scripts.push(...Array(9).fill({ frames: ['one'], wait: () => gate })));
        return () => {
            workers.forEach(({ scripts }) => (scripts.length = 0));
            go();
        };
    }

    /** Two nodes, of which the first has as many jobs as may be open. */
    async function allJobsAtOne(maxOpen: number) {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 1, maxOpen };
        await start({ workers: 2, config: { job } });
        const go = holdQueries(bench.worker);
        const provider = { only: [bench.worker.url] };
        const asked = Array.from({ length: maxOpen }, () => bench.post({ ...ask, provider }));
        await until(() => bench.worker.asked.length === maxOpen);
        go();
        await Promise.all(asked);
        expect(jobs().map(({ stored }) => stored.worker)).toEqual(Array(maxOpen).fill(bench.worker.url));
    }

    it.each([
        ['goes away', () => bench.worker.stop()],
        [
            'cheats',
            async () => {
                bench.worker.scripts.push({ spoilFrame: 0 });
                expect((await bench.post({ ...ask, provider: { only: [bench.worker.url] } })).status).toBe(502);
            },
        ],
    ])('a node that has job.maxOpen jobs and %s keeps no question from other nodes', async (_, act) => {
        await allJobsAtOne(3);
        await act();
        const [, other] = bench.workers;
        const go = holdQueries(other);

        const asked = many(3);
        await until(() => other.asked.length === 3);
        go();
        expect(statuses(await asked)).toEqual([200]);
        jobs().forEach((job) => (job.usedAt -= job.stored.worker === other.url ? 100 : 0));
        await bench.gateway.sweep();
        expect(
            jobs()
                .filter(({ phase }) => phase === 'open')
                .map(({ stored }) => stored.worker),
        ).toEqual(Array(3).fill(other.url));
    });

    it('a node that has job.maxOpen jobs and refuses all questions keeps none from another node', async () => {
        await allJobsAtOne(2);
        bench.worker.scripts.push(...Array(9).fill({ decline: Reason.BackendRefused }));

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs().map(({ stored, phase }) => [stored.worker, phase === 'open'])).toEqual([
            [bench.worker.url, false],
            [bench.worker.url, true],
            [bench.workers[1].url, true],
        ]);
    });

    it('a node that has job.maxOpen jobs and cuts all answers has one opened at another node', async () => {
        await allJobsAtOne(2);
        bench.worker.scripts.push(...Array(9).fill({ finish: Finish.CutByBackend }));

        for (let time = 0; time < 3; time++) {
            expect((await bench.post(ask)).status).toBe(200);
        }
        await until(() => jobs().length === 3 && jobs()[2].session !== undefined && !jobs()[2].isFirstShown);
        await bench.gateway.sweep();
        expect(jobs().map(({ stored, phase }) => [stored.worker, phase === 'open'])).toEqual([
            [bench.worker.url, false],
            [bench.worker.url, true],
            [bench.workers[1].url, true],
        ]);
    });

    it('two nodes that have as many jobs as may be and withhold all endings keep no question from a third', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 1, maxOpen: 1 };
        await start({ workers: 3, config: { job } });
        const [first, second, third] = bench.workers;
        const withhold = { cut: 0, withholds: true } as const;
        await bench.post({ ...ask, provider: { only: [first.url] } });
        first.scripts.push(...Array(9).fill(withhold));
        expect((await bench.post({ ...ask, provider: { ignore: [third.url] } })).status).toBe(200);
        second.scripts.push(...Array(9).fill(withhold));
        expect((await bench.post(ask)).status).toBe(503);
        expect(jobs().map(({ stored }) => stored.worker)).toEqual([first.url, second.url]);

        const sweep = bench.gateway.sweep();
        await until(() => jobs().filter(({ phase }) => phase === 'open').length === 1);
        expect((await bench.post(ask)).status).toBe(200);
        expect(third.asked).toHaveLength(1);
        [first, second].forEach(({ only }) => only.queries.clear()); // nothing is left to wait for
        await sweep;
    });

    it('no job makes room for one that two questions need, if one more may be open', async () => {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2, maxOpen: 3 };
        await start({ workers: 3, config: { job } });
        const only = (node: number) => ({ ...ask, provider: { only: [bench.workers[node].url] } });
        expect(statuses([await bench.post(only(0)), await bench.post(only(1))])).toEqual([200]);

        expect(statuses(await Promise.all([bench.post(only(2)), bench.post(only(2))]))).toEqual([200]);
        expect(areOpen(jobs())).toEqual([true, true, true]);
    });

    /** Three jobs with a session at a gateway that may have two. */
    async function oneJobTooMany() {
        const job = { deposit: '1000000000', step: '40000', maxParallel: 2 };
        await start({ config: { job: { ...job, maxOpen: 3 } } });
        await bench.post(ask);
        slow(400);
        await many(6);
        expect(jobs()).toHaveLength(3);
        bench.worker.scripts.length = 0;

        await bench.gateway.sweep();
        expect(jobs().filter(({ phase }) => phase === 'open')).toHaveLength(3);
        await bench.restart({ job: { ...job, maxOpen: 2 } });
        await bench.post(ask);
        await until(() => jobs().every((each) => each.session !== undefined && each.running === 0), 30_000);
        return jobs();
    }

    const areOpen = (all: ReturnType<typeof jobs>) => all.map(({ phase }) => phase === 'open');

    it('jobs beyond job.maxOpen, as when others come back, are settled, the longest unused first', async () => {
        const all = await oneJobTooMany();
        all[0].usedAt += 10;
        all[1].usedAt -= 10;
        await bench.gateway.sweep();

        expect(areOpen(all)).toEqual([true, false, true]);
    });

    it('of jobs beyond job.maxOpen, those that no worker has now are settled first', async () => {
        const all = await oneJobTooMany();
        all[1].usedAt += 10;
        all[1].session = undefined;
        await bench.gateway.sweep();

        expect(areOpen(all)).toEqual([true, false, true]);
    });

    it("an escrow whose day's limit is used up opens no other job, and the questions wait", async () => {
        await start();
        await bench.post(ask);
        await market().setUp({ dayLimit: 1_500_000_000n });
        slow(400);

        expect(statuses(await many(8))).toEqual([200]);
        expect(jobs()).toHaveLength(1);
        await until(() => bench.log.some((line) => line.includes('no other job is opened for a while')));
    });
});

describe('The first question after a start', () => {
    const market = useMarket();
    let bench: Bench;

    afterEach(() => bench.close());

    it('does not wait for a chain that is away if a job is open', async () => {
        bench = await startBench(market());
        await bench.post(ask);
        let returns!: () => void;
        const away = new Promise<void>((resolve) => (returns = resolve));
        const { account } = SandboxChain.prototype;
        bench.chain.account = (address) => away.then(() => account.call(bench.chain, address));
        await bench.restart();

        const { status } = await bench.post(ask);
        returns();
        expect(status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('is answered by the job whose worker answers, and waits for no other', async () => {
        bench = await startBench(market(), { workers: 2 });
        await bench.post(ask);
        const used = bench.workers.find(({ jobs }) => jobs.size > 0)!;
        used.scripts.push({ cut: 'before accept' });
        await bench.post(ask);
        await used.stop();
        await bench.restart();

        expect((await bench.post(ask)).status).toBe(200);
    });

    it('waits for the chain if none is open', async () => {
        bench = await startBench(market());
        let answered = false;
        bench.chain.beforeSend = async () => {
            await new Promise((resolve) => setTimeout(resolve, 50));
            if (!answered) {
                answered = true;
                throw new ChainError('the API is away');
            }
        };

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    });
});

describe('The forecast of use', () => {
    const room = { available: 1_000n, slots: 8 };

    it('is short of money when the same rate would cost more than there is, and not when it costs as much', () => {
        const usage = new ModelUsage();
        usage.addCost(1200n, 0); // 10 nanoTON a second

        expect(usage.shortage(room, 101, 0)).toBe('money');
        expect(usage.shortage(room, 100, 0)).toBeUndefined();
    });

    it('forgets what was spent long ago', () => {
        const usage = new ModelUsage();
        usage.addCost(12_000n, 0);

        expect(usage.shortage(room, 120, 0)).toBe('money');
        expect(usage.shortage(room, 120, 600)).toBeUndefined();
    });

    it('is short of slots when more than three quarters were taken on average, not for a burst', () => {
        const usage = new ModelUsage();
        usage.setCurrent(8, 0);

        expect(usage.shortage(room, 120, 1)).toBeUndefined();
        expect(usage.shortage(room, 120, 600)).toBe('slots');
        usage.setCurrent(0, 600);
        expect(usage.shortage(room, 120, 700)).toBeUndefined();
    });

    it('is not short of anything before it was used', () => {
        expect(new ModelUsage().shortage({ available: 0n, slots: 0 }, 120, 0)).toBeUndefined();
    });
});
