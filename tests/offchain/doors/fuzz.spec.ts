/** A short run of `npm run test:doors`. */
import { useMarket } from '../../support/market';
import { startBench } from '../gateway/support';
import { startFixture } from '../support/worker';
import { fuzz, memoryInUse } from './fuzz';

const MAX_GROWTH = 32 << 20; // bytes

describe('Requests that nobody should send', () => {
    it('are each answered by a worker in time, without a failure, and its memory stays flat', async () => {
        const fixture = await startFixture();
        const job = '00'.repeat(32);
        const before = memoryInUse();
        const paths = ['/v1/node', '/v1/jobs', `/v1/jobs/${job}`, `/v1/jobs/${job}/end`, '/v1/voucher', '/v1/query'];

        expect(
            await fuzz(fixture.worker.url, [...paths, `/v1/jobs/${job}/queries/1`, '/v1/jobs/x/queries/-1'], 7),
        ).toEqual([]);

        expect(memoryInUse() - before).toBeLessThan(MAX_GROWTH);
        await fixture.stop();
    }, 1_800_000);
});

describe('Requests that nobody should send to a gateway', () => {
    const market = useMarket();

    it('are each answered in time, without a failure, and its memory stays flat', async () => {
        const bench = await startBench(market());
        const before = memoryInUse();
        const paths = ['/v1/models', '/v1/chat/completions', '/healthz', '/admin/jobs', '/admin/status', '/v1/x'];

        expect(await fuzz(bench.gateway.url, paths, 11)).toEqual([]);
        bench.log.length = 0; // the bench keeps each line of the gateway's log

        expect(memoryInUse() - before).toBeLessThan(MAX_GROWTH);
        await bench.close();
    }, 1_800_000);
});
