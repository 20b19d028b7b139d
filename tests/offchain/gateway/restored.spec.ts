import { Voucher, voucherFor } from '@cocoon-market/wrappers';
import { clientKeys } from '../../../offchain/gateway';
import { NETWORK, useMarket } from '../../support/market';
import { ask, Bench, SEED, startBench, until } from './support';

describe('A gateway that was restored while its copy went on', () => {
    const market = useMarket();
    let bench: Bench;

    const job = () => bench.gateway.book.get(0)!;
    /** What the copy signed meanwhile. */
    const more = (cumulative: bigint, count: number) => {
        const { channel, jobNumber } = bench.worker.only;
        const key = clientKeys(SEED).voucher(market().escrow.address.hash, jobNumber);
        const signature = key.sign(Voucher.hash(voucherFor(NETWORK, channel, cumulative, count)));
        return { cumulative, count, signature };
    };

    beforeEach(async () => {
        bench = await startBench(market());
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
    });
    afterEach(() => bench.close());

    it.each([
        ['amount', 9000n, 2],
        ['count', 6040n, 3],
    ])('signs nothing more once the worker shows a voucher of its key with a larger %s', async (_, amount, count) => {
        bench.worker.answerVoucher = () => more(amount, count);
        await bench.post(ask);
        await until(() => job().money.signingStop !== undefined);
        const { length } = bench.worker.posted;
        bench.worker.answerVoucher = (newest) => newest;
        const answer = await bench.post(ask);

        expect(answer.headers['x-cocoon-job']).toBe('4');
        await until(() => [...bench.worker.jobs.values()][0].ended);
        const after = bench.worker.posted.slice(length);
        expect(after.filter(({ cumulative }) => cumulative > amount)).toEqual([]);
        expect(job().stored.note).toContain('more than this store knows');
    });

    it('does not go on with a job whose worker shows such a voucher at the start', async () => {
        bench.worker.only.vouchers.push(more(9000n, 3));
        await bench.restart();
        await bench.gateway.recovery.recovered;

        await until(() => bench.worker.only.ended);
        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
    });
});
