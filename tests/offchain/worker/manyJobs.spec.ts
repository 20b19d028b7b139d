/** What an operator asks of a worker costs the same after many jobs as after one. */
import { randomBytes } from 'node:crypto';
import pino from 'pino';
import type { EarningsGroup } from '../../../offchain/store/earnings';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { earningsOnce, statusOnce } from '../../../offchain/worker';
import { WorkerMetrics } from '../../../offchain/worker/metrics';
import { newJob } from '../store/conformance';
import { TestClient } from '../support/client';
import { readBy } from '../support/reads';
import { configFor, type Fixture, SEEDS, startFixture } from '../support/worker';

const JOBS = 50;

let fixture: Fixture;

beforeEach(async () => {
    fixture = await startFixture();
    const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
    await client.ask(1, 'one two');
    await fixture.worker.claimNow();
    await fixture.worker.close();
});

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

/** Jobs that ended with one paid result each, of clients and models that exist already. */
async function serve(store: SqliteWorkerStore, jobs: number): Promise<void> {
    const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
    const { group: client } = (await store.earnings.best('client', 1))[0];
    const { group: model } = (await store.earnings.best('model', 1))[0];
    const finishedAt = fixture.chain.now();
    const one = async () => {
        const job = newJob({ client, model });
        const query = { job: job.job, number: 1 };
        const ended = { cumulative: 5n, count: 1, signature: randomBytes(64) };
        await Promise.all([
            store.jobs.add(job),
            store.queries.accept({
                ...query,
                ...{ request: job.job, ceiling: 9n, promptEstimate: 1, accept: job.job },
            }),
            store.queries.end({
                ...{ ...query, kind: 'result', receipt: job.job, bytes: Buffer.from('x'), counts, index: 1 },
                ...{ cumulative: 5n, finishedAt },
            }),
            store.jobs.addVoucher(job.job, ended, finishedAt),
            store.jobs.setConfirmedPaid(job.job, 5n, finishedAt),
            store.jobs.setState(job.job, 'ended', finishedAt),
        ]);
    };
    await Promise.all(Array.from({ length: jobs }, one));
}

async function withStore<T>(use: (store: SqliteWorkerStore) => Promise<T>): Promise<T> {
    const store = await SqliteWorkerStore.open(`${fixture.folder}/worker.db`);
    try {
        return await use(store);
    } finally {
        await store.close();
    }
}

const parts = () => ({ chain: fixture.chain, backend: fixture.backend, wallet: fixture.wallet, seeds: SEEDS });
const status = () => statusOnce(configFor(fixture.folder), parts());
const earnings = (by: EarningsGroup) => earningsOnce(configFor(fixture.folder), by, parts());

// One row each, or as many as are listed.
const SCANS = ['SCAN cases USING INDEX open_cases', 'SCAN intake', 'SCAN jobSums', 'SCAN jobs USING INDEX best_jobs'];

it.each([
    ['the status', status],
    ['earnings by day', () => earnings('day')],
    ['earnings by client', () => earnings('client')],
])('%s reads as many rows after many ended jobs as after one, and goes through no table', async (_, ask) => {
    await withStore((store) => serve(store, 1));
    await ask(); // stores the transactions of the wallet
    const before = await readBy(ask);
    await withStore((store) => serve(store, JOBS));

    expect(await readBy(ask)).toEqual(before);
    expect(before.rows).toBeGreaterThan(0);
    expect(before.scanned.filter((scan) => !SCANS.includes(scan))).toEqual([]);
    expect((await status()).jobs).toEqual({ open: 1, ending: 0, ended: JOBS + 1 });
});

const searches = () =>
    withStore(async (store) => {
        const search = { since: 0, cursor: undefined, limit: 500 };
        await store.jobs.lost({ ...search, byLastClaim: false });
        await store.jobs.lost({ ...search, byLastClaim: true });
        await store.jobs.lastEnd();
        await store.prune(1);
    });

it('searches for lost jobs and for what can be deleted go through no table', async () => {
    await withStore((store) => serve(store, 1));
    const before = await readBy(searches);
    await withStore((store) => serve(store, JOBS));

    expect(await readBy(searches)).toEqual(before);
    expect(before.scanned).toEqual([]);
});

it('a scrape reads the sums of all jobs once', async () => {
    const text = await withStore(async (store) => {
        const sums = jest.spyOn(store.earnings, 'sums');
        const metrics = new WorkerMetrics();
        metrics.addSources(pino({ level: 'silent' }), {
            ...{ store, running: async () => 0, readiness: () => ({ ready: true, reasons: [] }), alerts: () => [] },
            ...{ walletBalance: () => undefined, load: () => ({ backends: [], models: [] }) },
        });
        const scraped = await metrics.registry.metrics();
        expect(sums).toHaveBeenCalledTimes(1);
        await metrics.registry.metrics();
        expect(sums).toHaveBeenCalledTimes(2);
        return scraped;
    });
    expect(text).toContain('cocoon_worker_earned_ton 0.00004\n');
    expect(text).toContain('cocoon_worker_jobs{stage="open"} 1\n');
});
