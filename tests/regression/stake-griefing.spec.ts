import { beginCell, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { Provider } from '../../wrappers/Provider';
import { errors } from '../../wrappers/protocol';
import { expectRefused } from '../support/chain';
import { expectSolvent, joinedMarket, launchMarket, Market, registerNode, STAKE, Wallet } from '../support/stake';

const VALUE = toNano('1');

/** Delivers a message to the provider one transaction at a time, so that others can come between. */
async function steps({ blockchain }: Market, from: Wallet, provider: Provider, value: bigint, body: Cell) {
    const message = internal({ from: from.address, to: provider.address, value, body, stateInit: provider.init! });
    return blockchain.sendMessageIter(message, { allowParallel: true });
}

function join({ owner }: Market, stake: bigint, codeVersion: number): Cell {
    const head = beginCell().storeUint(0xc0c00201, 32).storeUint(0, 64).storeUint(stake, 64).storeUint(codeVersion, 8);
    return head.storeAddress(owner.address).storeAddress(null).storeUint(0, 256).endCell();
}

describe('A stranger who adds a nanoTON of stake', () => {
    it('does not hold back the rest of it', async () => {
        const market = await joinedMarket();
        const { provider, owner, stranger } = market;

        await provider.sendAddStake(stranger.getSender(), { value: VALUE, amount: 1n });
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: STAKE });

        expect(await provider.getProviderState()).toMatchObject({ stake: 1n, unbonding: STAKE });
        await expectSolvent({ ...market, provider });
    });
});

describe('Two Joins at once', () => {
    it('cannot leave a joined provider with a code version that is not its own', async () => {
        const market = await launchMarket();
        const { registry, owner, blockchain } = market;
        const wrapper = await Provider.ofOwner(registry.address, owner.address);
        const value = STAKE + VALUE;
        const first = await steps(market, owner, wrapper, value, join(market, STAKE, 0));
        await first.next(); // the Registry has not answered yet

        const second = await blockchain.sendMessage(
            internal({ from: owner.address, to: wrapper.address, value, body: join(market, STAKE, 7) }),
        );
        for await (const _ of first);

        const provider = blockchain.openContract(wrapper);
        expectRefused(second, { to: provider.address, exitCode: errors.ErrWrongState });
        expect(await provider.getProviderState()).toMatchObject({ codeVersion: 0n, stake: STAKE, rulesVersion: 1n });
        const { node } = await registerNode({ ...market, provider });
        expect((await node.getNodeState()).state).toBe(1n);
    });

    it('count both stakes when a pause between them lets in only the first', async () => {
        const market = await launchMarket();
        const { registry, owner, governor, blockchain } = market;
        const wrapper = await Provider.ofOwner(registry.address, owner.address);
        const [first, second] = [
            await steps(market, owner, wrapper, STAKE + VALUE, join(market, STAKE, 0)),
            await steps(market, owner, wrapper, STAKE + VALUE, join(market, STAKE, 0)),
        ];
        await first.next(); // Provider
        await second.next(); // Provider
        await first.next(); // Registry
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });

        for await (const _ of first);
        for await (const _ of second);

        const provider = blockchain.openContract(wrapper);
        expect(await provider.getProviderState()).toMatchObject({ stake: 2n * STAKE, rulesVersion: 1n });
        await expectSolvent({ ...market, provider });
    });

    it('send all stake home when a pause lets in neither', async () => {
        const market = await launchMarket();
        const { registry, owner, governor, blockchain } = market;
        const wrapper = await Provider.ofOwner(registry.address, owner.address);
        const before = await owner.getBalance();
        const all = [
            await steps(market, owner, wrapper, STAKE + VALUE, join(market, STAKE, 0)),
            await steps(market, owner, wrapper, STAKE + VALUE, join(market, STAKE, 0)),
        ];
        await all[0].next();
        await all[1].next();
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });

        for await (const _ of all[0]);
        for await (const _ of all[1]);

        // The sandbox takes nothing from a wallet for a message given to it, so all that came back is gain here; the
        // value of the second answer waits at the address, where only this owner's Join makes an account.
        expect((await owner.getBalance()) - before).toBeGreaterThan(2n * STAKE);
        const waiting = (await blockchain.getContract(wrapper.address)).balance;
        const provider = blockchain.openContract(wrapper);
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: false });
        await provider.sendJoin(owner.getSender(), { value: STAKE + VALUE, stake: STAKE, payout: owner.address });
        const { surplus, reserve } = await provider.getProviderState();
        expect(surplus + reserve + toNano('0.01')).toBeGreaterThan(waiting);
    });
});
