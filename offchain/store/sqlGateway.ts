/** The gateway's store in a database. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { type Kysely, sql } from 'kysely';
import { amountFromBytes, amountToBytes, ofQuery } from './database';
import type { Cluster, HeldLease } from './cluster';
import type { Engine } from './engine';
import { forgetWhole } from './forgetting';
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
import { entryRow, type GatewaySchema, jobOf, jobRow, processesText } from './gatewayTables';
import type { UsedQuery, OpenCost, StoredApiKey, StoredUsage } from './people';
import type { RequestClaims } from './requestClaims';
import { addUsage, apiKeyIn, apiKeysIn, openCostsIn, type PeopleSchema, replaceApiKey, usageSince } from './sqlPeople';
import type { Writes } from './writeQueue';

/** A {@link GatewayStore} in a database of either kind. */
export class SqlGatewayStore implements GatewayStore {
    readonly cluster: Cluster;
    private readonly db: Kysely<GatewaySchema>;
    private readonly commits: Writes<GatewaySchema>;

    constructor(
        private readonly engine: Engine<GatewaySchema>,
        readonly claims?: RequestClaims,
    ) {
        this.cluster = engine.cluster;
        this.db = engine.db;
        this.commits = engine.writes;
    }

    async addJob(job: StoredJob, lease?: HeldLease): Promise<void> {
        const row = jobRow(job, this.cluster.number);
        await this.commits.run(async (db) => {
            const jobs = db.insertInto('job').values(row);
            await jobs.onConflict((conflict) => conflict.column('channel').doUpdateSet(row)).execute();
            await lease?.assertHeld(db as never);
        });
    }

    takeOver(member: number): Promise<StoredJob[]> {
        return this.commits.run(async (db) => {
            if (!(await this.cluster.takeOver(db as never, member))) {
                return [];
            }
            const jobs = db.updateTable('job').set({ member: this.cluster.number }).where('member', '=', member);
            const moved = jobs.where(sql<boolean>`phase <> 'ended'`).returningAll();
            return (await moved.execute()).map(jobOf).sort((a, b) => a.number - b.number);
        });
    }

    async changeJob(channel: Buffer, change: JobChange): Promise<void> {
        const row = changedRow(change);
        await this.commits.run((db) => db.updateTable('job').set(row).where('channel', '=', channel).execute());
    }

    async jobs(): Promise<StoredJob[]> {
        return (await this.db.selectFrom('job').selectAll().orderBy('number').execute()).map(jobOf);
    }

    async unended(): Promise<StoredJob[]> {
        const rows = this.unendedRows().where('member', '=', this.cluster.number);
        return (await rows.orderBy('number').execute()).map(jobOf);
    }

    async unendedOfOthers(): Promise<StoredJob[]> {
        const rows = this.unendedRows().where('member', '!=', this.cluster.number);
        return (await rows.orderBy('number').execute()).map(jobOf);
    }

    ordersUnderWay(): Promise<Pick<StoredJob, 'channel' | 'validUntil'>[]> {
        const rows = this.db.selectFrom('job').select(['channel', 'validUntil']).where('phase', '=', 'ordered');
        return rows.where(sql<boolean>`phase <> 'ended'`).execute(); // by its index
    }

    private unendedRows() {
        return this.db
            .selectFrom('job')
            .selectAll()
            .where(sql<boolean>`phase <> 'ended'`);
    }

    async over(cursor: StoredJob | undefined, limit: number): Promise<StoredJob[]> {
        const { number } = this.cluster;
        const live = (await this.cluster.members()).map((member) => member.number);
        const all = this.db
            .selectFrom('job')
            .selectAll()
            .where((where) => where.or([where('member', '=', number), where('member', 'not in', live)]))
            .where(sql<boolean>`phase IN ('ended', 'failed')`);
        const next = all.orderBy('number', 'desc').orderBy('channel', 'desc').limit(limit);
        const older = cursor && sql<boolean>`(number, channel) < (${cursor.number}, ${cursor.channel})`;
        const rows = older === undefined ? [] : await next.where(older).execute();
        const wrapped = rows.length < limit ? await next.execute() : [];
        const added = wrapped.filter((row) => !rows.some(({ channel }) => channel.equals(row.channel)));
        return [...rows, ...added].slice(0, limit).map(jobOf);
    }

    async revive({ channel, member, phase }: StoredJob, change: JobChange): Promise<boolean> {
        const { number } = this.cluster;
        const row = { ...changedRow(change), member: number };
        return this.commits.run(async (db) => {
            if (member !== number && !(await this.cluster.isVacant(db as never, member ?? 0))) {
                return false;
            }
            const jobs = db.updateTable('job').set(row).where('channel', '=', channel).where('phase', '=', phase);
            const { numUpdatedRows } = await jobs.where('member', '=', member ?? 0).executeTakeFirst();
            return numUpdatedRows === 1n;
        });
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

    async saveVoucher(channel: Buffer, { count, signature, ...voucher }: SignedVoucher): Promise<void> {
        const cumulative = amountToBytes(voucher.cumulative);
        const isNewer = sql<boolean>`(cumulative IS NULL OR (cumulative <= ${cumulative} AND count <= ${count}))`;
        const { numUpdatedRows } = await this.commits.run((db) => {
            const jobs = db.updateTable('job').set({ cumulative, count, signature }).where('channel', '=', channel);
            return jobs.where(isNewer).executeTakeFirstOrThrow();
        });
        requireStored(numUpdatedRows > 0n);
    }

    addQuery(
        { secret, apiKey = '', ...query }: StoredQuery,
        whole?: Pick<WholeQuery, 'session' | 'sealed'>,
    ): Promise<void> {
        return this.commits.run(async (db) => {
            const row = { ...query, apiKey, ceiling: amountToBytes(query.ceiling), phase: 'open' } as const;
            await db.insertInto('query').values(row).execute();
            if (secret === null) {
                return;
            }
            const { job, number } = query;
            const opened = { job, number, secret };
            await db.insertInto('secret').values(opened).execute();
            if (whole !== undefined) {
                const { session, sealed } = whole;
                const row = { ...opened, session, sealed };
                await db.insertInto('whole').values(row).execute();
            }
        });
    }

    async saveAccept(job: number, number: number, accept: Buffer): Promise<void> {
        const query = ofQuery({ job, number });
        await this.commits.run((db) => db.updateTable('query').set({ accept }).where(query).execute());
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
                await addUsage(peopleIn(db), { job, number, member: this.cluster.number }, used);
            }
            await db.updateTable('query').set({ apiKey: '' }).where(ofQuery({ job, number })).execute();
        });
    }

    endQuery(
        job: number,
        number: number,
        { phase, accept, receipt, entry, answer, used, breach }: StoredEnding,
    ): Promise<void> {
        return this.commits.run(async (db) => {
            const query = ofQuery({ job, number });
            if (used !== undefined) {
                await addUsage(peopleIn(db), { job, number, member: this.cluster.number }, used);
            }
            if (breach !== undefined) {
                const leaving = { phase: 'leaving', note: breach.reason, breachAt: breach.at } as const;
                const jobs = db.updateTable('job').set(leaving).where('number', '=', job);
                await jobs.where('phase', 'in', ['open', 'settling']).execute();
            }
            if (answer === undefined) {
                await db.deleteFrom('whole').where(query).execute();
            } else {
                await db.updateTable('whole').set({ answer }).where(query).execute();
            }
            await db.deleteFrom('secret').where(query).execute();
            const row = { phase, accept, receipt, ...(entry && entryRow(entry)) };
            await db.updateTable('query').set(row).where(query).execute();
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
        await forgetWhole(this.db, this.commits, cutoff);
        await this.engine.scrub();
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

    async tokenizer(job: number): Promise<string | undefined> {
        const tokenizers = this.db.selectFrom('query').select('tokenizer').where('job', '=', job);
        return (await tokenizers.orderBy('number', 'desc').limit(1).executeTakeFirst())?.tokenizer;
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
            price: amountFromBytes(price),
            cumulative: amountFromBytes(cumulative),
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

    apiKey(name: string): Promise<StoredApiKey | undefined> {
        return apiKeyIn(peopleIn(this.db), name);
    }

    saveApiKey(key: StoredApiKey): Promise<void> {
        return this.commits.run((db) => replaceApiKey(peopleIn(db), key));
    }

    usage(sinceDay: number, apiKey?: string): Promise<StoredUsage[]> {
        return usageSince(peopleIn(this.db), sinceDay, apiKey);
    }

    openCosts(apiKey?: string): Promise<OpenCost[]> {
        return openCostsIn(peopleIn(this.db), apiKey);
    }

    async close(): Promise<void> {
        await this.commits.idle();
        await this.engine.close();
    }
}

/** A voucher that is not on the disk must not leave. */
export function requireStored(isStored: boolean): void {
    if (!isStored) {
        throw new Error('The voucher is not stored: the store has one that says more, or no such job');
    }
}

const changedRow = ({ funds, processes, ...change }: JobChange) => ({
    ...change,
    funds: funds === undefined ? undefined : amountToBytes(funds),
    ...(processes !== undefined && { processes: processesText(processes) }),
});

// The same tables, of which the part about people sees its own.
const peopleIn = (db: Kysely<GatewaySchema>) => db as unknown as Kysely<PeopleSchema>;
