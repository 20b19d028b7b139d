import { answerRoot, contentHash, Finish, Reason } from '@cocoon-market/wrappers';
import { request } from 'undici';
import { encodeQuery, paths } from '../../../offchain/link';
import { SqliteJobs } from '../../../offchain/store/sqliteJobs';
import { SqliteQueries } from '../../../offchain/store/sqliteQueries';
import { counterOf } from '../../../offchain/tokens';
import type { Step } from '../support/backend';
import { type Sealed, TestClient } from '../support/client';
import { until } from '../support/until';
import { type Fixture, startFixture, TOKEN } from '../support/worker';

let fixture: Fixture;
let client: TestClient;

const begin = async (answerSeconds?: number) => {
    fixture = await startFixture(answerSeconds === undefined ? {} : { answerSeconds });
    client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step: 1000n * TOKEN });
};

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

const CEILING = 100_000_000n;
const end: Step = { type: 'end', finish: 'stop' };
const words = (count: number): Step[] =>
    Array.from({ length: count }, () => ({ type: 'delta', content: 'word '.padEnd(50), tokens: 50 }));
const diskFull = new Error('No space left on device');

/** The next call of a method waits until the returned function is called. */
function hold(prototype: object, method: string): () => void {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const methods = prototype as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const original = methods[method];
    jest.spyOn(methods, method).mockImplementationOnce(async function (this: unknown, ...args) {
        await held;
        return original.apply(this, args);
    });
    return release;
}

describe('a write that the store rejects while it goes on', () => {
    beforeEach(() => begin());

    it('of a part of an answer: it is cut, and its result is over the bytes that are stored', async () => {
        const append = jest.spyOn(SqliteQueries.prototype, 'append').mockRejectedValueOnce(diskFull);
        fixture.backend.script = () => [{ type: 'prompt', prompt: 1, cached: 0 }, ...words(12), end];
        const query = client.seal(1, 'one', { ceiling: CEILING });
        const answer = await client.send(query);

        expect(append).toHaveBeenCalledTimes(1);
        expect(answer.result!.finish).toBe(Finish.CutByWorker);
        expect(answer.bytes.length).toBeGreaterThan(0);
        const stored = await client.fetch(query);
        expect(stored.bytes).toEqual(answer.bytes);
        expect(answer.result!.content).toEqual(contentHash(query.hash, answerRoot(stored.bytes)));
    });

    it.each([
        ['fail', [{ type: 'fail' }]],
        ['result', [...words(1), end]],
    ] as [string, Step[]][])('of a %s: the worker ends, and the next process ends the query', async (kind, steps) => {
        jest.spyOn(SqliteQueries.prototype, 'end').mockRejectedValueOnce(diskFull);
        fixture.backend.script = () => steps;
        const query = client.seal(1, 'one', { ceiling: CEILING });
        await client.send(query).catch(() => undefined);

        await expect(fixture.worker.failed).rejects.toThrow(/could not be (ended|stored)/);
        await fixture.restart();
        client.url = fixture.worker.url;
        const stored = await client.fetch(query);
        expect([stored.fail, stored.result].filter((receipt) => receipt !== undefined)).toHaveLength(1);
        expect(kind === 'fail' ? stored.fail : (stored.fail ?? stored.result)).toBeDefined();
    });

    it('of a voucher whose query it accepted: the worker ends, because the client takes both for stored', async () => {
        await client.ask(1, 'one', { pays: false });
        jest.spyOn(SqliteJobs.prototype, 'addVoucher').mockRejectedValueOnce(diskFull);
        const voucher = client.voucher(client.owed(), client.count());
        expect((await client.ask(2, 'two', { voucher })).status).toBe(500);
        await expect(fixture.worker.failed).rejects.toThrow('The voucher of an accepted query was not stored');
    });

    it('of declines: they are as many as a job has in all', async () => {
        jest.spyOn(SqliteQueries.prototype, 'decline').mockRejectedValueOnce(diskFull);
        const ask = async (number: number) => client.ask(number, 'one', { model: 'other' });
        expect((await ask(1)).refusal?.code).toBe('internal');
        for (let number = 2; number <= 65; number++) {
            expect((await ask(number)).decline?.reason).toBe(Reason.UnknownModel);
        }
        expect((await ask(66)).refusal?.code).toBe('declined');
    });
});

describe('a number that two requests have', () => {
    beforeEach(() => begin());
    const changed = (query: Sealed) => client.seal(query.head.number, 'another');

    it('is not given to the model while the decline of the other is on its way to the disk', async () => {
        const store = hold(SqliteQueries.prototype, 'decline');
        const declined = client.ask(1, 'one', { model: 'other' });
        await until(() => (SqliteQueries.prototype.decline as jest.Mock).mock.calls.length === 1);

        expect((await client.ask(1, 'two')).refusal?.code).toBe('running');
        store();
        expect((await declined).decline?.reason).toBe(Reason.UnknownModel);
        expect(fixture.backend.requests).toHaveLength(0);
    });

    it('is not given to the model again when the other came and ended while the store was asked', async () => {
        const read = jest.spyOn(SqliteQueries.prototype, 'get');
        let release!: () => void;
        read.mockImplementationOnce(
            () => new Promise((resolve) => (release = () => resolve(undefined))), // as it was before the other
        );
        const query = client.seal(1, 'one');
        const late = client.send(query);
        await until(() => read.mock.calls.length === 1);
        const first = await client.send(query);
        expect(first.text).toBe('one');

        release();
        expect((await late).receipts).toEqual(first.receipts);
        expect((await client.send(changed(query))).refusal?.code).toBe('used_number');
        expect(fixture.backend.requests).toHaveLength(1);
    });
});

describe('an accept that takes long to be stored', () => {
    it('takes its time from that of the answer: the model is stopped before the deadline', async () => {
        await begin(1);
        fixture.backend.script = () => [{ type: 'pause' }, end];
        const store = hold(SqliteQueries.prototype, 'accept');
        const answering = client.ask(1, 'one');
        await until(() => fixture.backend.aborted === 1);

        store();
        expect((await answering).fail?.reason).toBe(Reason.BackendSlow);
    });

    it('ends with its connection: the model is stopped when the client leaves', async () => {
        await begin();
        fixture.backend.script = () => [{ type: 'pause' }, end];
        const store = hold(SqliteQueries.prototype, 'accept');
        const leaving = new AbortController();
        const { head, sealed } = client.seal(1, 'one');
        const headers = { 'content-type': 'application/octet-stream' };
        const { signal } = leaving;
        const asked = { method: 'POST' as const, headers, body: encodeQuery(head, sealed), signal };
        const answering = request(client.url + paths.query, asked).catch(() => undefined);
        await until(() => fixture.backend.requests.length === 1);
        leaving.abort();
        await until(() => fixture.backend.aborted === 1);

        store();
        await answering;
    });
});

describe('a prompt', () => {
    beforeEach(() => begin());
    const long = 'x'.repeat(600); // by its bytes more than half a step pays

    it('is not counted for a job that has no more declines, unless its bytes are paid', async () => {
        for (let number = 1; number <= 64; number++) {
            await client.ask(number, 'one', { model: 'other' });
        }
        const count = jest.spyOn(counterOf('bytes'), 'countPrompt');
        expect((await client.ask(65, long)).refusal?.code).toBe('declined');
        expect(count).not.toHaveBeenCalled();

        expect((await client.ask(66, 'one')).text).toBe('one');
        expect(count).toHaveBeenCalledTimes(1);
    });

    it('is not counted while as many are counted or answered as may run', async () => {
        client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step: 1000n * TOKEN, maxParallel: 1 });
        const count = jest.spyOn(counterOf('bytes'), 'countPrompt');
        let release!: () => void;
        count.mockImplementationOnce(
            () => new Promise((resolve) => (release = () => resolve({ bound: 10, estimate: 1, texts: 0 }))),
        );
        const first = client.ask(1, 'one');
        await until(() => count.mock.calls.length === 1);
        expect((await client.ask(2, 'two')).decline?.reason).toBe(Reason.TooBusy);
        expect(count).toHaveBeenCalledTimes(1);
        release();
        expect((await first).text).toBe('one');
    });
});
