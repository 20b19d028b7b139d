/** The only writer of a store in PostgreSQL, as long as its process has the lease of the store. */
import type { Kysely, Transaction } from 'kysely';
import type { ProcessLease } from './leases';
import { runEach, type StoreEvents, type Write, type WriteOutcome, WriteQueue, type Writes } from './writeQueue';

class Failed extends Error {}

export class PostgresCommit<Schema> extends WriteQueue<Write<Schema, unknown>> implements Writes<Schema> {
    constructor(
        private readonly db: Kysely<Schema>,
        private readonly lease: ProcessLease,
        events?: StoreEvents,
    ) {
        super(events);
    }

    run<Result>(write: Write<Schema, Result>): Promise<Result> {
        return this.add(write);
    }

    /** Refuses every write from now on, because another process may have the lease. */
    lose(error: Error): void {
        this.break(error);
    }

    /**
     * Together first, because a write rarely fails and a savepoint for each is two more answers of the server to wait
     * for. If one fails, all are undone and run again, each with its savepoint.
     */
    protected async commit(group: readonly Write<Schema, unknown>[]): Promise<WriteOutcome[]> {
        try {
            return await this.inTransaction((transaction) => runTogether(transaction, group));
        } catch (error) {
            if (!(error instanceof Failed)) {
                throw error;
            }
            if (group.length === 1) {
                return [{ ok: false, error: error.cause }];
            }
        }
        return this.inTransaction((transaction) => runEach(transaction, group, { run: (write) => write(transaction) }));
    }

    // The check of the lease also fails in a transaction that an error has aborted, whose COMMIT would be a ROLLBACK
    // without an error.
    private inTransaction(run: (transaction: Transaction<Schema>) => Promise<WriteOutcome[]>): Promise<WriteOutcome[]> {
        return this.db.transaction().execute(async (transaction) => {
            const outcomes = await run(transaction);
            await this.lease.assertHeld(transaction as never);
            return outcomes;
        });
    }
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
            throw new Failed('A write of the group failed', { cause });
        }
    }
    return outcomes;
}
