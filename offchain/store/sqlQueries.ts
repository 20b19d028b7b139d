/** The queries in a worker's database, with their receipts and answers. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { amountToBytes, ofQuery } from './database';
import type { KeepKey } from './engine';
import { resultStart, storedAccept, storedEnd, wholeEnd } from './leftOut';
import type { SigningGuard } from './signingGuard';
import { addEarnings, changeJob } from './sqlEarnings';
import type { NewQuery, Piece, QueryEnd, QueryId, QueryStore, UnservedQuery } from './worker';
import { assertOne, queryOf, type QueryTable, type WorkerSchema, type WorkerTransaction, ZERO } from './workerTables';
import type { Writes } from './writeQueue';

export class SqlQueries implements QueryStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: Writes<WorkerSchema>,
        private readonly signing: SigningGuard,
        private readonly member = 1,
        private readonly keepKey?: KeepKey,
    ) {}

    async get(query: QueryId) {
        const row = await this.db.selectFrom('queries').selectAll().where(ofQuery(query)).executeTakeFirst();
        return row && queryOf(row);
    }

    async answer(query: QueryId) {
        const pieces = this.db.selectFrom('answers').select(['piece', 'bytes']).where(ofQuery(query)).orderBy('piece');
        const rows = (await pieces.execute()).filter(({ piece }, i) => piece === i + 1); // a prefix, whatever is lost
        return Buffer.concat(rows.map(({ bytes }) => bytes));
    }

    async unended(limit: number, cursor?: QueryId) {
        const unended = this.db
            .selectFrom('queries')
            .selectAll()
            .where('endKind', 'is', null)
            .where('job', 'in', (jobs) => jobs.selectFrom('jobs').select('job').where('member', '=', this.member));
        const rows = cursor
            ? unended.where(({ eb, refTuple, tuple }) =>
                  eb(refTuple('job', 'number'), '>', tuple(cursor.job, cursor.number)),
              )
            : unended;
        return (await rows.orderBy('job').orderBy('number').limit(limit).execute()).map(queryOf);
    }

    async unendedOf(job: Buffer) {
        const unended = this.db.selectFrom('queries').selectAll().where('job', '=', job).where('endKind', 'is', null);
        return (await unended.orderBy('number').execute()).map(queryOf);
    }

    async newestResult(job: Buffer) {
        const rows = this.db.selectFrom('queries').select(['number', 'endReceipt']);
        const results = rows.where('job', '=', job).where('endKind', '=', 'result');
        // What is stored of a result begins with its index.
        const row = await results.orderBy('endReceipt', 'desc').limit(1).executeTakeFirst();
        return row?.endReceipt ? wholeEnd('result', { job, number: row.number }, row.endReceipt) : undefined;
    }

    async countResults(job: Buffer, maxIndex?: number) {
        const all = this.db.selectFrom('queries').where('job', '=', job).where('endKind', '=', 'result');
        const results = maxIndex === undefined ? all : all.where('endReceipt', '<', resultStart(maxIndex + 1));
        const row = await results
            .select((select) => select.fn.countAll<number>().as('count'))
            .executeTakeFirstOrThrow();
        return row.count;
    }

    async accept({ ceiling, accept, ...query }: NewQuery) {
        await this.signing.write(async (t) => {
            await useNumber(t, query);
            const stored = storedAccept({ ...query, ceiling }, accept);
            const row = { ...query, ceiling: amountToBytes(ceiling), accept: stored };
            await t.insertInto('queries').values(row).execute();
        });
    }

    async decline(query: UnservedQuery) {
        await this.signing.write(async (t) => {
            await useNumber(t, query);
            await insertUnserved(t, query, 'decline');
        });
    }

    async append(piece: Piece) {
        await this.writes.run(async (t) => {
            await insertPiece(t, piece);
            await updateUnended(t, piece, { ...piece.counts, promptKnown: piece.promptKnown ? 1 : 0 });
        });
    }

    async end(end: QueryEnd) {
        const { job, number } = end;
        await this.signing.write(async (t) => {
            const columns = { endKind: end.kind, endReceipt: storedEnd(end.kind, end, end.receipt) };
            if (end.kind === 'fail') {
                await updateUnended(t, end, columns);
                return;
            }
            if (end.bytes.length > 0) {
                await insertPiece(t, { job, number, bytes: end.bytes });
            }
            await updateUnended(t, end, { ...columns, ...end.counts });
            await addEarnings(t, end);
            const jobs = t
                .updateTable('jobs')
                .set({ index: end.index, cumulative: amountToBytes(end.cumulative) })
                .where('job', '=', job)
                .where('index', '=', end.index - 1);
            const { numUpdatedRows } = await changeJob(t, job, () => jobs.executeTakeFirst());
            assertOne(numUpdatedRows, `Result ${end.index} does not follow the job's newest one`);
        });
    }

    async deny(denial: UnservedQuery) {
        const { job, number, request, receipt } = denial;
        await this.signing.write(async (t) => {
            await this.keepKey?.(t, job, 'alone'); // no other process adds the job meanwhile, with the number unused
            const rows = t.selectFrom('queries').select(['endKind', 'accept']);
            const row = await rows.where(ofQuery(denial)).executeTakeFirst();
            if (row?.endKind === 'result' || (row !== undefined && row.endKind === null)) {
                throw new Error(`Query ${number} was accepted here, so it cannot be denied`);
            }
            const jobs = t.selectFrom('jobs').select('job').where('job', '=', job);
            if (row === undefined && (await jobs.execute()).length > 0) {
                await useNumber(t, denial); // throws for a query that may have been deleted
                await insertUnserved(t, denial, 'fail');
            }
            await t.insertInto('denials').values({ job, number, request, receipt }).execute();
        });
    }

    async denial({ request, ...query }: Omit<UnservedQuery, 'receipt'>) {
        const denials = this.db.selectFrom('denials').select('receipt').where(ofQuery(query));
        return (await denials.where('request', '=', request).executeTakeFirst())?.receipt;
    }
}

async function useNumber(t: WorkerTransaction, { job, number }: QueryId): Promise<void> {
    const jobs = t
        .updateTable('jobs')
        .set({ highest: sql<number>`CASE WHEN highest < ${number} THEN ${number} ELSE highest END` });
    const { numUpdatedRows } = await jobs.where('job', '=', job).where('lowWater', '<', number).executeTakeFirst();
    assertOne(numUpdatedRows, `Query number ${number} was used`);
}

async function insertUnserved(
    t: WorkerTransaction,
    { job, number, request, receipt }: UnservedQuery,
    kind: 'decline' | 'fail',
): Promise<void> {
    const endReceipt = storedEnd(kind, { job, number }, receipt);
    const row = { job, number, request, ceiling: ZERO, promptEstimate: 0, endKind: kind, endReceipt };
    await t.insertInto('queries').values(row).execute();
}

async function insertPiece(t: WorkerTransaction, { job, number, bytes }: QueryId & { bytes: Buffer }): Promise<void> {
    const newest = sql`SELECT coalesce(max(piece), 0) FROM answers WHERE ${ofQuery({ job, number })}`;
    const piece = sql<number>`(${newest}) + 1`;
    await t.insertInto('answers').values({ job, number, piece, bytes }).execute();
}

async function updateUnended(
    t: WorkerTransaction,
    query: QueryId,
    columns: Partial<Selectable<QueryTable>>,
): Promise<void> {
    const update = t.updateTable('queries').set(columns).where(ofQuery(query)).where('endKind', 'is', null);
    assertOne((await update.executeTakeFirst()).numUpdatedRows, `Query ${query.number} is not running`);
}
