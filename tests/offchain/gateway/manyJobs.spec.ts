/** What a gateway does at its start and from time to time costs the same after many jobs as after one. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayStore, StoredJob } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { useMarket } from '../../support/market';
import { readBy } from '../support/reads';
import { ask, type Bench, startBench } from './support';

const market = useMarket();
let bench: Bench;
let folder: string;
let store: GatewayStore;

beforeEach(async () => {
    bench = await startBench(market());
    await bench.post(ask);
    folder = mkdtempSync(join(tmpdir(), 'cocoon-many-'));
    store = await openGatewayStore(join(folder, 'gateway.sqlite'));
});

afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
    await bench.close();
});

async function jobLike(number: number, phase: StoredJob['phase']): Promise<StoredJob> {
    const [job] = await bench.gateway.store.jobs();
    return { ...job, number, phase, channel: randomBytes(32) };
}

/** Jobs that are over, each with an answered query. */
async function add(from: number, count: number): Promise<void> {
    for (let number = from; number < from + count; number++) {
        await store.addJob(await jobLike(number, number % 5 === 4 ? 'failed' : 'ended'));
        const some = { salt: randomBytes(16), commitment: randomBytes(32), request: randomBytes(32), secret: null };
        const bounds = { ceiling: 9n, promptBound: 1, stopBound: 1, tokenizer: 'bytes', askedAt: 1 };
        await store.addQuery({ job: number, number: 1, apiKey: 'bob', ...some, ...bounds });
        await store.endQuery(number, 1, { phase: 'result', receipt: randomBytes(8) });
    }
}

const readings = async () => {
    await store.newestJob();
    await store.openCosts();
    await store.setbacks(1);
    await store.hasChannel(Buffer.alloc(32));
    await store.job(1);
    await store.over(undefined, 1);
    await store.over(await store.newestJob(), 1);
    await store.forget(2);
};

it('reads of the store as many rows after many jobs as after one, and goes through no table', async () => {
    await add(0, 2);
    const before = await readBy(readings);
    await add(2, 50);

    expect(await readBy(readings)).toEqual(before);
    expect(before.scanned).toEqual([
        ...['SCAN job USING INDEX jobNumber', 'SCAN job USING INDEX overJob'], // as many as are asked for
        'SCAN query USING INDEX openQuery', // those without an ending
    ]);
});

it('takes up the jobs that have not ended', async () => {
    await add(0, 3);
    await store.addJob(await jobLike(7, 'leaving'));
    await store.addJob(await jobLike(5, 'open'));

    expect((await store.unended()).map(({ number }) => number)).toEqual([5, 7]);
    expect((await store.newestJob())!.number).toBe(7);
});

it('knows a job by its number, and one that failed only if no other has it', async () => {
    await store.addJob(await jobLike(5, 'failed'));
    expect((await store.job(5))!.phase).toBe('failed');
    expect((await store.newestJob())!.phase).toBe('failed');
    await store.addJob(await jobLike(5, 'ended'));
    await store.addJob(await jobLike(5, 'failed'));
    await store.addJob(await jobLike(6, 'failed'));

    expect((await store.job(5))!.phase).toBe('ended');
    expect(await store.newestJob()).toMatchObject({ number: 5, phase: 'ended' });
    expect(await store.job(7)).toBeUndefined();
});

it('looks at every job that is over in turn, the newest first', async () => {
    await add(0, 4);
    await store.addJob(await jobLike(3, 'failed')); // two orders of one number
    const seen: number[] = [];
    let cursor: StoredJob | undefined;
    for (let round = 0; round < 3; round++) {
        const some = await store.over(cursor, 3);
        seen.push(...some.map(({ number }) => number));
        cursor = some.at(-1);
    }
    expect(seen).toEqual([3, 3, 2, 1, 0, 3, 3, 2, 1]);
    expect(await store.over(cursor, 9)).toHaveLength(5);
});

it('has the newest hundred jobs that are over in memory, and counts the others', async () => {
    const { book } = bench.gateway;
    for (let number = 10; number < 160; number++) book.add(await jobLike(number, 'ended'));

    expect(book.all.map(({ number }) => number)).toEqual([0, ...Array.from({ length: 100 }, (_, i) => 60 + i)]);
    expect(book.phases).toEqual({ open: 1, ended: 150 });
});

it('has a job in memory once: a second object of it would sign beside the first', async () => {
    const { book } = bench.gateway;
    const stored = await jobLike(10, 'open');
    book.add({ ...stored });
    expect(() => book.add({ ...stored })).toThrow('is in memory already');
    book.get(10)!.stored.phase = 'failed'; // an order of the same second may have the same channel
    const next = book.add({ ...stored });
    expect(book.get(10) === next).toBe(true);
});
