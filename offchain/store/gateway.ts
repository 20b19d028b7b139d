/** What the gateway must not forget: its jobs, its vouchers, every query's number and how it ended. */
import { SignedVoucher, Terms, loadTerms, termsCell } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { Kysely, Selectable, sql } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, Migration, openDatabase, truncateLog } from './database';
import { GroupCommit } from './groupCommit';

/**
 * `ordered`: the order is on disk and may be on its way; `open`: the channel is there; `settling`: the worker was asked
 * to end it; `leaving`: the client leaves, pays no more, and waits for the refund; `settled`: the worker was paid all;
 * `gone`: the account is no more; `failed`: the order was not taken.
 */
export type JobPhase = 'ordered' | 'open' | 'settling' | 'leaving' | 'settled' | 'gone' | 'failed';

/** One job and the order that opens it. */
export interface StoredJob {
    number: number; // seqno of the order * 4 + position in it
    phase: JobPhase;
    model: string;
    worker: string; // URL
    tier: string; // of attestation
    channel: Buffer; // account
    hash: Buffer; // what names the job in receipts
    terms: Terms;
    deposit: bigint; // nanoTON
    funds: bigint; // nanoTON, balance + paid as the chain said
    validUntil: number; // unix seconds, of the order
    createdAt: number; // unix seconds
    voucher: SignedVoucher | null; // the newest
    note: string; // why it is in this phase
    breachAt?: number | null; // unix seconds, when its node was seen to break the protocol
    found?: boolean; // on chain, by a store that did not know it: its vouchers may be others' knowledge
}

/** What of a job changes. */
export type JobChange = Partial<Pick<StoredJob, 'phase' | 'funds' | 'note' | 'breachAt'>>;

/** `open`: no ending known; `void`: the worker never took it; `refused`: its receipt broke the protocol. */
export type QueryPhase = 'open' | 'result' | 'fail' | 'decline' | 'void' | 'refused';

/** One query, from before it leaves until its ending is known. */
export interface StoredQuery {
    job: number;
    number: number;
    salt: Buffer;
    commitment: Buffer;
    secret: Buffer | null; // opens request and answer; forgotten when the query ends
    request: Buffer; // hash
    ceiling: bigint; // nanoTON
    promptBound: number; // tokens
    stopBound: number; // tokens
    askedAt: number; // unix seconds
}

/** What of a query is needed to open it to somebody else. */
export interface KeptQuery {
    session: Buffer;
    salt: Buffer;
    commitment: Buffer;
    secret: Buffer;
    sealed: Buffer; // the request
    answer: Buffer; // as it came
    result: Buffer; // receipt
}

/** What the node signed of one query, kept for as long as the store: it is evidence. */
export interface StoredReceipts {
    number: number;
    phase: QueryPhase;
    accept: Buffer | null;
    receipt: Buffer | null; // that ended it, also one that was refused
}

/** How a query ended, as it is kept. */
export interface StoredEnding {
    phase: Exclude<QueryPhase, 'open'>;
    accept?: Buffer;
    receipt?: Buffer; // result, fail, decline, or what was refused
    entry?: { index: number; price: bigint; cumulative: bigint };
    answer?: Buffer; // of a result; kept only where the request was
    breach?: { at: number; reason: string }; // of what was refused: in the same moment the job is left
}

/** A job that its node ended before it was worth its opening. */
export interface Setback {
    job: number;
    worker: string; // URL
    node: Buffer; // account
    cause: string;
    at: number; // unix seconds
}

/** Everything durable of a gateway; each promise resolves after its COMMIT. */
export interface GatewayStore {
    /** Keeps an order before it is sent; its channel's address tells it from an earlier order of the same seqno. */
    addJob(job: StoredJob): Promise<void>;
    changeJob(channel: Buffer, change: JobChange): Promise<void>;
    jobs(): Promise<StoredJob[]>;
    /** Keeps a voucher unless one that says more is there. */
    saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void>;
    /** @throws if the number was ever used in this job */
    addQuery(query: StoredQuery, keep?: { session: Buffer; sealed: Buffer }): Promise<void>;
    /** Keeps what the node accepted, for a demand if nothing follows. */
    keepAccept(job: number, number: number, accept: Buffer): Promise<void>;
    endQuery(job: number, number: number, ending: StoredEnding): Promise<void>;
    /** What the node signed of a job's queries, by number. */
    receipts(job: number): Promise<StoredReceipts[]>;
    /** A query with a result whose request was kept; undefined otherwise. */
    kept(job: number, number: number): Promise<KeptQuery | undefined>;
    /**
     * Forgets what was kept of queries asked before `before` (unix seconds): it, and the secret of every query that has
     * ended, are in none of the store's files any more.
     */
    forget(before: number): Promise<void>;
    openQueries(job: number): Promise<StoredQuery[]>;
    /** The highest number ever used in this job, 0 for none. */
    highest(job: number): Promise<number>;
    /** The receipt that ended the highest query of a job which has one. */
    newestReceipts(job: number): Promise<Buffer[]>;
    /** Index, price and cumulative of every verified result, by index. */
    entries(job: number): Promise<{ index: number; price: bigint; cumulative: bigint }[]>;
    addSetback(setback: Setback): Promise<void>;
    /** Those at or after a time (unix seconds), in order. */
    setbacks(since: number): Promise<Setback[]>;
    close(): Promise<void>;
}

interface JobTable {
    found: number | null; // 1 for true
    number: number;
    phase: JobPhase;
    model: string;
    worker: string;
    tier: string;
    channel: Buffer;
    hash: Buffer;
    terms: Buffer;
    deposit: Buffer;
    funds: Buffer;
    validUntil: number;
    createdAt: number;
    cumulative: Buffer | null;
    count: number | null;
    signature: Buffer | null;
    note: string;
    breachAt: number | null;
}

interface QueryTable extends Omit<StoredQuery, 'ceiling' | 'secret'> {
    ceiling: Buffer;
    phase: QueryPhase;
    accept: Buffer | null;
    receipt: Buffer | null;
    index: number | null;
    price: Buffer | null;
    cumulative: Buffer | null;
}

interface KeptTable {
    job: number;
    number: number;
    session: Buffer;
    secret: Buffer;
    sealed: Buffer;
    answer: Buffer | null;
}

interface Schema {
    secret: { job: number; number: number; secret: Buffer }; // of open queries
    setback: Setback;
    kept: KeptTable;
    job: JobTable;
    query: QueryTable;
}

const migrations: Migration[] = [
    async (db) => {
        await sql`CREATE TABLE job (
            channel BLOB PRIMARY KEY, number INTEGER NOT NULL, phase TEXT NOT NULL, model TEXT NOT NULL, worker TEXT NOT NULL,
            tier TEXT NOT NULL, hash BLOB NOT NULL, terms BLOB NOT NULL, deposit BLOB NOT NULL, funds BLOB NOT NULL,
            validUntil INTEGER NOT NULL, createdAt INTEGER NOT NULL,
            cumulative BLOB, count INTEGER, signature BLOB, note TEXT NOT NULL
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE TABLE query (
            job INTEGER NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL,
            salt BLOB NOT NULL, commitment BLOB NOT NULL, request BLOB NOT NULL, ceiling BLOB NOT NULL,
            promptBound INTEGER NOT NULL, stopBound INTEGER NOT NULL, askedAt INTEGER NOT NULL,
            accept BLOB, receipt BLOB, "index" INTEGER, price BLOB, cumulative BLOB,
            PRIMARY KEY (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE INDEX openQuery ON query (job, number) WHERE phase = 'open'`.execute(db);
        await sql`CREATE TABLE secret (
            job INTEGER NOT NULL, number INTEGER NOT NULL, ${MARGIN}, secret BLOB NOT NULL,
            PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
    },
    async (db) => {
        await sql`CREATE TABLE kept (
            job INTEGER NOT NULL, number INTEGER NOT NULL, ${MARGIN},
            session BLOB NOT NULL, secret BLOB NOT NULL, sealed BLOB NOT NULL, answer BLOB,
            PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`ALTER TABLE job ADD COLUMN breachAt INTEGER`.execute(db);
    },
    async (db) => {
        await sql`CREATE TABLE setback (
            job INTEGER PRIMARY KEY, worker TEXT NOT NULL, node BLOB NOT NULL, cause TEXT NOT NULL, at INTEGER NOT NULL
        ) STRICT`.execute(db);
        await sql`ALTER TABLE job ADD COLUMN found INTEGER`.execute(db);
    },
];

/** Opens or creates the gateway's SQLite file. Throws when another process has it. */
export async function openGatewayStore(path: string, onBroken?: (error: Error) => void): Promise<GatewayStore> {
    return new SqliteGatewayStore(await openDatabase<Schema>(path, migrations), onBroken);
}

class SqliteGatewayStore implements GatewayStore {
    private readonly commits: GroupCommit<Schema>;

    constructor(
        private readonly db: Kysely<Schema>,
        onBroken?: (error: Error) => void,
    ) {
        this.commits = new GroupCommit(db, onBroken);
    }

    addJob(job: StoredJob): Promise<void> {
        return this.commits.run(async (db) => {
            const row = jobRow(job);
            await db
                .insertInto('job')
                .values(row)
                .onConflict((conflict) => conflict.column('channel').doUpdateSet(row))
                .execute();
        });
    }

    changeJob(channel: Buffer, { funds, ...change }: JobChange): Promise<void> {
        const row = { ...change, ...(funds === undefined ? {} : { funds: amountToBytes(funds) }) };
        return this.commits.run(async (db) => {
            await db.updateTable('job').set(row).where('channel', '=', channel).execute();
        });
    }

    async jobs(): Promise<StoredJob[]> {
        return (await this.db.selectFrom('job').selectAll().orderBy('number').execute()).map(jobOf);
    }

    saveVoucher(channel: Buffer, { cumulative, count, signature }: SignedVoucher): Promise<void> {
        const amount = amountToBytes(cumulative);
        return this.commits.run(async (db) => {
            await db
                .updateTable('job')
                .set({ cumulative: amount, count, signature })
                .where('channel', '=', channel)
                .where((where) =>
                    where.or([
                        where('cumulative', 'is', null),
                        where.and([where('cumulative', '<=', amount), where('count', '<=', count)]),
                    ]),
                )
                .execute();
        });
    }

    addQuery({ ceiling, secret, ...query }: StoredQuery, keep?: { session: Buffer; sealed: Buffer }): Promise<void> {
        return this.commits.run(async (db) => {
            await db
                .insertInto('query')
                .values({ ...query, ceiling: amountToBytes(ceiling), phase: 'open' })
                .execute();
            const { job, number } = query;
            if (secret === null) {
                return;
            }
            await db.insertInto('secret').values({ job, number, secret }).execute();
            if (keep !== undefined) {
                await db
                    .insertInto('kept')
                    .values({ job, number, secret, ...keep })
                    .execute();
            }
        });
    }

    keepAccept(job: number, number: number, accept: Buffer): Promise<void> {
        return this.commits.run(async (db) => {
            const query = db.updateTable('query').set({ accept });
            await query.where('job', '=', job).where('number', '=', number).execute();
        });
    }

    async receipts(job: number) {
        const rows = this.db.selectFrom('query').select(['number', 'phase', 'accept', 'receipt']);
        return rows.where('job', '=', job).orderBy('number').execute();
    }

    endQuery(
        job: number,
        number: number,
        { phase, accept, receipt, entry, answer, breach }: StoredEnding,
    ): Promise<void> {
        return this.commits.run(async (db) => {
            if (breach !== undefined) {
                const left = { phase: 'leaving', note: breach.reason, breachAt: breach.at } as const;
                const jobs = db.updateTable('job').set(left).where('number', '=', job);
                await jobs.where('phase', 'in', ['open', 'settling']).execute();
            }
            if (answer === undefined) {
                await db.deleteFrom('kept').where('job', '=', job).where('number', '=', number).execute();
            } else {
                const kept = db.updateTable('kept').set({ answer });
                await kept.where('job', '=', job).where('number', '=', number).execute();
            }
            await db.deleteFrom('secret').where('job', '=', job).where('number', '=', number).execute();
            await db
                .updateTable('query')
                .set({
                    phase,
                    ...(accept && { accept }),
                    receipt: receipt ?? null,
                    index: entry?.index ?? null,
                    price: entry === undefined ? null : amountToBytes(entry.price),
                    cumulative: entry === undefined ? null : amountToBytes(entry.cumulative),
                })
                .where('job', '=', job)
                .where('number', '=', number)
                .execute();
        });
    }

    async kept(job: number, number: number): Promise<KeptQuery | undefined> {
        const row = await this.db
            .selectFrom('kept')
            .innerJoin('query', (join) =>
                join.onRef('query.job', '=', 'kept.job').onRef('query.number', '=', 'kept.number'),
            )
            .select(['session', 'salt', 'commitment', 'kept.secret', 'sealed', 'answer', 'receipt'])
            .where('kept.job', '=', job)
            .where('kept.number', '=', number)
            .executeTakeFirst();
        if (row === undefined || row.answer === null || row.receipt === null) {
            return undefined;
        }
        const { receipt: result, answer, ...rest } = row;
        return { ...rest, answer, result };
    }

    async forget(before: number): Promise<void> {
        await this.commits.run(async (db) => {
            await sql`DELETE FROM kept WHERE (job, number) IN
                (SELECT job, number FROM query WHERE "askedAt" < ${before} AND phase != 'open')`.execute(db);
        });
        await truncateLog(this.db);
    }

    async openQueries(job: number): Promise<StoredQuery[]> {
        const rows = await this.db
            .selectFrom('query')
            .leftJoin('secret', (join) =>
                join.onRef('secret.job', '=', 'query.job').onRef('secret.number', '=', 'query.number'),
            )
            .selectAll('query')
            .select('secret.secret')
            .where('query.job', '=', job)
            .where('phase', '=', 'open')
            .orderBy('query.number')
            .execute();
        return rows.map((row) => ({ ...row, ceiling: amountFromBytes(row.ceiling) }));
    }

    async highest(job: number): Promise<number> {
        const row = await this.db
            .selectFrom('query')
            .select((select) => select.fn.max('number').as('highest'))
            .where('job', '=', job)
            .executeTakeFirst();
        return row?.highest ?? 0;
    }

    async newestReceipts(job: number) {
        const ended = this.db
            .selectFrom('query')
            .select('receipt')
            .where('job', '=', job)
            .where('phase', 'in', ['result', 'fail', 'decline'])
            .limit(1);
        const highest = await ended.orderBy('number', 'desc').executeTakeFirst();
        // Queries run beside each other: the result that was signed last may be of a lower number.
        const last = await ended.where('phase', '=', 'result').orderBy('index', 'desc').executeTakeFirst();
        const receipts = [highest?.receipt, last?.receipt].filter((receipt) => receipt != null);
        return receipts.filter((receipt, i) => i === 0 || !receipt.equals(receipts[0]));
    }

    async entries(job: number) {
        const rows = await this.db
            .selectFrom('query')
            .select(['index', 'price', 'cumulative'])
            .where('job', '=', job)
            .where('phase', '=', 'result')
            .orderBy('index')
            .execute();
        return rows.map(({ index, price, cumulative }) => ({
            index: index!,
            price: amountFromBytes(price!),
            cumulative: amountFromBytes(cumulative!),
        }));
    }

    addSetback(setback: Setback): Promise<void> {
        return this.commits.run(async (db) => {
            await db
                .insertInto('setback')
                .values(setback)
                .onConflict((conflict) => conflict.doNothing())
                .execute();
        });
    }

    setbacks(since: number): Promise<Setback[]> {
        return this.db.selectFrom('setback').selectAll().where('at', '>=', since).orderBy('at').execute();
    }

    async close(): Promise<void> {
        await this.commits.idle();
        await this.db.destroy();
    }
}

function jobRow({ terms, deposit, funds, voucher, ...job }: StoredJob): JobTable {
    return {
        ...job,
        terms: termsCell(terms).toBoc(),
        deposit: amountToBytes(deposit),
        funds: amountToBytes(funds),
        breachAt: job.breachAt ?? null,
        found: job.found === true ? 1 : null,
        cumulative: voucher === null ? null : amountToBytes(voucher.cumulative),
        count: voucher?.count ?? null,
        signature: voucher?.signature ?? null,
    };
}

function jobOf({ terms, deposit, funds, cumulative, count, signature, ...job }: Selectable<JobTable>): StoredJob {
    return {
        ...job,
        terms: loadTerms(Cell.fromBoc(terms)[0]),
        found: job.found === 1,
        deposit: amountFromBytes(deposit),
        funds: amountFromBytes(funds),
        voucher:
            cumulative === null
                ? null
                : { cumulative: amountFromBytes(cumulative), count: count!, signature: signature! },
    };
}
