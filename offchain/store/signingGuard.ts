/**
 * Counts what the receipt key signs, in the store and in a mark beside the key file, so that an older copy of the store
 * is detected.
 */
import { type Kysely, sql } from 'kysely';
import type { Cluster } from './cluster';
import { Mark, type Marked, readMark } from './mark';
import { StaleStore } from './worker';
import type { WorkerSchema, WorkerTransaction } from './workerTables';
import type { Writes } from './writeQueue';

/** What a store says of its signing. */
export interface Signing {
    store: Buffer; // 16 bytes, identifies the store and its copies
    receiptKey: Buffer | null; // the key that signed last
    sequences: ReadonlyMap<number, number>; // of receipts that each process of a cluster signed, by its number
    retired: readonly Buffer[]; // keys that no longer sign with it
}

/** What a store says of the key that signs with it; undefined when it has no tables yet. */
export type StoreView = { exists: false } | { exists: true; signing: Signing | undefined; isShared?: boolean }; // with a live process that has passed the guard

/**
 * Why the key (32 bytes) must not sign with a store, by the mark at `path`; undefined when it may.
 */
export function staleReason(
    { store, receiptKey: lastKey, sequences, retired }: Signing,
    receiptKey: Buffer,
    mark: Marked | undefined,
    path: string,
): string | undefined {
    if (retired.some((key) => key.equals(receiptKey))) {
        return 'The receipt key was retired';
    }
    if (mark === undefined && lastKey?.equals(receiptKey) === true) {
        return `The store has signed with this key, and ${path} is missing: copy it with the store`;
    }
    if (mark?.key.equals(receiptKey) !== true || [...mark.sequences.values()].every((sequence) => sequence === 0)) {
        return undefined;
    }
    if (!mark.store.equals(store)) {
        return 'The receipt key has signed with another store';
    }
    let missing = 0;
    for (const [member, sequence] of mark.sequences) {
        missing += Math.max(0, sequence - (sequences.get(member) ?? 0));
    }
    return missing > 0 ? `The store is not the newest: ${missing} receipts are missing` : undefined;
}

export class SigningGuard {
    protected mark: Mark | undefined;
    private guarded: { receiptKey: Buffer; path: string } | undefined;

    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: Writes<WorkerSchema>,
        private readonly cluster: Pick<Cluster, 'number' | 'members' | 'noteGuarded'>,
    ) {}

    /** See {@link WorkerStore.guard}. */
    async guard(receiptKey: Buffer, path: string): Promise<void> {
        const mark = readMark(path); // before the store, which other processes write meanwhile
        const signing = await this.readAll(this.db);
        // A store that another process has passed and uses now is the newest, so this machine may be new.
        const { number } = this.cluster;
        const others = mark === undefined ? await this.cluster.members() : [];
        const isJoined = others.some((one) => one.isGuarded && one.number !== number);
        const last = isJoined ? null : signing.receiptKey;
        const reason = staleReason({ ...signing, receiptKey: last }, receiptKey, mark, path);
        if (reason !== undefined) {
            throw new StaleStore(reason);
        }
        // First: a crash must not look like a lost mark.
        const { store, sequences } = signing;
        this.mark = new Mark(path, { key: receiptKey, store, sequences }, number);
        this.guarded = { receiptKey, path };
        await this.cluster.noteGuarded();
        await this.writes.run((t) => t.updateTable('signing').set({ receiptKey }).execute());
    }

    /** See {@link WorkerStore.followOthers}. */
    async followOthers(): Promise<void> {
        const signing = await this.assertNewest(this.db);
        this.mark?.follow(signing?.sequences ?? new Map());
    }

    /** Throws {@link StaleStore} if the database went back since {@link guard}, or the key was retired. */
    async assertNewest(db: Kysely<WorkerSchema>): Promise<Signing | undefined> {
        if (this.guarded === undefined) {
            return undefined;
        }
        const { receiptKey, path } = this.guarded;
        const mark = readMark(path); // before the store, as in guard()
        const signing = await this.readAll(db);
        const reason = staleReason({ ...signing, receiptKey: null }, receiptKey, mark, path);
        if (reason !== undefined) {
            throw new StaleStore(reason);
        }
        return signing;
    }

    private async readAll(db: Kysely<WorkerSchema>): Promise<Signing> {
        const signing = await db.selectFrom('signing').selectAll().executeTakeFirstOrThrow();
        const retired = await db.selectFrom('retired').select('receiptKey').execute();
        const rows = await db.selectFrom('sequences').selectAll().execute();
        const sequences = new Map(rows.map(({ member, sequence }) => [member, sequence]));
        return { ...signing, sequences, retired: retired.map((row) => row.receiptKey) };
    }

    async retire(receiptKey: Buffer): Promise<void> {
        await this.writes.run((t) => {
            const keys = t.insertInto('retired').values({ receiptKey });
            return keys.onConflict((conflict) => conflict.doNothing()).execute();
        });
    }

    /** Runs a write that stores a receipt, and counts the receipt. */
    async write(write: (t: WorkerTransaction) => Promise<void>): Promise<void> {
        const sequence = await this.writes.run(async (t) => {
            await write(t);
            const next = t
                .insertInto('sequences')
                .values({ member: this.cluster.number, sequence: 1 })
                .onConflict((one) => one.column('member').doUpdateSet({ sequence: sql`sequences.sequence + 1` }));
            return (await next.returning('sequence').executeTakeFirstOrThrow()).sequence;
        });
        this.mark?.raise(sequence);
    }

    close(): void {
        this.mark?.close();
        this.mark = undefined;
    }
}
