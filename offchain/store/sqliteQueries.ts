/** The queries in a worker's SQLite file: what every query needs has prepared statements. */
import type { Selectable } from 'kysely';
import { amountToBytes, type Database } from './database';
import type { GroupCommit } from './groupCommit';
import type { JobRows } from './jobRows';
import { storedAccept, storedEnd, wholeEnd } from './leftOut';
import { SqlQueries } from './sqlQueries';
import type { SqliteSigning } from './sqliteSigning';
import type { NewQuery, Piece, QueryEnd, QueryId, UnservedQuery } from './worker';
import { queryOf, type QueryTable, type WorkerSchema, ZERO } from './workerTables';

export class SqliteQueries extends SqlQueries {
    private readonly statements: ReturnType<typeof prepare>;

    constructor(
        db: Database<WorkerSchema>,
        private readonly group: GroupCommit<WorkerSchema>,
        private readonly guard: SqliteSigning,
        private readonly rows: JobRows,
    ) {
        super(db, group, guard);
        this.statements = prepare(db.file);
    }

    override get({ job, number }: QueryId) {
        return this.group.read(() => {
            const row = this.statements.get.get(job, number);
            return row && queryOf(row);
        });
    }

    override newestResult(job: Buffer) {
        return this.group.read(() => {
            const row = this.statements.newestResult.get(job);
            return row && wholeEnd('result', { job, number: row.number }, row.endReceipt);
        });
    }

    override async accept({ job, number, request, ceiling, promptEstimate, accept }: NewQuery) {
        const amount = amountToBytes(ceiling);
        const stored = storedAccept({ job, number, request, ceiling }, accept);
        await this.guard.writeHot(() => {
            this.rows.useNumber({ job, number });
            this.statements.accept.run(job, number, request, amount, promptEstimate, stored);
        });
    }

    override async decline(query: UnservedQuery) {
        await this.guard.writeHot(() => this.insertUnserved(query, 'decline'));
    }

    override async append({ job, number, bytes, counts, promptKnown }: Piece) {
        const { prompt, cached, completion, reasoning } = counts;
        await this.group.runHot(() => {
            this.insertPiece(job, number, bytes);
            const columns = [prompt, cached, completion, reasoning, promptKnown ? 1 : 0] as const;
            assertRuns(this.statements.append.run(...columns, job, number), number);
        });
    }

    override async end(end: QueryEnd) {
        const { job, number } = end;
        const receipt = storedEnd(end.kind, end, end.receipt);
        await this.guard.writeHot(() => {
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

    private insertUnserved({ job, number, request, receipt }: UnservedQuery, kind: 'decline'): void {
        this.rows.useNumber({ job, number });
        this.statements.unserved.run(job, number, request, ZERO, kind, storedEnd(kind, { job, number }, receipt));
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
        // What is stored of a result begins with its index.
        newestResult: file.prepare<[Buffer], { number: number; endReceipt: Buffer }>(
            `SELECT number, endReceipt FROM queries WHERE job = ? AND endKind = 'result'
            ORDER BY endReceipt DESC LIMIT 1`,
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
