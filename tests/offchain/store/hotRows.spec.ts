import { HotRows } from '../../../offchain/store/hotRows';

const MAX_ROWS = 2000; // that stay in memory between two groups

interface Row {
    key: string;
    value: number;
}

/** Rows of a disk that counts how often it was read and written. */
function rowsOf(disk: Map<string, number>) {
    const [reads, writes]: string[][] = [[], []];
    const rows = new HotRows<Row>(({ key, value }) => {
        writes.push(key);
        disk.set(key, value);
    });
    const get = (key: string): Row | undefined =>
        rows.get(key, () => {
            reads.push(key);
            const value = disk.get(key);
            return value === undefined ? undefined : { key, value };
        });
    return { rows, reads, writes, get };
}

const manyRows = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`row ${i}`, i] as const));

describe('Rows that writes change in memory', () => {
    it('are read once, and each that was changed is written once', () => {
        const disk = new Map([
            ['a', 1],
            ['b', 2],
        ]);
        const { rows, reads, writes, get } = rowsOf(disk);
        for (const row of [get('a')!, get('a')!, get('b')!]) {
            row.value += 10;
            rows.mark(row);
        }
        get('b');
        rows.flush();
        rows.flush();
        expect([reads, writes]).toEqual([
            ['a', 'b'],
            ['a', 'b'],
        ]);
        expect([...disk.values()]).toEqual([21, 12]);
    });

    it('are read again if there was none', () => {
        const { reads, get } = rowsOf(new Map());
        expect([get('a'), get('a')]).toEqual([undefined, undefined]);
        expect(reads).toEqual(['a', 'a']);
    });

    it('are read again, and not written, once they are forgotten', () => {
        const { rows, reads, writes, get } = rowsOf(new Map([['a', 1]]));
        const row = get('a')!;
        row.value = 5;
        rows.mark(row);
        rows.forget();
        rows.flush();
        expect(get('a')).toEqual({ key: 'a', value: 1 });
        expect([reads.length, writes]).toEqual([2, []]);
    });

    it('may have been read by somebody else, whose row takes the place of none', () => {
        const { rows, reads, get } = rowsOf(new Map());
        expect(get('a')).toBeUndefined();
        rows.offer('a', () => ({ key: 'a', value: 7 }));
        rows.offer('a', () => ({ key: 'a', value: 8 }));
        expect([get('a'), reads]).toEqual([{ key: 'a', value: 7 }, ['a']]);
    });

    it('stay between two groups up to a limit', () => {
        const disk = manyRows(MAX_ROWS + 1);
        const { rows, reads, get } = rowsOf(disk);
        const all = [...disk.keys()];
        all.slice(0, MAX_ROWS).forEach(get);
        rows.flush();
        rows.offer('another', () => ({ key: 'another', value: 1 })); // there is no room
        all.slice(0, MAX_ROWS).forEach(get);
        expect([reads.length, get('another')]).toEqual([MAX_ROWS, undefined]);

        get(all[MAX_ROWS]);
        rows.flush();
        all.forEach(get);
        expect(reads).toHaveLength(1 + 2 * (MAX_ROWS + 1));
    });
});
