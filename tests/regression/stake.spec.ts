/** Stake that is only a number, and rules that move what already waits. */
import { beginCell, contractAddress, toNano } from '@ton/core';
import { errors } from '@cocoon-market/wrappers';
import { Provider } from '../../wrappers/Provider';
import { registryChanges } from '../../wrappers/Registry';
import { expectConserved, expectRefused } from '../support/chain';
import { CHANGE_DELAY, HOUR, joinedMarket, JoinedMarket, launchMarket, rulesWith, STAKE } from '../support/stake';

const VALUE = toNano('1');

describe('A stake written into the data of an account', () => {
    it('makes an account that the registry does not take for a provider', async () => {
        const { blockchain, registry, owner, stranger } = await launchMarket();
        const { code, data } = (await Provider.ofOwner(registry.address, owner.address)).init!;
        const fields = data.beginParse();
        const claimed = beginCell()
            .storeAddress(fields.loadAddress())
            .storeAddress(fields.loadAddress())
            .storeUint(fields.loadUintBig(64) + STAKE, 64)
            .storeSlice(fields)
            .endCell();
        const init = { code, data: claimed };
        const fake = contractAddress(0, init);
        await stranger.send({ to: fake, value: VALUE, init, bounce: false });
        const account = blockchain.openContract(Provider.fromAddress(fake));
        expect((await account.getProviderState()).stake).toBe(STAKE);

        const join = (value: bigint) =>
            account.sendJoin(owner.getSender(), { value, stake: 1n, payout: owner.address });

        const unbacked = await join(VALUE);
        const result = await expectConserved(blockchain, () => join(STAKE + VALUE));

        expectRefused(unbacked, { to: fake, exitCode: errors.ErrLowValue });
        expectRefused(result, { from: fake, to: registry.address, exitCode: errors.ErrNotProvider });
    });
});

describe('Newer rules', () => {
    async function adopt(market: JoinedMarket, unbonding: number): Promise<void> {
        const { blockchain, registry, governor, stranger, owner, insurance, provider } = market;
        const change = registryChanges.rules(rulesWith(insurance.address, { unbonding }));
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
        await provider.sendAdopt(owner.getSender(), { value: VALUE });
        expect((await provider.getProviderState()).rulesVersion).toBeGreaterThan(1n);
    }

    it.each([
        ['shorter', 240 * HOUR],
        ['longer', 1000 * HOUR],
    ])('with a %s unbonding time move no slot that already waits', async (_, unbonding) => {
        const market = await joinedMarket();
        const { provider, owner } = market;
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('10') });
        const waiting = await provider.getStakeSlot(0n);

        await adopt(market, unbonding);
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('10') });

        expect(await provider.getStakeSlot(0n)).toEqual(waiting);
        expect((await provider.getStakeSlot(1n)).unlockAt).toBe(
            BigInt(market.blockchain.now! + Math.max(unbonding, 336 * HOUR)),
        );
    });

    it('or not, a stake added or unbonded later leaves the first slot its time', async () => {
        const { blockchain, provider, owner, stranger } = await joinedMarket();
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('10') });
        const waiting = await provider.getStakeSlot(0n);
        blockchain.now! += HOUR;

        await provider.sendAddStake(stranger.getSender(), { value: toNano('31'), amount: toNano('30') });
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('10') });

        expect(await provider.getStakeSlot(0n)).toEqual(waiting);
        expect((await provider.getStakeSlot(1n)).unlockAt).toBe(waiting.unlockAt + BigInt(HOUR));
    });
});
