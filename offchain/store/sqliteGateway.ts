/** The gateway's store in one SQLite file. */
import { loadTerms, SignedVoucher, termsCell } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { Kysely, Selectable, sql } from 'kysely';
import { amountFromBytes, amountToBytes, MARGIN, Migration, openDatabase, truncateLog } from './database';
import type {
    GatewayStore,
    JobChange,
    JobPhase,
    QueryPhase,
    Setback,
    StoredEnding,
    StoredJob,
    StoredQuery,
    WholeQuery,
} from './gateway';
import { GroupCommit } from './groupCommit';

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

interface WholeTable {
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
    whole: WholeTable;
    job: JobTable;
    query: QueryTable;
}

const migrations: Migration[] = [
    async (db) => {
        await sql`CREATE TABLE job (
            channel BLOB PRIMARY KEY, number INTEGER NOT NULL, phase TEXT NOT NULL, model TEXT NOT NULL, worker TEXT NOT NULL,
            tier TEXT NOT NULL, hash BLOB NOT NULL, terms BLOB NOT NULL, deposit BLOB NOT NULL, funds BLOB NOT NULL,
            validUntil INTEGER NOT NULL, createdAt INTEGER NOT NULL, cumulative BLOB, count INTEGER, signature BLOB,
            note TEXT NOT NULL, breachAt INTEGER, found INTEGER
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
        await sql`CREATE TABLE whole (
            job INTEGER NOT NULL, number INTEGER NOT NULL, ${MARGIN},
            session BLOB NOT NULL, secret BLOB NOT NULL, sealed BLOB NOT NULL, answer BLOB,
            PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
        ) STRICT, WITHOUT ROWID`.execute(db);
        await sql`CREATE TABLE setback (
            job INTEGER PRIMARY KEY, worker TEXT NOT NULL, node BLOB NOT NULL, cause TEXT NOT NULL, at INTEGER NOT NULL
        ) STRICT`.execute(db);
    },
];

/** Opens or creates the gateway's SQLite file. Throws if another process has it. */
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

    addQuery(
        { ceiling, secret, ...query }: StoredQuery,
        whole?: Pick<WholeQuery, 'session' | 'sealed'>,
    ): Promise<void> {
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
            if (whole !== undefined) {
                await db
                    .insertInto('whole')
                    .values({ job, number, secret, ...whole })
                    .execute();
            }
        });
    }

    saveAccept(job: number, number: number, accept: Buffer): Promise<void> {
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
                const leaving = { phase: 'leaving', note: breach.reason, breachAt: breach.at } as const;
                const jobs = db.updateTable('job').set(leaving).where('number', '=', job);
                await jobs.where('phase', 'in', ['open', 'settling']).execute();
            }
            if (answer === undefined) {
                await db.deleteFrom('whole').where('job', '=', job).where('number', '=', number).execute();
            } else {
                const whole = db.updateTable('whole').set({ answer });
                await whole.where('job', '=', job).where('number', '=', number).execute();
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

    async wholeQuery(job: number, number: number): Promise<WholeQuery | undefined> {
        const row = await this.db
            .selectFrom('whole')
            .innerJoin('query', (join) =>
                join.onRef('query.job', '=', 'whole.job').onRef('query.number', '=', 'whole.number'),
            )
            .select(['session', 'salt', 'commitment', 'whole.secret', 'sealed', 'answer', 'receipt'])
            .where('whole.job', '=', job)
            .where('whole.number', '=', number)
            .executeTakeFirst();
        if (row === undefined || row.answer === null || row.receipt === null) {
            return undefined;
        }
        const { receipt: result, answer, ...rest } = row;
        return { ...rest, answer, result };
    }

    async forget(cutoff: number): Promise<void> {
        await this.commits.run(async (db) => {
            await sql`DELETE FROM whole WHERE (job, number) IN
                (SELECT job, number FROM query WHERE "askedAt" < ${cutoff} AND phase != 'open')`.execute(db);
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
        // Queries run at the same time: the result that was signed last may be of a lower number.
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
