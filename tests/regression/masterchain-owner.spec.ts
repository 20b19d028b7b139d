/**
 * What goes home to the masterchain costs more than the values of the stake side name: half of a change must not fail
 * for that.
 */
import { toNano } from '@ton/core';

import { listingCell, Node } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { errors } from '../../wrappers/protocol';
import { exitCodeOf, transactionsOn } from '../support/chain';
import { launchMarket, minValue, listingWith, STAKE } from '../support/stake';

const VALUE = toNano('1');

describe('An owner in the masterchain', () => {
    it('is no provider: a pause would lock his stake under a node that never opened', async () => {
        const market = await launchMarket({ prices: '2026' });
        const { blockchain, registry, governor, operator, payout, codes } = market;
        const owner = await blockchain.treasury('owner', { workchain: -1 });
        const provider = blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
        const members = { payout: payout.address, operator: operator.address };
        const value = STAKE + toNano('20');

        const joined = await provider.sendJoin(owner.getSender(), { value, stake: STAKE, ...members });

        const exitCode = exitCodeOf(transactionsOn(joined, provider.address)[0]);
        if (exitCode === 0) {
            // What it comes to where he joins.
            await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
            const body = { code: codes.node, listing: listingCell(listingWith()) };
            const register = (min: bigint) => provider.sendRegisterNode(operator.getSender(), { value: min, ...body });
            await register(await minValue({ blockchain, provider }, VALUE, register));
            const node = blockchain.openContract(await Node.ofProvider(provider.address, 0));
            await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
            const { share } = await node.getNodeState();
            expect(await provider.getProviderState()).toMatchObject({ shares: share, nodes: 0n });
        }
        expect(exitCode).toBe(Number(errors.ErrNotBasechain));
    });
});
