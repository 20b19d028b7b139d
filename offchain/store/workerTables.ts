/** The tables of a worker's database, as SQLite has them, and their rows as records. */
import type { TokenCounts } from '@cocoon-market/wrappers';
import { type Generated, type Selectable, sql, type Transaction } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, type Migration } from './database';
import type { EarningsGroup, EarningsRow } from './earnings';
import { amountNames, type JobSums } from './jobSums';
import { joinTerms, wholeAccept, wholeEnd } from './leftOut';
import type { Movement, MovementSum, StoredSweep } from './wallet';
import type {
    CaseRecord,
    ChannelSnapshot,
    EndKind,
    IntakeMode,
    JobRecord,
    JobStage,
    QueryId,
    QueryRecord,
    UnservedQuery,
} from './worker';

type JobAmount = 'cumulative' | 'voucherCumulative' | 'balance' | 'paid' | 'confirmedPaid';
type JobDefaultAmount = 'lastClaimPaid' | 'claimed';
type JobDefault = 'highest' | 'lowWater' | 'index' | 'voucherCount' | 'lastClaimAt' | 'unclaimedSince';

/** The amount of no voucher is 0. */
export type JobTable = Omit<JobRecord, 'snapshot' | 'voucher' | JobAmount | JobDefaultAmount | JobDefault> &
    Record<JobAmount, Buffer> &
    Record<JobDefaultAmount, Generated<Buffer>> &
    Record<JobDefault, Generated<number>> & {
        shared: number; // id of the terms that it shares with others
        voucherSignature: Buffer | null;
        refundAt: number;
        at: number; // unix seconds of the last reading
    };

export type QueryTable = Omit<QueryRecord, 'ceiling' | 'accept' | 'end' | 'counts' | 'promptKnown'> &
    Record<keyof TokenCounts | 'promptKnown', Generated<number>> & {
        ceiling: Buffer; // amount
        accept: Buffer | null;
        endKind: EndKind | null;
        endReceipt: Buffer | null;
    };

interface SigningTable {
    store: Buffer; // identifies this store and its copies
    receiptKey: Buffer | null; // the key that signed last
}

type EarnedTable = Omit<EarningsRow, 'earned' | 'claimed'> & { by: EarningsGroup; earned: string; claimed: string };

/** A row with a `member` is changed by that member of the cluster only. A SQLite file has one. */
export interface WorkerSchema {
    sharedTerms: { id: Generated<number>; bytes: Buffer }; // see splitTerms
    jobs: JobTable; // `terms`: its own part
    allJobs: JobTable & { sharedTerms: Buffer }; // a view
    queries: QueryTable;
    answers: QueryId & { piece: number; bytes: Buffer };
    signing: SigningTable; // one row
    sequences: { member: number; sequence: number }; // of accepts, declines and ends that each member signed
    retired: { receiptKey: Buffer };
    watched: { lt: Buffer }; // one row
    cases: CaseRecord;
    denials: UnservedQuery;
    intake: { mode: IntakeMode }; // one row
    earnings: EarnedTable & { member: number };
    allEarnings: EarnedTable; // a view: those of all members
    jobSums: Pick<JobSums, 'jobs' | 'results'> & { member: number; state: JobStage } & Record<
            (typeof amountNames)[number],
            string
        >;
    claims: { job: Buffer; at: number; amount: Buffer; last: number }; // confirmed; `at` in unix seconds
    movements: Omit<Movement, 'lt' | 'amount' | 'isIncoming' | 'isBounced' | 'job' | 'order'> & {
        wallet: Buffer;
        lt: Buffer;
        amount: Buffer;
        isIncoming: number;
        isBounced: number;
        job: Buffer | null;
        order: string | null;
    };
    movementSums: Omit<MovementSum, 'amount' | 'isIncoming'> & { wallet: Buffer; isIncoming: number; amount: string };
    walletCursor: { wallet: Buffer; lt: Buffer; hash: Buffer };
    sweeps: Omit<StoredSweep, 'amount'> & { amount: Buffer };
}

export type WorkerTransaction = Transaction<WorkerSchema>;

/** The amount 0 as it is stored. */
export const ZERO = amountToBytes(0n);

const jobTables: Migration = async (db) => {
    const none = sql.raw(`BLOB NOT NULL DEFAULT x'${ZERO.toString('hex')}'`);
    await sql`CREATE TABLE "sharedTerms" (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL UNIQUE) STRICT`.execute(db);
    await sql`CREATE TABLE jobs (
        job BLOB PRIMARY KEY,
        member INTEGER NOT NULL DEFAULT 1,
        channel BLOB NOT NULL UNIQUE, -- two jobs on one channel would each count on all of its money
        terms BLOB NOT NULL, -- what it does not share
        shared INTEGER NOT NULL REFERENCES "sharedTerms" (id),
        client TEXT NOT NULL, -- of the terms: raw address of the escrow
        model TEXT NOT NULL, -- of the terms: its name here when the job was taken
        tokenizer TEXT NOT NULL, -- of the offer when the job was taken
        jobNumber INTEGER NOT NULL,
        enc BLOB NOT NULL,
        wire TEXT NOT NULL,
        state TEXT NOT NULL,
        highest INTEGER NOT NULL DEFAULT 0,
        lowWater INTEGER NOT NULL DEFAULT 0,
        "index" INTEGER NOT NULL DEFAULT 0,
        cumulative BLOB NOT NULL,
        voucherCumulative BLOB NOT NULL,
        voucherCount INTEGER NOT NULL DEFAULT 0,
        voucherSignature BLOB,
        balance BLOB NOT NULL,
        paid BLOB NOT NULL,
        refundAt INTEGER NOT NULL,
        at INTEGER NOT NULL,
        confirmedPaid BLOB NOT NULL,
        claimed ${none},
        lastClaimPaid ${none},
        lastClaimAt INTEGER NOT NULL DEFAULT 0,
        unclaimedSince INTEGER NOT NULL DEFAULT 0
    ) STRICT`.execute(db);
    await sql`CREATE VIEW "allJobs" AS SELECT jobs.*,
        (SELECT bytes FROM "sharedTerms" WHERE id = jobs.shared) AS "sharedTerms" FROM jobs`.execute(db);
    await sql`CREATE INDEX unended_jobs ON jobs (job) WHERE state <> 'ended'`.execute(db);
    await sql`CREATE INDEX best_jobs ON jobs (cumulative) WHERE state <> 'ended'`.execute(db);
    await sql`CREATE INDEX lost_jobs ON jobs (at, job, lastClaimAt)
        WHERE state = 'ended' AND "voucherCumulative" > "confirmedPaid"`.execute(db);
    await sql`CREATE INDEX unpruned_jobs ON jobs (at) WHERE state = 'ended' AND "lowWater" < highest`.execute(db);
    await sql`CREATE TABLE queries (
        job BLOB NOT NULL REFERENCES jobs (job),
        number INTEGER NOT NULL,
        request BLOB NOT NULL,
        ceiling BLOB NOT NULL,
        promptEstimate INTEGER NOT NULL,
        accept BLOB, -- without what the row has
        endKind TEXT,
        endReceipt BLOB, -- without what the row has
        prompt INTEGER NOT NULL DEFAULT 0,
        cached INTEGER NOT NULL DEFAULT 0,
        completion INTEGER NOT NULL DEFAULT 0,
        reasoning INTEGER NOT NULL DEFAULT 0,
        promptKnown INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job, number)
    ) STRICT`.execute(db);
    await sql`CREATE INDEX unended ON queries (job, number) WHERE endKind IS NULL`.execute(db);
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
        receiptKey BLOB
    ) STRICT`.execute(db);
    await sql`INSERT INTO signing (store) VALUES (randomblob(16))`.execute(db);
    await sql`CREATE TABLE sequences (member INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO sequences (member, sequence) VALUES (1, 0)`.execute(db);
    await sql`CREATE TABLE retired (receiptKey BLOB PRIMARY KEY) STRICT`.execute(db);
};

const caseTables: Migration = async (db) => {
    await sql`CREATE TABLE watched (lt BLOB NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO watched (lt) VALUES (${amountToBytes(0n)})`.execute(db);
    await sql`CREATE TABLE cases (
        dispute BLOB PRIMARY KEY,
        class TEXT NOT NULL,
        job BLOB NOT NULL,
        number INTEGER NOT NULL,
        reportedAt INTEGER NOT NULL,
        answerBy INTEGER NOT NULL,
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

const walletTables: Migration = async (db) => {
    await sql`CREATE TABLE movements (
        wallet BLOB NOT NULL,
        lt BLOB NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        account TEXT NOT NULL,
        job BLOB,
        "order" TEXT,
        "isIncoming" INTEGER NOT NULL,
        "isBounced" INTEGER NOT NULL,
        amount BLOB NOT NULL,
        PRIMARY KEY (wallet, lt, number)
    ) STRICT`.execute(db);
    await sql`CREATE INDEX movements_of_order ON movements ("order")`.execute(db);
    await sql`CREATE INDEX movements_of_job ON movements (job)`.execute(db);
    await sql`CREATE TABLE "movementSums" (
        wallet BLOB NOT NULL,
        kind TEXT NOT NULL,
        "isIncoming" INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (wallet, kind, "isIncoming")
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`CREATE TRIGGER movement_added AFTER INSERT ON movements BEGIN
        INSERT INTO "movementSums" VALUES (new.wallet, new.kind, new."isIncoming", nano_add(new.amount, '0'))
        ON CONFLICT DO UPDATE SET amount = nano_add("movementSums".amount, excluded.amount);
    END`.execute(db);
    await sql`CREATE TRIGGER movement_deleted AFTER DELETE ON movements BEGIN
        UPDATE "movementSums" SET amount = nano_sub(amount, old.amount)
        WHERE wallet = old.wallet AND kind = old.kind AND "isIncoming" = old."isIncoming";
    END`.execute(db);
    await sql`CREATE TABLE "walletCursor" (
        wallet BLOB PRIMARY KEY,
        lt BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE TABLE sweeps (
        hash TEXT PRIMARY KEY, -- of the order
        seqno INTEGER NOT NULL,
        "from" INTEGER NOT NULL,
        "validUntil" INTEGER NOT NULL,
        account TEXT NOT NULL,
        amount BLOB NOT NULL,
        state TEXT NOT NULL
    ) STRICT`.execute(db);
};

const intakeTable: Migration = async (db) => {
    await sql`CREATE TABLE intake (mode TEXT NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO intake (mode) VALUES ('open')`.execute(db);
};

const sumTables: Migration = async (db) => {
    const amounts = sql.raw(amountNames.map((name) => `${name} TEXT NOT NULL DEFAULT '0'`).join(', '));
    await sql`CREATE TABLE "jobSums" (
        member INTEGER NOT NULL DEFAULT 1,
        state TEXT NOT NULL,
        jobs INTEGER NOT NULL DEFAULT 0,
        results INTEGER NOT NULL DEFAULT 0,
        ${amounts},
        PRIMARY KEY (member, state)
    ) STRICT`.execute(db);
    await sql`INSERT INTO "jobSums" (state) VALUES ('open'), ('ending'), ('ended')`.execute(db);
    await sql`CREATE TABLE earnings (
        member INTEGER NOT NULL DEFAULT 1,
        "by" TEXT NOT NULL,
        "group" TEXT NOT NULL,
        results INTEGER NOT NULL,
        prompt INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        completion INTEGER NOT NULL,
        reasoning INTEGER NOT NULL,
        earned TEXT NOT NULL,
        claimed TEXT NOT NULL,
        PRIMARY KEY (member, "by", "group")
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`CREATE VIEW "allEarnings" AS SELECT * FROM earnings`.execute(db);
    await sql`CREATE INDEX best_earnings ON earnings ("by", length(earned), earned)`.execute(db);
    await sql`CREATE TABLE claims (
        job BLOB NOT NULL REFERENCES jobs (job),
        at INTEGER NOT NULL,
        amount BLOB NOT NULL,
        last INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE INDEX claims_of_job ON claims (job)`.execute(db);
};

export const workerTables: readonly Migration[] = [
    ...[jobTables, signingTables, caseTables],
    ...[walletTables, intakeTable, sumTables],
];

export function snapshotColumns({ balance, paid, refundAt, at }: ChannelSnapshot) {
    return { balance: amountToBytes(balance), paid: amountToBytes(paid), refundAt, at };
}

// Field by field: every query and voucher of a job that is not in memory needs it, and a rest of many fields is slow.
export function jobOf(row: Selectable<WorkerSchema['allJobs']>): JobRecord {
    const { voucherSignature: signature } = row;
    const cumulative = amountFromBytes(row.voucherCumulative);
    return {
        job: row.job,
        channel: row.channel,
        terms: joinTerms(row.terms, row.sharedTerms),
        client: row.client,
        model: row.model,
        tokenizer: row.tokenizer,
        jobNumber: row.jobNumber,
        enc: row.enc,
        wire: row.wire,
        member: row.member,
        state: row.state,
        highest: row.highest,
        lowWater: row.lowWater,
        index: row.index,
        cumulative: amountFromBytes(row.cumulative),
        voucher: signature === null ? undefined : { cumulative, count: row.voucherCount, signature },
        confirmedPaid: amountFromBytes(row.confirmedPaid),
        lastClaimAt: row.lastClaimAt,
        lastClaimPaid: amountFromBytes(row.lastClaimPaid),
        claimed: amountFromBytes(row.claimed),
        unclaimedSince: row.unclaimedSince,
        snapshot: {
            balance: amountFromBytes(row.balance),
            paid: amountFromBytes(row.paid),
            refundAt: row.refundAt,
            at: row.at,
        },
    };
}

export function queryOf(row: Selectable<QueryTable>): QueryRecord {
    const { job, number, request, promptEstimate, accept, endKind: kind, endReceipt: receipt } = row;
    const { prompt, cached, completion, reasoning } = row;
    const ceiling = amountFromBytes(row.ceiling);
    const query = { job, number, request, ceiling };
    return {
        ...query,
        promptEstimate,
        accept: accept ? wholeAccept(query, accept) : undefined,
        end: kind && receipt ? { kind, receipt: wholeEnd(kind, query, receipt) } : undefined,
        counts: { prompt, cached, completion, reasoning },
        promptKnown: row.promptKnown === 1,
    };
}

/** Throws unless one row was updated. */
export function assertOne(updated: bigint, message: string): void {
    if (updated !== 1n) {
        throw new Error(message);
    }
}
