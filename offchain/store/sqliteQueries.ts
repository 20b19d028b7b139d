/** The queries in a worker's SQLite file, with their receipts and answers. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { amountToBytes } from './database';
import type { GroupCommit } from './groupCommit';
import type { SigningGuard } from './signingGuard';
import type { NewQuery, Piece, QueryEnd, QueryId, QueryStore, UnservedQuery } from './worker';
import { assertOne, queryOf, type QueryTable, type WorkerSchema, type WorkerTransaction, ZERO } from './workerTables';

export class SqliteQueries implements QueryStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: GroupCommit<WorkerSchema>,
        private readonly signing: SigningGuard,
    ) {}

    async get({ job, number }: QueryId) {
        const rows = this.db.selectFrom('queries').selectAll();
        const row = await rows.where('job', '=', job).where('number', '=', number).executeTakeFirst();
        return row && queryOf(row);
    }

    async answer({ job, number }: QueryId) {
        const pieces = await this.db
            .selectFrom('answers')
            .select('bytes')
            .where('job', '=', job)
            .where('number', '=', number)
            .orderBy('piece')
            .execute();
        return Buffer.concat(pieces.map(({ bytes }) => bytes));
    }

    async unended(limit: number, cursor?: QueryId) {
        const unended = this.db.selectFrom('queries').selectAll().where('end_kind', 'is', null);
        const rows = cursor
            ? unended.where(({ eb, refTuple, tuple }) =>
                  eb(refTuple('job', 'number'), '>', tuple(cursor.job, cursor.number)),
              )
            : unended;
        return (await rows.orderBy('job').orderBy('number').limit(limit).execute()).map(queryOf);
    }

    async accept({ job, number, request, ceiling, promptBytes, accept }: NewQuery) {
        await this.signing.write(async (t) => {
            await useNumber(t, { job, number });
            const columns = { ceiling: amountToBytes(ceiling), prompt_bytes: promptBytes };
            await t
                .insertInto('queries')
                .values({ job, number, request, accept, ...columns })
                .execute();
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
            await updateUnended(t, piece, { ...piece.counts, prompt_known: piece.promptKnown ? 1 : 0 });
        });
    }

    async end(end: QueryEnd) {
        const { job, number } = end;
        await this.signing.write(async (t) => {
            const columns = { end_kind: end.kind, end_receipt: end.receipt };
            if (end.kind === 'fail') {
                await updateUnended(t, end, columns);
                return;
            }
            if (end.bytes.length > 0) {
                await insertPiece(t, { job, number, bytes: end.bytes });
            }
            await updateUnended(t, end, { ...columns, ...end.counts });
            const { numUpdatedRows } = await t
                .updateTable('jobs')
                .set({ result_index: end.index, cumulative: amountToBytes(end.cumulative) })
                .where('job', '=', job)
                .where('result_index', '=', end.index - 1)
                .executeTakeFirst();
            assertOne(numUpdatedRows, `Result ${end.index} does not follow the job's newest one`);
        });
    }

    async deny(denial: UnservedQuery) {
        const { job, number, request, receipt } = denial;
        await this.signing.write(async (t) => {
            const rows = t.selectFrom('queries').select(['end_kind', 'accept']);
            const row = await rows.where('job', '=', job).where('number', '=', number).executeTakeFirst();
            if (row?.end_kind === 'result' || (row !== undefined && row.end_kind === null)) {
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

    async denial({ job, number, request }: Omit<UnservedQuery, 'receipt'>) {
        const rows = this.db.selectFrom('denials').select('receipt').where('job', '=', job);
        const row = await rows.where('number', '=', number).where('request', '=', request).executeTakeFirst();
        return row?.receipt;
    }
}

async function useNumber(t: WorkerTransaction, { job, number }: QueryId): Promise<void> {
    const { numUpdatedRows } = await t
        .updateTable('jobs')
        .set({ highest: sql<number>`max(highest, ${number})` })
        .where('job', '=', job)
        .where('low_water', '<', number)
        .executeTakeFirst();
    assertOne(numUpdatedRows, `Query number ${number} was used`);
}

async function insertUnserved(
    t: WorkerTransaction,
    { job, number, request, receipt }: UnservedQuery,
    kind: 'decline' | 'fail',
): Promise<void> {
    const end = { end_kind: kind, end_receipt: receipt };
    await t
        .insertInto('queries')
        .values({ job, number, request, ceiling: ZERO, prompt_bytes: 0, ...end })
        .execute();
}

async function insertPiece(t: WorkerTransaction, { job, number, bytes }: QueryId & { bytes: Buffer }): Promise<void> {
    const pieces = sql`SELECT coalesce(max(piece), 0) + 1 FROM answers WHERE job = ${job} AND number = ${number}`;
    await t
        .insertInto('answers')
        .values({ job, number, piece: sql<number>`(${pieces})`, bytes })
        .execute();
}

async function updateUnended(
    t: WorkerTransaction,
    { job, number }: QueryId,
    columns: Partial<Selectable<QueryTable>>,
): Promise<void> {
    const { numUpdatedRows } = await t
        .updateTable('queries')
        .set(columns)
        .where('job', '=', job)
        .where('number', '=', number)
        .where('end_kind', 'is', null)
        .executeTakeFirst();
    assertOne(numUpdatedRows, `Query ${number} is not running`);
}
