/** Opens an index to write it. */
import { isPostgres } from '../process/storeAddress';
import { type Database, openDatabase, StoreInUse } from '../store/database';
import { IndexStore } from './store';
import { type IndexSchema, postgresIndexTables, sqliteIndexTables } from './tables';

/** Opens the index in a SQLite file or a PostgreSQL database. Throws StoreInUse if another process has it. */
export async function openIndex(store: string): Promise<IndexStore> {
    if (isPostgres(store)) {
        const { openPostgres } = await import('../store/postgresEngine');
        return new IndexStore(await openPostgres<IndexSchema>(store, postgresIndexTables, {}));
    }
    const { openSqlite } = await import('../store/sqliteEngine');
    const lock = await lockOf(store);
    try {
        return new IndexStore(await openSqlite<IndexSchema>(store, sqliteIndexTables, { readers: true }), lock);
    } catch (error) {
        await lock?.destroy();
        throw error;
    }
}

/** One process writes an index, and others may read it. So a file beside it has the lock of the writer. */
async function lockOf(store: string): Promise<Database<unknown> | undefined> {
    if (store === ':memory:') {
        return undefined;
    }
    try {
        return await openDatabase(`${store}.lock`, []);
    } catch (error) {
        throw error instanceof StoreInUse ? new StoreInUse(`${store} is written by another process already`) : error;
    }
}
