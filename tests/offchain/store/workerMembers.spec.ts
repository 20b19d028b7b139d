/** What the worker's store does with the jobs of several members of its cluster. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OneMember } from '../../../offchain/store/cluster';
import { openSqlite, type SqliteEngine } from '../../../offchain/store/sqliteEngine';
import { SqlWorkerStore } from '../../../offchain/store/sqlWorker';
import { type WorkerSchema, workerTables } from '../../../offchain/store/workerTables';
import { newJob } from './conformance';

let folder: string;
let engine: SqliteEngine<WorkerSchema>;

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
    engine = await openSqlite<WorkerSchema>(join(folder, 'worker.db'), workerTables, {});
});

afterEach(async () => {
    await engine.close();
    rmSync(folder, { recursive: true });
});

/** The store as this member of the cluster has it. */
const member = (number: number) =>
    new SqlWorkerStore({ ...engine, cluster: Object.assign(new OneMember(), { number }) });

const voucher = { cumulative: 5n, count: 0, signature: Buffer.alloc(64) };

describe('Two members of a cluster of workers', () => {
    it('each find their own jobs and queries, and those of both where they ask for all', async () => {
        const [a, b] = [member(1), member(2)];
        const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
        await a.jobs.add(newJob({ job: one }));
        await b.jobs.add(newJob({ job: two }));
        for (const [store, job] of [[a, one] as const, [b, two] as const]) {
            await store.jobs.addVoucher(job, voucher, 1);
            const query = { job, number: 1, request: Buffer.alloc(32), ceiling: 9n, promptEstimate: 1 };
            await store.queries.accept({ ...query, accept: Buffer.from('accept') });
        }
        const page = { limit: 9 };
        const found = async (jobs: Promise<readonly { job: Buffer }[]>) => (await jobs).map(({ job }) => job[0]);
        expect(await found(a.jobs.open(page))).toEqual([1]);
        expect(await found(b.jobs.claimable(page))).toEqual([2]);
        expect(await found(b.jobs.claimable({ ...page, ofAll: true }))).toEqual([1, 2]);
        expect(await found(b.queries.unended(9))).toEqual([2]);
        expect((await a.jobs.get(two))!.member).toBe(2);

        await a.jobs.setState(one, 'ended', 1000);
        const search = { ...page, byLastClaim: false, since: 0, cursor: undefined };
        expect([await found(a.jobs.lost(search)), await found(b.jobs.lost(search))]).toEqual([[1], []]);
    });

    it('add to sums and earnings of their own, which are read together', async () => {
        const [a, b] = [member(1), member(2)];
        for (const [store, price] of [[a, 5n] as const, [b, 7n] as const]) {
            const job = newJob();
            await store.jobs.add(job);
            const query = { job: job.job, number: 1 };
            const asked = { request: Buffer.alloc(32), ceiling: 9n, promptEstimate: 1, accept: Buffer.from('accept') };
            await store.queries.accept({ ...query, ...asked });
            const counts = { prompt: 1, cached: 0, completion: 2, reasoning: 0 };
            const answer = { bytes: Buffer.from('text'), counts, receipt: Buffer.from('result') };
            const sum = { index: 1, cumulative: price, finishedAt: 1_800_000_000 };
            await store.queries.end({ kind: 'result', ...query, ...answer, ...sum });
        }
        expect(await a.totals()).toMatchObject({ jobs: { open: 2 }, results: 2, earned: 12n });
        const rows = await engine.db.selectFrom('jobSums').selectAll().where('state', '=', 'open').execute();
        expect(rows.map(({ member: number, earned }) => [number, earned])).toEqual([
            [1, '5'],
            [2, '7'],
        ]);
        const earned = await engine.db.selectFrom('earnings').selectAll().where('by', '=', 'model').execute();
        expect(earned.map((row) => [row.member, row.earned])).toEqual([
            [1, '5'],
            [2, '7'],
        ]);
    });
});
