/**
 * Puts the writes of one turn of the event loop into one transaction, because an fsync costs the same for one row as
 * for a hundred. The promise of a write resolves after its COMMIT, so what depends on it may be sent.
 */
import type { Transaction as FileTransaction } from 'better-sqlite3';
import { CompiledQuery, type Transaction } from 'kysely';
import { steadySeconds } from '../process/clock';
import type { Database } from './database';
import type { Write, Writes } from './writeQueue';

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

interface Waiting<Schema> {
    write: { hot: HotWrite<unknown> } | { cold: Write<Schema, unknown> };
    resolve(result: unknown): void;
    reject(error: unknown): void;
}

type WriteOutcome = { ok: true; result: unknown } | { ok: false; error: unknown };

const MAX_GROUP = 1000; // writes in one transaction, so that none waits long

/** The only writer of its database. The writes run in the order of the calls. */
export class GroupCommit<Schema> implements Writes<Schema> {
    private waiting: Waiting<Schema>[] = [];
    private draining: Promise<void> | undefined;
    private cold: Promise<unknown> | undefined; // the transaction of a group that is open across turns
    private broken: Error | undefined;
    private readonly deferred: Deferred[] = [];
    private readonly together: FileTransaction<(group: readonly HotWrite<unknown>[]) => WriteOutcome[]>;

    /**
     * `onBroken`: called once, when a COMMIT fails; then the process should end. `onCommit`: called with how long each
     * group took.
     */
    constructor(
        private readonly db: Database<Schema>,
        private readonly onBroken: (error: Error) => void = () => undefined,
        private readonly onCommit: (seconds: number) => void = () => undefined,
    ) {
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

    /** Resolves when no write waits. */
    async idle(): Promise<void> {
        while (this.draining !== undefined) {
            await this.draining;
        }
    }

    private add<Result>(write: Waiting<Schema>['write']): Promise<Result> {
        return new Promise<Result>((resolve, reject) => {
            this.waiting.push({ write, resolve: resolve, reject });
            this.draining ??= this.drain();
        });
    }

    private async drain(): Promise<void> {
        await nextTurn();
        while (this.waiting.length > 0) {
            await this.commit(this.waiting.splice(0, MAX_GROUP));
            await nextTurn();
        }
        this.draining = undefined;
    }

    private async commit(group: Waiting<Schema>[]): Promise<void> {
        let outcomes: WriteOutcome[] = [];
        try {
            if (this.broken === undefined) {
                const begin = steadySeconds();
                outcomes = this.runHotGroup(group) ?? (await this.runEach(group));
                this.deferred.forEach((deferred) => deferred.committed?.());
                this.onCommit(steadySeconds() - begin);
            }
        } catch (error) {
            // The writes of a failed COMMIT may be on the disk at the next start, so no other write may follow them.
            this.broken = new Error('The store could not commit, and accepts no more writes', { cause: error });
            this.onBroken(this.broken);
        }
        group.forEach(({ resolve, reject }, i) => {
            const outcome = this.broken === undefined ? outcomes[i] : { ok: false as const, error: this.broken };
            if (outcome.ok) {
                resolve(outcome.result);
            } else {
                reject(outcome.error);
            }
        });
    }

    /** Undefined when nothing was written, because not all writes are hot, or one of them failed. */
    private runHotGroup(group: readonly Waiting<Schema>[]): WriteOutcome[] | undefined {
        const writes = group.flatMap(({ write }) => ('hot' in write ? [write.hot] : []));
        if (writes.length < group.length) {
            return undefined;
        }
        try {
            return this.together(writes);
        } catch (error) {
            if (!(error instanceof Failed)) {
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
            throw new Failed('A write of the group failed', { cause });
        }
    }

    /** One after another, each with a savepoint, so that an error undoes one write. */
    private async runEach(group: readonly Waiting<Schema>[]): Promise<WriteOutcome[]> {
        this.cold = this.db.transaction().execute(async (transaction) => {
            const outcomes: WriteOutcome[] = [];
            for (const { write } of group) {
                await transaction.executeQuery(SAVEPOINT);
                let outcome: WriteOutcome;
                try {
                    outcome = { ok: true, result: await this.runOne(transaction, write) };
                } catch (error) {
                    outcome = { ok: false, error };
                    this.forget();
                    await transaction.executeQuery(ROLLBACK);
                }
                await transaction.executeQuery(RELEASE);
                outcomes.push(outcome);
            }
            return outcomes;
        });
        try {
            return (await this.cold) as WriteOutcome[];
        } finally {
            this.cold = undefined;
        }
    }

    private async runOne(transaction: Transaction<Schema>, write: Waiting<Schema>['write']): Promise<unknown> {
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

const SAVEPOINT = CompiledQuery.raw('SAVEPOINT one_write');
const ROLLBACK = CompiledQuery.raw('ROLLBACK TO SAVEPOINT one_write');
const RELEASE = CompiledQuery.raw('RELEASE SAVEPOINT one_write');

class Failed extends Error {}

function nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
}
