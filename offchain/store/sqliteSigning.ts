/** Counts signed receipts in a worker's SQLite file, once for all writes of a group. */
import type { Statement } from 'better-sqlite3';
import { OneMember } from './cluster';
import type { Database } from './database';
import type { GroupCommit } from './groupCommit';
import { HotRows } from './hotRows';
import { SigningGuard } from './signingGuard';
import type { WorkerSchema, WorkerTransaction } from './workerTables';

export class SqliteSigning extends SigningGuard {
    private readonly read: Statement<[], { sequence: number }>;
    private readonly rows: HotRows<{ sequence: number }>;

    constructor(
        db: Database<WorkerSchema>,
        private readonly group: GroupCommit<WorkerSchema>,
    ) {
        super(db, group, new OneMember());
        this.read = db.file.prepare('SELECT sequence FROM sequences');
        const write = db.file.prepare('UPDATE sequences SET sequence = ?');
        this.rows = new HotRows(({ sequence }) => void write.run(sequence));
        group.defer(this.rows, {
            flush: () => undefined,
            forget: () => undefined,
            committed: () => this.mark?.raise(this.row().sequence),
        });
    }

    override write(write: (t: WorkerTransaction) => Promise<void>): Promise<void> {
        return this.group.run(async (t) => {
            await write(t);
            this.count();
        });
    }

    /** {@link write} of a hot write. */
    writeHot(write: () => void): Promise<void> {
        return this.group.runHot(() => {
            write();
            this.count();
        });
    }

    private row(): { sequence: number } {
        return this.rows.get('', () => this.read.get()!);
    }

    private count(): void {
        const row = this.row();
        row.sequence++;
        this.rows.mark(row);
    }
}
