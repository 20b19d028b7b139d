/** A worker's store in one SQLite file. */
import { sql } from 'kysely';
import { JobRows } from './jobRows';
import { openSqlite } from './sqliteEngine';
import { SqliteJobs } from './sqliteJobs';
import { SqliteQueries } from './sqliteQueries';
import { SqliteSigning } from './sqliteSigning';
import { SqlWorkerStore } from './sqlWorker';
import { type WorkerSchema, workerTables } from './workerTables';
import type { StoreEvents } from './writeQueue';

export class SqliteWorkerStore extends SqlWorkerStore {
    /** Opens or creates the file. Throws if another process has it. */
    static async open(path: string, events: StoreEvents = {}): Promise<SqliteWorkerStore> {
        const engine = await openSqlite<WorkerSchema>(path, workerTables, events);
        const { db, writes } = engine;
        const rows = new JobRows(db.file, writes);
        const signing = new SqliteSigning(db, writes);
        const jobs = new SqliteJobs(db, writes, rows);
        return new SqliteWorkerStore(engine, {
            ...{ signing, jobs, queries: new SqliteQueries(db, writes, signing, rows) },
        });
    }

    /** Throws when the file is damaged. */
    async assertIntact(): Promise<void> {
        const { rows } = await sql<{ integrity_check: string }>`PRAGMA integrity_check(1)`.execute(this.db);
        if (rows[0]?.integrity_check !== 'ok') {
            throw new Error('The store is damaged');
        }
    }
}
