import type { GatewayStore } from '../../../offchain/store/gateway';
import { useMarket } from '../../support/market';
import { ask, type Bench, startBench, until } from './support';

describe('A write that the store rejects while it goes on', () => {
    const market = useMarket();
    let bench: Bench;

    beforeEach(async () => {
        bench = await startBench(market());
        expect((await bench.post(ask)).status).toBe(200);
    });

    afterEach(() => bench.close());

    const diskFull = () => Promise.reject(new Error('No space left on device'));
    /** The store takes no write of this kind, so often. */
    const reject = (write: keyof GatewayStore, times = 1) => {
        const spied = jest.spyOn(bench.gateway.store as unknown as Record<string, () => Promise<unknown>>, write);
        for (let i = 0; i < times; i++) {
            spied.mockImplementationOnce(diskFull);
        }
    };
    const firstJob = async () => (await bench.admin('jobs'))[0];
    const phaseOf = async (number: number) => {
        const [{ number: job }] = await bench.gateway.store.jobs();
        return (await bench.gateway.store.storedAnswer(job, number))?.phase;
    };

    it('of a query: the app hears it, nothing is sent, and its money is free at once', async () => {
        const { available } = await firstJob();
        reject('addQuery');

        expect((await bench.post(ask)).status).toBe(500);
        expect(bench.worker.asked).toHaveLength(1);
        expect((await firstJob()).available).toBe(available);
        expect((await bench.post(ask)).status).toBe(200);
    });

    it('of a voucher that a query brings: the query goes without it, and it is posted later', async () => {
        reject('saveVoucher');
        expect((await bench.post(ask)).status).toBe(200);
        expect((await bench.post(ask)).status).toBe(200);
        const [job] = bench.worker.jobs.values();
        await until(async () => job.vouchers.at(-1)?.count === 3);
    });

    it('of a result: the app hears it, and the result is stored and paid later, once', async () => {
        reject('endQuery', 2);
        expect((await bench.post(ask)).status).toBe(500);
        await until(async () => (await phaseOf(2)) === 'result');
        const [job] = bench.worker.jobs.values();
        await until(async () => job.vouchers.at(-1)?.count === 2);

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.worker.asked).toHaveLength(3);
        expect((await firstJob()).phase).toBe('open');
    });

    it('of the evidence of a breach: the job is left at once, and the evidence is stored later', async () => {
        reject('endQuery', 2);
        bench.worker.scripts.push({ twoAccepts: true });
        expect((await bench.post(ask)).body.error.code).toBe('bad_node');

        expect((await firstJob()).phase).not.toBe('open');
        await until(async () => (await phaseOf(2)) === 'refused');
    });

    it('of a query that was not sent: its money is free later', async () => {
        const { available } = await firstJob();
        reject('endQuery', 2);
        bench.worker.scripts.push({ refuse: 'bad_request' });
        expect((await bench.post(ask)).status).toBeGreaterThanOrEqual(400);
        await until(async () => (await firstJob()).available === available);
    });
});
