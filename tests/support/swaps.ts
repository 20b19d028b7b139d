/** Cells of a message swapped for such as nobody may bring: exotic ones, and ones of another size. */
import { beginCell, Builder, Cell, convertToMerkleProof, Dictionary } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import { libraryOf } from '@cocoon-market/wrappers';
import { SigningKey } from '../../wrappers/keys';

type Swaps = Readonly<Record<string, (cell: Cell) => Cell>>;

export const cellOf = (store: (builder: Builder) => void): Cell => beginCell().store(store).endCell();

export const copyOf = (cell: Cell): Builder => beginCell().storeSlice(cell.beginParse(true));

/** Exotic cells that a message can carry. The first is the cell itself where the chain knows it as a library. */
export const exotic: Swaps = {
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
};

/** Ordinary cells of another size. */
export const resized: Swaps = {
    'one bit more': (cell) => copyOf(cell).storeBit(false).endCell(),
    'one reference more': (cell) => copyOf(cell).storeRef(Cell.EMPTY).endCell(),
};

/** Paths to all cells below a root, but to none below one that is opaque. */
export function pathsOf(root: Cell, isOpaque: (cell: Cell) => boolean = () => false, at: number[] = []): number[][] {
    return root.refs.flatMap((child, index) => {
        const path = [...at, index];
        return [path, ...(isOpaque(child) ? [] : pathsOf(child, isOpaque, path))];
    });
}

/** The tree with the cell at a path swapped; what is a signature over a cell that changed is signed again. */
export function swapped(root: Cell, [index, ...path]: number[], swap: (cell: Cell) => Cell, key: SigningKey): Cell {
    if (index === undefined) {
        return swap(root);
    }
    const child = swapped(root.refs[index], path, swap, key);
    const signature = root.bits.length === 512 && root.refs.length === 1 ? key.sign(root.refs[0].hash()) : undefined;
    const isSigned = signature !== undefined && root.beginParse().loadBuffer(64).equals(signature);
    const builder = isSigned ? beginCell().storeBuffer(key.sign(child.hash())) : beginCell().storeBits(root.bits);
    return root.refs.reduce((made, ref, at) => made.storeRef(at === index ? child : ref), builder).endCell();
}

/** A chain that knows these cells as libraries, and no others. */
export function knowLibraries(blockchain: Blockchain, cells: Cell[]): void {
    const all = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
    cells.forEach((cell) => all.set(cell.hash(), cell));
    blockchain.libs = cells.length === 0 ? undefined : beginCell().storeDictDirect(all).endCell();
}

/** A cell and all below it. */
export function treeOf(cell: Cell): Cell[] {
    return [cell, ...cell.refs.flatMap(treeOf)];
}
