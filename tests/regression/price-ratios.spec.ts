/** Prices of gas, forwarding and storage do not move together: values must suffice whatever their ratio. */
import { beginCell, Cell, Dictionary, toNano } from '@ton/core';

import { networkConfig } from '../../localnet/config';
import { PriceLevel } from '../../localnet/levels';
import { Dispute } from '../../wrappers/Dispute';
import { listingCell } from '../../wrappers/Node';
import { registryChanges } from '../../wrappers/Registry';
import { aside, caseMarket, report, slashesIn } from '../support/cases';
import { exitCodeOf } from '../support/chain';
import {
    CHANGE_DELAY,
    committeeOf,
    DAY,
    exactValue,
    joinedMarket,
    joinProvider,
    maxListing,
    launchMarket,
    minValue,
} from '../support/stake';

const VALUE = toNano('1');
const [STORAGE, FORWARD] = [18, 25];

/** The configuration of one level, with one parameter of another. */
function mixed(level: PriceLevel, parameter: number, other: PriceLevel): Cell {
    const [config, from] = [level, other].map((each) =>
        Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), networkConfig(each)),
    );
    return beginCell()
        .storeDictDirect(config.set(parameter, from.get(parameter)!))
        .endCell();
}

/** The configuration, but with forwarded bits and cells so many times dearer. */
function forwarding(config: Cell, { bits, cells }: { bits: bigint; cells: bigint }): Cell {
    const params = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config);
    const old = params.get(FORWARD)!.beginParse();
    const prices = beginCell()
        .storeBits(old.loadBits(8 + 64))
        .storeUint(old.loadUintBig(64) * bits, 64)
        .storeUint(old.loadUintBig(64) * cells, 64)
        .storeSlice(old);
    return beginCell().storeDictDirect(params.set(FORWARD, prices.endCell())).endCell();
}

describe('The largest rules there can be, where only cells of a message cost', () => {
    it('reach a provider that joins and adopts, at the values that are asked for', async () => {
        const market = await launchMarket();
        const { blockchain, registry, governor, owner } = market;
        const codes = [1, 2, 3, 4, 5, 6, 7].map((version) => beginCell().storeUint(version, 8).endCell());
        const changes = codes.map((code) => registryChanges.code('node', code));
        for (const change of [...changes, registryChanges.committee(committeeOf(9, 9))]) {
            await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
            blockchain.now! += CHANGE_DELAY;
            await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
        }
        blockchain.setConfig(forwarding(blockchain.config, { bits: 0n, cells: 100n }));

        const provider = await joinProvider(market, owner);
        const value = await exactValue({ ...market, provider }, 'adopt');
        const result = await provider.sendAdopt(owner.getSender(), { value });

        const { rulesVersion } = await registry.getRegistryState();
        expect((await provider.getProviderState()).rulesVersion).toBe(rulesVersion);
        expect(result.transactions.map(exitCodeOf)).toEqual(result.transactions.map(() => 0));
    });
});

describe('A new node that the Registry refuses, where forwarding has become cheap', () => {
    it('gives back its share and is counted no more, at the least value', async () => {
        const market = await joinedMarket({ prices: '2025' });
        const { blockchain, registry, governor, provider, owner, codes } = market;
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        blockchain.setConfig(mixed('2025', FORWARD, '2026'));
        const node = { code: codes.node, listing: listingCell(maxListing(blockchain.now!)) };
        const register = (value: bigint) => provider.sendRegisterNode(owner.getSender(), { value, ...node });
        const value = await minValue(market, await provider.getRegisterNodeValue(node), register);

        await register(value);

        expect(await provider.getProviderState()).toMatchObject({ shares: 0n, nodes: 0n, gpus: 0n });
    });
});

describe('A Dispute that its provider deployed as the job began, where storage has become dear', () => {
    it('still has the slash made, at the value that the node asks for', async () => {
        const market = await caseMarket({ prices: '2026' });
        const { blockchain, provider, node, owner, job } = market;
        blockchain.setConfig(mixed('2026', STORAGE, '2025'));
        const early = await Dispute.ofFault(provider.address, { class: 'A2', job: job.hash, query: 0 });
        await owner.send({ to: early.address, value: 60_000n, init: early.init!, bounce: false });
        blockchain.now! += 90 * DAY;
        await owner.send({ to: node.address, value: VALUE, bounce: false }); // its rent is another matter
        const price = toNano('1');
        const body = job.report.excess(job.result({ price, cumulative: price }));

        const result = await report(market, 'excess', body);

        expect(slashesIn(result)).toHaveLength(1);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });
});

describe('A report at the value that the getter names for it', () => {
    it.each([1, 7, 100])('is taken where only bits cost, %d times what they do', async (times) => {
        const market = await caseMarket({ prices: '2026', wallets: 'v5' });
        const { blockchain, job } = market;
        blockchain.setConfig(forwarding(blockchain.config, { bits: BigInt(times), cells: 0n }));
        const price = toNano('1');
        const result = job.result({ price, cumulative: price });
        const bodies = {
            excess: job.report.excess(result),
            twice: job.report.twice(result, job.result({ price, cumulative: price, index: 2 })),
            demand: job.report.demand(job.accept()),
            wrong: job.report.wrong(result),
        };

        for (const kind of ['excess', 'twice', 'demand', 'wrong'] as const) {
            const shown = await aside(market, blockchain.now!, () => report(market, kind, bodies[kind]));

            expect([kind, ...shown.transactions.map(exitCodeOf)]).toEqual([kind, ...shown.transactions.map(() => 0)]);
        }
    });
});

describe('The least reward of a fault', () => {
    it.each([
        ['forwarding', { bits: 10n, cells: 10n }],
        ['forwarding a hundred times', { bits: 100n, cells: 100n }],
        ['forwarded bits', { bits: 100n, cells: 0n }],
        ['forwarded cells', { bits: 0n, cells: 100n }],
    ])('is more than showing it costs, the message into the chain included, where %s cost most', async (_, times) => {
        const market = await caseMarket({ prices: '2026', wallets: 'v5' });
        const { blockchain, node, stranger, job } = market;
        blockchain.setConfig(forwarding(blockchain.config, times));
        blockchain.now! += 420 * DAY; // the node's rent is the reporter's to bring
        const rent = toNano('0.1');
        const { cost, minSlash: least } = await node.getReportValues(0n, 0n);
        const price = least / 2n - cost; // leaves its reporter no more than the least
        const first = job.result({ price, cumulative: price });
        const bodies = {
            excess: job.report.excess(first, job.accept({ ceiling: 0n, deadline: blockchain.now! })),
            twice: job.report.twice(first, job.result({ price, cumulative: price, index: 2 })),
        };

        for (const kind of ['excess', 'twice'] as const) {
            const value = (await node.getValuesFor(bodies[kind]))[kind] + rent;
            const before = await stranger.getBalance();
            const [shown, after] = await aside(market, blockchain.now!, async () => [
                await report(market, kind, bodies[kind], { value }),
                await stranger.getBalance(),
            ]);
            const [{ amounts }] = slashesIn(shown);

            expect(after - before - (amounts.reward - cost)).toBeGreaterThan(0n);
        }
    });
});
