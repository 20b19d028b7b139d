/** A worker's store in one SQLite file. */
import { sql } from 'kysely';
import { type Database, openDatabase, truncateLog } from './database';
import { GroupCommit } from './groupCommit';
import { JobRows } from './jobRows';
import { addSums } from './jobSums';
import { SigningGuard } from './signingGuard';
import { SqliteCases } from './sqliteCases';
import { SqliteEarnings } from './sqliteEarnings';
import { ENDED_UNPRUNED, SqliteJobs } from './sqliteJobs';
import { SqliteQueries } from './sqliteQueries';
import { SqliteWallet } from './sqliteWallet';
import type { IntakeMode, WorkerStore, WorkerTotals } from './worker';
import { type WorkerSchema, workerTables } from './workerTables';

const PRUNED_AT_ONCE = 20; // jobs in one transaction, so that no answer waits long

/** A {@link WorkerStore} in one SQLite file. */
export class SqliteWorkerStore implements WorkerStore {
    readonly jobs: SqliteJobs;
    readonly queries: SqliteQueries;
    readonly cases: SqliteCases;
    readonly earnings: SqliteEarnings;
    readonly wallet: SqliteWallet;
    private readonly writes: GroupCommit<WorkerSchema>;
    private readonly signing: SigningGuard;

    private constructor(
        private readonly db: Database<WorkerSchema>,
        onBroken?: (error: Error) => void,
        onCommit?: (seconds: number) => void,
    ) {
        this.writes = new GroupCommit(db, onBroken, onCommit);
        this.signing = new SigningGuard(db, this.writes);
        const rows = new JobRows(db.file, this.writes);
        this.jobs = new SqliteJobs(db, this.writes, rows);
        this.queries = new SqliteQueries(db, this.writes, this.signing, rows);
        this.cases = new SqliteCases(db, this.writes);
        this.earnings = new SqliteEarnings(db);
        this.wallet = new SqliteWallet(db, this.writes);
    }

    /** Opens or creates the file. `onBroken`: called when a commit fails; then the process should end. */
    static async open(
        path: string,
        onBroken?: (error: Error) => void,
        onCommit?: (seconds: number) => void,
    ): Promise<SqliteWorkerStore> {
        return new SqliteWorkerStore(await openDatabase<WorkerSchema>(path, workerTables), onBroken, onCommit);
    }

    async totals(): Promise<WorkerTotals> {
        const sums = await this.earnings.sums();
        const all = addSums(addSums(sums.open, sums.ending), sums.ended);
        const { results, earned, unclaimed, confirming, claimed } = all;
        const jobs = { open: sums.open.jobs, ending: sums.ending.jobs, ended: sums.ended.jobs };
        return { jobs, results, earned, unclaimed, confirming, claimed };
    }

    async intake() {
        const row = await this.db.selectFrom('intake').select('mode').executeTakeFirst();
        return row?.mode ?? 'open';
    }

    async setIntake(mode: IntakeMode) {
        await this.writes.run((t) => t.updateTable('intake').set({ mode }).execute());
    }

    async prune(endedBefore: number) {
        let pruned = 0;
        let count: number;
        do {
            count = await this.pruneSome(endedBefore);
            pruned += count;
        } while (count === PRUNED_AT_ONCE);
        await truncateLog(this.db);
        return pruned;
    }

    private async pruneSome(endedBefore: number): Promise<number> {
        return this.writes.run(async (t) => {
            const jobs = await t
                .selectFrom('jobs')
                .select(['job', 'highest'])
                .where(ENDED_UNPRUNED)
                .where('at', '<', endedBefore)
                .where(({ exists, not, selectFrom }) =>
                    not(
                        exists(
                            selectFrom('cases')
                                .select('cases.job')
                                .whereRef('cases.job', '=', 'jobs.job')
                                .where('standing', '=', 'open'),
                        ),
                    ),
                )
                .limit(PRUNED_AT_ONCE)
                .execute();
            for (const { job, highest } of jobs) {
                await t.deleteFrom('answers').where('job', '=', job).execute();
                await t.deleteFrom('queries').where('job', '=', job).execute();
                await t.updateTable('jobs').set({ lowWater: highest }).where('job', '=', job).execute();
            }
            return jobs.length;
        });
    }

    guard(receiptKey: Buffer, mark: string) {
        return this.signing.guard(receiptKey, mark);
    }

    retire(receiptKey: Buffer) {
        return this.signing.retire(receiptKey);
    }

    /** Throws when the file is damaged. */
    async assertIntact(): Promise<void> {
        const { rows } = await sql<{ integrity_check: string }>`PRAGMA integrity_check(1)`.execute(this.db);
        if (rows[0]?.integrity_check !== 'ok') {
            throw new Error('The store is damaged');
        }
    }

    async close() {
        await this.writes.idle();
        this.signing.close();
        await this.db.destroy();
    }
}
