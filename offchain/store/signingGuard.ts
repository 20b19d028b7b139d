/**
 * Counts what the receipt key signs, in the store and in a mark beside the key file, so that an older copy of the store
 * is detected.
 */
import { type Kysely, sql } from 'kysely';
import type { GroupCommit } from './groupCommit';
import { Mark, readMark } from './mark';
import { StaleStore } from './worker';
import type { WorkerSchema, WorkerTransaction } from './workerTables';

export class SigningGuard {
    private mark: Mark | undefined;

    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: GroupCommit<WorkerSchema>,
    ) {}

    /** See {@link WorkerStore.guard}. */
    async guard(receiptKey: Buffer, path: string): Promise<void> {
        const signing = this.db.selectFrom('signing').selectAll();
        const { store, receiptKey: lastKey, sequence } = await signing.executeTakeFirstOrThrow();
        const retired = this.db.selectFrom('retired').selectAll().where('receiptKey', '=', receiptKey);
        if ((await retired.executeTakeFirst()) !== undefined) {
            throw new StaleStore('The receipt key was retired');
        }
        const mark = readMark(path);
        if (mark === undefined && lastKey?.equals(receiptKey) === true) {
            throw new StaleStore(`The store has signed with this key, and ${path} is missing: copy it with the store`);
        }
        if (mark?.key.equals(receiptKey) === true && mark.sequence > 0) {
            if (!mark.store.equals(store)) {
                throw new StaleStore('The receipt key has signed with another store');
            }
            if (mark.sequence > sequence) {
                throw new StaleStore(`The store is not the newest: ${mark.sequence - sequence} receipts are missing`);
            }
        }
        // First: a crash must not look like a lost mark.
        this.mark = new Mark(path, { key: receiptKey, store, sequence });
        await this.writes.run((t) => t.updateTable('signing').set({ receiptKey }).execute());
    }

    async retire(receiptKey: Buffer): Promise<void> {
        await this.writes.run((t) => t.replaceInto('retired').values({ receiptKey }).execute());
    }

    /** Runs a write that stores a receipt, and counts the receipt. */
    async write(write: (t: WorkerTransaction) => Promise<void>): Promise<void> {
        const sequence = await this.writes.run(async (t) => {
            await write(t);
            const next = t.updateTable('signing').set({ sequence: sql<number>`sequence + 1` });
            return (await next.returning('sequence').executeTakeFirstOrThrow()).sequence;
        });
        this.mark?.raise(sequence);
    }

    close(): void {
        this.mark?.close();
        this.mark = undefined;
    }
}
