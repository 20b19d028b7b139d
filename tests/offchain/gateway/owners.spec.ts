import type { GatewayStore } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, startBench, until } from './support';

describe('The one owner of a query', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const job = () => bench.gateway.book.all[0];
    const stays = () => {
        const { phase, unfinished, ledger } = job();
        expect(bench.log.filter((line) => line.includes('the job is left'))).toEqual([]);
        expect({ jobs: bench.gateway.book.all.length, phase, unfinished }).toEqual({
            jobs: 1,
            phase: 'open',
            unfinished: [],
        });
        expect([ledger.verified, ledger.total]).toEqual([2, bench.worker.only.cumulative]);
    };
    /** A query that waits at its second frame; `go` lets it end. */
    const streaming = async () => {
        let go: () => void = () => undefined;
        let waits = false;
        const open = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push({
            wait: async (frame) => {
                waits ||= frame === 1;
                await (frame === 1 ? open : undefined);
            },
        });
        const answer = bench.post(ask);
        await until(() => waits);
        return { answer, go };
    };
    const fetches = () => bench.worker.wire.filter(({ path }) => path.includes('/queries/')).length;

    afterEach(() => bench.close());

    it('is the question that streams: a session that begins again meanwhile fetches nothing and blames nobody', async () => {
        const store = await openGatewayStore(':memory:');
        let slow = false; // while it is, the end of a query is long on its way to the disk
        const behind = Object.assign(Object.create(store) as GatewayStore, {
            endQuery: async (...ending: Parameters<GatewayStore['endQuery']>) => {
                await (slow ? new Promise((resolve) => setTimeout(resolve, 600)) : undefined);
                return store.endQuery(...ending);
            },
        });
        await start({ deps: { store: behind } });
        await bench.post(ask);
        const { answer, go } = await streaming();
        void bench.gateway.recovery.reconnect(job());
        await until(() => bench.worker.wire.filter(({ path }) => path === '/v1/jobs').length === 2);
        slow = true;
        go();

        expect((await answer).status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
        stays();
        expect(fetches()).toBe(0);
    });

    it('is one task of recovery, however often the session begins again', async () => {
        const store = await openGatewayStore(':memory:');
        let slow = false;
        const behind = Object.assign(Object.create(store) as GatewayStore, {
            endQuery: async (...ending: Parameters<GatewayStore['endQuery']>) => {
                await (slow ? new Promise((resolve) => setTimeout(resolve, 300)) : undefined);
                return store.endQuery(...ending);
            },
        });
        await start({ deps: { store: behind } });
        await bench.post(ask);
        await bench.worker.stop();
        await bench.worker.start();
        bench.worker.scripts.push({ cut: 1 });
        slow = true;
        await bench.post(ask);
        for (let time = 0; time < 5; time++) {
            void bench.gateway.recovery.reconnect(job());
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await until(() => job().unfinished.length === 0);
        await new Promise((resolve) => setTimeout(resolve, 400));

        stays();
    });
});
