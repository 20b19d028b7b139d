/** What a worker says to a demand, case by case; tests/flows/disputes-honest.spec.ts shows it on chain. */
import { answerRoot, contentHash, Fail, Finish, Result, signingKey } from '@cocoon-market/wrappers';
import Sqlite from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signReceipt } from '../../../offchain/link';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import type { WorkerContext } from '../../../offchain/worker/context';
import { defend, missingPieces } from '../../../offchain/worker/defence';
import { newJob } from '../store/conformance';

const KEY = signingKey(Buffer.alloc(32, 1));
const OTHER_KEY = signingKey(Buffer.alloc(32, 2));
const REQUEST = Buffer.alloc(32, 7);
const OTHER_REQUEST = Buffer.alloc(32, 8);
const PIECE = 16 * 1024;

let folder: string;
let store: SqliteWorkerStore;
let job: Buffer;

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-defence-'));
    store = await SqliteWorkerStore.open(join(folder, 'worker.db'));
    const added = newJob();
    await store.jobs.add(added);
    job = added.job;
    const query = { job, number: 1, request: REQUEST, ceiling: 1n, promptEstimate: 1 };
    await store.queries.accept({ ...query, accept: Buffer.from('accept') });
});

afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
});

const demanded = (change: object = {}) => ({
    ...{ job, query: 1, about: REQUEST, firstPiece: 0, receiptKey: KEY.publicKey },
    ...change,
});
const answerTo = (file = demanded(), missing?: number) =>
    defend({ store, receiptKey: KEY, now: () => 1000 } as unknown as WorkerContext, file, missing);

async function deliver(bytes: Buffer): Promise<Buffer> {
    const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
    const named = { job, number: 1, index: 1, content: contentHash(REQUEST, answerRoot(bytes)) };
    const bill = { ...counts, price: 5n, cumulative: 5n, finishedAt: 900, finish: Finish.Stop };
    const receipt = signReceipt(Result, { ...named, ...bill }, KEY);
    await store.queries.end({
        ...{ kind: 'result', job, number: 1, receipt, bytes, counts, index: 1, cumulative: 5n },
        ...{ finishedAt: 900, model: 'some/model' },
    });
    return receipt;
}

/** The disk loses what these statements change. */
async function lose(...statements: string[]): Promise<void> {
    await store.close();
    const file = new Sqlite(join(folder, 'worker.db'));
    file.pragma('foreign_keys = OFF');
    statements.forEach((statement) => expect(file.prepare(statement).run().changes).toBeGreaterThan(0));
    file.close();
    store = await SqliteWorkerStore.open(join(folder, 'worker.db'));
}

describe('The answer to a demand where the disk has lost something', () => {
    it('is no fail of a number whose row is gone while a result of the job is missing', async () => {
        await deliver(Buffer.alloc(100, 3));
        await lose('DELETE FROM answers', 'DELETE FROM queries');

        const answer = await answerTo();

        expect(answer).toMatchObject({ kind: 'none', reason: expect.stringContaining('result is missing') as string });
        expect(await store.queries.denial({ job, number: 1, request: REQUEST })).toBeUndefined();
    });

    it('is a fail of a number that was passed over while every result of the job is there', async () => {
        await deliver(Buffer.alloc(100, 3));
        const other = { job, number: 5, request: REQUEST, ceiling: 1n, promptEstimate: 1 };
        await store.queries.accept({ ...other, accept: Buffer.from('accept') });

        expect(await answerTo(demanded({ query: 4 }))).toMatchObject({ kind: 'fail' });
    });

    it('is no fail where the row of the job is gone and its results are not', async () => {
        await deliver(Buffer.alloc(100, 3));
        await lose('DELETE FROM jobs');

        expect(await answerTo(demanded({ query: 9 }))).toMatchObject({ kind: 'none' });
    });

    it('is still the pieces of a result where the row of its job is gone', async () => {
        const result = await deliver(Buffer.alloc(100, 3));
        await lose('DELETE FROM jobs');

        expect(await answerTo()).toMatchObject({ kind: 'pieces', result, indexes: [0] });
    });

    it('has of a stored answer the pieces before the one that is gone', async () => {
        const counts = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
        for (const byte of [1, 2, 3]) {
            const bytes = Buffer.alloc(9, byte);
            await store.queries.append({ job, number: 1, bytes, counts, promptKnown: true });
        }
        await lose('DELETE FROM answers WHERE piece = 2');

        expect(await store.queries.answer({ job, number: 1 })).toEqual(Buffer.alloc(9, 1));
    });

    it.each([
        ['has other bytes', 'UPDATE answers SET bytes = zeroblob(100)'],
        ['is gone', 'DELETE FROM answers'],
    ])('is none where the stored answer %s, because its pieces would show nothing', async (_case, statement) => {
        await deliver(Buffer.alloc(100, 3));
        await lose(statement);

        expect(await answerTo()).toMatchObject({
            kind: 'none',
            reason: expect.stringContaining('answer is damaged') as string,
        });
    });
});

describe('The answer to a demand', () => {
    it('waits while the query is being answered, and never fails it meanwhile', async () => {
        expect(await answerTo()).toMatchObject({ kind: 'wait' });
        expect(await store.queries.denial({ job, number: 1, request: REQUEST })).toBeUndefined();
    });

    it('is the voucher from the count on that reaches the result, and the pieces below', async () => {
        const result = await deliver(Buffer.alloc(100, 3));
        const signature = Buffer.alloc(64, 4);
        await store.jobs.addVoucher(job, { cumulative: 5n, count: 0, signature }, 1);
        expect(await answerTo()).toMatchObject({ kind: 'pieces', result, indexes: [0] });

        await store.jobs.addVoucher(job, { cumulative: 5n, count: 1, signature }, 1);
        expect(await answerTo()).toMatchObject({ kind: 'voucher', result, voucher: { count: 1 } });
    });

    it('is no fail where the number has a result, even for another request', async () => {
        await deliver(Buffer.alloc(100, 3));

        const answer = await answerTo(demanded({ about: OTHER_REQUEST }));

        expect(answer).toMatchObject({ kind: 'none', reason: expect.stringContaining('another request') as string });
        expect(await store.queries.denial({ job, number: 1, request: OTHER_REQUEST })).toBeUndefined();
    });

    it('is the stored fail of the same request, and a new one of another', async () => {
        const receipt = Buffer.from('stored fail');
        await store.queries.end({ kind: 'fail', job, number: 1, receipt });

        expect(await answerTo()).toEqual({ kind: 'fail', fail: receipt });
        const denied = await answerTo(demanded({ about: OTHER_REQUEST }));

        const fail = (denied as { fail: Buffer }).fail;
        expect(Fail.decode(fail.subarray(0, -64))).toMatchObject({ number: 1, request: OTHER_REQUEST, signedAt: 1000 });
        expect(await answerTo(demanded({ about: OTHER_REQUEST }))).toEqual({ kind: 'fail', fail });
    });

    it('is on the disk before it is given, for a query that was never seen', async () => {
        const answer = await answerTo(demanded({ query: 9 }));

        expect(answer).toEqual({
            kind: 'fail',
            fail: await store.queries.denial({ job, number: 9, request: REQUEST }),
        });
    });

    it('is a fail of what it accepted once a voucher counts results that nobody gave, for then nothing else ends it', async () => {
        const signature = Buffer.alloc(64, 4);
        await store.jobs.addVoucher(job, { cumulative: 0n, count: 1, signature }, 1); // signed by a client that was given no result

        const answer = await answerTo();

        expect(answer).toMatchObject({ kind: 'fail' });
        const { fail } = answer as { fail: Buffer };
        expect(Fail.decode(fail.subarray(0, -64))).toMatchObject({ job, number: 1, request: REQUEST });
        expect((await store.queries.get({ job, number: 1 }))!.end).toEqual({ kind: 'fail', receipt: fail });
        expect(await answerTo()).toEqual({ kind: 'fail', fail });
    });

    it('is none under another receipt key, or for records that are gone', async () => {
        expect(await answerTo(demanded({ query: 9, receiptKey: OTHER_KEY.publicKey }))).toMatchObject({ kind: 'none' });
        await deliver(Buffer.alloc(1));
        await store.jobs.setState(job, 'ended', 1);
        await store.prune(2);

        expect(await answerTo()).toMatchObject({
            kind: 'none',
            reason: expect.stringContaining('no longer') as string,
        });
    });

    it.each([
        { what: 'all four demanded', length: 6 * PIECE, first: 1, missing: undefined, posted: [1, 2, 3, 4] },
        { what: 'those that are there', length: 2 * PIECE + 1, first: 1, missing: undefined, posted: [1, 2] },
        { what: 'those still missing', length: 6 * PIECE, first: 1, missing: 0b1010, posted: [2, 4] },
        { what: 'any where the answer ends before', length: PIECE, first: 1, missing: undefined, posted: [0] },
        { what: 'the last piece of one byte', length: PIECE + 1, first: 1, missing: undefined, posted: [1] },
    ])('posts $what', ({ length, first, missing, posted }) => {
        expect(missingPieces(length, first, missing)).toEqual(posted);
    });
});
