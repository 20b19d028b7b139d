/** Rows that many writes change: read once, changed in memory, and written once for a group of writes. */
import type { Deferred } from './groupCommit';

const MAX_ROWS = 2000; // in memory between two groups

/** Some rows of one table. Each is as it is on the disk, but for the changes of the group of writes that runs. */
export class HotRows<Row extends object> implements Deferred {
    private readonly rows = new Map<string, Row>();
    private readonly changed = new Set<Row>();

    /** `write` writes a changed row. It may change other rows, which are to be flushed after these. */
    constructor(private readonly write: (row: Row) => void) {}

    /** The row of a key; `read` reads it unless it is here. */
    get<Found extends Row | undefined>(key: string, read: () => Found): Row | Found {
        const row = this.rows.get(key);
        if (row !== undefined) {
            return row;
        }
        const found = read();
        if (found !== undefined) {
            this.rows.set(key, found);
        }
        return found;
    }

    /** Takes a row that was read from the disk, unless there is one of this key, or no room. */
    offer(key: string, make: () => Row): void {
        if (this.rows.size < MAX_ROWS && !this.rows.has(key)) {
            this.rows.set(key, make());
        }
    }

    /** Has the end of the group write a row that the caller changes. */
    mark(row: Row): void {
        this.changed.add(row);
    }

    flush(): void {
        for (const row of this.changed) {
            this.write(row);
        }
        this.changed.clear();
        if (this.rows.size > MAX_ROWS) {
            this.rows.clear();
        }
    }

    forget(): void {
        this.rows.clear();
        this.changed.clear();
    }
}
