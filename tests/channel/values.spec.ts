import { computeFee, forwardFee, gas, pricesOf } from '@cocoon-market/wrappers';
import { PriceLevel } from '../support/chain';
import { useMarket } from '../support/market';

const EMPTY = { cells: 0n, bits: 0n };

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('Channel: values at the prices of %s', (prices) => {
    const market = useMarket({ prices });

    it('are a run up to its ceiling and two messages without a body, to the nanoTON', async () => {
        const { channel } = await market().openJob({ deposit: await market().escrow.getMinDeposit() });
        const { basechain } = pricesOf(market().blockchain.config);
        const messages = 2n * forwardFee(basechain, EMPTY);

        expect(await channel.getClaimValue()).toBe(computeFee(basechain, gas.GasClaim) + messages);
        expect(await channel.getRefundValue()).toBe(computeFee(basechain, gas.GasRefund) + messages);
    });
});
