/** Reads an index that another process, or another part of this one, may be writing. It writes nothing. */
import { existsSync } from 'node:fs';
import { Kysely, PostgresDialect } from 'kysely';
import { readDatabase } from '../store/database';
import { isPostgres } from '../process/storeAddress';
import type { IndexData } from './store';
import { type IndexSchema, postgresIndexTables, sqliteIndexTables } from './tables';

const CONNECTIONS = 2; // to PostgreSQL
const STATEMENT_MS = 60_000;

export class IndexReader implements IndexData {
    private constructor(readonly db: Kysely<IndexSchema>) {}

    /**
     * Opens the index in a SQLite file or a PostgreSQL database; undefined if nobody has made one yet.
     * @throws if another version made it, or the database does not answer
     */
    static async open(store: string): Promise<IndexReader | undefined> {
        if (isPostgres(store)) {
            return openPostgresReader(store).then((db) => db && new IndexReader(db));
        }
        return existsSync(store) ? new IndexReader(readDatabase<IndexSchema>(store, sqliteIndexTables)) : undefined;
    }

    /** Everything that `read` reads is of one moment. */
    snapshot<T>(read: (data: IndexData) => Promise<T>): Promise<T> {
        return this.db
            .transaction()
            .setIsolationLevel('repeatable read')
            .setAccessMode('read only')
            .execute((db) => read({ db }));
    }

    async mark(name: string): Promise<string | undefined> {
        return (await this.db.selectFrom('marks').select('value').where('name', '=', name).executeTakeFirst())?.value;
    }

    close(): Promise<void> {
        return this.db.destroy();
    }
}

async function openPostgresReader(store: string): Promise<Kysely<IndexSchema> | undefined> {
    const { connectionOf, openPool } = await import('../store/postgresEngine');
    const { schema, scripts } = postgresIndexTables;
    const pool = openPool({ ...connectionOf(store, schema), max: CONNECTIONS, query_timeout: STATEMENT_MS });
    try {
        const { rows: found } = await pool.query(`SELECT 1 WHERE to_regclass('version') IS NOT NULL`);
        if (found.length === 0) {
            await pool.end();
            return undefined;
        }
        const { rows } = await pool.query<{ version: number }>('SELECT version FROM version');
        if (rows[0]?.version !== scripts.length) {
            throw new Error(`The index has the schema ${rows[0]?.version}, and this version reads ${scripts.length}`);
        }
        return new Kysely<IndexSchema>({ dialect: new PostgresDialect({ pool }) });
    } catch (error) {
        await pool.end();
        throw error;
    }
}
