import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

describe('The clock of a gateway', () => {
    const market = useMarket();
    let bench: Bench;

    /** This machine's clock is so many seconds ahead of the chain's. */
    const start = async (off: number) => {
        bench = await startBench(market(), { workers: 2, deps: { now: () => market().now + off } });
    };
    const jobs = () => bench.gateway.book.all.map(({ phase }) => phase);
    const blamed = () => bench.log.filter((line) => line.includes('the job is left'));

    afterEach(() => bench.close());

    it.each([90, -90, 3600])('%s s off is not held against a node that keeps the time of the chain', async (off) => {
        await start(off);
        expect((await bench.post(ask)).status).toBe(200);
        await bench.restart();
        await bench.gateway.recovery.recovered;

        expect((await bench.post(ask)).status).toBe(200);
        expect(blamed()).toEqual([]);
        expect(jobs()).toEqual(['open']);
        expect((await bench.admin('status')).clockOffset).toBe(-off);
    });

    it('off is named to the app when a node keeps the time of neither, and no job is left', async () => {
        await start(90);
        await bench.post(ask);
        bench.workers.forEach(({ scripts }) =>
            scripts.push({ accept: (accept) => ({ ...accept, deadline: accept.deadline + 300 }) }),
        );
        const { status, body } = await bench.post(ask);

        expect([status, body.error.code]).toEqual([503, 'clock']);
        expect(body.error.message).not.toContain('protocol');
        expect(blamed()).toEqual([]);
        expect(jobs()).not.toContain('leaving');
    });

    it('right, and the chain bears it out: a node two minutes off is left', async () => {
        await start(0);
        await bench.post(ask);
        bench.workers.forEach(({ scripts }) =>
            scripts.push({ accept: (accept) => ({ ...accept, deadline: accept.deadline + 120 }) }),
        );
        await bench.post(ask);

        await until(() => jobs().includes('leaving'));
    });
});
