/** The tables of a worker's SQLite file, and their rows as records. */
import type { JudgedClass } from '@cocoon-market/wrappers';
import { type Generated, type Selectable, sql, type Transaction } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, type Migration } from './database';
import type { CaseStanding, ChannelSnapshot, EndKind, JobRecord, JobStage, QueryRecord, UnservedQuery } from './worker';

export interface JobTable {
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
    read_at: number;
    confirmed_paid: Buffer; // amount
    last_claim_at: Generated<number>;
}

export interface QueryTable {
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
    store: Buffer; // identifies this store and its copies
    receipt_key: Buffer | null; // the key that signed last
    sequence: number; // of accepts, declines and ends
}

interface CaseTable {
    dispute: Buffer;
    class: JudgedClass;
    job: Buffer;
    number: number;
    reported_at: number;
    answer_by: number;
    standing: CaseStanding;
}

export interface WorkerSchema {
    jobs: JobTable;
    queries: QueryTable;
    answers: AnswerTable;
    signing: SigningTable; // one row
    retired: { receipt_key: Buffer };
    watched: { lt: Buffer }; // one row
    cases: CaseTable;
    denials: UnservedQuery;
}

export type WorkerTransaction = Transaction<WorkerSchema>;

const jobTables: Migration = async (db) => {
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
        read_at INTEGER NOT NULL,
        confirmed_paid BLOB NOT NULL,
        last_claim_at INTEGER NOT NULL DEFAULT 0
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

const signingTables: Migration = async (db) => {
    await sql`CREATE TABLE signing (
        store BLOB NOT NULL,
        receipt_key BLOB,
        sequence INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`INSERT INTO signing (store, sequence) VALUES (randomblob(16), 0)`.execute(db);
    await sql`CREATE TABLE retired (receipt_key BLOB PRIMARY KEY) STRICT`.execute(db);
};

const caseTables: Migration = async (db) => {
    await sql`CREATE TABLE watched (lt BLOB NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO watched (lt) VALUES (${amountToBytes(0n)})`.execute(db);
    await sql`CREATE TABLE cases (
        dispute BLOB PRIMARY KEY,
        class TEXT NOT NULL,
        job BLOB NOT NULL,
        number INTEGER NOT NULL,
        reported_at INTEGER NOT NULL,
        answer_by INTEGER NOT NULL,
        standing TEXT NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE INDEX open_cases ON cases (job) WHERE standing = 'open'`.execute(db);
    await sql`CREATE TABLE denials (
        job BLOB NOT NULL, -- may be unknown here
        number INTEGER NOT NULL,
        request BLOB NOT NULL,
        receipt BLOB NOT NULL,
        PRIMARY KEY (job, number, request)
    ) STRICT`.execute(db);
};

export const workerTables: readonly Migration[] = [jobTables, signingTables, caseTables];

/** The amount 0 as it is stored. */
export const ZERO = amountToBytes(0n);

export function snapshotColumns({ balance, paid, refundAt, at }: ChannelSnapshot) {
    return { balance: amountToBytes(balance), paid: amountToBytes(paid), refund_at: refundAt, read_at: at };
}

export function jobOf(row: Selectable<JobTable>): JobRecord {
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
        lastClaimAt: row.last_claim_at,
        snapshot: {
            balance: amountFromBytes(row.balance),
            paid: amountFromBytes(row.paid),
            refundAt: row.refund_at,
            at: row.read_at,
        },
    };
}

export function queryOf(row: Selectable<QueryTable>): QueryRecord {
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

/** Throws unless one row was updated. */
export function assertOne(updated: bigint, message: string): void {
    if (updated !== 1n) {
        throw new Error(message);
    }
}
