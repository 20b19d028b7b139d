import { beginCell, Cell, toNano } from '@ton/core';
import { errors, libraryOf, registryChanges } from '@cocoon-market/wrappers';
import { storeOpen, storeSetUp } from '../wrappers/bodies';
import { jobsCell } from '../wrappers/signed/orders';
import { exitCodeOf } from './support/chain';
import { spendKey, useMarket } from './support/market';
import { committeeOf, launchMarket, rulesWith } from './support/stake';
import { cellOf, copyOf, exotic, knowLibraries, pathsOf, resized, swapped, treeOf } from './support/swaps';

const VALUE = toNano('20');

const EXOTIC = Object.keys(exotic);

describe('A job of an order', () => {
    const escrow = useMarket();

    it.each(EXOTIC)('is left out as %s, and its deposit stays', async (kind) => {
        const jobs = jobsCell([escrow().newJob()]);
        const { seqno } = await escrow().escrow.getEscrowState();
        const open = { queryId: 0n, seqno, total: toNano('1'), jobs };
        const body = cellOf(storeOpen({ $$type: 'Open', ...open }));
        for (const path of pathsOf(body)) {
            const snapshot = escrow().blockchain.snapshot();
            knowLibraries(escrow().blockchain, treeOf(body));
            const result = await escrow().owner.send({
                to: escrow().escrow.address,
                value: VALUE,
                body: swapped(body, path, exotic[kind], spendKey),
            });
            expect(result.transactions.map(exitCodeOf)).toContain(Number(errors.ErrMalformed));
            await escrow().blockchain.loadFrom(snapshot);
        }
    });

    it('of 640 bits and 980 references in a library cell is not copied into a deploy', async () => {
        const wide = (depth: number): Cell =>
            depth === 0
                ? Cell.EMPTY
                : beginCell()
                      .storeRef(wide(depth - 1))
                      .storeRef(wide(depth - 1))
                      .endCell();
        const job = jobsCell([escrow().newJob()]).refs[0];
        const heavy = copyOf(job).storeRef(wide(4)).storeRef(wide(5)).endCell();
        const order = await escrow().openOrder([escrow().newJob()]);
        const stolen = swapped(order, [0, 0], () => libraryOf(heavy).cell, spendKey);
        knowLibraries(escrow().blockchain, treeOf(heavy));

        const result = await escrow().carry(stolen);

        expect(result.transactions.map(exitCodeOf)).toEqual([Number(errors.ErrMalformed)]);
    });

    it('is in no order that is a library cell', async () => {
        const order = await escrow().openOrder([escrow().newJob()]);
        knowLibraries(escrow().blockchain, treeOf(order));
        const stolen = swapped(order, [0], exotic['a library cell'], spendKey);

        await expect(escrow().carry(stolen)).rejects.toMatchObject({ exitCode: Number(errors.ErrMalformed) });
    });
});

describe('The code of new channels', () => {
    const escrow = useMarket();

    it.each(['a Merkle proof', 'a Merkle update'])('is refused as %s', async (kind) => {
        const settings = { spendKey: 0n, jobLimit: 1n, dayLimit: 1n, deposit: 0n };
        const body = cellOf(
            storeSetUp({ $$type: 'SetUp', queryId: 0n, ...settings, channelCode: exotic[kind](escrow().code) }),
        );

        const result = await escrow().owner.send({ to: escrow().escrow.address, value: VALUE, body });

        expect(result.transactions.map(exitCodeOf)).toContain(Number(errors.ErrWrongCode));
    });
});

describe('A change of the Registry', () => {
    const changes = async () => {
        const market = await launchMarket();
        const proposed = async (change: Cell) => {
            const snapshot = market.blockchain.snapshot();
            const result = await market.registry.sendProposeChange(market.governor.getSender(), {
                value: VALUE,
                change,
            });
            await market.blockchain.loadFrom(snapshot);
            return result.transactions.map(exitCodeOf);
        };
        const committee = registryChanges.committee(committeeOf(5, 4));
        const rules = registryChanges.rules(rulesWith(market.insurance.address));
        for (const change of [committee, rules]) {
            expect((await proposed(change)).every((exitCode) => exitCode === 0)).toBe(true);
        }
        return { blockchain: market.blockchain, proposed, committee, rules };
    };

    it.each(EXOTIC)('is refused as %s, or with a cell of it that is one', async (kind) => {
        const { blockchain, proposed, committee, rules } = await changes();

        for (const change of [committee, rules]) {
            knowLibraries(blockchain, treeOf(change));
            for (const path of [[], ...pathsOf(change)]) {
                const exitCodes = await proposed(swapped(change, path, exotic[kind], spendKey));
                expect(exitCodes).toContain(Number(errors.ErrMalformed));
            }
        }
    });

    it.each(Object.keys(resized))('is refused with %s in a cell of its keys', async (kind) => {
        const { proposed, committee } = await changes();

        for (const path of pathsOf(committee)) {
            const exitCodes = await proposed(swapped(committee, path, resized[kind], spendKey));
            expect(exitCodes).toContain(Number(errors.ErrWrongCommittee));
        }
    });
});
