/** The tables of the indexer, the same in SQLite and PostgreSQL. Texts sort by their bytes in both. */
import { type Kysely, sql } from 'kysely';
import type { Migration } from '../store/database';
import type { PostgresTables } from '../store/postgresEngine';

/**
 * A log: the history of an account that is followed in a role. What is stored reaches from the log's first transaction
 * up to `done`, and while a walk is under way from `top` down to what comes after `next`.
 */
export interface LogTable {
    log: string; // role/raw address
    role: string;
    account: string; // raw address
    floor: Buffer; // lt; older transactions are not the market's
    size: number; // transactions stored
    busy: number; // 1: is not followed, because it has too many or too large transactions, or is no escrow
    endedAt: number | null; // unix seconds of a channel's end
    doneLt: Buffer | null;
    doneHash: Buffer | null;
    topLt: Buffer | null;
    topHash: Buffer | null;
    nextLt: Buffer | null;
    nextHash: Buffer | null;
    confirmed: Buffer | null; // hash of the newest transaction that every endpoint has
}

/** A transaction, and the one before it in the same account. */
export interface TransactionTable {
    log: string;
    lt: Buffer;
    hash: Buffer;
    previousLt: Buffer;
    previousHash: Buffer;
    at: number; // unix seconds
}

/** A fact of a transaction: see facts.ts. */
export interface FactTable {
    log: string;
    lt: Buffer;
    n: number; // position in the transaction
    kind: string;
    subject: string;
    object: string;
    at: number; // unix seconds
    body: string; // JSON
}

/** Whether an account that paid a payout is a channel. */
export interface SenderTable {
    payout: string;
    sender: string;
    lt: Buffer; // of the payout's transaction
    channel: number; // 1 or 0
}

/** The data of a Provider after its last transaction. */
export interface ReadingTable {
    log: string;
    lt: Buffer;
    hash: Buffer;
    body: string; // JSON
}

/** What the index is of, and the newest block that an endpoint named. One row each. */
export interface MarkTable {
    name: string;
    value: string;
}

export interface IndexSchema {
    logs: LogTable;
    transactions: TransactionTable;
    facts: FactTable;
    senders: SenderTable;
    readings: ReadingTable;
    marks: MarkTable;
}

function statements({ text, whole, bytes, end }: Record<'text' | 'whole' | 'bytes' | 'end', string>): string[] {
    return [
        `CREATE TABLE logs (
            log ${text} PRIMARY KEY,
            role ${text} NOT NULL,
            account ${text} NOT NULL,
            floor ${bytes} NOT NULL,
            size ${whole} NOT NULL DEFAULT 0,
            busy ${whole} NOT NULL DEFAULT 0,
            "endedAt" ${whole},
            "doneLt" ${bytes}, "doneHash" ${bytes},
            "topLt" ${bytes}, "topHash" ${bytes},
            "nextLt" ${bytes}, "nextHash" ${bytes},
            confirmed ${bytes}
        )${end}`,
        `CREATE TABLE transactions (
            log ${text} NOT NULL,
            lt ${bytes} NOT NULL,
            hash ${bytes} NOT NULL,
            "previousLt" ${bytes} NOT NULL,
            "previousHash" ${bytes} NOT NULL,
            at ${whole} NOT NULL,
            PRIMARY KEY (log, lt)
        )${end}`,
        `CREATE TABLE facts (
            log ${text} NOT NULL,
            lt ${bytes} NOT NULL,
            n ${whole} NOT NULL,
            kind ${text} NOT NULL,
            subject ${text} NOT NULL,
            object ${text} NOT NULL,
            at ${whole} NOT NULL,
            body ${text} NOT NULL,
            PRIMARY KEY (log, lt, n)
        )${end}`,
        'CREATE INDEX facts_by_kind ON facts (kind, subject, lt)',
        `CREATE TABLE senders (
            payout ${text} NOT NULL,
            sender ${text} NOT NULL,
            lt ${bytes} NOT NULL,
            channel ${whole} NOT NULL,
            PRIMARY KEY (payout, sender)
        )${end}`,
        `CREATE TABLE readings (
            log ${text} PRIMARY KEY,
            lt ${bytes} NOT NULL,
            hash ${bytes} NOT NULL,
            body ${text} NOT NULL
        )${end}`,
        `CREATE TABLE marks (name ${text} PRIMARY KEY, value ${text} NOT NULL)${end}`,
    ];
}

const first: Migration = async (db: Kysely<unknown>) => {
    for (const statement of statements({ text: 'TEXT', whole: 'INTEGER', bytes: 'BLOB', end: ' STRICT' })) {
        await sql.raw(statement).execute(db);
    }
};

export const sqliteIndexTables: readonly Migration[] = [first];

const POSTGRES = { text: 'text COLLATE "C"', whole: 'bigint', bytes: 'bytea', end: '' };

export const postgresIndexTables: PostgresTables = {
    schema: 'cocoon_index',
    scripts: [statements(POSTGRES).join(';\n')],
};
