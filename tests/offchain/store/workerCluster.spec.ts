/** Several processes of one worker on one PostgreSQL database: which rows each has, and what they say together. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { Client } from 'pg';
import { inspectStore } from '../../../offchain/store/inspect';
import { readMark } from '../../../offchain/store/mark';
import { openWorkerStore } from '../../../offchain/store/open';
import type { WorkerStore } from '../../../offchain/store/worker';
import { PostgresServer } from '../support/postgres';
import { until } from '../support/until';
import { newJob } from './conformance';

const KEY = Buffer.alloc(32, 5);

let server: PostgresServer;
let url: string;
let folder: string;
let first: WorkerStore;
let second: WorkerStore;
const opened: WorkerStore[] = [];

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);

afterAll(() => server.remove());

async function join(member: { identity: string } | undefined = { identity: 'one' }): Promise<WorkerStore> {
    const store = await openWorkerStore(url, { member });
    opened.push(store);
    return store;
}

async function leave(store: WorkerStore): Promise<void> {
    opened.splice(opened.indexOf(store), 1);
    await store.close();
}

beforeEach(async () => {
    folder = mkdtempSync(pathOf(tmpdir(), 'cocoon-cluster-'));
    url = await server.database();
    first = await join();
    second = await join();
});

afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    rmSync(folder, { recursive: true });
});

async function add(store: WorkerStore): Promise<Buffer> {
    const job = newJob();
    await store.jobs.add(job);
    return job.job;
}

const accept = (store: WorkerStore, job: Buffer, number = 1) =>
    store.queries.accept({
        ...{ job, number, request: Buffer.alloc(32), ceiling: 9n, promptEstimate: 1 },
        accept: Buffer.from('accept'),
    });

async function answer(store: WorkerStore, job: Buffer, cumulative: bigint, index = 1): Promise<void> {
    await accept(store, job, index);
    const counts = { prompt: 1, cached: 0, completion: 2, reasoning: 0 };
    const bytes = { bytes: Buffer.from('text'), counts, index, cumulative, finishedAt: 1_800_000_000 };
    await store.queries.end({ kind: 'result', job, number: index, receipt: Buffer.from('result'), ...bytes });
}

const voucher = (cumulative: bigint, count: number) => ({ cumulative, count, signature: Buffer.alloc(64) });
const end = (store: WorkerStore, job: Buffer) => store.jobs.setState(job, 'ended', 1_800_000_100);
const hex = (records: readonly { job: Buffer }[]) => records.map(({ job }) => job.toString('hex')).sort();
const scans = async (store: WorkerStore) => ({
    open: hex(await store.jobs.open({ limit: 9 })),
    claimable: hex(await store.jobs.claimable({ limit: 9 })),
    unended: hex(await store.queries.unended(9)),
    lost: hex(await store.jobs.lost({ byLastClaim: false, since: 0, cursor: undefined, limit: 9 })),
});

it('each process finds its own jobs and queries, and may read those of the others', async () => {
    const [one, two] = [await add(first), await add(second)];
    await accept(first, one);
    await accept(second, two);
    await first.jobs.addVoucher(one, voucher(5n, 0), 1);
    await second.jobs.addVoucher(two, voucher(6n, 0), 1);
    for (const [store, job] of [[first, one] as const, [second, two] as const]) {
        const own = [job.toString('hex')];
        expect(await scans(store)).toEqual({ open: own, claimable: own, unended: own, lost: [] });
    }
    expect(hex(await first.jobs.claimable({ limit: 9, ofAll: true }))).toEqual(hex([{ job: one }, { job: two }]));
    expect((await first.jobs.get(two))!.member).toBe(2);
    await end(first, one);
    expect((await scans(first)).lost).toEqual([one.toString('hex')]);
    expect((await scans(second)).lost).toEqual([]);
});

it('totals, earnings and sums are of all processes', async () => {
    const [one, two] = [await add(first), await add(second)];
    await Promise.all([answer(first, one, 5n), answer(second, two, 7n)]);
    for (const store of [first, second]) {
        expect(await store.totals()).toMatchObject({ jobs: { open: 2 }, results: 2, earned: 12n });
        const row = { results: 2, earned: 12n, prompt: 2, completion: 4 };
        expect(await store.earnings.days()).toMatchObject([row]);
        expect(await store.earnings.row('model', 'some/model')).toMatchObject(row);
        expect(await store.earnings.best('client', 1)).toMatchObject([row]);
    }
});

it('a takeover moves what has not ended or is not paid, and no sum changes', async () => {
    const [open, unpaid, paid, other] = [await add(first), await add(first), await add(first), await add(second)];
    await answer(first, open, 5n);
    await accept(first, open, 2);
    await first.jobs.addVoucher(unpaid, voucher(3n, 0), 1);
    await end(first, unpaid);
    await end(first, paid);
    const sums = await first.earnings.sums();
    expect(await second.takeOver(1)).toBe(false); // it lives
    await leave(first);
    expect(await second.takeOver(1)).toBe(true);
    expect(await second.takeOver(1)).toBe(false);
    expect(await second.earnings.sums()).toEqual(sums);
    const found = await scans(second);
    expect(found.open).toEqual(hex([{ job: open }, { job: other }]));
    expect(found.unended).toEqual([open.toString('hex')]);
    expect(found.lost).toEqual([unpaid.toString('hex')]);
    expect((await second.jobs.get(paid))!.member).toBe(1);

    await answer(second, open, 9n, 2).catch(() => undefined); // number 2 was used by the first
    const counts = { prompt: 1, cached: 0, completion: 2, reasoning: 0 };
    const result = { counts, index: 2, cumulative: 9n, finishedAt: 1_800_000_000, bytes: Buffer.from('text') };
    await second.queries.end({ kind: 'result', job: open, number: 2, receipt: Buffer.from('result'), ...result });
    await end(second, open);
    expect(await second.totals()).toMatchObject({ jobs: { open: 1, ended: 3 }, results: 2, earned: 9n });
});

it('a job that a takeover left behind is adopted by one process, and not while its number is in use', async () => {
    const paid = await add(first);
    await end(first, paid);
    expect(await second.adopt(paid, 1)).toBe(false);
    await leave(first);
    expect(await second.adopt(paid, 1)).toBe(false); // nobody has taken over yet
    await second.takeOver(1);
    const third = await join(); // has number 1 again, and the job with it
    expect(third.cluster.number).toBe(1);
    expect(await second.adopt(paid, 1)).toBe(false);
    await leave(third);
    await second.takeOver(1);
    const outcomes = await Promise.all([second.adopt(paid, 1), second.adopt(paid, 1)]);
    expect(outcomes).toEqual([true, false]);
    expect((await second.jobs.get(paid))!.member).toBe(2);
});

it('a result of one process does not wait for a transaction of another', async () => {
    const [one, two] = [await add(first), await add(second)];
    await answer(first, one, 1n);
    const blocked = server.query(
        `BEGIN; SELECT 1 FROM cocoon_worker."jobSums" WHERE member = 1 FOR UPDATE;
        SELECT 1 FROM cocoon_worker.earnings WHERE member = 1 FOR UPDATE;
        SELECT 1 FROM cocoon_worker.sequences WHERE member = 1 FOR UPDATE; SELECT pg_sleep(1.5)`,
        url,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const started = Date.now();
    await answer(second, two, 1n);
    expect(Date.now() - started).toBeLessThan(1000);
    await blocked;
});

describe('A job that one process adds while another denies its query', () => {
    const denial = { number: 7, request: Buffer.alloc(32), receipt: Buffer.from('fail') };
    let holder: Client;

    beforeEach(async () => {
        holder = new Client(url);
        await holder.connect();
        await accept(first, await add(first)); // makes the rows that are held
        await add(second);
    });

    afterEach(() => holder.end());

    /** Runs `late` while `early` waits for the rows of a table and has not committed. */
    async function interleave(table: string, early: () => Promise<unknown>, late: () => Promise<unknown>) {
        const waiting = async () => {
            const { rows } = await holder.query<{ count: string }>('SELECT count(*) FROM pg_locks WHERE NOT granted');
            return Number(rows[0].count);
        };
        await holder.query('BEGIN');
        await holder.query(`SELECT FROM cocoon_worker.${table} FOR UPDATE`);
        const begun = early();
        await until(async () => (await waiting()) === 1, 30_000);
        let isOver = false;
        const other = late().then(() => (isOver = true));
        await until(async () => isOver || (await waiting()) === 2, 30_000);
        await holder.query('COMMIT');
        await Promise.all([begun, other]);
    }

    it('begins after that query', async () => {
        const job = newJob();
        const deny = () => first.queries.deny({ ...denial, job: job.job });
        await interleave('sequences', deny, () => second.jobs.add(job));

        expect(await second.jobs.get(job.job)).toMatchObject({ highest: 7, lowWater: 7 });
    });

    it('has used the number of the query if it came first', async () => {
        const job = newJob();
        const deny = () => first.queries.deny({ ...denial, job: job.job });
        await interleave('"jobSums"', () => second.jobs.add(job), deny);

        expect((await second.jobs.get(job.job))!.highest).toBe(7);
    });
});

describe('the mark', () => {
    const markOf = (machine: string) => pathOf(folder, `${machine}.mark`);

    it('has the sequence of each process, of one machine or of several', async () => {
        await first.guard(KEY, markOf('one'));
        await second.guard(KEY, markOf('one'));
        await accept(first, await add(first));
        const job = await add(second);
        await accept(second, job);
        await accept(second, job, 2);
        expect(readMark(markOf('one'))!.sequences).toEqual(
            new Map([
                [1, 1],
                [2, 2],
            ]),
        );
        const third = await join();
        await third.guard(KEY, markOf('other'));
        await accept(first, await add(first));
        await third.followOthers();
        await first.followOthers();
        for (const machine of ['one', 'other']) {
            const { sequences } = readMark(markOf(machine))!;
            expect([sequences.get(1), sequences.get(2)]).toEqual([2, 2]);
        }
    });

    it('shows an outdated database whichever process signed what is missing', async () => {
        await first.guard(KEY, markOf('one'));
        await second.guard(KEY, markOf('one'));
        await accept(second, await add(second));
        await server.query('UPDATE cocoon_worker.sequences SET sequence = sequence - 1 WHERE member = 2', url);
        await leave(second);
        const again = await join();
        await expect(again.guard(KEY, markOf('one'))).rejects.toThrow('1 receipts are missing');
    });

    it('may be missing on a machine that joins a live process, and on no other', async () => {
        await first.guard(KEY, markOf('one'));
        await accept(first, await add(first));
        await second.guard(KEY, markOf('other'));
        await Promise.all([leave(first), leave(second)]);
        const alone = await join();
        await expect(alone.guard(KEY, markOf('third'))).rejects.toThrow('is missing');
        await alone.guard(KEY, markOf('other'));
    });

    it('must be there while no other process has passed the guard itself', async () => {
        await first.guard(KEY, markOf('one'));
        await Promise.all([leave(first), leave(second)]);
        const [one, two] = [await join(), await join()];
        await expect(one.guard(KEY, markOf('new'))).rejects.toThrow('is missing');
        await expect(two.guard(KEY, markOf('newer'))).rejects.toThrow('is missing');
        expect(await inspectStore(url, true)).toMatchObject({ isShared: false });
        await one.guard(KEY, markOf('one'));
        expect(await inspectStore(url, true)).toMatchObject({ isShared: true });
        await two.guard(KEY, markOf('newer'));
    });

    it('ends a process when the database went back while it ran, before it takes a job over', async () => {
        await first.guard(KEY, markOf('one'));
        await second.guard(KEY, markOf('other'));
        const job = await add(first);
        await accept(first, job);
        await second.followOthers();
        await leave(first);
        await server.query('UPDATE cocoon_worker.sequences SET sequence = sequence - 1 WHERE member = 1', url);
        await expect(second.followOthers()).rejects.toThrow('1 receipts are missing');
        await expect(second.takeOver(1)).rejects.toThrow('1 receipts are missing');
        expect((await second.jobs.get(job))!.member).toBe(1);
        await server.query('UPDATE cocoon_worker.sequences SET sequence = sequence + 1 WHERE member = 1', url);
        expect(await second.takeOver(1)).toBe(true);
        expect((await second.jobs.get(job))!.member).toBe(2);
    });

    it('is followed no longer once another process has retired the key', async () => {
        await first.guard(KEY, markOf('one'));
        await second.guard(KEY, markOf('one'));
        await second.followOthers();
        await first.retire(KEY);
        await expect(second.followOthers()).rejects.toThrow('was retired');
    });
});
