/**
 * Rules name the codes of nodes and disputes, which can cost all the stake: an owner follows those that he saw, or
 * none.
 */
import { beginCell, contractAddress, toNano } from '@ton/core';

import { adoptRules, joinMarket, UnknownCode } from '@cocoon-market/wrappers';
import { Actor } from '../../wrappers/actions/actor';
import { Provider } from '../../wrappers/Provider';
import { errors } from '../../wrappers/protocol';
import { Registry, registryChanges } from '../../wrappers/Registry';
import { exitCodeOf, expectConserved, transactionsOn } from '../support/chain';
import {
    CHANGE_DELAY,
    committeeOf,
    joinedMarket,
    launchMarket,
    Market,
    rulesWith,
    STAKE,
    Wallet,
} from '../support/stake';

const VALUE = toNano('1');
const FOREIGN = beginCell().storeUint(7, 8).endCell();

function actorOf({ blockchain }: Market, wallet: Wallet): Actor {
    return { open: (contract) => blockchain.openContract(contract), sender: wallet.getSender() } as Actor;
}

/** The hash of the rules that the registry gives now. */
async function newest({ registry }: Market): Promise<bigint> {
    return BigInt(`0x${(await registry.getRules()).hash().toString('hex')}`);
}

async function change(market: Market, to: ReturnType<typeof registryChanges.rules>): Promise<void> {
    const { blockchain, registry, governor } = market;
    await registry.sendProposeChange(governor.getSender(), { value: VALUE, change: to });
    blockchain.now! += CHANGE_DELAY;
    await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
}

describe('An owner who names the rules', () => {
    it('follows those and no others, and gets his value back', async () => {
        const market = await joinedMarket();
        const { blockchain, registry, provider, owner, insurance } = market;
        await change(market, registryChanges.rules(rulesWith(insurance.address, { baseStake: toNano('51') })));
        const seen = await newest(market);
        await change(market, registryChanges.code('node', FOREIGN));

        const value = (await provider.getValuesOf(0n, 0n)).adopt;
        const late = await expectConserved(blockchain, () =>
            provider.sendAdopt(owner.getSender(), { value, rules: seen }),
        );

        expect(transactionsOn(late, registry.address).map(exitCodeOf)).toEqual([errors.ErrWrongRules]);
        expect(late.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
        expect((await provider.getProviderState()).rulesVersion).toBe(1n);
        await provider.sendAdopt(owner.getSender(), { value, rules: await newest(market) });
        expect((await provider.getProviderState()).rulesVersion).toBe(3n);
    });

    it('joins under those and no others, and has his stake back', async () => {
        const market = await launchMarket();
        const { blockchain, registry, owner, insurance } = market;
        const provider = blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
        const seen = await newest(market);
        await change(market, registryChanges.rules(rulesWith(insurance.address, { baseStake: toNano('51') })));
        const value = STAKE + (await registry.getJoinValue());
        const join = (rules: bigint) =>
            provider.sendJoin(owner.getSender(), { value, stake: STAKE, payout: owner.address, rules });

        const late = await expectConserved(blockchain, () => join(seen));

        expect(transactionsOn(late, registry.address).map(exitCodeOf)).toEqual([errors.ErrWrongRules]);
        expect((await blockchain.getContract(provider.address)).balance).toBe(0n);
        await join(await newest(market));
        expect(await provider.getProviderState()).toMatchObject({ stake: STAKE, rulesVersion: 2n });
    });
});

describe.each(['node', 'dispute'] as const)('A code of a %s that the release does not know', (kind) => {
    it('is adopted only by an owner who says so', async () => {
        const market = await joinedMarket();
        await change(market, registryChanges.code(kind, FOREIGN));
        const owner = actorOf(market, market.owner);
        const whose = { provider: market.provider.address };

        const refused = await adoptRules(owner, whose).then(
            () => undefined,
            (error: unknown) => error,
        );

        expect(refused).toBeInstanceOf(UnknownCode);
        expect(refused).toMatchObject({ kind, hash: FOREIGN.hash().toString('hex') });
        expect((await market.provider.getProviderState()).rulesVersion).toBe(1n);
        await adoptRules(owner, { ...whose, anyCode: true });
        expect((await market.provider.getProviderState()).rulesVersion).toBe(2n);
        await adoptRules(owner, whose); // it was agreed to
    });

    it('keeps new providers away that do not say so', async () => {
        const market = await launchMarket();
        await change(market, registryChanges.code(kind, FOREIGN));
        const [owner, payout] = [actorOf(market, market.owner), market.payout.address];
        const join = (anyCode: boolean) =>
            joinMarket(owner, { registry: market.registry.address, stake: STAKE, payout, anyCode });

        const refused = await join(false).then(
            () => undefined,
            (error: unknown) => error,
        );

        expect(refused).toBeInstanceOf(UnknownCode);
        expect((await (await join(true)).getProviderState()).rulesVersion).toBe(2n);
    });
});

describe('A registry of another code', () => {
    /** It answers as one of this release does; what it gives to its providers is what its author wants. */
    async function foreign(market: Market): Promise<Market> {
        const { blockchain, governor, insurance, codes } = market;
        const { init } = await Registry.ofGovernor(governor.address, 0);
        const code = beginCell().storeSlice(init!.code.beginParse()).storeRef(FOREIGN).endCell(); // runs as before
        const address = contractAddress(0, { code, data: init!.data });
        await governor.send({ to: address, value: VALUE, init: { code, data: init!.data }, bounce: false });
        const registry = blockchain.openContract(Registry.fromAddress(address));
        const launch = { rules: rulesWith(insurance.address), committee: committeeOf(3, 2), codes, catalogue: 1n };
        await registry.sendLaunch(governor.getSender(), { value: VALUE, ...launch });
        return { ...market, registry };
    }

    it('is joined only by an owner who says so, whatever rules it names', async () => {
        const market = await foreign(await launchMarket());
        const { owner, payout, registry } = market;
        const join = (anyCode: boolean) =>
            joinMarket(actorOf(market, owner), {
                ...{ registry: registry.address, stake: STAKE, payout: payout.address, anyCode },
            });
        const before = await owner.getBalance();

        const refused = await join(false).catch((error: unknown) => error);

        expect(before - (await owner.getBalance())).toBe(0n);
        expect(refused).toBeInstanceOf(UnknownCode);
        expect(refused).toMatchObject({ kind: 'registry' });
        expect(await (await join(true)).getProviderState()).toMatchObject({ stake: STAKE, rulesVersion: 1n });
    });
});
