/** The tables of a worker's SQLite file, and their rows as records. */
// Longer than 350 lines because every step of the schema stays.
import { loadTerms, type TokenCounts } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { type Generated, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, type Migration } from './database';
import type { EarningsGroup, EarningsRow } from './earnings';
import { addSums, amountNames, type JobSums, NO_JOBS, sumsOf } from './jobSums';
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
    sequence: number; // of accepts, declines and ends
}

export interface WorkerSchema {
    jobs: JobTable;
    queries: QueryTable;
    answers: QueryId & { piece: number; bytes: Buffer };
    signing: SigningTable; // one row
    retired: { receiptKey: Buffer };
    watched: { lt: Buffer }; // one row
    cases: CaseRecord;
    denials: UnservedQuery;
    intake: { mode: IntakeMode }; // one row
    earnings: Omit<EarningsRow, 'earned' | 'claimed'> & { by: EarningsGroup; earned: string; claimed: string };
    jobSums: Pick<JobSums, 'jobs' | 'results'> & { state: JobStage } & Record<(typeof amountNames)[number], string>;
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
    await sql`CREATE TABLE jobs (
        job BLOB PRIMARY KEY,
        channel BLOB NOT NULL UNIQUE, -- two jobs on one channel would each count on all of its money
        terms BLOB NOT NULL,
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
        lastClaimAt INTEGER NOT NULL DEFAULT 0
    ) STRICT`.execute(db);
    await sql`CREATE TABLE queries (
        job BLOB NOT NULL REFERENCES jobs (job),
        number INTEGER NOT NULL,
        request BLOB NOT NULL,
        ceiling BLOB NOT NULL,
        promptEstimate INTEGER NOT NULL,
        accept BLOB,
        endKind TEXT,
        endReceipt BLOB,
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
        receiptKey BLOB,
        sequence INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`INSERT INTO signing (store, sequence) VALUES (randomblob(16), 0)`.execute(db);
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

// Results of an earlier schema count for the day on which their channel was read last, without tokens and model.
const earningsTables: Migration = async (db) => {
    await sql`CREATE TABLE earnings (
        day INTEGER NOT NULL,
        job BLOB NOT NULL REFERENCES jobs (job),
        model TEXT NOT NULL,
        results INTEGER NOT NULL,
        prompt INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        completion INTEGER NOT NULL,
        reasoning INTEGER NOT NULL,
        earned BLOB NOT NULL,
        PRIMARY KEY (day, job)
    ) STRICT`.execute(db);
    await sql`INSERT INTO earnings
        SELECT at / 86400, job, '', "index", 0, 0, 0, 0, cumulative FROM jobs WHERE "index" > 0`.execute(db);
    await sql`CREATE TABLE claims (
        job BLOB NOT NULL REFERENCES jobs (job),
        at INTEGER NOT NULL,
        amount BLOB NOT NULL,
        last INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE INDEX claims_of_job ON claims (job)`.execute(db);
    const none = sql.raw(`BLOB NOT NULL DEFAULT x'${ZERO.toString('hex')}'`);
    await sql`ALTER TABLE jobs ADD COLUMN "lastClaimPaid" ${none}`.execute(db);
    await sql`ALTER TABLE jobs ADD COLUMN claimed ${none}`.execute(db);
    await sql`INSERT INTO claims SELECT job, at, "confirmedPaid", 0 FROM jobs WHERE "confirmedPaid" > ${ZERO}`.execute(
        db,
    );
    await sql`UPDATE jobs SET claimed = "confirmedPaid"`.execute(db);
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
        "isIncoming" INTEGER NOT NULL,
        amount BLOB NOT NULL,
        PRIMARY KEY (wallet, lt, number)
    ) STRICT`.execute(db);
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

const claimTimes: Migration = async (db) => {
    await sql`ALTER TABLE jobs ADD COLUMN "unclaimedSince" INTEGER NOT NULL DEFAULT 0`.execute(db);
    await sql`UPDATE jobs SET "unclaimedSince" = at`.execute(db);
};

const intakeTable: Migration = async (db) => {
    await sql`CREATE TABLE intake (mode TEXT NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO intake (mode) VALUES ('open')`.execute(db);
};

// The movements are read from the chain again.
const movementOrders: Migration = async (db) => {
    await sql`DELETE FROM movements`.execute(db);
    await sql`DELETE FROM "walletCursor"`.execute(db);
    await sql`ALTER TABLE movements ADD COLUMN "isBounced" INTEGER NOT NULL DEFAULT 0`.execute(db);
    await sql`ALTER TABLE movements ADD COLUMN "order" TEXT`.execute(db);
    await sql`CREATE INDEX movements_of_order ON movements ("order")`.execute(db);
    await sql`CREATE INDEX movements_of_job ON movements (job)`.execute(db);
};

const sumTables: Migration = async (db) => {
    await sql`ALTER TABLE jobs ADD COLUMN client TEXT NOT NULL DEFAULT ''`.execute(db);
    await sql`ALTER TABLE jobs ADD COLUMN model TEXT NOT NULL DEFAULT ''`.execute(db);
    await sql`CREATE INDEX unended_jobs ON jobs (job) WHERE state <> 'ended'`.execute(db);
    await sql`CREATE INDEX best_jobs ON jobs (cumulative) WHERE state <> 'ended'`.execute(db);
    const amounts = sql.raw(amountNames.map((name) => `${name} TEXT NOT NULL DEFAULT '0'`).join(', '));
    await sql`CREATE TABLE "jobSums" (
        state TEXT PRIMARY KEY,
        jobs INTEGER NOT NULL DEFAULT 0,
        results INTEGER NOT NULL DEFAULT 0,
        ${amounts}
    ) STRICT`.execute(db);
    await sql`INSERT INTO "jobSums" (state) VALUES ('open'), ('ending'), ('ended')`.execute(db);
    await sql`CREATE TABLE "movementSums" (
        wallet BLOB NOT NULL,
        kind TEXT NOT NULL,
        "isIncoming" INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (wallet, kind, "isIncoming")
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`INSERT INTO "movementSums"
        SELECT wallet, kind, "isIncoming", nano_add(amount, '0') FROM movements WHERE true
        ON CONFLICT DO UPDATE SET amount = nano_add("movementSums".amount, excluded.amount)`.execute(db);
    await sql`CREATE TRIGGER movement_added AFTER INSERT ON movements BEGIN
        INSERT INTO "movementSums" VALUES (new.wallet, new.kind, new."isIncoming", nano_add(new.amount, '0'))
        ON CONFLICT DO UPDATE SET amount = nano_add("movementSums".amount, excluded.amount);
    END`.execute(db);
    await sql`CREATE TRIGGER movement_deleted AFTER DELETE ON movements BEGIN
        UPDATE "movementSums" SET amount = nano_sub(amount, old.amount)
        WHERE wallet = old.wallet AND kind = old.kind AND "isIncoming" = old."isIncoming";
    END`.execute(db);
    await sql`ALTER TABLE earnings RENAME TO "dailyEarnings"`.execute(db);
    await sql`CREATE TABLE earnings (
        "by" TEXT NOT NULL,
        "group" TEXT NOT NULL,
        results INTEGER NOT NULL,
        prompt INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        completion INTEGER NOT NULL,
        reasoning INTEGER NOT NULL,
        earned TEXT NOT NULL,
        claimed TEXT NOT NULL,
        PRIMARY KEY ("by", "group")
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`CREATE INDEX best_earnings ON earnings ("by", length(earned), earned)`.execute(db);
    await sumUp(db as Kysely<WorkerSchema>);
    await sql`DROP TABLE "dailyEarnings"`.execute(db);
};

/** Fills the tables of sums from the rows of an earlier schema. */
async function sumUp(db: Kysely<WorkerSchema>): Promise<void> {
    const daily = sql<{ job: Buffer; model: string }>`SELECT job, model FROM "dailyEarnings" ORDER BY day`;
    const models = new Map((await daily.execute(db)).rows.map(({ job, model }) => [job.toString('hex'), model]));
    const sums: Record<JobStage, JobSums> = { open: NO_JOBS, ending: NO_JOBS, ended: NO_JOBS };
    const next = (cursor: Buffer) =>
        db.selectFrom('jobs').selectAll().where('job', '>', cursor).orderBy('job').limit(1000).execute();
    for (let page = await next(Buffer.alloc(0)); page.length > 0; page = await next(page.at(-1)!.job)) {
        for (const row of page) {
            const { job, state, terms } = row;
            const { escrow, model } = loadTerms(Cell.fromBoc(terms)[0]);
            const name = models.get(job.toString('hex')) || model.toString('hex');
            const names = { client: `0:${escrow.toString('hex')}`, model: name };
            await db.updateTable('jobs').set(names).where('job', '=', job).execute();
            sums[state] = addSums(sums[state], sumsOf(jobOf(row)));
        }
    }
    for (const [state, { jobs, results, ...amounts }] of Object.entries(sums)) {
        const columns = Object.fromEntries(amountNames.map((name) => [name, String(amounts[name])]));
        const rows = db.updateTable('jobSums').set({ jobs, results, ...columns });
        await rows.where('state', '=', state as JobStage).execute();
    }
    const added = sql.raw(
        ['results', 'prompt', 'cached', 'completion', 'reasoning']
            .map((name) => `${name} = earnings.${name} + excluded.${name}`)
            .concat(['earned', 'claimed'].map((name) => `${name} = nano_add(earnings.${name}, excluded.${name})`))
            .join(', '),
    );
    const groups = { day: 'date(2440587.5 + days.day)', model: 'jobs.model', client: 'jobs.client' };
    for (const [by, group] of Object.entries(groups)) {
        await sql`INSERT INTO earnings
            SELECT ${by}, ${sql.raw(group)}, days.results, days.prompt, days.cached, days.completion, days.reasoning,
                nano_add(days.earned, '0'), '0'
            FROM "dailyEarnings" AS days JOIN jobs USING (job) WHERE true
            ON CONFLICT DO UPDATE SET ${added}`.execute(db);
        await sql`INSERT INTO earnings
            SELECT ${by}, ${sql.raw(group)}, 0, 0, 0, 0, 0, '0', nano_add(days.amount, '0')
            FROM (SELECT job, at / 86400 AS day, amount FROM claims) AS days JOIN jobs USING (job) WHERE true
            ON CONFLICT DO UPDATE SET ${added}`.execute(db);
    }
}

export const workerTables: readonly Migration[] = [
    ...[jobTables, signingTables, caseTables],
    ...[earningsTables, walletTables, claimTimes],
    ...[intakeTable, movementOrders, sumTables],
];

export function snapshotColumns({ balance, paid, refundAt, at }: ChannelSnapshot) {
    return { balance: amountToBytes(balance), paid: amountToBytes(paid), refundAt, at };
}

export function jobOf(row: Selectable<JobTable>): JobRecord {
    const { voucherCumulative, voucherCount: count, voucherSignature: signature, ...columns } = row;
    const { balance, paid, refundAt, at, ...job } = columns;
    return {
        ...job,
        cumulative: amountFromBytes(job.cumulative),
        voucher: signature === null ? undefined : { cumulative: amountFromBytes(voucherCumulative), count, signature },
        confirmedPaid: amountFromBytes(job.confirmedPaid),
        lastClaimPaid: amountFromBytes(job.lastClaimPaid),
        claimed: amountFromBytes(job.claimed),
        snapshot: { balance: amountFromBytes(balance), paid: amountFromBytes(paid), refundAt, at },
    };
}

export function queryOf(row: Selectable<QueryTable>): QueryRecord {
    const { endKind: kind, endReceipt: receipt, prompt, cached, completion, reasoning, ...query } = row;
    return {
        ...query,
        ceiling: amountFromBytes(query.ceiling),
        accept: query.accept ?? undefined,
        end: kind && receipt ? { kind, receipt } : undefined,
        counts: { prompt, cached, completion, reasoning },
        promptKnown: query.promptKnown === 1,
    };
}

/** Throws unless one row was updated. */
export function assertOne(updated: bigint, message: string): void {
    if (updated !== 1n) {
        throw new Error(message);
    }
}
