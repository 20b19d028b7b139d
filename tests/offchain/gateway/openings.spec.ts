/** What the escrow may open on a day, among the API keys of a gateway. */
import { Reason } from '@cocoon-market/wrappers';
import { toNano } from '@ton/core';
import { Openings } from '../../../offchain/gateway/openings';
import { JobPool } from '../../../offchain/gateway/pool';
import { useMarket } from '../../support/market';
import { Answer, ask, Bench, newGate, startBench, until } from './support';

const FEES = toNano('0.2'); // more than the fees of all jobs of a test
const LIMITS = { maxParallel: 4, maxOpen: 16 };

const market = useMarket();
let bench: Bench;

/** A gateway with so many nodes, whose escrow opens so many jobs of 1 TON today. */
async function start({ workers, jobs, ...limits }: { workers: number; jobs: number } & Partial<typeof LIMITS>) {
    await market().setUp({ dayLimit: toNano(jobs) + FEES });
    const job = { deposit: '1000000000', step: '40000', notice: 3600, lifetime: 86400, ...LIMITS, ...limits };
    bench = await startBench(market(), { workers, config: { job } });
}

afterEach(async () => {
    jest.restoreAllMocks();
    await bench.close();
});

const opened = () => bench.gateway.book.all.length;
const keyOf = (name: string) => bench.admin('keys', { name });

/** Posts a question of a key, which prefers no node or takes only one. */
const post = ({ secret }: Answer, node?: number) =>
    bench.post(node === undefined ? ask : { ...ask, provider: { only: [bench.workers[node].url] } }, {
        authorization: `Bearer ${secret}`,
    });

/** A key takes seven of the eight places of a job, until `go` is called; then five minutes seem to have passed. */
async function takeSevenPlaces(key: Answer) {
    const { gate, go } = newGate();
    bench.worker.scripts.push(...Array(7).fill({ wait: () => gate }));
    const held = Array.from({ length: 7 }, () => post(key));
    await until(() => bench.worker.asked.length === 7);
    const { now } = performance;
    jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 300_000);
    return { held, go };
}

/** The statuses of questions, each of which takes only one node, one after the other. */
async function statuses(key: Answer, ...nodes: number[]): Promise<number[]> {
    const all: number[] = [];
    for (const node of nodes) all.push((await post(key, node)).status);
    return all;
}

describe('Of what the escrow may open today', () => {
    it('one of several keys leaves the others as much as it ties up', async () => {
        await start({ workers: 4, jobs: 3 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];

        expect(await statuses(eve, 0, 1)).toEqual([200, 200]); // 2 TON, and 1 TON is left
        const { status, body } = await post(eve, 2);
        expect([status, body.error.code]).toEqual([402, 'share_used']);
        expect(body.error.metadata).toMatchObject({ key: 'eve', tied: '1999993960' }); // two answers are paid
        expect(await statuses(eve, 0, 1)).toEqual([200, 200]); // by the jobs that are open
        expect(opened()).toBe(2);
        expect((await post(bob, 2)).status).toBe(200);
        expect(opened()).toBe(3);
    });

    it('a key without another may use all', async () => {
        await start({ workers: 4, jobs: 3 });
        const eve = await keyOf('eve');

        expect(await statuses(eve, 0, 1, 2)).toEqual([200, 200, 200]);
        expect((await post(eve, 3)).body.error.code).toBe('insufficient_funds');
    });

    it.each([
        ['is left to other keys', ['bob', 'eve'], 3, 'share_used'],
        ['is used up', ['eve'], 2, 'insufficient_funds'],
    ] as const)('if it %s, a question that gets no job takes none from others', async (_, names, jobs, code) => {
        await start({ workers: 3, jobs, maxOpen: 2 });
        const keys = await Promise.all(names.map(keyOf));
        const eve = keys[keys.length - 1];
        expect(await statuses(eve, 0, 1)).toEqual([200, 200]);

        expect((await post(eve, 2)).body.error.code).toBe(code);
        expect(bench.gateway.book.phases).toEqual({ open: 2 });
        expect(await statuses(eve, 0, 1)).toEqual([200, 200]);
    });

    it('the last job of the day is not for a key that ties up another', async () => {
        await start({ workers: 3, jobs: 2 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];

        expect(await statuses(eve, 0)).toEqual([200]);
        expect((await post(eve, 1)).body.error.code).toBe('share_used');
        expect(await statuses(bob, 1)).toEqual([200]);
    });

    it('a key that has had no job opened today may use the last of it', async () => {
        await start({ workers: 3, jobs: 1 });
        const [bob] = [await keyOf('bob'), await keyOf('eve')];

        expect(await statuses(bob, 0)).toEqual([200]);
    });

    it('a key that has used its share gets an answer from a job that is opened for another key', async () => {
        await start({ workers: 3, jobs: 3 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        expect(await statuses(eve, 0, 1, 2)).toEqual([200, 200, 402]);
        const { gate, go } = newGate();
        let orders = 0;
        bench.chain.beforeSend = () => {
            orders++;
            return gate;
        };

        const first = post(bob, 2);
        await until(() => orders === 1);
        const waits = jest.spyOn(JobPool.prototype as unknown as { waitForSlot(): Promise<void> }, 'waitForSlot');
        const second = post(eve, 2);
        await until(() => waits.mock.calls.length > 0);
        go();
        expect([(await first).status, (await second).status]).toEqual([200, 200]);
        expect(opened()).toBe(3);
    });

    it('a key ties up no more than its own questions need, however many of another key wait', async () => {
        await start({ workers: 1, jobs: 9, maxParallel: 1 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        const counted = jest.spyOn(Openings.prototype, 'add');
        const { gate, go } = newGate();
        bench.worker.scripts.push(...Array(5).fill({ wait: () => gate }));
        const all = [bob, eve, eve, eve, eve].map((key) => post(key));
        await until(() => bench.worker.asked.length === 5);
        go();

        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(5).fill(200));
        expect(counted.mock.calls.filter(([name]) => name === 'bob')).toHaveLength(1);
    });

    it('a key leaves as much to others though nodes fail what it asks, and jobs are opened elsewhere', async () => {
        await start({ workers: 4, jobs: 3 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        const { now } = Date;
        let seconds = 0;
        jest.spyOn(Date, 'now').mockImplementation(() => now() + seconds * 1000);
        const newest = () => {
            const { worker } = bench.gateway.book.all[opened() - 1].stored;
            return bench.workers.findIndex(({ url }) => url === worker);
        };
        const failing = async () => {
            const node = newest();
            bench.workers[node].scripts.push(...Array(2).fill({ failAtOnce: Reason.BackendDown }));
            expect(await statuses(eve, node, node)).toEqual([503, 503]);
        };
        expect(await statuses(eve, 0)).toEqual([200]);

        await failing();
        await until(() => opened() === 2 && bench.gateway.book.all[1].session !== undefined);
        seconds += 301;
        await failing();
        await until(() => opened() === 3 || bench.log.some((line) => line.includes('for a key for a while')));
        expect((await post(bob)).status).toBe(200);
        const workers = bench.gateway.book.all.map(({ stored }) => stored.worker);
        const unused = bench.workers.findIndex(({ url }) => !workers.includes(url));
        expect((await post(bob, unused)).status).toBe(200);
    });

    it('a question of a key that leaves a job to others waits for money that another question only reserves', async () => {
        await start({ workers: 2, jobs: 3 });
        const [, eve] = [await keyOf('bob'), await keyOf('eve')];
        expect(await statuses(eve, 0, 1)).toEqual([200, 200]);
        const { gate, go } = newGate();
        bench.worker.scripts.push({ wait: () => gate });
        const before = bench.worker.asked.length;
        const dear = { ...ask, max_tokens: 1_000_000, provider: { only: [bench.worker.url] } };
        const first = bench.post(dear, { authorization: `Bearer ${eve.secret}` });
        await until(() => bench.worker.asked.length > before);

        const second = post(eve, 0);
        await until(() => bench.log.some((line) => line.includes('for a key for a while')));
        go();
        expect([(await first).status, (await second).status]).toEqual([200, 200]);
        expect(opened()).toBe(2);
    });

    it('a key that has just had a job make room for another keeps none from doing so for others', async () => {
        await start({ workers: 4, jobs: 9, maxOpen: 2 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        expect(await statuses(bob, 0, 1)).toEqual([200, 200]);

        expect(await statuses(eve, 2)).toEqual([200]);
        expect(await statuses(bob, 3)).toEqual([200]);
        expect(bench.gateway.book.all.filter(({ phase }) => phase === 'open')).toHaveLength(2);
    });

    it('a key for which no job can be opened beside that of its node keeps none from being opened for others', async () => {
        await start({ workers: 2, jobs: 9, maxParallel: 1 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        expect(await statuses(eve, 0)).toEqual([200]);
        const [own, other] = bench.workers;
        own.info = (info) => ({ ...info, limits: { ...info.limits, minDeposit: toNano(2) } });
        market().blockchain.now = market().now + 60; // it is asked anew what it is
        const { gate, go } = newGate();
        bench.workers.forEach(({ scripts }) => scripts.push(...Array(9).fill({ wait: () => gate })));
        const all = [post(eve, 0), post(eve, 0)];
        await until(() => bench.log.some((line) => line.includes('no other job is opened for a while')));

        all.push(post(bob, 1), post(bob, 1));
        await until(() => other.asked.length === 2);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    });

    it('a job that is opened ahead counts for the key that takes the most places, whoever else asks', async () => {
        await start({ workers: 1, jobs: 9, maxParallel: 8 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        const counted = jest.spyOn(Openings.prototype, 'add');
        const { held, go } = await takeSevenPlaces(eve);

        expect((await post(bob)).status).toBe(200);
        await until(() => opened() === 2);
        go();
        expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(7).fill(200));
        expect(counted.mock.calls.map(([name]) => name)).toEqual(['eve', 'eve']);
    });

    it('a job that is opened ahead for such a key waits for no other key whose question no other node answers', async () => {
        await start({ workers: 1, jobs: 9, maxParallel: 8 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        const list = (features: string[]) =>
            (bench.worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], features }] }));
        list(['tools']);
        const { held, go } = await takeSevenPlaces(eve);
        list([]);
        market().blockchain.now = market().now + 60; // it is asked again what it is

        const tools = [{ type: 'function', function: { name: 'f' } }];
        const authorization = `Bearer ${bob.secret}`;
        expect((await bench.post({ ...ask, tools }, { authorization })).status).toBe(200);
        await until(() => bench.log.some((line) => line.includes('no other job is opened for a while')));
        go();
        expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(7).fill(200));
        await until(() => opened() === 2);
    });

    it('a key that asks much at once leaves a job to another key, whose question does not wait', async () => {
        await start({ workers: 1, jobs: 4, maxParallel: 1 });
        const [bob, eve] = [await keyOf('bob'), await keyOf('eve')];
        const { gate, go } = newGate();
        bench.worker.scripts.push(...Array(3).fill({ wait: () => gate }));
        const all = Array.from({ length: 6 }, () => post(eve));
        await until(
            () => bench.worker.asked.length === 3 && bench.log.some((line) => line.includes('for a key for a while')),
        );

        expect((await post(bob)).status).toBe(200);
        expect(opened()).toBe(4);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    });
});
