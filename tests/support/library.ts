/** Code that accounts name by its hash: the masterchain holds it once. */
import { beginCell, Cell, Dictionary } from '@ton/core';
import { Blockchain } from '@ton/sandbox';

const EXOTIC_LIBRARY = 2;

/** The cell that stands for `code` where the network has it as a library. */
export function libraryCell(code: Cell): Cell {
    return beginCell().storeUint(EXOTIC_LIBRARY, 8).storeBuffer(code.hash()).endCell({ exotic: true });
}

/** Makes the network know exactly these codes as libraries. */
export function publish(blockchain: Blockchain, ...codes: Cell[]): void {
    const libraries = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
    codes.forEach((code) => libraries.set(code.hash(), code));
    blockchain.libs = beginCell().storeDictDirect(libraries).endCell();
}
