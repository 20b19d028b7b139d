/** The gateway's store in one SQLite file. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { type Kysely, sql } from 'kysely';
import { amountFromBytes, amountToBytes, type Database, ofQuery, openDatabase, truncateLog } from './database';
import type {
    GatewayStore,
    JobChange,
    Setback,
    StoredAnswer,
    StoredEnding,
    StoredJob,
    StoredQuery,
    WholeQuery,
} from './gateway';
import { type GatewaySchema, gatewayTables, jobOf, jobRow } from './gatewayTables';
import { GroupCommit } from './groupCommit';
import type { UsedQuery, OpenCost, StoredApiKey, StoredUsage } from './people';
import { QueryRows } from './queryRows';
import { apiKeysIn, openCostsIn, type PeopleSchema, replaceApiKey, usageSince } from './sqlitePeople';

/** Opens or creates the gateway's SQLite file. Throws if another process has it. */
export async function openGatewayStore(
    path: string,
    onBroken?: (error: Error) => void,
    onCommit?: (seconds: number) => void,
): Promise<GatewayStore> {
    return new SqliteGatewayStore(await openDatabase<GatewaySchema>(path, gatewayTables), onBroken, onCommit);
}

class SqliteGatewayStore implements GatewayStore {
    private readonly commits: GroupCommit<GatewaySchema>;
    private readonly rows: QueryRows;

    constructor(
        private readonly db: Database<GatewaySchema>,
        onBroken?: (error: Error) => void,
        onCommit?: (seconds: number) => void,
    ) {
        this.commits = new GroupCommit(db, onBroken, onCommit);
        this.rows = new QueryRows(db.file, this.commits);
    }

    async addJob(job: StoredJob): Promise<void> {
        await this.commits.run((db) => db.replaceInto('job').values(jobRow(job)).execute());
    }

    async changeJob(channel: Buffer, { funds, ...change }: JobChange): Promise<void> {
        const row = { ...change, funds: funds === undefined ? undefined : amountToBytes(funds) };
        await this.commits.run((db) => db.updateTable('job').set(row).where('channel', '=', channel).execute());
    }

    async jobs(): Promise<StoredJob[]> {
        return (await this.db.selectFrom('job').selectAll().orderBy('number').execute()).map(jobOf);
    }

    async unended(): Promise<StoredJob[]> {
        const rows = this.db
            .selectFrom('job')
            .selectAll()
            .where(sql<boolean>`phase <> 'ended'`);
        return (await rows.orderBy('number').execute()).map(jobOf);
    }

    async over(cursor: StoredJob | undefined, limit: number): Promise<StoredJob[]> {
        const all = this.db
            .selectFrom('job')
            .selectAll()
            .where(sql<boolean>`phase IN ('ended', 'failed')`);
        const next = all.orderBy('number', 'desc').orderBy('channel', 'desc').limit(limit);
        const older = cursor && sql<boolean>`(number, channel) < (${cursor.number}, ${cursor.channel})`;
        const rows = older === undefined ? [] : await next.where(older).execute();
        const wrapped = rows.length < limit ? await next.execute() : [];
        const added = wrapped.filter((row) => !rows.some(({ channel }) => channel.equals(row.channel)));
        return [...rows, ...added].slice(0, limit).map(jobOf);
    }

    async job(number: number): Promise<StoredJob | undefined> {
        const rows = this.db.selectFrom('job').selectAll().where('number', '=', number);
        const row = await rows
            .orderBy(sql`phase = 'failed'`)
            .limit(1)
            .executeTakeFirst();
        return row && jobOf(row);
    }

    async newestJob(): Promise<StoredJob | undefined> {
        const newest = this.db.selectFrom('job').selectAll().orderBy('number', 'desc').limit(1);
        const opened = await newest.where(sql<boolean>`phase <> 'failed'`).executeTakeFirst();
        const row = opened ?? (await newest.executeTakeFirst());
        return row && jobOf(row);
    }

    async hasChannel(channel: Buffer): Promise<boolean> {
        const rows = this.db.selectFrom('job').select('channel').where('channel', '=', channel);
        return (await rows.executeTakeFirst()) !== undefined;
    }

    async saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void> {
        await this.commits.runHot(() => this.rows.saveVoucher(channel, voucher));
    }

    async addQuery(query: StoredQuery, whole?: Pick<WholeQuery, 'session' | 'sealed'>): Promise<void> {
        await this.commits.runHot(() => this.rows.addQuery(query, whole));
    }

    async saveAccept(job: number, number: number, accept: Buffer): Promise<void> {
        await this.commits.runHot(() => this.rows.saveAccept(job, number, accept));
    }

    async receipts(job: number) {
        const rows = this.db.selectFrom('query').select(['number', 'phase', 'accept', 'receipt']);
        return rows.where('job', '=', job).orderBy('number').execute();
    }

    async storedAnswer(job: number, number: number): Promise<StoredAnswer | undefined> {
        const columns = [
            ...(['number', 'phase', 'accept', 'receipt', 'request', 'ceiling'] as const),
            ...(['promptBound', 'stopBound', 'tokenizer', 'askedAt', 'index'] as const),
        ];
        const rows = this.db.selectFrom('query').select(columns);
        const row = await rows.where('job', '=', job).where('number', '=', number).executeTakeFirst();
        return row && { ...row, ceiling: amountFromBytes(row.ceiling) };
    }

    releaseQuery(job: number, number: number, used: UsedQuery | undefined): Promise<void> {
        return this.commits.run(async (db) => {
            if (used !== undefined) {
                this.rows.addUsage({ job, number }, used);
            }
            await db.updateTable('query').set({ apiKey: '' }).where(ofQuery({ job, number })).execute();
        });
    }

    async endQuery(job: number, number: number, ending: StoredEnding): Promise<void> {
        await this.commits.runHot(() => this.rows.endQuery({ job, number }, ending));
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
            await sql`DELETE FROM whole WHERE EXISTS (SELECT 1 FROM query WHERE query.job = whole.job
                AND query.number = whole.number AND "askedAt" < ${cutoff} AND phase != 'open')`.execute(db);
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
        const numbers = this.db.selectFrom('query').select('number').where('job', '=', job);
        return (await numbers.orderBy('number', 'desc').limit(1).executeTakeFirst())?.number ?? 0;
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
        const queries = this.db.selectFrom('query').select(['index', 'price', 'cumulative']).where('job', '=', job);
        const results = await queries.where('phase', '=', 'result').orderBy('index').execute();
        return results.map(({ index, price, cumulative }) => ({
            index: index!,
            price: amountFromBytes(price!),
            cumulative: amountFromBytes(cumulative!),
        }));
    }

    async addSetback(setback: Setback): Promise<void> {
        await this.commits.run((db) => {
            const rows = db.insertInto('setback').values(setback);
            return rows.onConflict((conflict) => conflict.doNothing()).execute();
        });
    }

    setbacks(since: number): Promise<Setback[]> {
        return this.db.selectFrom('setback').selectAll().where('at', '>=', since).orderBy('at').execute();
    }

    apiKeys(): Promise<StoredApiKey[]> {
        return apiKeysIn(peopleIn(this.db));
    }

    saveApiKey(key: StoredApiKey): Promise<void> {
        return this.commits.run((db) => replaceApiKey(peopleIn(db), key));
    }

    usage(sinceDay: number): Promise<StoredUsage[]> {
        return usageSince(peopleIn(this.db), sinceDay);
    }

    openCosts(): Promise<OpenCost[]> {
        return openCostsIn(peopleIn(this.db));
    }

    async close(): Promise<void> {
        await this.commits.idle();
        await this.db.destroy();
    }
}

// The same tables, of which the part about people sees its own.
const peopleIn = (db: Kysely<GatewaySchema>) => db as unknown as Kysely<PeopleSchema>;
