import { beginCell, toNano } from '@ton/core';
import { BlockchainTransaction, SendMessageResult } from '@ton/sandbox';

import { listingCell, nodeChanges } from '../../wrappers/Node';
import { gas } from '../../wrappers/protocol';
import { registryChanges } from '../../wrappers/Registry';
import { expectConserved, gasOf, PriceLevel } from '../support/chain';
import {
    CHANGE_DELAY,
    changeNode,
    countVersions,
    DAY,
    expectSolvent,
    HOUR,
    joinedMarket,
    JoinedMarket,
    joinProvider,
    keyOf,
    maxListing,
    launchMarket,
    listingWith,
    NodeMarket,
    registerNode,
    RATE,
} from '../support/stake';

const VALUE = toNano('1');
const NEWEST = 7; // of eight versions of node code

/** Gas of the transactions with these opcodes, in order; fails when one of them aborted. */
function gasOfSteps(result: SendMessageResult, opcodes: number[]): number[] {
    return opcodes.map((opcode) => {
        const tx = result.transactions.find((each) => opcodeOf(each) === opcode);
        expect(tx?.description).toMatchObject({ aborted: false });
        return Number(gasOf([tx!]));
    });
}

function opcodeOf({ inMessage }: BlockchainTransaction): number | undefined {
    const body = inMessage!.body.beginParse();
    return inMessage!.info.type === 'internal' && body.remainingBits >= 32 ? body.preloadUint(32) : undefined;
}

function expectWithin(result: SendMessageResult, ceilings: Record<number, number>) {
    const opcodes = Object.keys(ceilings).map(Number);
    gasOfSteps(result, opcodes).forEach((used, index) => expect(used).toBeLessThanOrEqual(ceilings[opcodes[index]]));
}

/** A joined provider that keeps something for each of eight versions of node code. */
async function countingMarket(): Promise<JoinedMarket> {
    const market = await joinedMarket();
    const { blockchain, registry, governor, provider, owner, codes } = market;
    const via = governor.getSender();
    for (let version = 1; version <= NEWEST; version++) {
        const code = version === NEWEST ? codes.node : beginCell().storeUint(version, 8).endCell();
        await registry.sendProposeChange(via, { value: VALUE, change: registryChanges.code('node', code) });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(via, { value: VALUE });
    }
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
    await countVersions(market);
    return market;
}

async function maxNode(): Promise<NodeMarket> {
    const market = await countingMarket();
    const { node } = await registerNode(market, {
        listing: maxListing(market.blockchain.now!),
    });
    const full = { ...market, node };
    for (const name of ['second', 'third', 'fourth']) {
        const oldEndsAt = market.blockchain.now! + 30 * DAY;
        const change = nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 3n, oldEndsAt });
        await changeNode(full, change, { codeVersion: NEWEST });
    }
    return full;
}

describe('Gas ceilings', () => {
    it('hold for Join and Adopt', async () => {
        const market = await launchMarket();
        const { registry, owner, payout, operator } = market;
        const provider = await joinProvider(market, await market.blockchain.treasury('another'));
        const { Provider } = await import('../../wrappers/Provider');
        const mine = market.blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
        const args = { value: toNano('101'), stake: toNano('100'), payout: payout.address, operator: operator.address };

        expectWithin(await mine.sendJoin(owner.getSender(), args), {
            0xc0c00201: gas.GasJoin,
            0xc0c00110: gas.GasRegisterProvider,
            0xc0c00220: gas.GasRulesGiven,
        });
        expectWithin(await mine.sendAdopt(owner.getSender(), { value: VALUE }), {
            0xc0c00202: gas.GasAdopt,
            0xc0c00111: gas.GasAskRules,
            0xc0c00220: gas.GasRulesGiven,
        });
        expect((await provider.getProviderState()).rulesVersion).toBe(1n);
    });

    it('hold for every message about stake, with all slots in use', async () => {
        const market = await countingMarket();
        const { blockchain, provider, owner, stranger } = market;
        const via = owner.getSender();
        const within = (result: SendMessageResult, opcode: number) =>
            expectWithin(result, { [opcode]: gas.GasStakeStep });

        for (let slot = 0; slot < 4; slot++) {
            within(await provider.sendUnbond(via, { value: VALUE, amount: toNano('1') }), 0xc0c00204);
        }
        within(await provider.sendAddStake(stranger.getSender(), { value: VALUE, amount: 1n }), 0xc0c00203);
        within(await provider.sendCancelUnbonding(via, { value: VALUE, slot: 0 }), 0xc0c00205);
        blockchain.now! += 336 * HOUR;
        within(await provider.sendWithdrawStake(via, { value: VALUE, slot: 1 }), 0xc0c00206);
        within(await provider.sendWithdrawSurplus(via, { value: VALUE }), 0xc0c00207);
        within(await provider.sendSetOperator(via, { value: VALUE, operator: stranger.address }), 0xc0c00208);
        within(await provider.sendSetPayout(via, { value: VALUE, payout: stranger.address }), 0xc0c00209);
    });

    it('hold for the largest listing', async () => {
        const market = await countingMarket();

        const { result } = await registerNode(market, {
            listing: maxListing(market.blockchain.now!),
        });

        expectWithin(result, {
            0xc0c00210: gas.GasRegisterNode,
            0xc0c00301: gas.GasStartNode,
            0xc0c00113: gas.GasAnnounceSelf,
        });
    });

    it('hold for every change of the largest node', async () => {
        const market = await maxNode();
        const { offers, service, attestation } = maxListing(market.blockchain.now!);

        for (const change of [
            nodeChanges.offers(offers),
            nodeChanges.service(service),
            nodeChanges.attestation(attestation),
            nodeChanges.endKey(keyOf('third')),
            nodeChanges.endKey(keyOf('fourth')),
        ]) {
            expectWithin(await changeNode(market, change, { by: market.operator, codeVersion: NEWEST }), {
                0xc0c00211: gas.GasChangeNode,
                0xc0c00302: gas.GasApplyChange,
                0xc0c00113: gas.GasAnnounceSelf,
            });
        }
    });

    it('hold for the last rotation, hardware, closing and clearing', async () => {
        const counting = await countingMarket();
        const market = { ...counting, node: (await registerNode(counting)).node };
        const { blockchain, provider, operator, node, stranger } = market;
        const via = operator.getSender();
        for (const name of ['second', 'third', 'fourth']) {
            const keys = { receiptKey: keyOf(name), encryptionKey: 3n, oldEndsAt: blockchain.now! + 30 * DAY };
            expectWithin(await changeNode(market, nodeChanges.keys(keys), { codeVersion: NEWEST }), {
                0xc0c00211: gas.GasChangeNode,
                0xc0c00302: gas.GasApplyChange,
            });
        }
        const named = { number: 0, codeVersion: NEWEST };
        const { share } = await node.getNodeState();
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });

        expectWithin(await provider.sendReplaceHardware(via, { value: VALUE, ...named, share, gpus: 2, change }), {
            0xc0c00212: gas.GasReplaceHardware,
            0xc0c00303: gas.GasApplyHardware,
            0xc0c00221: gas.GasShareFreed,
            0xc0c00112: gas.GasAnnounceNode,
        });
        expectWithin(await provider.sendCloseNode(via, { value: VALUE, ...named }), {
            0xc0c00213: gas.GasCloseNode,
            0xc0c00304: gas.GasStopNode,
            0xc0c00221: gas.GasShareFreed,
            0xc0c00112: gas.GasAnnounceNode,
        });
        blockchain.now! += 336 * HOUR;
        expectWithin(await node.sendClear(stranger.getSender(), { value: VALUE }), { 0xc0c00305: gas.GasClearNode });
    });

    it('hold for a client’s demand', async () => {
        const { blockchain, registry, stranger } = await launchMarket();

        const demand = { value: VALUE, model: 1n, queriesPerDay: 1, endsAt: blockchain.now! + 1 };
        const result = await registry.sendAnnounceDemand(stranger.getSender(), demand);

        expectWithin(result, { 0xc0c0010a: gas.GasAnnounceDemand });
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s', (prices) => {
    async function announced(market: JoinedMarket, result: SendMessageResult) {
        expect(result.externals.length).toBe(1);
        await expectSolvent(market);
    }

    it('what the getters name is enough for the whole way, in every message', async () => {
        const market = await joinedMarket({ prices });
        const { blockchain, provider, owner, codes } = market;
        const via = owner.getSender();
        const { stakeStep, adopt, closeNode } = await provider.getValuesOf(0n, 0n);
        const conserved = (action: () => Promise<SendMessageResult>) => expectConserved(blockchain, action);
        const { reserve } = await provider.getProviderState();

        await conserved(() => provider.sendAdopt(via, { value: adopt - reserve }));
        await conserved(() => provider.sendUnbond(via, { value: stakeStep - reserve, amount: 1n }));
        expect((await provider.getProviderState()).unbonding).toBe(1n);
        const listing = listingCell(maxListing(blockchain.now!));
        const value = (await provider.getRegisterNodeValue({ code: codes.node, listing })) - reserve;
        await announced(
            market,
            await conserved(() => provider.sendRegisterNode(via, { value, code: codes.node, listing })),
        );
        const change = nodeChanges.offers(maxListing(0).offers);
        const changeValue = (await provider.getChangeNodeValue(change)) - reserve;
        await announced(
            market,
            await conserved(() => provider.sendChangeNode(via, { value: changeValue, number: 0, change })),
        );
        const hardware = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const hardwareValue = (await provider.getReplaceHardwareValue(hardware)) - reserve;
        const args = { number: 0, share: 2n * RATE, gpus: 2, change: hardware };
        await announced(
            market,
            await conserved(() => provider.sendReplaceHardware(via, { value: hardwareValue, ...args })),
        );
        await announced(
            market,
            await conserved(() => provider.sendCloseNode(via, { value: closeNode - reserve, number: 0 })),
        );
    });
});
