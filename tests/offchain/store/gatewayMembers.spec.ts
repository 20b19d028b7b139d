/** A gateway's store that two processes share: what is of one, what is of both, and what a successor gets. */
import { randomBytes } from 'node:crypto';
import type { GatewayStore } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/open';
import { PostgresServer } from '../support/postgres';
import { newJob, query, result } from './gatewayConformance';

const LEASES = 'cocoon_gateway.leases';

let server: PostgresServer;
let url: string;
let a: GatewayStore;
let b: GatewayStore;

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);
afterAll(() => server.remove());

const join = (identity = 'one escrow') => openGatewayStore(url, { member: { identity } });

beforeEach(async () => {
    url = await server.database();
    [a, b] = [await join(), await join()];
});
afterEach(async () => {
    await Promise.all([a.close(), b.close()]);
});

/** The process of a store stopped some seconds ago; the store of this one still believes to have its lease. */
const lapse = ({ cluster }: GatewayStore) =>
    server.query(`UPDATE ${LEASES} SET until = now() WHERE name = 'member:${cluster.number}'`, url);

const numbers = async (jobs: Promise<{ number: number }[]>) => (await jobs).map(({ number }) => number);

describe('Two processes with one store', () => {
    it('have jobs of their own, and know those of the other', async () => {
        const job = newJob(5);
        await a.addJob(job);
        await b.addJob(newJob(6, { phase: 'open', validUntil: 9 }));

        expect([await numbers(a.unended()), await numbers(b.unended())]).toEqual([[5], [6]]);
        expect([await numbers(a.unendedOfOthers()), await numbers(b.unendedOfOthers())]).toEqual([[6], [5]]);
        expect((await a.newestJob())!.number).toBe(6);
        expect(await b.hasChannel(job.channel)).toBe(true);
        expect(await b.job(5)).toMatchObject({ member: a.cluster.number });
        expect(await b.ordersUnderWay()).toEqual([{ channel: job.channel, validUntil: job.validUntil }]);
    });

    it('lose nothing of what both add to the usage of one key at once', async () => {
        const slot = { model: 'm', worker: 'http://w', cost: 3n };
        const stores = [a, b];
        for (const [i, store] of stores.entries()) {
            await store.addJob(newJob(i + 1, { phase: 'open' }));
            for (let number = 1; number <= 10; number++) {
                await store.addQuery({ ...query(i + 1, number), apiKey: 'alice' });
            }
        }
        const used = { ...slot, tokens: { prompt: 1, cached: 0, completion: 2, reasoning: 0 } };
        const all = stores.flatMap((store, i) =>
            Array.from({ length: 10 }, (_, n) => store.endQuery(i + 1, n + 1, { phase: 'result', used })),
        );
        await Promise.all(all);
        expect(await a.usage(0, 'alice')).toMatchObject([
            { queries: 20, cost: 60n, prompt: 20, completion: 40, apiKey: 'alice' },
        ]);
    });

    it('store no order once another process has the lease of the orders', async () => {
        const order = newJob(1);
        const late = a.cluster.exclusive('escrow', async (lease) => {
            await server.query(`UPDATE ${LEASES} SET token = token + 1 WHERE name = 'escrow'`, url);
            await a.addJob(order, lease);
        });
        await expect(late).rejects.toThrow('was not renewed');
        expect(await a.hasChannel(order.channel)).toBe(false);
        await b.cluster.exclusive('orders', (lease) => b.addJob(order, lease));
        expect(await a.hasChannel(order.channel)).toBe(true);
    });

    it('see what a key spent and reserved at either', async () => {
        const used = { model: 'm', worker: 'w', cost: 7n };
        await a.addJob(newJob(1, { phase: 'open' }));
        await a.addQuery(query(1, 1, { apiKey: 'bob' }));
        await a.addQuery(query(1, 2, { apiKey: 'bob', ceiling: 3n }));
        await a.addQuery(query(1, 3, { apiKey: 'zoe' }));
        await a.endQuery(1, 1, result({ used }));

        expect(await b.openCosts('bob')).toMatchObject([{ number: 2, ceiling: 3n, member: a.cluster.number }]);
        expect(await b.openCosts()).toHaveLength(2);
        expect((await b.usage(0, 'bob')).map(({ cost }) => cost)).toEqual([7n]);
        expect(await b.usage(0, 'zoe')).toEqual([]);
    });
});

describe('The jobs of a process that stopped', () => {
    const voucher = { cumulative: 5n, count: 1, signature: randomBytes(64) };

    it('go to one successor, which alone writes them from then on', async () => {
        const c = await join();
        const job = newJob(1, { phase: 'open' });
        await a.addJob(job);
        await a.saveVoucher(job.channel, voucher);
        await a.addJob(newJob(2, { phase: 'failed' }));
        await b.addJob(newJob(3));
        expect(await b.takeOver(a.cluster.number)).toEqual([]); // it lives
        await lapse(a);

        const moved = await Promise.all([b.takeOver(a.cluster.number), c.takeOver(a.cluster.number)]);
        expect(moved.flat().map(({ number, member }) => [number, member])).toEqual(
            [1, 2].map((number) => [number, moved[0].length > 0 ? b.cluster.number : c.cluster.number]),
        );
        expect(moved.flat()[0].voucher).toEqual(voucher);
        await expect(a.saveVoucher(job.channel, { ...voucher, cumulative: 9n })).rejects.toThrow('could not commit');
        expect((await b.job(1))!.voucher).toEqual(voucher);
        await c.close();
    });

    it('are looked at again by whoever comes first, once they ended', async () => {
        await a.addJob(newJob(1, { phase: 'ended' }));
        await b.addJob(newJob(2, { phase: 'ended' }));
        expect(await numbers(b.over(undefined, 9))).toEqual([2]);
        await lapse(a);
        const c = await join(); // with another number than b, and perhaps that of a
        expect(await b.takeOver(a.cluster.number)).toEqual([]);

        const [ended] = (await c.over(undefined, 9)).filter(({ number }) => number === 1);
        const revived = await Promise.all([b, c].map((store) => store.revive(ended, { phase: 'settling' })));
        expect(revived.filter(Boolean)).toHaveLength(1);
        expect(await c.job(1)).toMatchObject({ phase: 'settling' });
        await c.close();
    });
});

it('lets a process take an ended job of another once that is known to be gone, and once', async () => {
    await a.addJob(newJob(1, { phase: 'ended' }));
    const ended = (await b.job(1))!;
    expect(await b.revive(ended, { phase: 'settling' })).toBe(false); // it lives
    await lapse(a);
    expect(await b.revive(ended, { phase: 'settling' })).toBe(false); // it may have slept
    await b.takeOver(a.cluster.number);
    expect(await numbers(b.over(undefined, 9))).toEqual([1]);
    expect(await b.revive(ended, { phase: 'settling' })).toBe(true);
    expect(await b.revive(ended, { phase: 'settling' })).toBe(false);
    expect(await numbers(b.unended())).toEqual([1]);
});

describe('A request with an Idempotency-Key', () => {
    const [id, body] = [randomBytes(32), randomBytes(32)];

    it('is answered by one process when several get it at once', async () => {
        const claims = await Promise.all([a, b, a, b].map((store) => store.claims!.claim(randomBytes(32), body, 60)));
        expect(claims).toEqual([undefined, undefined, undefined, undefined]);
        const same = await Promise.all([a, b, a, b].map((store) => store.claims!.claim(id, body, 60)));
        expect(same.filter((claimed) => claimed === undefined)).toHaveLength(1);
        expect(same.filter((claimed) => claimed !== undefined)[0]).toEqual({ body, isRunning: true });
    });

    it('is answered again if it cost nothing, and not if it did', async () => {
        expect(await a.claims!.claim(id, body, 60)).toBeUndefined();
        await b.claims!.release(id); // it is not its own
        expect(await b.claims!.claim(id, body, 60)).toEqual({ body, isRunning: true });
        void a.claims!.release(id);
        expect(await a.claims!.claim(id, body, 60)).toBeUndefined();
        await a.claims!.complete(id);
        expect(await b.claims!.claim(id, body, 60)).toEqual({ body, isRunning: false });
    });

    it('is remembered for so long after its beginning, and at least as long as it runs', async () => {
        const old = async () => server.query(`UPDATE cocoon_gateway.request SET at = now() - interval '61 s'`, url);
        await a.claims!.claim(id, body, 60);
        await old();
        await b.claims!.forget(60);
        expect(await b.claims!.claim(id, body, 60)).toEqual({ body, isRunning: true });
        await a.claims!.complete(id);
        expect(await b.claims!.claim(id, body, 62)).toEqual({ body, isRunning: false });
        expect(await b.claims!.claim(id, body, 60)).toBeUndefined();
    });

    it('is not bought again when its process ended', async () => {
        await a.claims!.claim(id, body, 60);
        await lapse(a);
        expect(await b.claims!.claim(id, body, 60)).toEqual({ body, isRunning: false });
    });
});
