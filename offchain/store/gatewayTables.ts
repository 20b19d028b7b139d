/** The tables of the gateway's database, as SQLite has them, and their rows as records. */
import { type SignedVoucher, termsBytes, termsFromBytes } from '@cocoon-market/wrappers';
import { type Selectable, sql } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, type Migration } from './database';
import type { Setback, StoredEnding, StoredJob, StoredQuery, StoredReceipts, WholeQuery } from './gateway';
import { addPeople, type PeopleSchema } from './sqlPeople';

/** Columns of the newest voucher of a job. */
export interface VoucherColumns {
    cumulative: Buffer | null;
    count: number | null;
    signature: Buffer | null;
}

interface JobTable
    extends
        Omit<StoredJob, 'terms' | 'deposit' | 'funds' | 'voucher' | 'breachAt' | 'found' | 'member' | 'processes'>,
        VoucherColumns {
    terms: Buffer; // see termsBytes of the wrappers
    deposit: Buffer;
    funds: Buffer;
    breachAt: number | null;
    found: number | null; // 1 for true
    member: number;
    processes: string | null; // JSON
}

interface QueryTable extends Omit<StoredQuery, 'ceiling' | 'secret' | 'apiKey'>, StoredReceipts {
    apiKey: string; // '' for none
    ceiling: Buffer;
    index: number | null;
    price: Buffer | null;
    cumulative: Buffer | null;
}

type QueryId = Pick<StoredQuery, 'job' | 'number'>;

export interface GatewaySchema extends Omit<PeopleSchema, 'query' | 'job'> {
    secret: QueryId & { secret: Buffer }; // of open queries
    setback: Setback;
    whole: QueryId & Pick<WholeQuery, 'session' | 'secret' | 'sealed'> & { answer: Buffer | null };
    job: JobTable;
    query: QueryTable;
}

export const gatewayTables: readonly Migration[] = [
    async (db) => {
        await sql`CREATE TABLE job (
            channel BLOB PRIMARY KEY, number INTEGER NOT NULL, phase TEXT NOT NULL, model TEXT NOT NULL, worker TEXT NOT NULL,
            tier TEXT NOT NULL, hash BLOB NOT NULL, terms BLOB NOT NULL, deposit BLOB NOT NULL, funds BLOB NOT NULL,
            validUntil INTEGER NOT NULL, createdAt INTEGER NOT NULL, cumulative BLOB, count INTEGER, signature BLOB,
            note TEXT NOT NULL, breachAt INTEGER, found INTEGER, processes TEXT
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE INDEX jobNumber ON job (number)`.execute(db);
        await sql`CREATE INDEX unendedJob ON job (number) WHERE phase <> 'ended'`.execute(db);
        await sql`CREATE INDEX overJob ON job (number) WHERE phase IN ('ended', 'failed')`.execute(db);
        await sql`CREATE TABLE query (
            job INTEGER NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL,
            salt BLOB NOT NULL, commitment BLOB NOT NULL, request BLOB NOT NULL, ceiling BLOB NOT NULL,
            promptBound INTEGER NOT NULL, stopBound INTEGER NOT NULL, tokenizer TEXT NOT NULL,
            askedAt INTEGER NOT NULL,
            accept BLOB, receipt BLOB, "index" INTEGER, price BLOB, cumulative BLOB,
            PRIMARY KEY (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE INDEX openQuery ON query (job, number) WHERE phase = 'open'`.execute(db);
        await sql`CREATE TABLE secret (
            job INTEGER NOT NULL, number INTEGER NOT NULL, ${MARGIN}, secret BLOB NOT NULL,
            PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE TABLE whole (
            job INTEGER NOT NULL, number INTEGER NOT NULL, ${MARGIN},
            session BLOB NOT NULL, secret BLOB NOT NULL, sealed BLOB NOT NULL, answer BLOB,
            PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE TABLE setback (
            job INTEGER PRIMARY KEY, worker TEXT NOT NULL, node BLOB NOT NULL, cause TEXT NOT NULL, at INTEGER NOT NULL
        ) STRICT`.execute(db);
        await sql`CREATE INDEX setbackAt ON setback (at)`.execute(db);
    },
    addPeople,
    async (db) => {
        await sql`ALTER TABLE job ADD COLUMN member INTEGER NOT NULL DEFAULT 1`.execute(db);
        await sql`ALTER TABLE usage ADD COLUMN member INTEGER NOT NULL DEFAULT 1`.execute(db);
        const slot = sql`day, "apiKey", model, worker, member`;
        await sql`CREATE UNIQUE INDEX "usageOfMember" ON usage (${slot})`.execute(db);
    },
];

export function entryRow({ index, price, cumulative }: NonNullable<StoredEnding['entry']>) {
    return { index, price: amountToBytes(price), cumulative: amountToBytes(cumulative) };
}

/** URLs as the store has them; null for none. */
export function processesText(urls: readonly string[] | undefined): string | null {
    return urls === undefined || urls.length === 0 ? null : JSON.stringify(urls);
}

export function jobRow({ terms, deposit, funds, voucher, ...job }: StoredJob, member: number): JobTable {
    return {
        ...job,
        member,
        terms: termsBytes(terms),
        deposit: amountToBytes(deposit),
        funds: amountToBytes(funds),
        breachAt: job.breachAt ?? null,
        found: job.found === true ? 1 : null,
        processes: processesText(job.processes),
        cumulative: voucher === null ? null : amountToBytes(voucher.cumulative),
        count: voucher?.count ?? null,
        signature: voucher?.signature ?? null,
    };
}

export function jobOf({
    terms,
    deposit,
    funds,
    cumulative,
    count,
    signature,
    ...job
}: Selectable<JobTable>): StoredJob {
    return {
        ...job,
        terms: termsFromBytes(terms),
        found: job.found === 1,
        processes: job.processes === null ? undefined : (JSON.parse(job.processes) as string[]),
        deposit: amountFromBytes(deposit),
        funds: amountFromBytes(funds),
        voucher: voucherOf({ cumulative, count, signature }),
    };
}

/**
 * The newest voucher of a job; null if none was signed. What a damaged row lacks of one stands as nothing in it, so no
 * key has signed that voucher, and its job alone signs no other.
 */
export function voucherOf({ cumulative, count, signature }: VoucherColumns): SignedVoucher | null {
    if (cumulative === null && count === null && signature === null) {
        return null;
    }
    return {
        cumulative: cumulative === null ? 0n : amountFromBytes(cumulative),
        count: count ?? 0,
        signature: signature ?? Buffer.alloc(0),
    };
}
