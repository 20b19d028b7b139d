import { toNano } from '@ton/core';

import { nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { Provider } from '../../wrappers/Provider';
import { exitCodeOf, expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { changeNode, DAY, exactValue, expectSolvent, joinedMarket, launchMarket, nodeMarket } from '../support/stake';

const VALUE = toNano('1');

describe('Provider: SetOperator', () => {
    it('lets another one change nodes, and the old one no more', async () => {
        const market = await nodeMarket();
        const { blockchain, provider, owner, operator, stranger } = market;

        const change = { value: VALUE, operator: stranger.address };
        await expectConserved(blockchain, () => provider.sendSetOperator(owner.getSender(), change));
        const mine = await changeNode(market, nodeChanges.offers([]), { by: stranger });
        const result = await changeNode(market, nodeChanges.offers([]), { by: operator });

        expect(transactionsOn(mine, market.node.address).map(exitCodeOf)).toEqual([0]);
        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOperator });
        await expectSolvent(market);
    });

    it('can leave the nodes to the owner alone', async () => {
        const market = await nodeMarket();
        const { provider, owner, operator } = market;

        await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: null });
        const result = await changeNode(market, nodeChanges.offers([]), { by: operator });
        const mine = await changeNode(market, nodeChanges.offers([]));

        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOperator });
        expect(transactionsOn(mine, market.node.address).map(exitCodeOf)).toEqual([0]);
    });

    it('refuses anyone but the owner, and one nanoTON too little', async () => {
        const market = await joinedMarket();
        const { provider, owner, operator } = market;
        const value = await exactValue(market, 'stakeStep');

        const other = await provider.sendSetOperator(operator.getSender(), { value, operator: null });
        const below = await provider.sendSetOperator(owner.getSender(), { value: value - 1n, operator: null });

        expectRefused(other, { to: provider.address, exitCode: errors.ErrNotOwner });
        expectRefused(below, { to: provider.address, exitCode: errors.ErrLowValue });
    });
});

describe('Provider: SetPayout', () => {
    it('counts from the end of the delay on, not one second earlier', async () => {
        const { blockchain, provider, owner, payout, stranger } = await joinedMarket();

        await expectConserved(blockchain, () =>
            provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: stranger.address }),
        );
        blockchain.now! += DAY - 1;
        expect((await provider.getMembershipNow()).payout).toEqualAddress(payout.address);
        blockchain.now! += 1;

        expect((await provider.getMembershipNow()).payout).toEqualAddress(stranger.address);
    });

    it('starts the delay again when it is replaced before it counts', async () => {
        const { blockchain, provider, owner, operator, payout, stranger } = await joinedMarket();
        await provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: stranger.address });
        blockchain.now! += DAY - 1;

        await provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: operator.address });
        blockchain.now! += DAY - 1;
        expect((await provider.getMembershipNow()).payout).toEqualAddress(payout.address);
        blockchain.now! += 1;

        expect((await provider.getMembershipNow()).payout).toEqualAddress(operator.address);
    });

    it('keeps the one that counts when another is named', async () => {
        const { blockchain, provider, owner, operator, stranger } = await joinedMarket();
        await provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: stranger.address });
        blockchain.now! += DAY;

        await provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: operator.address });

        expect((await provider.getMembershipNow()).payout).toEqualAddress(stranger.address);
    });

    it('changes the payout of a provider that has no operator', async () => {
        const { blockchain, provider, owner, stranger } = await joinedMarket();
        await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: null });

        await provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: stranger.address });
        blockchain.now! += DAY;

        const { operator, payout } = await provider.getMembershipNow();
        expect(operator).toBeNull();
        expect(payout).toEqualAddress(stranger.address);
    });

    it('refuses the operator: he never moves money', async () => {
        const { provider, operator } = await joinedMarket();

        const result = await provider.sendSetPayout(operator.getSender(), { value: VALUE, payout: operator.address });

        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOwner });
    });
});

describe('Provider: before it has joined', () => {
    it('refuses everything but Join, rent and WithdrawSurplus', async () => {
        const market = await launchMarket();
        const { blockchain, registry, owner, payout, codes } = market;
        const generated = await Provider.ofOwner(registry.address, owner.address);
        await owner.send({ to: generated.address, value: VALUE, init: generated.init, bounce: false });
        const provider = blockchain.openContract(generated);
        const via = owner.getSender();

        const refused = [
            await provider.sendAdopt(via, { value: VALUE }),
            await provider.sendAddStake(via, { value: VALUE, amount: 1n }),
            await provider.sendUnbond(via, { value: VALUE, amount: 1n }),
            await provider.sendSetOperator(via, { value: VALUE, operator: null }),
            await provider.sendSetPayout(via, { value: VALUE, payout: payout.address }),
            await provider.sendRegisterNode(via, { value: VALUE, code: codes.node, listing: codes.node }),
            await provider.sendCloseNode(via, { value: VALUE, number: 0 }),
        ];
        await expectConserved(blockchain, () => provider.sendWithdrawSurplus(via, { value: VALUE }));

        for (const result of refused) {
            expectRefused(result, { to: provider.address, exitCode: errors.ErrWrongState });
        }
        expect((await provider.getProviderState()).surplus).toBe(0n);
    });

    it('names nothing that could be taken out, and is in no jail', async () => {
        const { blockchain, registry, owner } = await launchMarket();
        const generated = await Provider.ofOwner(registry.address, owner.address);
        await owner.send({ to: generated.address, value: VALUE, init: generated.init, bounce: false });
        const provider = blockchain.openContract(generated);

        expect(await provider.getUnbondable()).toBe(0n);
        expect(await provider.getWithdrawable(0n)).toBe(0n);
        expect(await provider.getStakeSlot(0n)).toMatchObject({ amount: 0n, unlockAt: 0n });
        expect(await provider.getStanding()).toMatchObject({ jailed: false, cases: 0n, frozen: 0n });
    });
});
