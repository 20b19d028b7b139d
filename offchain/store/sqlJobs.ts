/** The jobs in a worker's database. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { type Kysely, type Selectable, sql, type Updateable } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { KeepKey } from './engine';
import { splitTerms } from './leftOut';
import { addClaim, changeJob, removeLastClaim } from './sqlEarnings';
import { broughtByLastClaim } from './sqlWallet';
import type {
    ChannelSnapshot,
    JobInsert,
    JobPage,
    JobRecord,
    JobStage,
    JobStore,
    LastClaim,
    LostPage,
    OnDamaged,
} from './worker';
import { jobOf, type JobTable, snapshotColumns, type WorkerSchema, type WorkerTransaction, ZERO } from './workerTables';
import type { Writes } from './writeQueue';

const MAX_CLOCK_LAG = 600; // seconds by which the clock of the chain may be behind that of a last claim

// As the indexes of these jobs say it.
export const NOT_ENDED = sql<boolean>`state <> 'ended'`;
export const ENDED_UNPAID = sql<boolean>`state = 'ended' AND "voucherCumulative" > "confirmedPaid"`;
export const ENDED_UNPRUNED = sql<boolean>`state = 'ended' AND "lowWater" < highest`;

export class SqlJobs implements JobStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: Writes<WorkerSchema>,
        private readonly member = 1,
        private readonly keepKey?: KeepKey,
    ) {}

    async get(job: Buffer) {
        const row = await this.db.selectFrom('allJobs').selectAll().where('job', '=', job).executeTakeFirst();
        return row && jobOf(row);
    }

    async ofChannel(channel: Buffer) {
        const row = await this.db.selectFrom('allJobs').selectAll().where('channel', '=', channel).executeTakeFirst();
        return row && jobOf(row);
    }

    async best(limit: number) {
        const rows = this.db.selectFrom('allJobs').selectAll().where(NOT_ENDED).orderBy('cumulative', 'desc');
        return (await rows.limit(limit).execute()).map(jobOf);
    }

    async open(page: JobPage) {
        return (await this.page(page).where(NOT_ENDED).where('state', '=', 'open').execute()).map(jobOf);
    }

    async claimable({ cursor: start, ...page }: JobPage) {
        return readablePage(page.onDamaged, (last) =>
            this.page({ ...page, cursor: last?.job ?? start })
                .where(NOT_ENDED)
                .where((or) =>
                    or.or([or('state', '=', 'ending'), or('voucherCumulative', '>', or.ref('confirmedPaid'))]),
                )
                .execute(),
        );
    }

    async overdue({ cursor: start, ...page }: JobPage, at: number) {
        return readablePage(page.onDamaged, (last) =>
            this.page({ ...page, cursor: last?.job ?? start })
                .where(NOT_ENDED)
                .where('state', '=', 'open')
                .where('refundAt', '<', at)
                .whereRef('voucherCumulative', '<=', 'confirmedPaid')
                .execute(),
        );
    }

    async lost({ byLastClaim, since, cursor, limit, onDamaged }: LostPage) {
        const start = cursor ?? { at: since, job: Buffer.alloc(0) };
        return readablePage(onDamaged, ({ at, job } = start) => {
            const rows = this.db
                .selectFrom('allJobs')
                .selectAll()
                .where(ENDED_UNPAID)
                .where('member', '=', this.member)
                .where(({ eb, refTuple, tuple }) => eb(refTuple('at', 'job'), '>', tuple(at, job)))
                .where('lastClaimAt', byLastClaim ? '>' : '=', 0);
            return rows.orderBy('at').orderBy('job').limit(limit).execute();
        });
    }

    async lastEnd() {
        const ended = this.db.selectFrom('jobs').where(ENDED_UNPRUNED);
        const row = await ended.select((select) => select.fn.max('at').as('at')).executeTakeFirst();
        return row?.at ?? undefined;
    }

    async add({ snapshot, jobNumber, terms, ...job }: JobInsert) {
        const zeros = { cumulative: ZERO, voucherCumulative: ZERO, confirmedPaid: ZERO };
        await this.writes.run(async (t) => {
            await this.keepKey?.(t, job.job, 'shared'); // no other process denies a query of it meanwhile
            const denied = t.selectFrom('denials').where('job', '=', job.job);
            const used = await denied.select((select) => select.fn.max('number').as('highest')).executeTakeFirst();
            const highest = used?.highest ?? 0;
            const columns = { jobNumber, state: 'open', highest, lowWater: highest } as const;
            const { own, shared: bytes } = splitTerms(terms);
            await t
                .insertInto('sharedTerms')
                .values({ bytes })
                .onConflict((conflict) => conflict.doNothing())
                .execute();
            const shared = sql<number>`(SELECT id FROM "sharedTerms" WHERE bytes = ${bytes})`;
            const all = { ...job, terms: own, shared, ...columns };
            const row = { ...all, member: this.member, ...zeros, ...snapshotColumns(snapshot) };
            await changeJob(t, job.job, () => t.insertInto('jobs').values(row).execute());
        });
    }

    setSession(job: Buffer, session: Pick<JobRecord, 'enc' | 'wire'>) {
        return this.update([job], session);
    }

    async setSnapshot(job: Buffer, snapshot: ChannelSnapshot) {
        const columns = snapshotColumns(snapshot);
        const since = sql<number>`CASE WHEN paid < ${columns.paid} THEN ${snapshot.at} ELSE "unclaimedSince" END`;
        const changed = { ...columns, unclaimedSince: since };
        await this.change(job, (t) => t.updateTable('jobs').set(changed).where('job', '=', job).execute());
    }

    async setConfirmedPaid(job: Buffer, paid: bigint, at: number) {
        const columns = { confirmedPaid: amountToBytes(paid) };
        await this.change(job, async (t) => {
            await t.updateTable('jobs').set(columns).where('job', '=', job).execute();
            await addClaim(t, { job, paid, at, last: false });
        });
    }

    async setLastClaims(claims: readonly LastClaim[], at: number) {
        await this.writes.run(async (t) => {
            for (const { job, paidAfter } of claims) {
                const columns = { lastClaimAt: at, lastClaimPaid: amountToBytes(paidAfter) };
                await t.updateTable('jobs').set(columns).where('job', '=', job).execute();
            }
        });
    }

    async setState(job: Buffer, state: JobStage, at: number) {
        return this.change(job, async (t) => {
            const jobs = t.updateTable('jobs').set({ state, at });
            const changed = jobs.where('job', '=', job).where('state', '!=', 'ended').returningAll();
            const row = await changed.executeTakeFirst();
            if (row === undefined || state !== 'ended' || row.lastClaimAt === 0) {
                return true;
            }
            const paid = amountFromBytes(row.lastClaimPaid);
            const brought = await broughtByLastClaim(t, job, row.lastClaimAt - MAX_CLOCK_LAG);
            if (brought !== undefined && brought < paid - amountFromBytes(row.paid)) {
                const none = { lastClaimAt: 0, lastClaimPaid: ZERO };
                await t.updateTable('jobs').set(none).where('job', '=', job).execute();
                return false;
            }
            await addClaim(t, { job, paid, at, last: true });
            return true;
        });
    }

    async revive(job: Buffer, state: Exclude<JobStage, 'ended'>, snapshot: ChannelSnapshot) {
        await this.change(job, async (t) => {
            const columns = { state, lastClaimAt: 0, lastClaimPaid: ZERO, ...snapshotColumns(snapshot) };
            const jobs = t.updateTable('jobs').set(columns).where('job', '=', job).where('state', '=', 'ended');
            if ((await jobs.executeTakeFirst()).numUpdatedRows > 0n) {
                await removeLastClaim(t, job);
            }
        });
    }

    addVoucher(job: Buffer, voucher: SignedVoucher, at: number) {
        const voucherCumulative = amountToBytes(voucher.cumulative);
        const { count: voucherCount, signature: voucherSignature } = voucher;
        const unclaimedSince = sql<number>`CASE WHEN "voucherCumulative" <= paid THEN ${at} ELSE "unclaimedSince" END`;
        return this.change(job, async (t) => {
            const { numUpdatedRows } = await t
                .updateTable('jobs')
                .set({ voucherCumulative, voucherCount, voucherSignature, unclaimedSince })
                .where('job', '=', job)
                .where('voucherCumulative', '<=', voucherCumulative)
                .where('voucherCount', '<=', voucherCount)
                .executeTakeFirst();
            return numUpdatedRows === 1n;
        });
    }

    private change<T>(job: Buffer, change: (t: WorkerTransaction) => Promise<T>): Promise<T> {
        return this.writes.run((t) => changeJob(t, job, () => change(t)));
    }

    private page({ cursor = Buffer.alloc(0), limit, ofAll = false }: JobPage) {
        const jobs = this.db.selectFrom('allJobs').selectAll().where('job', '>', cursor).orderBy('job').limit(limit);
        return ofAll ? jobs : jobs.where('member', '=', this.member);
    }

    private async update(jobs: readonly Buffer[], columns: Updateable<JobTable>): Promise<void> {
        await this.writes.run((t) => t.updateTable('jobs').set(columns).where('job', 'in', jobs).execute());
    }
}

type JobRow = Selectable<WorkerSchema['allJobs']>;

/** The first page that has a readable row: an empty one would be taken for the end. `read`: the rows after `last`. */
async function readablePage(
    onDamaged: OnDamaged | undefined,
    read: (last?: Pick<JobRow, 'at' | 'job'>) => Promise<JobRow[]>,
): Promise<JobRecord[]> {
    let rows = await read();
    let records = readable(rows, onDamaged);
    while (rows.length > 0 && records.length === 0) {
        rows = await read(rows.at(-1));
        records = readable(rows, onDamaged);
    }
    return records;
}

function readable(rows: JobRow[], onDamaged: OnDamaged | undefined): JobRecord[] {
    return rows.flatMap((row) => {
        try {
            return jobOf(row);
        } catch (error) {
            if (onDamaged === undefined) {
                throw error;
            }
            onDamaged(row.job, error);
            return [];
        }
    });
}
