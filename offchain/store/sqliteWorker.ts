/** A worker's store in one SQLite file. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { sql } from 'kysely';
import type { Generated, Kysely, Selectable, Transaction } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, openDatabase, truncateLog } from './database';
import type { Migration } from './database';
import { GroupCommit } from './groupCommit';
import { Mark, readMark } from './mark';
import { caseTables, CaseSchema, SqliteCases } from './sqliteCases';
import { StaleStore } from './worker';
import type {
    Denial,
    EndKind,
    JobRecord,
    JobStage,
    JobInsert,
    NewQuery,
    Piece,
    QueryEnd,
    QueryRecord,
    ChannelSnapshot,
    WorkerStore,
    WorkerTotals,
} from './worker';

interface JobTable {
    job: Buffer;
    channel: Buffer;
    terms: Buffer;
    job_number: number;
    enc: Buffer;
    state: JobStage;
    highest: Generated<number>;
    low_water: Generated<number>;
    result_index: Generated<number>;
    cumulative: Buffer; // amount
    voucher_cumulative: Buffer; // amount, 0 for none
    voucher_count: Generated<number>;
    voucher_signature: Buffer | null;
    balance: Buffer; // amount
    paid: Buffer; // amount
    refund_at: number;
    seen_at: number;
    confirmed_paid: Generated<Buffer>; // amount
    closing_at: Generated<number>;
}

interface QueryTable {
    job: Buffer;
    number: number;
    request: Buffer;
    ceiling: Buffer; // amount
    prompt_bytes: number;
    accept: Buffer | null;
    end_kind: EndKind | null;
    end_receipt: Buffer | null;
    prompt: Generated<number>;
    cached: Generated<number>;
    completion: Generated<number>;
    reasoning: Generated<number>;
    prompt_known: Generated<number>;
}

interface AnswerTable {
    job: Buffer;
    number: number;
    piece: number;
    bytes: Buffer;
}

interface SigningTable {
    store: Buffer; // names this store and its copies
    receipt_key: Buffer | null; // that signed last
    sequence: number; // of accepts, declines and ends
}

interface Schema extends CaseSchema {
    signing: SigningTable; // one row
    retired: { receipt_key: Buffer };
    jobs: JobTable;
    queries: QueryTable;
    answers: AnswerTable;
}

const tables: Migration = async (db) => {
    await sql`CREATE TABLE jobs (
        job BLOB PRIMARY KEY,
        channel BLOB NOT NULL UNIQUE, -- two jobs on one channel would each count on all of its money
        terms BLOB NOT NULL,
        job_number INTEGER NOT NULL,
        enc BLOB NOT NULL,
        state TEXT NOT NULL,
        highest INTEGER NOT NULL DEFAULT 0,
        low_water INTEGER NOT NULL DEFAULT 0,
        result_index INTEGER NOT NULL DEFAULT 0,
        cumulative BLOB NOT NULL,
        voucher_cumulative BLOB NOT NULL,
        voucher_count INTEGER NOT NULL DEFAULT 0,
        voucher_signature BLOB,
        balance BLOB NOT NULL,
        paid BLOB NOT NULL,
        refund_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE TABLE queries (
        job BLOB NOT NULL REFERENCES jobs (job),
        number INTEGER NOT NULL,
        request BLOB NOT NULL,
        ceiling BLOB NOT NULL,
        prompt_bytes INTEGER NOT NULL,
        accept BLOB,
        end_kind TEXT,
        end_receipt BLOB,
        prompt INTEGER NOT NULL DEFAULT 0,
        cached INTEGER NOT NULL DEFAULT 0,
        completion INTEGER NOT NULL DEFAULT 0,
        reasoning INTEGER NOT NULL DEFAULT 0,
        prompt_known INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job, number)
    ) STRICT`.execute(db);
    await sql`CREATE INDEX unended ON queries (job, number) WHERE end_kind IS NULL`.execute(db);
    await sql`CREATE TABLE answers (
        job BLOB NOT NULL,
        number INTEGER NOT NULL,
        piece INTEGER NOT NULL,
        ${MARGIN},
        bytes BLOB NOT NULL,
        PRIMARY KEY (job, number, piece),
        FOREIGN KEY (job, number) REFERENCES queries (job, number)
    ) STRICT, WITHOUT ROWID`.execute(db);
};

const signing: Migration = async (db) => {
    await sql`CREATE TABLE signing (
        store BLOB NOT NULL,
        receipt_key BLOB,
        sequence INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`INSERT INTO signing (store, sequence) VALUES (randomblob(16), 0)`.execute(db);
    await sql`CREATE TABLE retired (receipt_key BLOB PRIMARY KEY) STRICT`.execute(db);
};

const ZERO = amountToBytes(0n);

const endings: Migration = async (db) => {
    await sql`ALTER TABLE jobs ADD COLUMN confirmed_paid BLOB NOT NULL DEFAULT ${sql.raw(`x'${ZERO.toString('hex')}'`)}`.execute(
        db,
    );
    await sql`ALTER TABLE jobs ADD COLUMN closing_at INTEGER NOT NULL DEFAULT 0`.execute(db);
};

/** A {@link WorkerStore} in one SQLite file. */
export class SqliteWorkerStore implements WorkerStore {
    readonly cases: SqliteCases<Schema>;
    private readonly writes: GroupCommit<Schema>;
    private mark: Mark | undefined;

    private constructor(
        private readonly db: Kysely<Schema>,
        onBroken?: (error: Error) => void,
    ) {
        this.writes = new GroupCommit(db, onBroken);
        this.cases = new SqliteCases<Schema>(db, this.writes);
    }

    /** Opens or creates the file; `onBroken` is told when the disk took no commit and the process should end. */
    static async open(path: string, onBroken?: (error: Error) => void): Promise<SqliteWorkerStore> {
        return new SqliteWorkerStore(
            await openDatabase<Schema>(path, [tables, signing, caseTables, endings]),
            onBroken,
        );
    }

    async job(job: Buffer) {
        const row = await this.db.selectFrom('jobs').selectAll().where('job', '=', job).executeTakeFirst();
        return row && jobOf(row);
    }

    async jobOfChannel(channel: Buffer) {
        const row = await this.db.selectFrom('jobs').selectAll().where('channel', '=', channel).executeTakeFirst();
        return row && jobOf(row);
    }

    async claimable(after: Buffer | undefined, limit: number) {
        const rows = await this.db
            .selectFrom('jobs')
            .selectAll()
            .where('job', '>', after ?? Buffer.alloc(0))
            .where('state', '!=', 'ended')
            .where((or) => or.or([or('state', '=', 'ending'), or('voucher_cumulative', '>', or.ref('confirmed_paid'))]))
            .orderBy('job')
            .limit(limit)
            .execute();
        return rows.map(jobOf);
    }

    async lost(own: boolean, since: number, after: Buffer | undefined, limit: number) {
        const rows = await this.db
            .selectFrom('jobs')
            .selectAll()
            .where('job', '>', after ?? Buffer.alloc(0))
            .where('state', '=', 'ended')
            .where('closing_at', own ? '>' : '=', 0)
            .where('seen_at', '>=', since)
            .whereRef('voucher_cumulative', '>', 'confirmed_paid')
            .orderBy('job')
            .limit(limit)
            .execute();
        return rows.map(jobOf);
    }

    async totals() {
        const totals: WorkerTotals = { jobs: { open: 0, ending: 0, ended: 0 }, results: 0, earned: 0n, unclaimed: 0n };
        const columns = ['state', 'result_index', 'cumulative', 'voucher_cumulative', 'paid', 'balance'] as const;
        for await (const row of this.db.selectFrom('jobs').select(columns).stream()) {
            totals.jobs[row.state]++;
            totals.results += row.result_index;
            totals.earned += amountFromBytes(row.cumulative);
            if (row.state !== 'ended') {
                totals.unclaimed += due(row);
            }
        }
        return totals;
    }

    async addJob({ snapshot, jobNumber, ...job }: JobInsert) {
        const zeros = { cumulative: ZERO, voucher_cumulative: ZERO };
        await this.writes.run(async (t) => {
            const denied = t.selectFrom('denials').where('job', '=', job.job);
            const used = await denied.select((select) => select.fn.max('number').as('highest')).executeTakeFirst();
            const highest = used?.highest ?? 0;
            const columns = { job_number: jobNumber, state: 'open', highest, low_water: highest } as const;
            await t
                .insertInto('jobs')
                .values({ ...job, ...zeros, ...snapshotColumns(snapshot), ...columns })
                .execute();
        });
    }

    async setSession(job: Buffer, enc: Buffer) {
        await this.writes.run((t) => t.updateTable('jobs').set({ enc }).where('job', '=', job).execute());
    }

    async setSnapshot(job: Buffer, seen: ChannelSnapshot) {
        await this.writes.run((t) => t.updateTable('jobs').set(snapshotColumns(seen)).where('job', '=', job).execute());
    }

    async setConfirmedPaid(job: Buffer, paid: bigint) {
        await this.writes.run((t) =>
            t
                .updateTable('jobs')
                .set({ confirmed_paid: amountToBytes(paid) })
                .where('job', '=', job)
                .execute(),
        );
    }

    async setClosing(jobs: readonly Buffer[], at: number) {
        await this.writes.run((t) =>
            t
                .updateTable('jobs')
                .set({ closing_at: at })
                .where('job', 'in', [...jobs])
                .execute(),
        );
    }

    async revive(job: Buffer, state: Exclude<JobStage, 'ended'>, seen: ChannelSnapshot) {
        await this.writes.run((t) => {
            const jobs = t.updateTable('jobs').set({ state, closing_at: 0, ...snapshotColumns(seen) });
            return jobs.where('job', '=', job).where('state', '=', 'ended').execute();
        });
    }

    async setState(job: Buffer, state: JobStage, at: number) {
        await this.writes.run((t) => {
            const jobs = t.updateTable('jobs').set({ state, seen_at: at });
            return jobs.where('job', '=', job).where('state', '!=', 'ended').execute();
        });
    }

    addVoucher(job: Buffer, voucher: SignedVoucher) {
        const cumulative = amountToBytes(voucher.cumulative);
        return this.writes.run(async (t) => {
            const { numUpdatedRows } = await t
                .updateTable('jobs')
                .set({
                    voucher_cumulative: cumulative,
                    voucher_count: voucher.count,
                    voucher_signature: voucher.signature,
                })
                .where('job', '=', job)
                .where('voucher_cumulative', '<=', cumulative)
                .where('voucher_count', '<=', voucher.count)
                .executeTakeFirst();
            return numUpdatedRows === 1n;
        });
    }

    async query(job: Buffer, number: number) {
        const rows = this.db.selectFrom('queries').selectAll();
        const row = await rows.where('job', '=', job).where('number', '=', number).executeTakeFirst();
        return row && queryOf(row);
    }

    async answer(job: Buffer, number: number) {
        const pieces = await this.db
            .selectFrom('answers')
            .select('bytes')
            .where('job', '=', job)
            .where('number', '=', number)
            .orderBy('piece')
            .execute();
        return Buffer.concat(pieces.map(({ bytes }) => bytes));
    }

    async unended(limit: number, after?: { job: Buffer; number: number }) {
        const unended = this.db.selectFrom('queries').selectAll().where('end_kind', 'is', null);
        const rows = after
            ? unended.where(({ eb, refTuple, tuple }) =>
                  eb(refTuple('job', 'number'), '>', tuple(after.job, after.number)),
              )
            : unended;
        return (await rows.orderBy('job').orderBy('number').limit(limit).execute()).map(queryOf);
    }

    async accept({ job, number, request, ceiling, promptBytes, accept }: NewQuery) {
        await this.signed(async (t) => {
            await useNumber(t, job, number);
            const columns = { ceiling: amountToBytes(ceiling), prompt_bytes: promptBytes };
            await t
                .insertInto('queries')
                .values({ job, number, request, accept, ...columns })
                .execute();
        });
    }

    async decline({
        job,
        number,
        request,
        receipt,
    }: {
        job: Buffer;
        number: number;
        request: Buffer;
        receipt: Buffer;
    }) {
        await this.signed(async (t) => {
            await useNumber(t, job, number);
            const end = { end_kind: 'decline', end_receipt: receipt } as const;
            await t
                .insertInto('queries')
                .values({ job, number, request, ceiling: ZERO, prompt_bytes: 0, ...end })
                .execute();
        });
    }

    async append(piece: Piece) {
        await this.writes.run(async (t) => {
            await insertPiece(t, piece);
            const meter = { ...piece.counts, prompt_known: piece.promptKnown ? 1 : 0 };
            await updateUnended(t, piece, meter);
        });
    }

    async end(end: QueryEnd) {
        const { job, number } = end;
        await this.signed(async (t) => {
            const ended = { end_kind: end.kind, end_receipt: end.receipt };
            if (end.kind === 'fail') {
                await updateUnended(t, end, ended);
                return;
            }
            if (end.bytes.length > 0) {
                await insertPiece(t, { job, number, bytes: end.bytes });
            }
            await updateUnended(t, end, { ...ended, ...end.counts });
            const { numUpdatedRows } = await t
                .updateTable('jobs')
                .set({ result_index: end.index, cumulative: amountToBytes(end.cumulative) })
                .where('job', '=', job)
                .where('result_index', '=', end.index - 1)
                .executeTakeFirst();
            assertOne(numUpdatedRows, `Result ${end.index} does not follow the job's newest one`);
        });
    }

    async deny({ job, number, request, receipt }: Denial) {
        await this.signed(async (t) => {
            const rows = t.selectFrom('queries').select(['end_kind', 'accept']);
            const row = await rows.where('job', '=', job).where('number', '=', number).executeTakeFirst();
            if (row?.end_kind === 'result' || (row !== undefined && row.end_kind === null)) {
                throw new Error(`Query ${number} was accepted here, so it cannot be denied`);
            }
            if (
                row === undefined &&
                (await t.selectFrom('jobs').select('job').where('job', '=', job).execute()).length > 0
            ) {
                await useNumber(t, job, number); // throws for one that may have been forgotten
                const end = { end_kind: 'fail', end_receipt: receipt } as const;
                await t
                    .insertInto('queries')
                    .values({ job, number, request, ceiling: ZERO, prompt_bytes: 0, ...end })
                    .execute();
            }
            await t.insertInto('denials').values({ job, number, request, receipt }).execute();
        });
    }

    async denial({ job, number, request }: Omit<Denial, 'receipt'>) {
        const rows = this.db.selectFrom('denials').select('receipt').where('job', '=', job);
        const row = await rows.where('number', '=', number).where('request', '=', request).executeTakeFirst();
        return row?.receipt;
    }

    async prune(before: number) {
        const pruned = await this.writes.run(async (t) => {
            const jobs = await t
                .selectFrom('jobs')
                .select(['job', 'highest'])
                .where('state', '=', 'ended')
                .where('seen_at', '<', before)
                .whereRef('low_water', '<', 'highest')
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
                .execute();
            for (const { job, highest } of jobs) {
                await t.deleteFrom('answers').where('job', '=', job).execute();
                await t.deleteFrom('queries').where('job', '=', job).execute();
                await t.updateTable('jobs').set({ low_water: highest }).where('job', '=', job).execute();
            }
            return jobs.length;
        });
        await truncateLog(this.db);
        return pruned;
    }

    async guard(receiptKey: Buffer, path: string) {
        const { store, receipt_key: last, sequence } = await this.signing();
        const retired = this.db.selectFrom('retired').selectAll().where('receipt_key', '=', receiptKey);
        if ((await retired.executeTakeFirst()) !== undefined) {
            throw new StaleStore('The receipt key was retired');
        }
        const mark = readMark(path);
        if (mark === undefined && last?.equals(receiptKey) === true) {
            throw new StaleStore(`The store has signed with this key, and ${path} is missing: copy it with the store`);
        }
        if (mark?.key.equals(receiptKey) === true && mark.sequence > 0) {
            if (!mark.store.equals(store)) {
                throw new StaleStore('The receipt key has signed with another store');
            }
            if (mark.sequence > sequence) {
                throw new StaleStore(`The store is not the newest: ${mark.sequence - sequence} receipts are missing`);
            }
        }
        this.mark = new Mark(path, { key: receiptKey, store, sequence }); // first, or a crash would look like a lost mark
        await this.writes.run((t) => t.updateTable('signing').set({ receipt_key: receiptKey }).execute());
    }

    async retire(receiptKey: Buffer) {
        await this.writes.run((t) =>
            t
                .insertInto('retired')
                .values({ receipt_key: receiptKey })
                .onConflict((conflict) => conflict.doNothing())
                .execute(),
        );
    }

    /** Throws when the file is damaged. */
    async assertIntact(): Promise<void> {
        const { rows } = await sql<{ integrity_check: string }>`PRAGMA integrity_check(1)`.execute(this.db);
        if (rows[0]?.integrity_check !== 'ok') {
            throw new Error('The store is damaged');
        }
    }

    private signing() {
        return this.db.selectFrom('signing').selectAll().executeTakeFirstOrThrow();
    }

    private async signed(write: (t: Transaction<Schema>) => Promise<void>): Promise<void> {
        const sequence = await this.writes.run(async (t) => {
            await write(t);
            const more = t.updateTable('signing').set({ sequence: sql<number>`sequence + 1` });
            return (await more.returning('sequence').executeTakeFirstOrThrow()).sequence;
        });
        this.mark?.raise(sequence);
    }

    async close() {
        await this.writes.idle();
        this.mark?.close();
        this.mark = undefined;
        await this.db.destroy();
    }
}

async function useNumber(t: Transaction<Schema>, job: Buffer, number: number): Promise<void> {
    const { numUpdatedRows } = await t
        .updateTable('jobs')
        .set({ highest: sql<number>`max(highest, ${number})` })
        .where('job', '=', job)
        .where('low_water', '<', number)
        .executeTakeFirst();
    assertOne(numUpdatedRows, `Query number ${number} was used`);
}

async function insertPiece(
    t: Transaction<Schema>,
    { job, number, bytes }: { job: Buffer; number: number; bytes: Buffer },
) {
    const piece = sql<number>`(SELECT coalesce(max(piece), 0) + 1 FROM answers WHERE job = ${job} AND number = ${number})`;
    await t.insertInto('answers').values({ job, number, piece, bytes }).execute();
}

async function updateUnended(
    t: Transaction<Schema>,
    { job, number }: { job: Buffer; number: number },
    columns: Partial<Selectable<QueryTable>>,
): Promise<void> {
    const { numUpdatedRows } = await t
        .updateTable('queries')
        .set(columns)
        .where('job', '=', job)
        .where('number', '=', number)
        .where('end_kind', 'is', null)
        .executeTakeFirst();
    assertOne(numUpdatedRows, `Query ${number} is not one that runs`);
}

function assertOne(updated: bigint, message: string): void {
    if (updated !== 1n) {
        throw new Error(message);
    }
}

function snapshotColumns({ balance, paid, refundAt, at }: ChannelSnapshot) {
    return { balance: amountToBytes(balance), paid: amountToBytes(paid), refund_at: refundAt, seen_at: at };
}

function jobOf(row: Selectable<JobTable>): JobRecord {
    const { job, channel, terms, enc, state, highest } = row;
    const voucher = row.voucher_signature && {
        cumulative: amountFromBytes(row.voucher_cumulative),
        count: row.voucher_count,
        signature: row.voucher_signature,
    };
    return {
        ...{ job, channel, terms, enc, state, highest },
        jobNumber: row.job_number,
        lowWater: row.low_water,
        index: row.result_index,
        cumulative: amountFromBytes(row.cumulative),
        voucher: voucher ?? undefined,
        confirmedPaid: amountFromBytes(row.confirmed_paid),
        closingAt: row.closing_at,
        snapshot: {
            balance: amountFromBytes(row.balance),
            paid: amountFromBytes(row.paid),
            refundAt: row.refund_at,
            at: row.seen_at,
        },
    };
}

function queryOf(row: Selectable<QueryTable>): QueryRecord {
    const { job, number, request, prompt, cached, completion, reasoning } = row;
    return {
        ...{ job, number, request },
        ceiling: amountFromBytes(row.ceiling),
        promptBytes: row.prompt_bytes,
        accept: row.accept ?? undefined,
        end: row.end_kind && row.end_receipt ? { kind: row.end_kind, receipt: row.end_receipt } : undefined,
        counts: { prompt, cached, completion, reasoning },
        promptKnown: row.prompt_known === 1,
    };
}

function due(row: Pick<Selectable<JobTable>, 'voucher_cumulative' | 'paid' | 'balance'>): bigint {
    const owed = amountFromBytes(row.voucher_cumulative) - amountFromBytes(row.paid);
    const balance = amountFromBytes(row.balance);
    return owed < 0n ? 0n : owed < balance ? owed : balance;
}
