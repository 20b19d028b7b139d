/** Tables and lists in Markdown, formatted as prettier does it, for the pages that benchmarks write. */

/** A table. Its first column is aligned to the left, the others to the right. */
export function markdownTable(head: string[], rows: string[][]): string[] {
    const all = [head, ...rows];
    const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
    const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
    const line = (row: string[]) => `| ${row.map(pad).join(' | ')} |`;
    const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
    return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

/** A point of a list, in lines of at most 120 characters. */
export function markdownPoint(text: string): string[] {
    const lines = ['-'];
    for (const word of text.split(' ')) {
        const line = `${lines[lines.length - 1]} ${word}`;
        if (line.length > 120) {
            lines.push(`  ${word}`);
        } else {
            lines[lines.length - 1] = line;
        }
    }
    return lines;
}
