/** API keys and what was used with them, in the gateway's SQLite file. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { OpenCost, StoredApiKey, StoredUsage } from './people';

interface ApiKeyTable extends Omit<StoredApiKey, 'daily' | 'monthly' | 'models'> {
    daily: Buffer | null;
    monthly: Buffer | null;
    models: string | null; // JSON
}

interface UsageTable extends Omit<StoredUsage, 'cost'> {
    cost: Buffer;
}

/** The tables of this file, and the columns of `query` that it reads. */
export interface PeopleSchema {
    apiKey: ApiKeyTable;
    usage: UsageTable;
    query: { job: number; number: number; apiKey: string; askedAt: number; phase: string; ceiling: Buffer };
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

export async function replaceApiKey(db: Kysely<PeopleSchema>, key: StoredApiKey): Promise<void> {
    const { daily, monthly, models, ...rest } = key;
    const row = {
        ...rest,
        daily: daily === null ? null : amountToBytes(daily),
        monthly: monthly === null ? null : amountToBytes(monthly),
        models: models === null ? null : JSON.stringify(models),
    };
    await db.replaceInto('apiKey').values(row).execute();
}

function apiKeyOf({ daily, monthly, models, ...rest }: Selectable<ApiKeyTable>): StoredApiKey {
    return {
        ...rest,
        daily: daily === null ? null : amountFromBytes(daily),
        monthly: monthly === null ? null : amountFromBytes(monthly),
        models: models === null ? null : (JSON.parse(models) as string[]),
    };
}

export async function usageSince(db: Kysely<PeopleSchema>, day: number): Promise<StoredUsage[]> {
    const rows = db.selectFrom('usage').selectAll().where('day', '>=', day).orderBy('day').orderBy('apiKey');
    const found = await rows.orderBy('model').orderBy('worker').execute();
    return found.map((row) => ({ ...row, cost: amountFromBytes(row.cost) }));
}

export async function openCostsIn(db: Kysely<PeopleSchema>): Promise<OpenCost[]> {
    const open = db.selectFrom('query').select(['job', 'number', 'apiKey', 'askedAt', 'ceiling']);
    const rows = await open
        .where(sql<boolean>`phase = 'open'`)
        .where('apiKey', '!=', '')
        .execute(); // by its index
    return rows.map((row) => ({ ...row, ceiling: amountFromBytes(row.ceiling) }));
}
