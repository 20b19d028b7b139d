import { Contract, OpenedContract, toNano } from '@ton/core';

import * as provide from '../../wrappers/actions/provider';
import * as govern from '../../wrappers/actions/registry';
import { nodeChanges, nodeStates } from '../../wrappers/Node';
import {
    CHANGE_DELAY,
    committeeOf,
    deployRegistry,
    HOUR,
    listingWith,
    Market,
    RATE,
    rulesWith,
    STAKE,
    Wallet,
} from '../support/stake';

function actorOf({ blockchain }: Market, wallet: Wallet) {
    const open = <T extends Contract>(contract: T) => blockchain.openContract(contract) as unknown as OpenedContract<T>;
    return { sender: wallet.getSender(), open };
}

describe('Actions', () => {
    it('take a provider from the launch of a registry to the last coin home', async () => {
        const market = await deployRegistry();
        const { blockchain, governor, owner, operator, stranger, payout, insurance, codes } = market;
        const [ruler, provider, helper] = [governor, owner, operator].map((wallet) => actorOf(market, wallet));
        const rules = rulesWith(insurance.address);
        const first = { delay: CHANGE_DELAY + 1, rent: toNano('1'), rules, committee: committeeOf(3, 2), codes };

        const { address: registry } = await govern.launchRegistry(ruler, { ...first, catalogue: 1n });
        const members = { payout: payout.address, operator: operator.address };
        const mine = await provide.joinMarket(provider, { registry, stake: STAKE, ...members });
        const whose = { provider: mine.address };
        const node = await provide.registerNode(provider, { ...whose, code: codes.node, listing: listingWith() });
        await provide.changeNode(helper, { ...whose, number: 0, change: nodeChanges.offers([]) });
        await provide.replaceHardware(provider, {
            ...whose,
            number: 0,
            hardware: { ...listingWith().hardware, gpus: 3 },
        });
        expect((await mine.getProviderState()).shares).toBe(3n * RATE);
        await govern.proposeRules(ruler, { registry, rules: { ...rules, evidence: 130 * HOUR } });
        blockchain.now! += CHANGE_DELAY + 1;
        await govern.executeChange(actorOf(market, stranger), { registry });
        await provide.adoptRules(provider, whose);
        expect((await mine.getProviderState()).rulesVersion).toBe(2n);
        await provide.closeNode(helper, { ...whose, number: 0 });
        expect((await node.getNodeState()).state).toBe(nodeStates.closed);
        await provide.addStake(actorOf(market, stranger), { ...whose, amount: 5n });
        await provide.unbondStake(provider, { ...whose, amount: STAKE + 5n });
        blockchain.now! += 336 * HOUR;
        await provide.withdrawStake(provider, { ...whose, slot: 0 });
        await provide.clearNode(actorOf(market, stranger), { node: node.address });
        await provide.withdrawSurplus(provider, whose);

        expect(await mine.getProviderState()).toMatchObject({ stake: 0n, unbonding: 0n, surplus: 0n, shares: 0n });
        expect((await blockchain.getContract(node.address)).balance).toBe(0n);
    });

    it('govern a registry', async () => {
        const market = await deployRegistry();
        const { governor, stranger, insurance, codes, blockchain } = market;
        const [old, next] = [actorOf(market, governor), actorOf(market, stranger)];
        const rules = rulesWith(insurance.address);
        const first = { delay: CHANGE_DELAY + 1, rent: toNano('1'), rules, committee: committeeOf(3, 2), codes };
        const registry = await govern.launchRegistry(old, { ...first, catalogue: 1n });
        const which = { registry: registry.address };

        await govern.proposeCode(old, { ...which, kind: 'channel', code: codes.node });
        await govern.cancelChange(old, which);
        await govern.proposeCommittee(old, { ...which, committee: committeeOf(5, 4) });
        await govern.setCatalogue(old, { ...which, catalogue: 2n });
        await govern.proposeGovernor(old, { ...which, governor: stranger.address });
        await govern.acceptGovernor(next, which);
        await govern.setPaused(next, { ...which, paused: true });
        await govern.announceDemand(next, { ...which, model: 1n, queriesPerDay: 5, endsAt: blockchain.now! + 1 });

        const state = await registry.getRegistryState();
        expect(state).toMatchObject({
            paused: true,
            catalogue: 2n,
            executeAt: BigInt(blockchain.now! + CHANGE_DELAY + 1),
        });
        expect(state.governor).toEqualAddress(stranger.address);
    });
});
