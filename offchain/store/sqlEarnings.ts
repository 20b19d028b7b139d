/** The earnings in a worker's database. Their amounts are decimal text, because a sum may exceed 64 bits. */
import { noTokens, type TokenCounts } from '@cocoon-market/wrappers';
import { type Kysely, sql } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { EarningsGroup, EarningsStore } from './earnings';
import { addSums, amountNames, type JobSums, NO_JOBS, sumsOf } from './jobSums';
import { sumsRowOf } from './jobRows';
import { dateOf, dayOf } from './people';
import type { JobRecord, JobStage, QueryId, ResultEnd } from './worker';
import { jobOf, type WorkerSchema, type WorkerTransaction } from './workerTables';

export class SqlEarnings implements EarningsStore {
    constructor(private readonly db: Kysely<WorkerSchema>) {}

    async days() {
        return (await this.of('day').orderBy('group').execute()).map(rowOf);
    }

    async best(by: EarningsGroup, limit: number) {
        const best = this.of(by)
            .orderBy(sql`length(earned)`, 'desc')
            .orderBy('earned', 'desc');
        return (await best.limit(limit).execute()).map(rowOf);
    }

    async row(by: EarningsGroup, group: string) {
        const row = await this.of(by).where('group', '=', group).executeTakeFirst();
        return row && rowOf(row);
    }

    async sums() {
        const sums: Record<JobStage, JobSums> = { open: NO_JOBS, ending: NO_JOBS, ended: NO_JOBS };
        for (const row of await this.db.selectFrom('jobSums').selectAll().execute()) {
            if (!Object.hasOwn(sums, row.state)) {
                throw new Error(`The store has sums of jobs in no state that exists: ${row.state}`);
            }
            sums[row.state] = addSums(sums[row.state], sumsRowOf(row).sums);
        }
        return sums;
    }

    private of(by: EarningsGroup) {
        return this.db.selectFrom('allEarnings').selectAll().where('by', '=', by);
    }
}

function rowOf({
    group,
    results,
    prompt,
    cached,
    completion,
    reasoning,
    earned,
    claimed,
}: WorkerSchema['allEarnings']) {
    const counts = { prompt, cached, completion, reasoning };
    return { group, results, ...counts, earned: BigInt(earned), claimed: BigInt(claimed) };
}

/** Makes a change of a job's row, and of the sums over jobs with it. Every change that moves money goes through it. */
export async function changeJob<T>(t: WorkerTransaction, job: Buffer, change: () => Promise<T>): Promise<T> {
    const read = async () => {
        const row = await t.selectFrom('allJobs').selectAll().where('job', '=', job).executeTakeFirst();
        return row && jobOf(row);
    };
    const rowBefore = await read();
    const result = await change();
    const rowAfter = await read();
    if (rowBefore?.state === rowAfter?.state && rowBefore !== undefined && rowAfter !== undefined) {
        await addToSums(t, rowAfter, addSums(sumsOf(rowAfter), sumsOf(rowBefore), -1));
    } else {
        await (rowBefore && addToSums(t, rowBefore, addSums(NO_JOBS, sumsOf(rowBefore), -1)));
        await (rowAfter && addToSums(t, rowAfter, sumsOf(rowAfter)));
    }
    return result;
}

type Amounts = Record<(typeof amountNames)[number], string>;

async function addToSums(
    t: WorkerTransaction,
    { member, state }: Pick<JobRecord, 'member' | 'state'>,
    more: JobSums,
): Promise<void> {
    const changed = amountNames.filter((name) => more[name] !== 0n);
    if (changed.length === 0 && more.jobs === 0 && more.results === 0) {
        return;
    }
    const { jobs, results } = more;
    const amounts = Object.fromEntries(amountNames.map((name) => [name, String(more[name])])) as Amounts;
    const summed = changed.map((name) => [name, summedIn('jobSums', name)]);
    await t
        .insertInto('jobSums')
        .values({ member, state, jobs, results, ...amounts })
        .onConflict((conflict) =>
            conflict.columns(['member', 'state']).doUpdateSet({
                jobs: sql<number>`"jobSums".jobs + excluded.jobs`,
                results: sql<number>`"jobSums".results + excluded.results`,
                ...(Object.fromEntries(summed) as Record<string, never>),
            }),
        )
        .execute();
}

/** The sum of a column's amounts, of the stored row and the one that is added. */
const summedIn = (table: string, column: string) =>
    sql<string>`nano_add(${sql.ref(`${table}.${column}`)}, ${sql.ref(`excluded.${column}`)})`;

/** Adds a result to the earnings, before the job's row takes it over. */
export async function addEarnings(
    t: WorkerTransaction,
    { job, cumulative, counts, finishedAt }: QueryId & ResultEnd,
): Promise<void> {
    const row = await partiesOf(t, job);
    const earned = cumulative - amountFromBytes(row.cumulative);
    await addToRows(t, { ...row, at: finishedAt }, { results: 1, ...counts, earned, claimed: 0n });
}

/** Adds the confirmed claim of a job whose channel has paid `paid` nanoTON in all; nothing if it is known. */
export async function addClaim(
    t: WorkerTransaction,
    { job, paid, at, last }: { job: Buffer; paid: bigint; at: number; last: boolean },
): Promise<void> {
    const row = await partiesOf(t, job);
    const amount = paid - amountFromBytes(row.claimed);
    if (amount > 0n) {
        const claim = { job, at, amount: amountToBytes(amount), last: last ? 1 : 0 };
        await t.insertInto('claims').values(claim).execute();
        await addClaimed(t, { ...row, at }, amount);
    }
}

/** Takes back the last claim of a job whose channel exists after all. */
export async function removeLastClaim(t: WorkerTransaction, job: Buffer): Promise<void> {
    const claims = t.selectFrom('claims').select(['at', 'amount']).where('job', '=', job).where('last', '=', 1);
    for (const { at, amount } of await claims.execute()) {
        await addClaimed(t, { ...(await partiesOf(t, job)), at }, -amountFromBytes(amount));
    }
    await t.deleteFrom('claims').where('job', '=', job).where('last', '=', 1).execute();
}

interface Parties extends Pick<JobRecord, 'job' | 'member' | 'model' | 'client'> {
    cumulative: Buffer;
    claimed: Buffer;
}

function partiesOf(t: WorkerTransaction, job: Buffer): Promise<Parties> {
    const columns = ['job', 'member', 'model', 'client', 'cumulative', 'claimed'] as const;
    return t.selectFrom('jobs').select(columns).where('job', '=', job).executeTakeFirstOrThrow();
}

async function addClaimed(t: WorkerTransaction, row: Parties & { at: number }, amount: bigint): Promise<void> {
    const claimed = amountToBytes(amountFromBytes(row.claimed) + amount);
    await t.updateTable('jobs').set({ claimed }).where('job', '=', row.job).execute();
    await addToRows(t, row, { results: 0, ...noTokens, earned: 0n, claimed: amount });
}

/** Adds to the rows of one job's day, model and client. */
async function addToRows(
    t: WorkerTransaction,
    { at, member, model, client }: Pick<JobRecord, 'member' | 'model' | 'client'> & { at: number },
    { earned, claimed, ...counts }: TokenCounts & { results: number; earned: bigint; claimed: bigint },
): Promise<void> {
    const groups: Record<EarningsGroup, string> = { day: dateOf(dayOf(at)), model, client };
    const columns = { ...counts, earned: String(earned), claimed: String(claimed) };
    const rows = Object.entries(groups).map(([by, group]) => ({ member, by: by as EarningsGroup, group, ...columns }));
    const added = (name: keyof typeof counts) =>
        sql<number>`${sql.ref(`earnings.${name}`)} + ${sql.ref(`excluded.${name}`)}`;
    await t
        .insertInto('earnings')
        .values(rows)
        .onConflict((conflict) =>
            conflict.columns(['member', 'by', 'group']).doUpdateSet({
                results: added('results'),
                ...{ prompt: added('prompt'), cached: added('cached') },
                ...{ completion: added('completion'), reasoning: added('reasoning') },
                ...{ earned: summedIn('earnings', 'earned'), claimed: summedIn('earnings', 'claimed') },
            }),
        )
        .execute();
}
