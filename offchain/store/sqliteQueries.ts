/** The queries in a worker's SQLite file, with their receipts and answers. */
import type { Selectable } from 'kysely';
import { amountToBytes, type Database, ofQuery } from './database';
import type { GroupCommit } from './groupCommit';
import type { JobRows } from './jobRows';
import type { SigningGuard } from './signingGuard';
import type { NewQuery, Piece, QueryEnd, QueryId, QueryStore, UnservedQuery } from './worker';
import { queryOf, type QueryTable, type WorkerSchema, ZERO } from './workerTables';

export class SqliteQueries implements QueryStore {
    private readonly statements: ReturnType<typeof prepare>;

    constructor(
        private readonly db: Database<WorkerSchema>,
        private readonly writes: GroupCommit<WorkerSchema>,
        private readonly signing: SigningGuard,
        private readonly rows: JobRows,
    ) {
        this.statements = prepare(db.file);
    }

    get({ job, number }: QueryId) {
        return this.writes.read(() => {
            const row = this.statements.get.get(job, number);
            return row && queryOf(row);
        });
    }

    async answer(query: QueryId) {
        const pieces = this.db.selectFrom('answers').select('bytes').where(ofQuery(query)).orderBy('piece');
        return Buffer.concat((await pieces.execute()).map(({ bytes }) => bytes));
    }

    async unended(limit: number, cursor?: QueryId) {
        const unended = this.db.selectFrom('queries').selectAll().where('endKind', 'is', null);
        const rows = cursor
            ? unended.where(({ eb, refTuple, tuple }) =>
                  eb(refTuple('job', 'number'), '>', tuple(cursor.job, cursor.number)),
              )
            : unended;
        return (await rows.orderBy('job').orderBy('number').limit(limit).execute()).map(queryOf);
    }

    async accept({ job, number, request, ceiling, promptEstimate, accept }: NewQuery) {
        const amount = amountToBytes(ceiling);
        await this.signing.writeHot(() => {
            this.rows.useNumber({ job, number });
            this.statements.accept.run(job, number, request, amount, promptEstimate, accept);
        });
    }

    async decline(query: UnservedQuery) {
        await this.signing.writeHot(() => this.insertUnserved(query, 'decline'));
    }

    async append({ job, number, bytes, counts, promptKnown }: Piece) {
        const { prompt, cached, completion, reasoning } = counts;
        await this.writes.runHot(() => {
            this.insertPiece(job, number, bytes);
            const columns = [prompt, cached, completion, reasoning, promptKnown ? 1 : 0] as const;
            assertRuns(this.statements.append.run(...columns, job, number), number);
        });
    }

    async end(end: QueryEnd) {
        const { job, number, receipt } = end;
        await this.signing.writeHot(() => {
            if (end.kind === 'fail') {
                assertRuns(this.statements.fail.run(receipt, job, number), number);
                return;
            }
            const { prompt, cached, completion, reasoning } = end.counts;
            if (end.bytes.length > 0) {
                this.insertPiece(job, number, end.bytes);
            }
            const columns = [receipt, prompt, cached, completion, reasoning] as const;
            assertRuns(this.statements.end.run(...columns, job, number), number);
            this.rows.addResult(end);
        });
    }

    async deny(denial: UnservedQuery) {
        const { job, number, request, receipt } = denial;
        await this.signing.write(async (t) => {
            const rows = t.selectFrom('queries').select(['endKind', 'accept']);
            const row = await rows.where(ofQuery(denial)).executeTakeFirst();
            if (row?.endKind === 'result' || (row !== undefined && row.endKind === null)) {
                throw new Error(`Query ${number} was accepted here, so it cannot be denied`);
            }
            const jobs = t.selectFrom('jobs').select('job').where('job', '=', job);
            if (row === undefined && (await jobs.execute()).length > 0) {
                this.insertUnserved(denial, 'fail'); // throws for a query that may have been deleted
            }
            await t.insertInto('denials').values({ job, number, request, receipt }).execute();
        });
    }

    async denial({ request, ...query }: Omit<UnservedQuery, 'receipt'>) {
        const denials = this.db.selectFrom('denials').select('receipt').where(ofQuery(query));
        return (await denials.where('request', '=', request).executeTakeFirst())?.receipt;
    }

    private insertUnserved({ job, number, request, receipt }: UnservedQuery, kind: 'decline' | 'fail'): void {
        this.rows.useNumber({ job, number });
        this.statements.unserved.run(job, number, request, ZERO, kind, receipt);
    }

    private insertPiece(job: Buffer, number: number, bytes: Buffer): void {
        this.statements.piece.run({ job, number, bytes });
    }
}

function prepare(file: Database<WorkerSchema>['file']) {
    const counts = 'prompt = ?, cached = ?, completion = ?, reasoning = ?';
    const running = 'WHERE job = ? AND number = ? AND endKind IS NULL';
    return {
        get: file.prepare<[Buffer, number], Selectable<QueryTable>>(
            'SELECT * FROM queries WHERE job = ? AND number = ?',
        ),
        accept: file.prepare(
            `INSERT INTO queries (job, number, request, ceiling, promptEstimate, accept) VALUES (?, ?, ?, ?, ?, ?)`,
        ),
        unserved: file.prepare(
            `INSERT INTO queries (job, number, request, ceiling, promptEstimate, endKind, endReceipt)
            VALUES (?, ?, ?, ?, 0, ?, ?)`,
        ),
        piece: file.prepare(
            `INSERT INTO answers (job, number, piece, bytes)
            SELECT @job, @number, coalesce(max(piece), 0) + 1, @bytes FROM answers WHERE job = @job AND number = @number`,
        ),
        append: file.prepare(`UPDATE queries SET ${counts}, promptKnown = ? ${running}`),
        end: file.prepare(`UPDATE queries SET endKind = 'result', endReceipt = ?, ${counts} ${running}`),
        fail: file.prepare(`UPDATE queries SET endKind = 'fail', endReceipt = ? ${running}`),
    };
}

/** Throws unless an update has found the query, which runs then. */
function assertRuns({ changes }: { changes: number }, number: number): void {
    if (changes !== 1) {
        throw new Error(`Query ${number} is not running`);
    }
}
