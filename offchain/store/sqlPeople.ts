/** API keys and what was used with them, in the gateway's database. */
import { type TokenCounts, noTokens } from '@cocoon-market/wrappers';
import { type Kysely, type Selectable, sql } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import { type OpenCost, type StoredApiKey, type StoredUsage, type UsageSlot, type UsedQuery, dayOf } from './people';

interface ApiKeyTable extends Omit<StoredApiKey, 'daily' | 'monthly' | 'models'> {
    daily: Buffer | null;
    monthly: Buffer | null;
    models: string | null; // JSON
}

interface UsageTable extends Omit<StoredUsage, 'cost'> {
    member: number;
    cost: Buffer;
}

/** The tables of this file, and the columns of others that it reads. */
export interface PeopleSchema {
    apiKey: ApiKeyTable;
    usage: UsageTable;
    query: { job: number; number: number; apiKey: string; askedAt: number; phase: string; ceiling: Buffer };
    job: { number: number; phase: string; member: number };
}

/** Adds the tables, and to each query the key that it is paid with: '' for none. */
export async function addPeople(db: Kysely<unknown>): Promise<void> {
    await sql`CREATE TABLE "apiKey" (
        name TEXT PRIMARY KEY, hash BLOB NOT NULL, daily BLOB, monthly BLOB, models TEXT, createdAt INTEGER NOT NULL,
        expiresAt INTEGER, revokedAt INTEGER
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`CREATE TABLE usage (
        day INTEGER NOT NULL, "apiKey" TEXT NOT NULL, model TEXT NOT NULL, worker TEXT NOT NULL,
        queries INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, cost BLOB NOT NULL,
        PRIMARY KEY (day, "apiKey", model, worker)
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`ALTER TABLE query ADD COLUMN "apiKey" TEXT NOT NULL DEFAULT ''`.execute(db);
}

export async function apiKeysIn(db: Kysely<PeopleSchema>): Promise<StoredApiKey[]> {
    return (await db.selectFrom('apiKey').selectAll().orderBy('name').execute()).map(apiKeyOf);
}

export async function apiKeyIn(db: Kysely<PeopleSchema>, name: string): Promise<StoredApiKey | undefined> {
    const row = await db.selectFrom('apiKey').selectAll().where('name', '=', name).executeTakeFirst();
    return row && apiKeyOf(row);
}

export async function replaceApiKey(db: Kysely<PeopleSchema>, key: StoredApiKey): Promise<void> {
    const { daily, monthly, models, ...rest } = key;
    const row = {
        ...rest,
        daily: daily === null ? null : amountToBytes(daily),
        monthly: monthly === null ? null : amountToBytes(monthly),
        models: models === null ? null : JSON.stringify(models),
    };
    const keys = db.insertInto('apiKey').values(row);
    await keys.onConflict((conflict) => conflict.column('name').doUpdateSet(row)).execute();
}

function apiKeyOf({ daily, monthly, models, ...rest }: Selectable<ApiKeyTable>): StoredApiKey {
    return {
        ...rest,
        daily: daily === null ? null : amountFromBytes(daily),
        monthly: monthly === null ? null : amountFromBytes(monthly),
        models: models === null ? null : (JSON.parse(models) as string[]),
    };
}

/**
 * Adds an ended query to the usage of the day on which it was asked. Call it before the query has its ending. Each
 * member has rows of its own, because two that add to one row would lose what one of them adds.
 */
export async function addUsage(
    db: Kysely<PeopleSchema>,
    query: { job: number; number: number; member: number },
    { model, worker, cost, tokens = noTokens }: UsedQuery,
): Promise<void> {
    const rows = db.selectFrom('query').select(['apiKey', 'askedAt', 'phase']);
    const row = await rows.where('job', '=', query.job).where('number', '=', query.number).executeTakeFirst();
    if (row?.phase !== 'open') {
        return;
    }
    const slot = { day: dayOf(row.askedAt), apiKey: row.apiKey, model, worker, member: query.member };
    const stored = await usageAt(db, slot);
    const added = sumOf(stored?.tokens ?? noTokens, tokens);
    const total = amountToBytes((stored?.cost ?? 0n) + cost);
    const sums = { ...added, queries: (stored?.queries ?? 0) + 1, cost: total };
    await db
        .insertInto('usage')
        .values({ ...slot, ...sums })
        .onConflict((conflict) => conflict.columns(['day', 'apiKey', 'model', 'worker', 'member']).doUpdateSet(sums))
        .execute();
}

async function usageAt(db: Kysely<PeopleSchema>, slot: UsageSlot & { member: number }) {
    const { day, apiKey, model, worker, member } = slot;
    const rows = db.selectFrom('usage').selectAll().where('day', '=', day).where('apiKey', '=', apiKey);
    const ofModel = rows.where('model', '=', model).where('worker', '=', worker);
    const row = await ofModel.where('member', '=', member).executeTakeFirst();
    return row && { tokens: row, queries: row.queries, cost: amountFromBytes(row.cost) };
}

const sumOf = (a: TokenCounts, b: TokenCounts): TokenCounts => ({
    prompt: a.prompt + b.prompt,
    cached: a.cached + b.cached,
    completion: a.completion + b.completion,
    reasoning: a.reasoning + b.reasoning,
});

/** The usage since a day, of all members together. */
export async function usageSince(
    db: Kysely<PeopleSchema>,
    day: number,
    apiKey: string | undefined,
): Promise<StoredUsage[]> {
    const rows = db.selectFrom('usage').selectAll().where('day', '>=', day).orderBy('day').orderBy('apiKey');
    const requested = apiKey === undefined ? rows : rows.where('apiKey', '=', apiKey);
    const sums = new Map<string, StoredUsage>();
    for (const { member: _, cost, ...row } of await requested.orderBy('model').orderBy('worker').execute()) {
        const slot = JSON.stringify([row.day, row.apiKey, row.model, row.worker]);
        const sum = sums.get(slot);
        const queries = (sum?.queries ?? 0) + row.queries;
        const total = (sum?.cost ?? 0n) + amountFromBytes(cost);
        sums.set(slot, { ...row, ...sumOf(sum ?? noTokens, row), queries, cost: total });
    }
    return [...sums.values()];
}

export async function openCostsIn(db: Kysely<PeopleSchema>, apiKey: string | undefined): Promise<OpenCost[]> {
    const open = db.selectFrom('query').select((query) => {
        const jobs = query.selectFrom('job').select('member').whereRef('job.number', '=', 'query.job');
        const member = jobs.where('job.phase', '!=', 'failed').limit(1).as('member');
        return ['query.job', 'query.number', 'apiKey', 'askedAt', 'ceiling', member];
    });
    const rows = await open
        .where(sql<boolean>`query.phase = 'open'`)
        .where('apiKey', apiKey === undefined ? '!=' : '=', apiKey ?? '')
        .execute(); // by its index
    return rows.map((row) => ({ ...row, ceiling: amountFromBytes(row.ceiling) }));
}
