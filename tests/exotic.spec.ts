import { beginCell, Builder, Cell, convertToMerkleProof, Dictionary, toNano } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import { errors, libraryOf, registryChanges } from '../wrappers';
import { storeOpen, storeSetUp } from '../wrappers/bodies';
import { SigningKey } from '../wrappers/keys';
import { jobsCell } from '../wrappers/signed/orders';
import { exitCodeOf } from './support/chain';
import { spendKey, useMarket } from './support/market';
import { committeeOf, launchMarket, rulesWith } from './support/stake';

const VALUE = toNano('20');

const cellOf = (store: (builder: Builder) => void): Cell => beginCell().store(store).endCell();

const copyOf = (cell: Cell): Builder => beginCell().storeSlice(cell.beginParse(true));

/** What a cell is swapped for. */
const swaps: Record<string, (cell: Cell) => Cell> = {
    'a library cell': (cell) => libraryOf(cell).cell,
    'a Merkle proof': (cell) => convertToMerkleProof(cell),
    'a Merkle update': (cell) => {
        const hashes = beginCell().storeUint(4, 8).storeBuffer(cell.hash()).storeBuffer(cell.hash());
        const depths = hashes.storeUint(cell.depth(), 16).storeUint(cell.depth(), 16);
        return depths.storeRef(cell).storeRef(cell).endCell({ exotic: true });
    },
    // A message that holds a pruned branch outside a proof is none: its root would have a level above 0.
    'a Merkle proof of a pruned branch': (cell) => {
        const head = beginCell().storeUint(0x0101, 16).storeBuffer(cell.hash());
        const pruned = head.storeUint(cell.depth(), 16).endCell({ exotic: true });
        const proof = beginCell().storeUint(3, 8).storeBuffer(cell.hash()).storeUint(cell.depth(), 16);
        return proof.storeRef(pruned).endCell({ exotic: true });
    },
    'one bit more': (cell) => copyOf(cell).storeBit(false).endCell(),
    'one reference more': (cell) => copyOf(cell).storeRef(Cell.EMPTY).endCell(),
};
const EXOTIC = Object.keys(swaps).slice(0, 4);

/** Paths to all cells below a root. */
function pathsOf(root: Cell): number[][] {
    return root.refs.flatMap((child, index) => [[index], ...pathsOf(child).map((path) => [index, ...path])]);
}

/** The tree with the cell at a path swapped; what is a signature over a cell that changed is signed again. */
function swapped(root: Cell, [index, ...path]: number[], swap: (cell: Cell) => Cell, key: SigningKey): Cell {
    if (index === undefined) {
        return swap(root);
    }
    const child = swapped(root.refs[index], path, swap, key);
    const signature = root.bits.length === 512 && root.refs.length === 1 ? key.sign(root.refs[0].hash()) : undefined;
    const isSigned = signature !== undefined && root.beginParse().loadBuffer(64).equals(signature);
    const builder = isSigned ? beginCell().storeBuffer(key.sign(child.hash())) : beginCell().storeBits(root.bits);
    return root.refs.reduce((made, ref, at) => made.storeRef(at === index ? child : ref), builder).endCell();
}

/** A chain on which every cell of the body is known as a library. */
function knowLibraries(blockchain: Blockchain, body: Cell): void {
    const all = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
    const visit = (cell: Cell): void => {
        all.set(cell.hash(), cell);
        cell.refs.forEach(visit);
    };
    visit(body);
    blockchain.libs = beginCell().storeDictDirect(all).endCell();
}

describe('A job of an order', () => {
    const escrow = useMarket();

    it.each(EXOTIC)('is left out as %s, and its deposit stays', async (kind) => {
        const jobs = jobsCell([escrow().newJob()]);
        const { seqno } = await escrow().escrow.getEscrowState();
        const open = { queryId: 0n, seqno, total: toNano('1'), jobs };
        const body = cellOf(storeOpen({ $$type: 'Open', ...open }));
        for (const path of pathsOf(body)) {
            const snapshot = escrow().blockchain.snapshot();
            knowLibraries(escrow().blockchain, body);
            const result = await escrow().owner.send({
                to: escrow().escrow.address,
                value: VALUE,
                body: swapped(body, path, swaps[kind], spendKey),
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
        knowLibraries(escrow().blockchain, heavy);

        const result = await escrow().carry(stolen);

        expect(result.transactions.map(exitCodeOf)).toEqual([Number(errors.ErrMalformed)]);
    });

    it('is in no order that is a library cell', async () => {
        const order = await escrow().openOrder([escrow().newJob()]);
        knowLibraries(escrow().blockchain, order);
        const exotic = swapped(order, [0], swaps['a library cell'], spendKey);

        await expect(escrow().carry(exotic)).rejects.toMatchObject({ exitCode: Number(errors.ErrMalformed) });
    });
});

describe('The code of new channels', () => {
    const escrow = useMarket();

    it.each(['a Merkle proof', 'a Merkle update'])('is refused as %s', async (kind) => {
        const settings = { spendKey: 0n, jobLimit: 1n, dayLimit: 1n, deposit: 0n };
        const body = cellOf(
            storeSetUp({ $$type: 'SetUp', queryId: 0n, ...settings, channelCode: swaps[kind](escrow().code) }),
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
            knowLibraries(blockchain, beginCell().storeRef(change).endCell());
            for (const path of [[], ...pathsOf(change)]) {
                const exitCodes = await proposed(swapped(change, path, swaps[kind], spendKey));
                expect(exitCodes).toContain(Number(errors.ErrMalformed));
            }
        }
    });

    it.each(['one bit more', 'one reference more'])('is refused with %s in a cell of its keys', async (kind) => {
        const { proposed, committee } = await changes();

        for (const path of pathsOf(committee)) {
            const exitCodes = await proposed(swapped(committee, path, swaps[kind], spendKey));
            expect(exitCodes).toContain(Number(errors.ErrWrongCommittee));
        }
    });
});
