import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { describeWorkerStore } from './conformance';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describeWorkerStore('a worker store in SQLite', () => SqliteWorkerStore.open(join(folder, 'worker.db')));

it('refuses a second opening while the first lasts', async () => {
    const path = join(folder, 'worker.db');
    const store = await SqliteWorkerStore.open(path);
    await expect(SqliteWorkerStore.open(path)).rejects.toThrow('in use by another process');
    await store.close();
});
