import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '../../../offchain/store/sqliteEngine';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { SqlWorkerStore } from '../../../offchain/store/sqlWorker';
import { type WorkerSchema, workerTables } from '../../../offchain/store/workerTables';
import { describeWorkerStore } from './conformance';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describeWorkerStore('a worker store in SQLite', () => SqliteWorkerStore.open(join(folder, 'worker.db')));

describeWorkerStore('a worker store in SQLite without the statements of a file', async () => {
    return new SqlWorkerStore(await openSqlite<WorkerSchema>(join(folder, 'worker.db'), workerTables, {}));
});

it('refuses a second opening while the first lasts', async () => {
    const path = join(folder, 'worker.db');
    const store = await SqliteWorkerStore.open(path);
    await expect(SqliteWorkerStore.open(path)).rejects.toThrow('in use by another process');
    await store.close();
});
