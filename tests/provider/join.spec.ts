import { beginCell, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';

import { errors } from '../../wrappers/protocol';
import { Provider } from '../../wrappers/Provider';
import { registryChanges } from '../../wrappers/Registry';
import { expectConserved, expectRefused, feesOf, transactionsOn } from '../support/chain';
import { bodyWith } from '../support/schema';
import {
    BASE_STAKE,
    CHANGE_DELAY,
    exactValue,
    expectSolvent,
    HOUR,
    joinedMarket,
    joinProvider,
    launchMarket,
    Market,
    plain,
    rulesWith,
    STAKE,
    Wallet,
} from '../support/stake';

const VALUE = toNano('1');

async function join(
    market: Market,
    overrides: { value?: bigint; stake?: bigint; codeVersion?: number; by?: Wallet } = {},
) {
    const { blockchain, registry, owner, payout } = market;
    const { by = owner, stake = STAKE, codeVersion } = overrides;
    const provider = blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
    const value = overrides.value ?? stake + (await registry.getJoinValue());
    const before = await owner.getBalance();
    const result = await expectConserved(blockchain, () =>
        provider.sendJoin(by.getSender(), { value, stake, payout: payout.address, codeVersion }),
    );
    const spent = before - (await owner.getBalance());
    return { provider, result, spent };
}

describe('Provider: Join', () => {
    it('keeps the stake, follows the rules and returns the rest', async () => {
        const market = await joinedMarket();

        const state = await market.provider.getProviderState();
        expect(state).toMatchObject({
            stake: STAKE,
            unbonding: 0n,
            nodes: 0n,
            rulesVersion: 1n,
            requiredStake: 0n, // no node is open
        });
        const { payout, operator } = await market.provider.getMembershipNow();
        expect(payout).toEqualAddress(market.payout.address);
        expect(operator).toEqualAddress(market.operator.address);
        await expectSolvent(market);
    });

    it('takes the value that the registry names, not one nanoTON below', async () => {
        const market = await launchMarket();
        const value = STAKE + (await market.registry.getJoinValue());

        const below = await join(market, { value: value - 1n });
        const exact = await join(market, { value });

        const [tx] = transactionsOn(below.result, below.provider.address);
        expect(tx.description).toMatchObject({ computePhase: { exitCode: errors.ErrLowValue } });
        expect(below.spent).toBe(feesOf(below.result.transactions));
        expect((await exact.provider.getProviderState()).rulesVersion).toBe(1n);
    });

    it.each([
        ['one nanoTON less than the base', BASE_STAKE - 1n, 0n],
        ['exactly the base', BASE_STAKE, 1n],
    ])('with %s of stake is refused or taken by the Registry', async (_, stake, version) => {
        const { provider, result, spent } = await join(await launchMarket(), { stake });

        if (version === 0n) {
            expect(result.transactions).toHaveTransaction({ from: provider.address, exitCode: errors.ErrLowStake });
            expect(spent).toBe(feesOf(result.transactions));
        } else {
            expect((await provider.getProviderState()).rulesVersion).toBe(version);
        }
    });

    it('sends everything home and ends the account when the Registry is paused', async () => {
        const market = await launchMarket();
        await market.registry.sendSetPaused(market.governor.getSender(), { value: VALUE, paused: true });

        const { provider, result, spent } = await join(market);

        expect(result.transactions).toHaveTransaction({ from: provider.address, exitCode: errors.ErrPaused });
        const home = { from: provider.address, to: market.owner.address, body: Cell.EMPTY };
        expect(result.transactions).toHaveTransaction(home);
        expect((await market.blockchain.getContract(provider.address)).balance).toBe(0n);
        expect(spent).toBe(feesOf(result.transactions));
    });

    it('can be repeated after a refusal', async () => {
        const market = await launchMarket();
        await join(market, { codeVersion: 3 });

        const { provider } = await join(market);

        expect((await provider.getProviderState()).rulesVersion).toBe(1n);
    });

    it('sends everything home when the code version is not its own', async () => {
        const market = await launchMarket();
        const other = beginCell().storeUint(1, 8).endCell();
        await market.registry.sendProposeChange(market.governor.getSender(), {
            value: VALUE,
            change: registryChanges.code('provider', other),
        });
        market.blockchain.now! += CHANGE_DELAY;
        await market.registry.sendExecuteChange(market.stranger.getSender(), { value: VALUE });

        const { provider, result, spent } = await join(market, { codeVersion: 1 });

        expect(result.transactions).toHaveTransaction({ from: provider.address, exitCode: errors.ErrNotProvider });
        expect(spent).toBe(feesOf(result.transactions));
    });

    it('refuses anyone but the owner, and the owner a second time', async () => {
        const market = await joinedMarket();

        const stranger = await join(market, { by: market.stranger });
        const again = await join(market);

        expectRefused(stranger.result, { to: market.provider.address, exitCode: errors.ErrNotOwner });
        expectRefused(again.result, { to: market.provider.address, exitCode: errors.ErrWrongState });
    });

    it('survives a stranger who deployed the account first', async () => {
        const market = await launchMarket();
        const { address, init } = await Provider.ofOwner(market.registry.address, market.owner.address);
        await market.stranger.send({ to: address, value: toNano('0.1'), init });

        const { provider } = await join(market);

        expect((await provider.getProviderState()).rulesVersion).toBe(1n);
    });

    it('costs the fiftieth provider the same gas as the first', async () => {
        const market = await launchMarket();
        const gas: bigint[] = [];
        for (let index = 0; index < 50; index++) {
            const owner = await market.blockchain.treasury(`owner ${index}`);
            const { result } = await join({ ...market, owner });
            gas.push(result.transactions.slice(1).reduce((sum, tx) => sum + gasUsed(tx), 0n));
        }

        expect(gas[49]).toBe(gas[0]);
    });
});

function gasUsed(tx: { description: unknown }): bigint {
    const { computePhase } = tx.description as { computePhase: { gasUsed?: bigint } };
    return computePhase.gasUsed ?? 0n;
}

describe('Provider: Adopt', () => {
    async function changeRules(market: Market, evidence: number) {
        const change = registryChanges.rules(rulesWith(market.insurance.address, { evidence }));
        await market.registry.sendProposeChange(market.governor.getSender(), { value: VALUE, change });
        market.blockchain.now! += CHANGE_DELAY;
        await market.registry.sendExecuteChange(market.stranger.getSender(), { value: VALUE });
    }

    it('follows newer rules only when the owner asks', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await changeRules(market, 100 * HOUR);
        expect((await provider.getProviderState()).rulesVersion).toBe(1n);

        const value = (await provider.getValuesOf(0n, 0n)).adopt;
        await expectConserved(blockchain, () => provider.sendAdopt(owner.getSender(), { value }));

        expect((await provider.getProviderState()).rulesVersion).toBe(2n);
        await expectSolvent(market);
    });

    it('keeps what it has when older rules arrive late', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, registry, owner } = market;
        const older = await registry.getRules();
        await changeRules(market, 100 * HOUR);
        await provider.sendAdopt(owner.getSender(), { value: VALUE });
        const followed = async () => (await provider.getMembershipNow()).rules?.hash();
        const newer = await followed();

        const body = bodyWith('RulesGiven', { version: 1n, rules: older });
        const late = internal({ from: registry.address, to: provider.address, value: VALUE, body });
        const result = await blockchain.sendMessage(late);

        expect(newer).not.toEqual(older.hash());
        expect(await followed()).toEqual(newer);
        expect((await provider.getProviderState()).rulesVersion).toBe(2n);
        expect(result.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
    });

    it('names no operator of a provider that has none', async () => {
        const market = await joinedMarket();
        const { provider, owner } = market;
        await provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: null });
        await changeRules(market, 100 * HOUR);

        await provider.sendAdopt(owner.getSender(), { value: VALUE });

        expect((await provider.getProviderState()).rulesVersion).toBe(2n);
        expect((await provider.getMembershipNow()).operator).toBeNull();
    });

    it('works while the Registry is paused', async () => {
        const market = await joinedMarket();
        const { provider, owner, registry, governor } = market;
        await changeRules(market, 100 * HOUR);
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });

        await provider.sendAdopt(owner.getSender(), { value: VALUE });

        expect((await provider.getProviderState()).rulesVersion).toBe(2n);
    });

    it('refuses the operator, and one nanoTON too little', async () => {
        const market = await joinedMarket();
        const { provider, operator, owner } = market;
        const value = await exactValue(market, 'adopt');

        const byOperator = await provider.sendAdopt(operator.getSender(), { value });
        const below = await provider.sendAdopt(owner.getSender(), { value: value - 1n });

        expectRefused(byOperator, { to: provider.address, exitCode: errors.ErrNotOwner });
        expectRefused(below, { to: provider.address, exitCode: errors.ErrLowValue });
    });

    it('takes rules from nobody but the Registry', async () => {
        const { provider, stranger, registry } = await joinedMarket();
        const rules = await registry.getRules();
        const body = beginCell().storeUint(0xc0c00220, 32).storeUint(0, 64).storeUint(9, 32).storeRef(rules).endCell();

        const result = await stranger.send({ to: provider.address, value: VALUE, body });

        expectRefused(result, { to: provider.address, exitCode: errors.ErrNotRegistry });
    });

    it('serves another owner as before while one joins', async () => {
        const market = await joinedMarket();
        const before = plain(await market.provider.getProviderState());

        await joinProvider(market, market.stranger, 2n * STAKE);

        expect(plain(await market.provider.getProviderState())).toEqual(before);
    });
});
