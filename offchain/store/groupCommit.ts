/**
 * Puts the writes of one turn of the event loop into one transaction, because an fsync costs the same for one row as
 * for a hundred. The promise of a write resolves after its COMMIT, so what depends on it may be sent.
 */
import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { steadySeconds } from '../process/clock';

/**
 * A write of a group. An error undoes this write only, and rejects its promise only. It may run twice, and what the
 * first run did is undone, so it changes nothing but the database.
 */
export type Write<Schema, Result> = (transaction: Transaction<Schema>) => Promise<Result>;

interface Waiting<Schema> {
    write: Write<Schema, unknown>;
    resolve(result: unknown): void;
    reject(error: unknown): void;
}

type WriteOutcome = { ok: true; result: unknown } | { ok: false; error: unknown };

const MAX_GROUP = 1000; // writes in one transaction, so that none waits long

/** The only writer of its database. Every write goes through {@link GroupCommit.run}, in the order of the calls. */
export class GroupCommit<Schema> {
    private waiting: Waiting<Schema>[] = [];
    private draining: Promise<void> | undefined;
    private broken: Error | undefined;

    /**
     * `onBroken`: called once, when a COMMIT fails; then the process should end. `onCommit`: called with how long each
     * group took.
     */
    constructor(
        private readonly db: Kysely<Schema>,
        private readonly onBroken: (error: Error) => void = () => undefined,
        private readonly onCommit: (seconds: number) => void = () => undefined,
    ) {}

    /** Runs `write` in the next transaction; resolves with its result once that is on the disk. */
    run<Result>(write: Write<Schema, Result>): Promise<Result> {
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

    private async drain(): Promise<void> {
        await nextTurn();
        while (this.waiting.length > 0) {
            await this.commit(this.waiting.splice(0, MAX_GROUP));
            await nextTurn();
        }
        this.draining = undefined;
    }

    /**
     * Together first, because a write rarely fails and a savepoint for each costs as much as a small write. If one
     * fails, all are undone and run again, each with its savepoint.
     */
    private async runAll(group: Waiting<Schema>[]): Promise<WriteOutcome[]> {
        try {
            return await this.db.transaction().execute((transaction) => runTogether(transaction, group));
        } catch (error) {
            if (!(error instanceof Failed)) {
                throw error;
            }
        }
        return this.db.transaction().execute((transaction) => runEach(transaction, group));
    }

    private async commit(group: Waiting<Schema>[]): Promise<void> {
        let outcomes: WriteOutcome[] = [];
        try {
            if (this.broken === undefined) {
                const begin = steadySeconds();
                outcomes = await this.runAll(group);
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
}

const SAVEPOINT = CompiledQuery.raw('SAVEPOINT one_write');
const ROLLBACK = CompiledQuery.raw('ROLLBACK TO SAVEPOINT one_write');
const RELEASE = CompiledQuery.raw('RELEASE SAVEPOINT one_write');

class Failed extends Error {}

async function runTogether<Schema>(transaction: Transaction<Schema>, group: Waiting<Schema>[]) {
    const outcomes: WriteOutcome[] = [];
    for (const { write } of group) {
        try {
            outcomes.push({ ok: true, result: await write(transaction) });
        } catch (cause) {
            throw new Failed('A write of the group failed', { cause });
        }
    }
    return outcomes;
}

async function runEach<Schema>(transaction: Transaction<Schema>, group: Waiting<Schema>[]): Promise<WriteOutcome[]> {
    const outcomes: WriteOutcome[] = [];
    for (const { write } of group) {
        await transaction.executeQuery(SAVEPOINT);
        let outcome: WriteOutcome;
        try {
            outcome = { ok: true, result: await write(transaction) };
        } catch (error) {
            outcome = { ok: false, error };
            await transaction.executeQuery(ROLLBACK);
        }
        await transaction.executeQuery(RELEASE);
        outcomes.push(outcome);
    }
    return outcomes;
}

function nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
}
