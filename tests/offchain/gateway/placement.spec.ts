/** Which process of a node gets a new job. */
import { placementOrder } from '../../../offchain/gateway/placement';
import { Market, useMarket } from '../../support/market';
import { ask, Bench, FakeWorker, MODEL, startBench } from './support';
import type { Script } from './support/worker';

describe('The processes of a node are asked to take a new job', () => {
    const none = () => 0;

    it('by the number of their jobs, the fewest first', () => {
        const jobs: Record<string, number> = { a: 2, b: 0, c: 1 };
        expect(placementOrder(['a', 'b', 'c'], (url) => jobs[url], 0)).toEqual(['b', 'c', 'a']);
    });

    it('if all have equally many, from one on that differs between gateways', () => {
        const firsts = [0, 1, 2, 3].map((turn) => placementOrder(['a', 'b'], none, turn)[0]);
        expect(firsts).toEqual(['a', 'b', 'a', 'b']);
    });

    it('in the same order, whichever process named them', () => {
        expect(placementOrder(['b', 'c', 'a'], none, 4)).toEqual(placementOrder(['a', 'b', 'c'], none, 4));
    });

    it('not at all, if there are none', () => {
        expect(placementOrder([], none, 1)).toEqual([]);
    });
});

describe('A gateway at a node of two processes', () => {
    const market = useMarket();
    let bench: Bench;
    let second: FakeWorker;

    /** `urlOf`: what the first process says where the second one is. */
    async function start(urlOf = ({ url }: FakeWorker) => url, workers = 1, maxOpen = 4): Promise<void> {
        second = await secondOf(market());
        bench = await startBench(market(), {
            workers,
            config: { job: { deposit: '1000000000', step: '40000', maxOpen } },
            before: ({ worker }) => {
                [worker.processes, second.processes] = [
                    [worker.url, urlOf(second)],
                    [second.url, worker.url],
                ];
                worker.info = (info) => ({ ...info, processes: worker.processes });
                second.info = (info) => ({ ...info, processes: second.processes });
            },
        });
    }

    async function secondOf({ payout, now }: Market): Promise<FakeWorker> {
        return new FakeWorker(payout.address, () => now).start();
    }

    /** At the node of two processes. */
    function openJobs(count: number) {
        const others = new Set(bench.workers.slice(1).map(({ url }) => url));
        return Promise.all(Array.from({ length: count }, () => bench.gateway.opener.openAnother(MODEL, others)));
    }

    afterEach(async () => {
        await bench.close();
        await second.stop();
    });

    it('opens as many jobs at one as at the other', async () => {
        await start();
        await openJobs(4);
        expect([bench.worker.jobs.size, second.jobs.size]).toEqual([2, 2]);
    });

    it('opens its jobs at the one that is left, if the other has stopped', async () => {
        await start();
        await second.stop();
        await openJobs(2);
        expect(bench.worker.jobs.size).toBe(2);
    });

    it('asks the other one, if the first goes away before it answers', async () => {
        await start();
        await openJobs(2);
        const processes = [bench.worker, second];
        // Whichever is asked first breaks off, and the other one answers.
        const script = {
            get cut() {
                processes.forEach(({ scripts }) => (scripts.length = 0));
                return 'before accept' as const;
            },
        };
        processes.forEach(({ scripts }) => scripts.push(script));

        expect((await bench.post(ask)).status).toBe(200);
        expect(processes.map(({ jobs }) => jobs.size)).toEqual([1, 1]);
    });

    it('asks the process that has the job next, if as many jobs as may be are open', async () => {
        await start(undefined, undefined, 1);
        await openJobs(1);
        [bench.worker, second].find(({ jobs }) => jobs.size === 1)!.scripts.push({ cut: 'before accept' });

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.worker.jobs.size + second.jobs.size).toBe(1);
    });

    it('asks another node, if both go away before they answer', async () => {
        await start(({ url }) => url, 2);
        await openJobs(2);
        const processes = [bench.worker, second];
        processes.forEach(({ scripts }) => scripts.push(...Array<Script>(4).fill({ cut: 'before accept' })));

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.workers[1].jobs.size).toBeGreaterThan(0);
    });

    it('says that the node went away, if both do', async () => {
        await start();
        await openJobs(2);
        [bench.worker, second].forEach(({ scripts }) =>
            scripts.push(...Array<Script>(4).fill({ cut: 'before accept' })),
        );

        const { status, body } = await bench.post(ask);
        expect([status, body.error?.code]).toEqual([503, 'node_down']);
    });

    it('opens its jobs at the one that it can reach, if something else answers where the other should be', async () => {
        await start(({ url }) => `${url}/elsewhere`);
        await openJobs(2);
        expect([bench.worker.jobs.size, second.jobs.size]).toEqual([2, 0]);
    });
});
