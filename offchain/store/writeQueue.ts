/**
 * Puts the writes of one turn of the event loop into one transaction, because an fsync costs the same for one row as
 * for a hundred. The promise of a write resolves after its COMMIT, so what depends on it may be sent.
 */
import { CompiledQuery, type Transaction } from 'kysely';
import { steadySeconds } from '../process/clock';

/**
 * A write of a group. An error that it throws itself, or that a constraint of the tables raises, undoes this write only
 * and rejects its promise only. Any other error of the database concerns the store. A write may run several times, and
 * what the earlier runs did is undone, so it changes nothing but the database.
 */
export type Write<Schema, Result> = (transaction: Transaction<Schema>) => Promise<Result>;

/** The only writer of a store. The writes run in the order of the calls. */
export interface Writes<Schema> {
    /** Runs `write` in the next transaction; resolves with its result once that is on the disk. */
    run<Result>(write: Write<Schema, Result>): Promise<Result>;
    /** Resolves when no write waits. */
    idle(): Promise<void>;
}

/** How one write of a group ended. */
export type WriteOutcome = { ok: true; result: unknown } | { ok: false; error: unknown };

/** What happens to the process that has a store. */
export interface StoreEvents {
    /** Called once, when a COMMIT fails or the store belongs to another process; then this one should end. */
    onBroken?: ((error: Error) => void) | undefined;
    /** Called with the seconds that each group took. */
    onCommit?: ((seconds: number) => void) | undefined;
}

interface Waiting<Entry> {
    write: Entry;
    resolve(result: unknown): void;
    reject(error: unknown): void;
}

const MAX_GROUP = 1000; // writes in one transaction, so that none waits long

/** `Entry`: a write as the database of the store takes it. */
export abstract class WriteQueue<Entry> {
    private waiting: Waiting<Entry>[] = [];
    private draining: Promise<void> | undefined;
    private broken: Error | undefined;

    constructor(private readonly events: StoreEvents = {}) {}

    /** Runs these writes in one transaction; resolves with their outcomes once it is on the disk. */
    protected abstract commit(group: readonly Entry[]): Promise<WriteOutcome[]>;

    /** Resolves with the result of the write once it is on the disk. */
    protected add<Result>(write: Entry): Promise<Result> {
        return new Promise<Result>((resolve, reject) => {
            this.waiting.push({ write, resolve: resolve, reject });
            this.draining ??= this.drain();
        });
    }

    /** Resolves when no write waits. */
    async idle(): Promise<void> {
        while (this.draining !== undefined) {
            await this.draining;
        }
    }

    /** Refuses every write from now on. */
    protected break(cause: unknown): Error {
        if (this.broken === undefined) {
            this.broken = new Error('The store could not commit, and accepts no more writes', { cause });
            this.events.onBroken?.(this.broken);
        }
        return this.broken;
    }

    private async drain(): Promise<void> {
        await nextTurn();
        while (this.waiting.length > 0) {
            await this.runGroup(this.waiting.splice(0, MAX_GROUP));
            await nextTurn();
        }
        this.draining = undefined;
    }

    private async runGroup(group: Waiting<Entry>[]): Promise<void> {
        let outcomes: WriteOutcome[] = [];
        try {
            if (this.broken === undefined) {
                const begin = steadySeconds();
                outcomes = await this.commit(group.map(({ write }) => write));
                this.events.onCommit?.(steadySeconds() - begin);
            }
        } catch (error) {
            // The writes of a failed COMMIT may be on the disk at the next start, so no other write may follow them.
            this.break(error);
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
}

/** A write of a group failed, with this cause. */
export class WriteFailed extends Error {
    constructor(override readonly cause: unknown) {
        super('A write of the group failed', { cause });
    }
}

export interface EachOptions<Entry> {
    run: (write: Entry) => Promise<unknown>;
    /** True for an error that says something of the write itself. Any other one is thrown: it undoes the group. */
    isOwn: (error: unknown) => boolean;
    onUndo?: () => void;
}

/** Runs writes one after another, each with a savepoint, so that an error of its own undoes one write. */
export async function runEach<Schema, Entry>(
    transaction: Transaction<Schema>,
    group: readonly Entry[],
    { run, isOwn, onUndo }: EachOptions<Entry>,
): Promise<WriteOutcome[]> {
    const outcomes: WriteOutcome[] = [];
    for (const write of group) {
        await transaction.executeQuery(SAVEPOINT);
        let outcome: WriteOutcome;
        try {
            outcome = { ok: true, result: await run(write) };
        } catch (error) {
            if (!isOwn(error)) {
                throw error;
            }
            outcome = { ok: false, error };
            onUndo?.();
            await transaction.executeQuery(ROLLBACK);
        }
        await transaction.executeQuery(RELEASE);
        outcomes.push(outcome);
    }
    return outcomes;
}

const SAVEPOINT = CompiledQuery.raw('SAVEPOINT one_write');
const ROLLBACK = CompiledQuery.raw('ROLLBACK TO SAVEPOINT one_write');
const RELEASE = CompiledQuery.raw('RELEASE SAVEPOINT one_write');

function nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
}
