/** Cells of the writers that the Tact compiler generated, and what its readers throw at. */
import { Address, beginCell, Builder, Cell, Slice } from '@ton/core';

/** The cell that this writer fills. */
export function toCell(store: (builder: Builder) => void): Cell {
    return beginCell().store(store).endCell();
}

/** Loads the address of an account; undefined for any other address, such as none, which contracts take as well. */
export function loadAccount(slice: Slice): Address | undefined {
    const found = slice.loadAddressAny();
    return Address.isAddress(found) ? found : undefined;
}
