import { noTokens } from '@cocoon-market/wrappers';
import Sqlite from 'better-sqlite3';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '../../../offchain/store/sqliteEngine';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { SqlWorkerStore } from '../../../offchain/store/sqlWorker';
import { type WorkerSchema, workerTables } from '../../../offchain/store/workerTables';
import { describeWorkerStore, newJob } from './conformance';

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

it('drops the answers of a large job with room for a few of them: its log stays small', async () => {
    const path = join(folder, 'worker.db');
    const job = newJob();
    let logBytes = 0;
    const onCommit = () => void (logBytes = Math.max(logBytes, statSync(`${path}-wal`).size));
    const store = await SqliteWorkerStore.open(path, { onCommit });
    await store.jobs.add(job);
    for (let number = 1; number <= 10; number++) {
        const id = { job: job.job, number };
        const accepted = { request: Buffer.alloc(32), ceiling: 1n, promptEstimate: 1, accept: Buffer.from('accept') };
        await store.queries.accept({ ...id, ...accepted });
        const bytes = Buffer.alloc(4 << 20, 1);
        await store.queries.append({ ...id, bytes, counts: noTokens, promptKnown: true });
        await store.queries.end({ ...id, kind: 'fail', receipt: Buffer.from('fail') });
    }
    await store.jobs.setState(job.job, 'ended', 1);
    expect(store.reusableBytes()).toBeLessThan(1 << 20);
    expect(await store.prune(2)).toBe(1);

    expect(logBytes).toBeGreaterThan(4 << 20);
    expect(logBytes).toBeLessThan(20 << 20); // of 40
    expect(store.reusableBytes()).toBeGreaterThan(40 << 20);
    expect(store.reusableBytes()).toBeLessThan(statSync(path).size);
    await store.close();
});

it('drops answers of more pieces than one transaction deletes, in several', async () => {
    let commits = 0;
    const store = await SqliteWorkerStore.open(join(folder, 'worker.db'), { onCommit: () => void commits++ });
    const { job, ...rest } = newJob();
    await store.jobs.add({ job, ...rest });
    const bytes = Buffer.from('piece');
    for (const [number, pieces] of [1, 1100, 2].entries()) {
        const id = { job, number: number + 1 };
        const accepted = { request: Buffer.alloc(32), ceiling: 1n, promptEstimate: 1, accept: Buffer.from('accept') };
        await store.queries.accept({ ...id, ...accepted });
        const append = () => store.queries.append({ ...id, bytes, counts: noTokens, promptKnown: true });
        await Promise.all(Array.from({ length: pieces }, append));
        await store.queries.end({ ...id, kind: 'fail', receipt: Buffer.from('fail') });
    }
    await store.jobs.setState(job, 'ended', 1);

    commits = 0;
    expect(await store.prune(2)).toBe(1);
    expect(commits).toBe(3); // each answer whole
    for (const number of [1, 2, 3]) expect(await store.queries.answer({ job, number })).toHaveLength(0);
    expect((await store.jobs.get(job))!.lowWater).toBe(3);
    await store.close();
});

/** Runs a statement on the closed file, as a failing disk would change it. */
function damage(path: string, statement: string): void {
    const file = new Sqlite(path);
    file.exec(statement);
    file.close();
}

it('goes on after a page of jobs of which no row can be read', async () => {
    const path = join(folder, 'worker.db');
    const jobs = [1, 2, 3].map((byte) => newJob({ job: Buffer.alloc(32, byte) }));
    const change = async (statement: string) => {
        await store.close();
        damage(path, statement);
        store = await SqliteWorkerStore.open(path);
    };
    let store = await SqliteWorkerStore.open(path);
    for (const job of jobs) {
        await store.jobs.add(job);
        await store.jobs.addVoucher(job.job, { cumulative: 5n, count: 0, signature: Buffer.alloc(64, 1) }, 1);
    }
    await change("UPDATE jobs SET balance = x'00' WHERE job < (SELECT max(job) FROM jobs)");

    const damaged: Buffer[] = [];
    const page = { limit: 1, onDamaged: (job: Buffer) => damaged.push(job) };
    expect((await store.jobs.claimable(page)).map(({ job }) => job)).toEqual([jobs[2].job]);
    expect(damaged).toEqual([jobs[0].job, jobs[1].job]);
    await expect(store.jobs.claimable({ limit: 1 })).rejects.toThrow('A stored amount has 8 bytes');

    await change("UPDATE jobs SET state = 'ended'");
    const lost = await store.jobs.lost({ ...page, byLastClaim: false, since: 0, cursor: undefined });
    expect(lost.map(({ job }) => job)).toEqual([jobs[2].job]);
    await store.close();
});

it('gives an answer up to a piece that a disk has lost', async () => {
    const path = join(folder, 'worker.db');
    const store = await SqliteWorkerStore.open(path);
    const query = { job: newJob().job, number: 1 };
    await store.jobs.add(newJob({ job: query.job }));
    const asked = { request: Buffer.alloc(32), ceiling: 9n, promptEstimate: 1, accept: Buffer.from('accept') };
    await store.queries.accept({ ...query, ...asked });
    const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
    for (const text of ['this ', 'is ', 'an ', 'answer']) {
        await store.queries.append({ ...query, bytes: Buffer.from(text), counts, promptKnown: true });
    }
    await store.close();
    damage(path, 'DELETE FROM answers WHERE piece = 3');

    const again = await SqliteWorkerStore.open(path);
    expect(await again.queries.answer(query)).toEqual(Buffer.from('this is '));
    await again.close();
});

it('gives no sums of jobs that are in no state that exists', async () => {
    const path = join(folder, 'worker.db');
    await (await SqliteWorkerStore.open(path)).close();
    damage(path, "UPDATE jobSums SET state = 'toString' WHERE state = 'ending'");

    const store = await SqliteWorkerStore.open(path);
    await expect(store.earnings.sums()).rejects.toThrow('in no state that exists: toString');
    await store.close();
});
