import { toNano } from '@ton/core';

import { readMarketEvent } from '@cocoon-market/wrappers';
import { nodeChanges, nodeStates } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { changeNode, DAY, HOUR, keyOf, nodeMarket, NodeMarket } from '../support/stake';

const VALUE = toNano('1');
const UNBONDING = 336 * HOUR;

async function closed(): Promise<NodeMarket> {
    const market = await nodeMarket();
    await market.provider.sendCloseNode(market.owner.getSender(), { value: VALUE, number: 0 });
    return market;
}

describe('Node: StopNode', () => {
    it('keeps all keys, ended after two minutes of notice at most, for one unbonding time', async () => {
        const market = await nodeMarket();
        const { blockchain, node, provider, owner } = market;
        const keys = { receiptKey: keyOf('second'), encryptionKey: 9n, oldEndsAt: blockchain.now! + 30 * DAY };
        await changeNode(market, nodeChanges.keys(keys));

        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });

        const now = BigInt(blockchain.now!);
        const notice = 120n; // seconds
        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.closed, clearAt: now + BigInt(UNBONDING) });
        expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(now + notice);
        expect(await node.getKeyEndsAt(keyOf('second'))).toBe(now + notice);
        expect(await node.getKeyEndsAt(0n)).toBe(0n); // it has no current key
    });

    it('is announced as the end of the node', async () => {
        const { provider, owner } = await nodeMarket();

        const { externals } = await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });

        const events = externals.map(({ body }) => readMarketEvent(body));
        expect(events).toMatchObject([{ type: 'node', number: 0, change: { stopped: true } }]);
    });

    it('refuses every change afterwards', async () => {
        const market = await closed();

        const result = await changeNode(market, nodeChanges.offers([]));

        expectRefused(result, { to: market.node.address, exitCode: errors.ErrWrongState });
    });
});

describe('Node: ClearNode', () => {
    it('is refused a second early, then sends the reserve to the owner and ends the account', async () => {
        const { blockchain, node, owner, stranger } = await closed();
        blockchain.now! += UNBONDING - 1;
        const early = await node.sendClear(stranger.getSender(), { value: VALUE });
        blockchain.now! += 1;
        const before = await owner.getBalance();

        const result = await expectConserved(blockchain, () => node.sendClear(stranger.getSender(), { value: VALUE }));

        expectRefused(early, { to: node.address, exitCode: errors.ErrTooEarly });
        expect((await blockchain.getContract(node.address)).balance).toBe(0n);
        expect((await blockchain.getContract(node.address)).accountState).toBeUndefined();
        expect((await owner.getBalance()) - before).toBeGreaterThan(toNano('0.02'));
        expect(transactionsOn(result, stranger.address, node.address).length).toBe(1);
    });

    it('takes the value its getter names, not one nanoTON below', async () => {
        const { blockchain, node, stranger } = await closed();
        blockchain.now! += UNBONDING;
        const value = await node.getClearValue();

        const below = await node.sendClear(stranger.getSender(), { value: value - 1n });
        await node.sendClear(stranger.getSender(), { value });

        expectRefused(below, { to: node.address, exitCode: errors.ErrLowValue });
        expect((await blockchain.getContract(node.address)).balance).toBe(0n);
    });

    it('refuses an open node', async () => {
        const { node, stranger } = await nodeMarket();

        const result = await node.sendClear(stranger.getSender(), { value: VALUE });

        expectRefused(result, { to: node.address, exitCode: errors.ErrWrongState });
    });

    it('leaves an address that no one can start again', async () => {
        const market = await closed();
        const { blockchain, node, provider, owner, stranger } = market;
        const { init } = await import('../../wrappers/Node').then(({ Node }) => Node.ofProvider(provider.address, 0));
        blockchain.now! += UNBONDING;
        await node.sendClear(stranger.getSender(), { value: VALUE });

        await stranger.send({ to: node.address, value: VALUE, init, bounce: false });
        const change = await changeNode(market, nodeChanges.offers([]));

        expect((await node.getNodeState()).state).toBe(nodeStates.new);
        expectRefused(change, { to: node.address, exitCode: errors.ErrWrongState });
        expect((await provider.getProviderState()).nextNumber).toBe(1n);
        expect(change.transactions).toHaveTransaction({ from: provider.address, to: owner.address });
    });
});

describe('Node: plain transfers', () => {
    it('pay rent ahead and go to the owner in the end', async () => {
        const { blockchain, node, owner, stranger, provider } = await nodeMarket();
        await expectConserved(blockchain, () => node.sendRent(stranger.getSender(), { value: toNano('2') }));
        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
        blockchain.now! += UNBONDING;
        const before = await owner.getBalance();

        await node.sendClear(stranger.getSender(), { value: VALUE });

        expect((await owner.getBalance()) - before).toBeGreaterThan(toNano('2'));
    });

    it('go to the owner by a message without a body', async () => {
        const { blockchain, node, owner, stranger, provider } = await nodeMarket();
        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
        blockchain.now! += UNBONDING;

        const cleared = await node.sendClear(stranger.getSender(), { value: VALUE });

        const bodies = transactionsOn(cleared, owner.address, node.address).map(({ inMessage }) => inMessage!.body);
        expect(bodies.map(({ bits, refs }) => [bits.length, refs.length])).toEqual([[0, 0]]);
    });
});
