/**
 * An operator's rest goes back by way of the Registry: in the masterchain it would not reach him, and half of a change
 * fail.
 */
import { toNano } from '@ton/core';

import { Provider } from '../../wrappers/Provider';
import { errors } from '../../wrappers/protocol';
import { exitCodeOf, expectRefused } from '../support/chain';
import { launchMarket, STAKE } from '../support/stake';

const VALUE = toNano('1');

async function marketWithTwins() {
    const market = await launchMarket({ prices: '2026' });
    const { blockchain, registry, owner } = market;
    const provider = blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
    const above = await blockchain.treasury('operator', { workchain: -1 });
    const value = STAKE + toNano('20');
    const join = (operator: typeof above) =>
        provider.sendJoin(owner.getSender(), {
            value,
            stake: STAKE,
            payout: market.payout.address,
            operator: operator.address,
        });
    return { ...market, provider, above, below: await blockchain.treasury('operator'), join };
}

describe('An operator in the masterchain', () => {
    it('is not named by Join, one in the basechain is', async () => {
        const { provider, above, below, join } = await marketWithTwins();

        const refused = await join(above);
        const taken = await join(below);

        expectRefused(refused, { to: provider.address, exitCode: errors.ErrNotBasechain });
        expect(taken.transactions.map(exitCodeOf)).toEqual(taken.transactions.map(() => 0));
        expect((await provider.getMembershipNow()).operator?.equals(below.address)).toBe(true);
    });

    it('is not named by SetOperator', async () => {
        const { provider, owner, above, below, join } = await marketWithTwins();
        await join(below);

        const named = await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: above.address });

        expectRefused(named, { to: provider.address, exitCode: errors.ErrNotBasechain });
    });

    it('may still be nobody, or be replaced by one in the basechain', async () => {
        const { provider, owner, below, stranger, join } = await marketWithTwins();
        await join(below);

        for (const operator of [null, stranger.address]) {
            await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator });

            expect((await provider.getMembershipNow()).operator?.toString()).toBe(operator?.toString());
        }
    });
});
