/** Dictionaries of a few cells that unfold to more than their reader can bear. */
import { beginCell, type Cell } from '@ton/core';

const twice = (part: Cell) => beginCell().storeRef(part).storeRef(part);

/** A part of a dictionary whose label is empty, and both of whose parts are this one. */
const fork = (part: Cell): Cell => beginCell().storeUint(0, 2).storeBuilder(twice(part)).endCell();

/** A dictionary of `forks` + 1 cells that has 2 ** forks entries of this value. */
export function unfolding(keyBits: number, forks: number, value: Cell): Cell {
    let part = beginCell().storeUint(0, 2).storeSlice(value.beginParse()).endCell();
    for (let i = 1; i < forks; i++) {
        part = fork(part);
    }
    const sizeBits = Math.ceil(Math.log2(keyBits + 1));
    const label = beginCell()
        .storeUint(0b110, 3)
        .storeUint(keyBits - forks, sizeBits);
    return label.storeBuilder(twice(part)).endCell();
}

/** No dictionary: its first label is longer than a key of 8 bits. Whoever follows its cells takes 2 ** forks steps. */
export function tooLongKey(forks: number): Cell {
    let part = beginCell().storeUint(2, 8).storeUint(0, 256).endCell({ exotic: true });
    for (let i = 0; i < forks; i++) {
        part = fork(part);
    }
    const label = beginCell().storeBit(0).storeUint(0b1111111110, 10).storeUint(0, 9);
    return label.storeBuilder(twice(part)).endCell();
}
