/** The only writer of the rows of a process in PostgreSQL, as long as the process has its lease. */
import type { Kysely, Transaction } from 'kysely';
import { DatabaseError } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadySeconds } from '../process/clock';
import { LeaseLost, type ProcessLease } from './leases';
import {
    runEach,
    type StoreEvents,
    type Write,
    WriteFailed,
    type WriteOutcome,
    WriteQueue,
    type Writes,
} from './writeQueue';

const RETRY_MS = 100;

/** `retrySeconds`: for groups that an error of the database or the connection has undone. */
export interface CommitOptions extends StoreEvents {
    retrySeconds: number;
}

export class PostgresCommit<Schema> extends WriteQueue<Write<Schema, unknown>> implements Writes<Schema> {
    private readonly retrySeconds: number;

    /** `db`: with connections that nothing else uses, so that no reading keeps a write waiting. */
    constructor(
        private readonly db: Kysely<Schema>,
        private readonly lease: ProcessLease,
        { retrySeconds, ...events }: CommitOptions,
    ) {
        super(events);
        this.retrySeconds = retrySeconds;
    }

    run<Result>(write: Write<Schema, Result>): Promise<Result> {
        return this.add(write);
    }

    /** Refuses every write from now on, because another process may have the lease. */
    lose(error: Error): void {
        this.break(error);
    }

    /** Runs the group again while errors undo it that may pass, such as a connection that ends or a full disk. */
    protected async commit(group: readonly Write<Schema, unknown>[]): Promise<WriteOutcome[]> {
        const begin = steadySeconds();
        for (;;) {
            try {
                return await this.attempt(group);
            } catch (error) {
                const passes = error instanceof Undone && !(error.cause instanceof LeaseLost);
                if (!passes || !this.lease.isHeld || steadySeconds() - begin >= this.retrySeconds) {
                    throw error;
                }
                await sleep(RETRY_MS);
            }
        }
    }

    /**
     * Together first, because a write rarely fails and a savepoint for each is two more answers of the server to wait
     * for. If one fails, all are undone and run again, each with its savepoint.
     */
    private async attempt(group: readonly Write<Schema, unknown>[]): Promise<WriteOutcome[]> {
        try {
            return await this.inTransaction((transaction) => runTogether(transaction, group));
        } catch (error) {
            const cause = error instanceof Undone ? error.cause : error;
            if (!(cause instanceof WriteFailed && isOwn(cause.cause))) {
                throw error;
            }
            if (group.length === 1) {
                return [{ ok: false, error: cause.cause }];
            }
        }
        const run = (transaction: Transaction<Schema>) =>
            runEach(transaction, group, { run: (write) => write(transaction), isOwn });
        return this.inTransaction(run);
    }

    // The check of the lease also fails in a transaction that an error has aborted, whose COMMIT would be a ROLLBACK
    // without an error.
    private async inTransaction(
        run: (transaction: Transaction<Schema>) => Promise<WriteOutcome[]>,
    ): Promise<WriteOutcome[]> {
        let cause: unknown; // of the end before the COMMIT; the ROLLBACK may fail as well
        let commits = false;
        try {
            return await this.db.transaction().execute(async (transaction) => {
                try {
                    const outcomes = await run(transaction);
                    await this.lease.assertHeld(transaction as never);
                    commits = true;
                    return outcomes;
                } catch (error) {
                    cause = error;
                    throw error;
                }
            });
        } catch (error) {
            throw commits ? error : new Undone(cause ?? error);
        }
    }
}

/** A transaction ended before its COMMIT, so nothing of it is on the disk. */
class Undone extends Error {
    constructor(override readonly cause: unknown) {
        super('The transaction was undone', { cause });
    }
}

/** A statement ended without an answer of the server, so nobody knows whether it ran. */
export class ConnectionFailed extends Error {}

// Classes of SQLSTATE: 22 is data that the table cannot have, 23 a constraint.
function isOwn(error: unknown): boolean {
    return error instanceof DatabaseError ? /^2[23]/.test(error.code ?? '') : !(error instanceof ConnectionFailed);
}

async function runTogether<Schema>(
    transaction: Transaction<Schema>,
    group: readonly Write<Schema, unknown>[],
): Promise<WriteOutcome[]> {
    const outcomes: WriteOutcome[] = [];
    for (const write of group) {
        try {
            outcomes.push({ ok: true, result: await write(transaction) });
        } catch (cause) {
            throw new WriteFailed(cause);
        }
    }
    return outcomes;
}
