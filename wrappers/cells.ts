/** Cells of the writers that the Tact compiler generated. */
import { beginCell, Builder, Cell } from '@ton/core';

/** The cell that this writer fills. */
export function toCell(store: (builder: Builder) => void): Cell {
    return beginCell().store(store).endCell();
}
