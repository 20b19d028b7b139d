/** A worker's store in a database. */
import type { Kysely } from 'kysely';
import type { Cluster } from './cluster';
import type { Engine } from './engine';
import { addSums } from './jobSums';
import { SigningGuard } from './signingGuard';
import { SqlCases } from './sqlCases';
import { SqlEarnings } from './sqlEarnings';
import { ENDED_UNPAID, ENDED_UNPRUNED, NOT_ENDED, SqlJobs } from './sqlJobs';
import { SqlQueries } from './sqlQueries';
import { SqlWallet } from './sqlWallet';
import type { IntakeMode, JobStore, QueryStore, WorkerStore, WorkerTotals } from './worker';
import type { WorkerSchema } from './workerTables';
import type { Writes } from './writeQueue';

const PRUNED_AT_ONCE = 20; // jobs in one transaction, so that no answer waits long

/** A {@link WorkerStore} in a database of either kind. */
export class SqlWorkerStore implements WorkerStore {
    readonly cluster: Cluster;
    readonly jobs: JobStore;
    readonly queries: QueryStore;
    readonly cases: SqlCases;
    readonly earnings: SqlEarnings;
    readonly wallet: SqlWallet;
    protected readonly db: Kysely<WorkerSchema>;
    private readonly writes: Writes<WorkerSchema>;
    private readonly signing: SigningGuard;

    /** `hot`: the parts that every query needs, if the kind of database has its own. */
    constructor(
        private readonly engine: Engine<WorkerSchema>,
        hot?: { signing: SigningGuard; jobs: JobStore; queries: QueryStore },
    ) {
        const { db, writes, cluster } = engine;
        this.cluster = cluster;
        this.db = db;
        this.writes = writes;
        this.signing = hot?.signing ?? new SigningGuard(db, writes, cluster);
        this.jobs = hot?.jobs ?? new SqlJobs(db, writes, cluster.number);
        this.queries = hot?.queries ?? new SqlQueries(db, writes, this.signing, cluster.number);
        this.cases = new SqlCases(db, this.writes);
        this.earnings = new SqlEarnings(db);
        this.wallet = new SqlWallet(db, this.writes);
    }

    async totals(): Promise<WorkerTotals> {
        const sums = await this.earnings.sums();
        const all = addSums(addSums(sums.open, sums.ending), sums.ended);
        const { results, earned, unclaimed, confirming, claimed } = all;
        const jobs = { open: sums.open.jobs, ending: sums.ending.jobs, ended: sums.ended.jobs };
        return { jobs, results, earned, unclaimed, confirming, claimed };
    }

    takeOver(member: number) {
        const { cluster } = this;
        return this.writes.run(async (t) => {
            if (!(await cluster.takeOver(t as never, member))) {
                return false;
            }
            await this.signing.assertNewest(t);
            for (const needed of [NOT_ENDED, ENDED_UNPAID]) {
                const jobs = t.updateTable('jobs').set({ member: cluster.number }).where('member', '=', member);
                await jobs.where(needed).execute();
            }
            return true;
        });
    }

    adopt(job: Buffer, member: number) {
        const { cluster } = this;
        return this.writes.run(async (t) => {
            if (!(await cluster.isVacant(t as never, member))) {
                return false;
            }
            await this.signing.assertNewest(t);
            const jobs = t.updateTable('jobs').set({ member: cluster.number }).where('member', '=', member);
            return (await jobs.where('job', '=', job).executeTakeFirst()).numUpdatedRows === 1n;
        });
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
        await this.engine.scrub();
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

    followOthers() {
        return this.signing.followOthers();
    }

    retire(receiptKey: Buffer) {
        return this.signing.retire(receiptKey);
    }

    async close() {
        await this.writes.idle();
        this.signing.close();
        await this.engine.close();
    }
}
