import { beginCell } from '@ton/core';
import { join } from 'node:path';
import { openGatewayStore } from '../../../offchain/store/gateway';
import { Channel } from '../../../wrappers';
import { HOUR, useMarket } from '../../support/market';
import { ask, Bench, MODEL, startBench, until } from './support';

describe('A gateway whose store is gone', () => {
    const market = useMarket();
    let bench: Bench;

    const jobs = () => bench.gateway.jobs.all;
    const sweep = () => bench.gateway.settlement.sweep();
    const pass = (seconds: number) => (market().blockchain.now = market().now + seconds);
    const other = (name = 'other') => ({ store: join(bench.folder, `${name}.sqlite`) });
    const channel = () => bench.worker.only.channel;

    beforeEach(async () => {
        bench = await startBench(market());
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
    });
    afterEach(() => bench.close());

    it('finds its channels in the orders of the escrow, and settles them with the newest voucher of the worker', async () => {
        bench.worker.onEnd = async ({ vouchers }) => {
            const contract = market().blockchain.openContract(Channel.fromAddress(channel()));
            const claim = { value: 100_000_000n, last: true, voucher: vouchers.at(-1)! };
            await contract.sendClaim(market().payout.getSender(), claim);
        };
        await bench.restart(other());

        await until(async () => market().isGone({ address: channel() }));
        expect(jobs().map(({ number, phase, ledger }) => [number, phase, ledger.voucher.cumulative])).toEqual([
            [0, 'settling', 3020n],
        ]);
        const before = bench.worker.jobs.size;
        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
        expect(bench.worker.jobs.size).toBe(before + 1);
    });

    it('leaves and refunds what no worker knows', async () => {
        bench.worker.jobs.clear();
        const address = bench.gateway.jobs.all[0].channel;
        await bench.restart(other());
        await until(() => jobs().length === 1);
        expect(jobs()[0].phase).toBe('leaving');
        await sweep();
        pass(HOUR);
        await sweep();

        expect(await market().isGone({ address })).toBe(true);
        expect(jobs()[0].phase).toBe('gone');
    });

    it('passes an order that it cannot read, and one of another key file', async () => {
        bench.chain.taken.push({ lt: 9n, at: 0, body: beginCell().storeUint(1, 8).endCell() });
        await market().openJob();
        await bench.restart(other());

        await until(() => jobs().length === 1);
        expect(jobs()[0].number).toBe(0);
    });

    it('finds in an old copy of it what was opened since, and in a whole one nothing', async () => {
        const { store } = other('copy');
        const copy = await openGatewayStore(store);
        await copy.addJob((await bench.gateway.store.jobs())[0]);
        await copy.close();
        await bench.gateway.settlement.leave(jobs()[0]);
        await bench.gateway.jobs.openings.open(MODEL, new Set());
        await until(() => bench.worker.jobs.size === 2);
        await bench.restart();
        await bench.gateway.recovered;
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect((await bench.gateway.store.jobs()).map(({ found }) => found)).toEqual([false, false]);
        await bench.restart({ store });

        await until(async () => (await bench.gateway.store.jobs()).some(({ found }) => found === true));
        expect((await bench.gateway.store.jobs()).map(({ number }) => number)).toEqual([0, 8]);
    });
});
