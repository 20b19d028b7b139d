/** Tables of text: columns as wide as their longest cell. */

/** The lines of a table. Columns begin at the left; except for the first, `numeric` puts them to the right. */
export function tableLines(rows: readonly (readonly (string | number)[])[], { numeric = false } = {}): string[] {
    const cells = rows.map((row) => row.map(String));
    const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    const padded = (cell: string, column: number) =>
        numeric && column > 0 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
    return cells.map((row) => row.map(padded).join('  ').trimEnd());
}
