import { beginCell, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { nodeStates } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { expectRefused, transactionsOn } from '../support/chain';
import { BASE_STAKE, expectSolvent, nodeMarket, NodeMarket, RATE, STAKE } from '../support/stake';

const VALUE = toNano('1');

/** Delivers a message of the owner's one transaction at a time. */
async function step({ blockchain, provider, owner }: NodeMarket, body: Cell) {
    const message = internal({ from: owner.address, to: provider.address, value: VALUE, body });
    return blockchain.sendMessageIter(message, { allowParallel: true });
}

function closeNode(number: number): Cell {
    return beginCell().storeUint(0xc0c00213, 32).storeUint(0, 64).storeUint(number, 32).storeUint(0, 8).endCell();
}

describe('Interleavings of CloseNode', () => {
    it('with Unbond: the share stays required until the Provider has heard from the node', async () => {
        const market = await nodeMarket();
        const { provider, owner, node } = market;
        const required = BASE_STAKE + 2n * RATE;
        const messages = await step(market, closeNode(0));
        await messages.next(); // Provider
        await messages.next(); // Node
        expect((await node.getNodeState()).state).toBe(nodeStates.closed);

        const early = await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: STAKE - required + 1n });
        await messages.next(); // Provider again
        const late = await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: STAKE });

        expectRefused(early, { to: provider.address, exitCode: errors.ErrLowStake });
        expect(transactionsOn(late, provider.address)[0].description).toMatchObject({ aborted: false });
        expect((await provider.getProviderState()).unbonding).toBe(STAKE);
        await expectSolvent(market);
    });

    it('with itself: two orders under way free the share once', async () => {
        const market = await nodeMarket();
        const [first, second] = [await step(market, closeNode(0)), await step(market, closeNode(0))];
        await first.next();
        await second.next();

        for await (const _ of second);
        for await (const _ of first);

        expect(await market.provider.getProviderState()).toMatchObject({ nodes: 0n, gpus: 0n, shares: 0n });
        await expectSolvent(market);
    });
});
