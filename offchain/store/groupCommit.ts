/** The only writer of a SQLite file, with statements of the file for what every query writes. */
import { SqliteError, type Transaction as FileTransaction } from 'better-sqlite3';
import type { Transaction } from 'kysely';
import type { Database } from './database';
import { runEach, type Write, WriteFailed, type WriteOutcome, WriteQueue, type Writes } from './writeQueue';

/** A write of the same rules as {@link Write}, with prepared statements of the file: it runs in one go. */
export type HotWrite<Result> = () => Result;

/** What hot writes change in memory, so that the end of a group writes it once for all of them. */
export interface Deferred {
    /** Writes what was changed. The transaction of the changes is open. */
    flush(): void;
    /** Forgets what was changed, and what was read: the changes are undone, or another write may change the same. */
    forget(): void;
    /** Called when the changes are on the disk, before the promises of their writes resolve. */
    committed?(): void;
}

type HotOrCold<Schema> = { hot: HotWrite<unknown> } | { cold: Write<Schema, unknown> };

export class GroupCommit<Schema> extends WriteQueue<HotOrCold<Schema>> implements Writes<Schema> {
    private cold: Promise<unknown> | undefined; // the transaction of a group that is open across turns
    private readonly deferred: Deferred[] = [];
    private readonly together: FileTransaction<(group: readonly HotWrite<unknown>[]) => WriteOutcome[]>;

    /**
     * `onBroken`: called once, when a COMMIT fails; then the process should end. `onCommit`: called with how long each
     * group took.
     */
    constructor(
        private readonly db: Database<Schema>,
        onBroken?: (error: Error) => void,
        onCommit?: (seconds: number) => void,
    ) {
        super({ onBroken, onCommit });
        this.together = db.file.transaction((group) => this.runTogether(group));
    }

    /** Flushes these at the end of each group, in this order. */
    defer(...deferred: Deferred[]): void {
        this.deferred.push(...deferred);
    }

    /** Runs `write` in the next transaction; resolves with its result once that is on the disk. */
    run<Result>(write: Write<Schema, Result>): Promise<Result> {
        return this.add({ cold: write });
    }

    /** {@link run} of a hot write. */
    runHot<Result>(write: HotWrite<Result>): Promise<Result> {
        return this.add({ hot: write });
    }

    /** Reads with prepared statements of the file what is on the disk: nothing of a group that is not. */
    async read<Result>(read: () => Result): Promise<Result> {
        while (this.cold !== undefined) {
            await this.cold.catch(() => undefined);
        }
        return read();
    }

    protected async commit(group: readonly HotOrCold<Schema>[]): Promise<WriteOutcome[]> {
        const outcomes = this.runHotGroup(group) ?? (await this.runEach(group));
        this.deferred.forEach((deferred) => deferred.committed?.());
        return outcomes;
    }

    /** Undefined when nothing was written, because not all writes are hot, or one of them failed. */
    private runHotGroup(group: readonly HotOrCold<Schema>[]): WriteOutcome[] | undefined {
        const writes = group.flatMap((write) => ('hot' in write ? [write.hot] : []));
        if (writes.length < group.length) {
            return undefined;
        }
        try {
            return this.together(writes);
        } catch (error) {
            if (!(error instanceof WriteFailed && isOwn(error.cause))) {
                throw error;
            }
            this.forget();
            return undefined;
        }
    }

    private runTogether(group: readonly HotWrite<unknown>[]): WriteOutcome[] {
        try {
            const outcomes = group.map((write) => ({ ok: true as const, result: write() }));
            this.flush();
            return outcomes;
        } catch (cause) {
            throw new WriteFailed(cause);
        }
    }

    private async runEach(group: readonly HotOrCold<Schema>[]): Promise<WriteOutcome[]> {
        const running = this.inTransaction((transaction) =>
            runEach(transaction, group, {
                run: (write) => this.runOne(transaction, write),
                isOwn,
                onUndo: () => this.forget(),
            }),
        );
        this.cold = running;
        try {
            return await running;
        } finally {
            this.cold = undefined;
        }
    }

    private async inTransaction<Result>(run: (transaction: Transaction<Schema>) => Promise<Result>): Promise<Result> {
        const transaction = await this.db.startTransaction().execute();
        try {
            const result = await run(transaction);
            await transaction.commit().execute();
            return result;
        } catch (error) {
            // Where the disk is full, SQLite may have undone all: then the ROLLBACK fails as well.
            await transaction
                .rollback()
                .execute()
                .catch(() => undefined);
            throw error;
        }
    }

    private async runOne(transaction: Transaction<Schema>, write: HotOrCold<Schema>): Promise<unknown> {
        if ('hot' in write) {
            const result = write.hot();
            this.flush();
            return result;
        }
        this.forget();
        const result = await write.cold(transaction);
        this.flush();
        this.forget();
        return result;
    }

    private flush(): void {
        this.deferred.forEach((deferred) => deferred.flush());
    }

    private forget(): void {
        this.deferred.forEach((deferred) => deferred.forget());
    }
}

/** A disk that is full or cannot be read is no error of one write. */
function isOwn(error: unknown): boolean {
    return !(error instanceof SqliteError) || error.code.startsWith('SQLITE_CONSTRAINT');
}
