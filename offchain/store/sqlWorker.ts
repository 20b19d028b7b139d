/** A worker's store in a database. */
import { type Kysely, sql } from 'kysely';
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

// Of one transaction, so that no answer waits long. SQLite writes zeros over what is deleted, through its log, for
// which a disk that is nearly full has little room.
const PRUNED_AT_ONCE = 20; // jobs
const PRUNED_BYTES = 4 << 20; // of answers, or one answer
const PRUNED_PIECES = 1000; // of answers, or one answer

/**
 * The highest number up to which whole answers have at most so many bytes, or that of the first answer; undefined if
 * all have. `pieces`: the first ones of a job, in order.
 */
function lastWithin(pieces: readonly { number: number; bytes: number }[], maxBytes: number): number | undefined {
    let sum = 0;
    const over = pieces.findIndex(({ bytes }, i) => {
        sum += bytes;
        return sum > maxBytes || i + 1 === PRUNED_PIECES;
    });
    return over < 0 ? undefined : Math.max(pieces[0].number, pieces[over].number - 1);
}

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
        const { db, writes, cluster, keepKey } = engine;
        this.cluster = cluster;
        this.db = db;
        this.writes = writes;
        this.signing = hot?.signing ?? new SigningGuard(db, writes, cluster);
        this.jobs = hot?.jobs ?? new SqlJobs(db, writes, cluster.number, keepKey);
        this.queries = hot?.queries ?? new SqlQueries(db, writes, this.signing, cluster.number, keepKey);
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
        let hasMore: boolean;
        do {
            const step = await this.pruneSome(endedBefore);
            pruned += step.jobs;
            ({ hasMore } = step);
        } while (hasMore);
        await this.engine.scrub();
        return pruned;
    }

    /** Prunes as much as one transaction may. `jobs`: of which nothing is left. */
    private async pruneSome(endedBefore: number): Promise<{ jobs: number; hasMore: boolean }> {
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
            let maxBytes = PRUNED_BYTES;
            for (const [i, { job, highest }] of jobs.entries()) {
                const pieces = await t
                    .selectFrom('answers')
                    .select(['number', sql<number>`length(bytes)`.as('bytes')])
                    .where('job', '=', job)
                    .orderBy('number')
                    .orderBy('piece')
                    .limit(PRUNED_PIECES)
                    .execute();
                const last = lastWithin(pieces, maxBytes);
                const lowWater = last ?? highest;
                await t.deleteFrom('answers').where('job', '=', job).where('number', '<=', lowWater).execute();
                await t.deleteFrom('queries').where('job', '=', job).where('number', '<=', lowWater).execute();
                await t.updateTable('jobs').set({ lowWater }).where('job', '=', job).execute();
                if (last !== undefined && last < highest) {
                    return { jobs: i, hasMore: true };
                }
                maxBytes -= pieces.reduce((sum, { bytes }) => sum + bytes, 0);
            }
            return { jobs: jobs.length, hasMore: jobs.length === PRUNED_AT_ONCE };
        });
    }

    reusableBytes() {
        return this.engine.reusableBytes();
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
