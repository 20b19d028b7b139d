/** An order pays its first gas with the credit that the network gives to messages from outside, 10,000 gas. */
import { loadConfig, updateConfig } from '@ton/sandbox';
import { BOUNDS, creditUsed } from '../../benchmarks/batches';
import { PaymentStage, paymentStage } from '../../benchmarks/operations/payments';
import { NewJob } from '@cocoon-market/wrappers';

const HALF = BOUNDS.credit / 2;

describe('Escrow: the gas credit of an order', () => {
    let stage: PaymentStage;
    beforeEach(async () => {
        stage = await paymentStage('2025', { library: true });
    });

    function giveCredit(credit: number): void {
        const { blockchain } = stage.market;
        const prices = loadConfig(blockchain.config)[21];
        const { anon0 } = prices;
        if (anon0.kind !== 'GasLimitsPrices_gas_flat_pfx' || anon0.other.kind !== 'GasLimitsPrices_gas_prices_ext') {
            throw new Error('The gas prices have another shape');
        }
        const other = { ...anon0.other, gas_credit: BigInt(credit) };
        blockchain.setConfig(updateConfig(blockchain.config, { ...prices, anon0: { ...anon0, other } }));
    }

    it('is half unused, however many jobs it opens and whatever it asks', async () => {
        const used = await creditUsed(stage);

        expect(Object.keys(used).sort()).toEqual(['leave', 'open1', 'open2', 'open3', 'open4', 'refund']);
        expect(Object.entries(used).filter(([, gas]) => gas > HALF)).toEqual([]);
    });

    it.each([1, 4])(
        'is measured to the unit: an order of %i jobs is accepted with it, and not with one less',
        async (jobs) => {
            const used = (await creditUsed(stage))[`open${jobs}`];
            const order = await stage.market.openOrder(Array<NewJob>(jobs).fill(stage.market.newJob()));

            giveCredit(used - 1);
            await expect(stage.market.carry(order)).rejects.toThrow();
            giveCredit(used);

            expect((await stage.market.carry(order)).transactions).toHaveLength(1 + jobs);
        },
    );
});
