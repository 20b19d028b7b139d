import { Address, beginCell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';
import { errors, nodeChanges, opcodes, registryChanges } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { rentOf } from '../support/market';
import { bodyWith } from '../support/schema';
import { changeNode, CHANGE_DELAY, committeeOf, nodeMarket, NodeMarket, registerNode } from '../support/stake';

const VALUE = toNano('1');
const GAS_PRICE = 400n; // nanoTON, in the basechain
const BOUNCE_ALONE = 420_000n; // nanoTON, for a message without a cell, not for an event with one

/** Bodies of the events of a result, by their opcode. */
function eventsOf(result: { externals: { body: { beginParse(): { loadUint(bits: number): number } } }[] }): number[] {
    return result.externals.map(({ body }) => body.beginParse().loadUint(32));
}

describe('Registry', () => {
    let market: NodeMarket;
    beforeEach(async () => {
        market = await nodeMarket();
    });

    const balance = async () => (await market.blockchain.getContract(market.registry.address)).balance;

    it('announces the change of a node while it is paused, but no new node', async () => {
        const { registry, governor } = market;
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });

        const changed = await changeNode(market, nodeChanges.offers([]));
        const { result } = await registerNode(market);

        expect(eventsOf(changed)).toEqual([opcodes.NodeAnnounced]);
        expect(eventsOf(result)).toEqual([]);
        expectRefused(result, { to: registry.address, exitCode: errors.ErrPaused });
    });

    const change = registryChanges.committee(committeeOf(1, 1));
    const propose = () => market.registry.sendProposeChange(market.governor.getSender(), { value: VALUE, change });

    const sends: Record<string, () => Promise<SendMessageResult>> = {
        ChangeProposed: () => propose(),
        ChangeExecuted: async () => {
            await propose();
            market.blockchain.now! += CHANGE_DELAY;
            return market.registry.sendExecuteChange(market.governor.getSender(), { value: VALUE });
        },
        ChangeCancelled: async () => {
            await propose();
            return market.registry.sendCancelChange(market.governor.getSender(), { value: VALUE });
        },
        WorkPaused: () => market.registry.sendSetPaused(market.governor.getSender(), { value: VALUE, paused: true }),
        CatalogueChanged: () =>
            market.registry.sendSetCatalogue(market.governor.getSender(), { value: VALUE, catalogue: 5n }),
        GovernorChanged: async () => {
            const { registry, governor } = market;
            await registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: governor.address });
            return registry.sendAcceptGovernor(governor.getSender(), { value: VALUE });
        },
    };
    const said: Record<string, () => Parameters<typeof bodyWith>[1]> = {
        ChangeProposed: () => ({ executeAt: BigInt(market.blockchain.now! + CHANGE_DELAY), change }),
        ChangeExecuted: () => ({ change }),
        ChangeCancelled: () => ({ change }),
        WorkPaused: () => ({ paused: true }),
        CatalogueChanged: () => ({ catalogue: 5n }),
        GovernorChanged: () => ({ governor: market.governor.address }),
    };

    it.each(Object.keys(sends))('says %s, keeps nothing of the value and returns it to who asked', async (name) => {
        const { registry, governor } = market;
        const before = await balance();

        const result = await sends[name]();

        expect(result.externals.map(({ body }) => body.toString())).toEqual([bodyWith(name, said[name]()).toString()]);
        expect(transactionsOn(result, governor.address, registry.address)).toHaveLength(1);
        const rent = transactionsOn(result, registry.address).reduce((sum, tx) => sum + rentOf(tx), 0n);
        expect(before - (await balance())).toBe(rent);
    });

    it.each([
        ['changes', nodeChanges.offers([])],
        ['ends', undefined],
    ])('announces a node that %s, keeps nothing and returns the rest to the operator who asked', async (_, change) => {
        const { registry, provider, operator } = market;
        const before = await balance();

        const result =
            change === undefined
                ? await provider.sendCloseNode(operator.getSender(), { value: VALUE, number: 0 })
                : await changeNode(market, change, { by: operator });

        expect(eventsOf(result)).toEqual([opcodes.NodeAnnounced]);
        expect(transactionsOn(result, operator.address, registry.address)).toHaveLength(1);
        expect(await balance()).toBe(before);
    });

    it('announces the first word of a node, and keeps nothing of its value', async () => {
        const before = await balance();

        const { result } = await registerNode(market);

        expect(eventsOf(result)).toEqual([opcodes.NodeAnnounced]);
        expect(await balance()).toBe(before);
    });

    it('returns a value that pays for the gas and not for the event', async () => {
        const { blockchain, registry, governor } = market;
        const paused = { value: VALUE, paused: true };
        const gas = gasOf(transactionsOn(await registry.sendSetPaused(governor.getSender(), paused), registry.address));
        const before = await balance();

        const result = await expectConserved(blockchain, () =>
            registry.sendSetPaused(governor.getSender(), { value: gas * GAS_PRICE + BOUNCE_ALONE, paused: false }),
        );

        expectRefused(result, { to: registry.address, exitCode: 37 });
        expect((await registry.getRegistryState()).paused).toBe(true);
        expect(await balance()).toBe(before);
    });

    it('knows no time once its change was dropped, or took place', async () => {
        const { blockchain, registry, governor, stranger } = market;
        const change = registryChanges.committee(committeeOf(1, 1));
        const propose = () => registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        await propose();
        expect((await registry.getRegistryState()).executeAt).toBe(BigInt(blockchain.now! + CHANGE_DELAY));

        await registry.sendCancelChange(governor.getSender(), { value: VALUE });
        expect(await registry.getRegistryState()).toMatchObject({ executeAt: 0n, change: null });
        await propose();
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });

        expect(await registry.getRegistryState()).toMatchObject({ executeAt: 0n, change: null, rulesVersion: 2n });
    });

    describe('asked for rules by name', () => {
        const ask = async (rules: bigint, value = VALUE) => {
            const body = beginCell().storeUint(opcodes.AskRules, 32).storeUint(7, 64).storeUint(rules, 256).endCell();
            return market.stranger.send({ to: market.registry.address, value, body });
        };
        const named = async () => BigInt(`0x${(await market.registry.getRules()).hash().toString('hex')}`);

        it('gives those that have the name, and those of now to whom names none', async () => {
            for (const name of [await named(), 0n]) {
                const result = await ask(name);
                const { body } = transactionsOn(result, market.stranger.address, market.registry.address)[0].inMessage!;
                expect(body.beginParse().loadUint(32)).toBe(opcodes.RulesGiven);
            }
        });

        it('refuses any other name, and keeps neither value nor balance', async () => {
            const before = await balance();

            const result = await ask((await named()) + 1n);

            expectRefused(result, { to: market.registry.address, exitCode: errors.ErrWrongRules });
            expect(await balance()).toBe(before);
        });

        it('gives them to one who cannot take them, who keeps the rest of the value too', async () => {
            const { blockchain, registry } = market;
            const before = await balance();
            const nobody = new Address(0, Buffer.alloc(32, 7));
            const body = beginCell().storeUint(opcodes.AskRules, 32).storeUint(7, 64).storeUint(0, 256).endCell();

            const result = await blockchain.sendMessage(
                internal({ from: nobody, to: registry.address, value: VALUE, body }),
            );

            expect(transactionsOn(result, registry.address)).toHaveLength(1);
            expect(await balance()).toBe(before);
            expect((await blockchain.getContract(nobody)).balance).toBeGreaterThan(VALUE - toNano('0.05'));
        });

        it('returns a value that pays for the gas and not for the rules', async () => {
            const { blockchain, registry } = market;
            const gas = gasOf(transactionsOn(await ask(0n), registry.address));
            const before = await balance();

            const result = await expectConserved(blockchain, () => ask(0n, gas * GAS_PRICE + 2n * BOUNCE_ALONE));

            expectRefused(result, { to: registry.address, exitCode: 37 });
            expect(await balance()).toBe(before);
        });

        it('keeps its balance when it gives them', async () => {
            const before = await balance();

            await ask(0n);

            expect(await balance()).toBe(before);
        });
    });
});
