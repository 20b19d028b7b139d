/** The earnings in a worker's SQLite file. */
import { type Kysely, sql } from 'kysely';
import { plus } from '../process/tokenCounts';
import { amountFromBytes, amountToBytes } from './database';
import type { EarningsStore } from './earnings';
import { dayOf } from './people';
import type { QueryId, ResultEnd } from './worker';
import type { WorkerSchema, WorkerTransaction } from './workerTables';

export class SqliteEarnings implements EarningsStore {
    constructor(private readonly db: Kysely<WorkerSchema>) {}

    async earned() {
        const rows = await this.db.selectFrom('earnings').selectAll().orderBy('day').orderBy('job').execute();
        return rows.map((row) => ({ ...row, earned: amountFromBytes(row.earned) }));
    }

    async claims() {
        const rows = await this.db
            .selectFrom('claims')
            .selectAll()
            .orderBy(sql`rowid`)
            .execute();
        return rows.map((row) => ({ ...row, amount: amountFromBytes(row.amount), last: row.last === 1 }));
    }

    async jobs() {
        const columns = ['job', 'terms', 'state', 'index', 'cumulative', 'claimed', 'lastClaimAt'] as const;
        const more = ['lastClaimPaid', 'voucherCumulative', 'paid', 'balance'] as const;
        const rows = await this.db
            .selectFrom('jobs')
            .select([...columns, ...more])
            .execute();
        return rows.map(({ voucherCumulative, state, ...row }) => ({
            ...row,
            hasEnded: state === 'ended',
            cumulative: amountFromBytes(row.cumulative),
            claimed: amountFromBytes(row.claimed),
            lastClaimPaid: amountFromBytes(row.lastClaimPaid),
            promised: amountFromBytes(voucherCumulative),
            paid: amountFromBytes(row.paid),
            balance: amountFromBytes(row.balance),
        }));
    }
}

/** Adds a result to the earnings of its day, before the job's row takes it over. */
export async function addEarnings(
    t: WorkerTransaction,
    { job, cumulative, counts, finishedAt, model }: QueryId & ResultEnd,
): Promise<void> {
    const jobs = t.selectFrom('jobs').select('cumulative').where('job', '=', job);
    const price = cumulative - amountFromBytes((await jobs.executeTakeFirstOrThrow()).cumulative);
    const day = dayOf(finishedAt);
    const rows = t.selectFrom('earnings').selectAll().where('day', '=', day).where('job', '=', job);
    const row = await rows.executeTakeFirst();
    const tokens = row === undefined ? counts : plus(row, counts);
    const earned = amountToBytes((row === undefined ? 0n : amountFromBytes(row.earned)) + price);
    const sums = { model, results: (row?.results ?? 0) + 1, ...tokens, earned };
    await t
        .replaceInto('earnings')
        .values({ day, job, ...sums })
        .execute();
}

/** Adds the confirmed claim of a job whose channel has paid `paid` nanoTON in all; nothing if it is known. */
export async function addClaim(
    t: WorkerTransaction,
    { job, paid, at, last }: { job: Buffer; paid: bigint; at: number; last: boolean },
): Promise<void> {
    const jobs = t.selectFrom('jobs').select('claimed').where('job', '=', job);
    const amount = paid - amountFromBytes((await jobs.executeTakeFirstOrThrow()).claimed);
    if (amount > 0n) {
        const row = { job, at, amount: amountToBytes(amount), last: last ? 1 : 0 };
        await t.insertInto('claims').values(row).execute();
        await t
            .updateTable('jobs')
            .set({ claimed: amountToBytes(paid) })
            .where('job', '=', job)
            .execute();
    }
}

/** Takes back the last claim of a job whose channel exists after all. */
export async function removeLastClaim(t: WorkerTransaction, job: Buffer): Promise<void> {
    const claims = t.selectFrom('claims').select('amount').where('job', '=', job).where('last', '=', 1);
    const removed = (await claims.execute()).reduce((sum, { amount }) => sum + amountFromBytes(amount), 0n);
    if (removed > 0n) {
        const jobs = t.selectFrom('jobs').select('claimed').where('job', '=', job);
        const claimed = amountFromBytes((await jobs.executeTakeFirstOrThrow()).claimed) - removed;
        await t.deleteFrom('claims').where('job', '=', job).where('last', '=', 1).execute();
        await t
            .updateTable('jobs')
            .set({ claimed: amountToBytes(claimed) })
            .where('job', '=', job)
            .execute();
    }
}
