/** What clients may have stored that is not billed by its size: vectors and log probabilities. */
import type { Feature, ModelRequest } from '../../../offchain/link';
import { asksForNotes } from '../../../offchain/link';
import { JobNotes } from '../../../offchain/worker/allowance';
import { DiskRoom } from '../../../offchain/worker/diskRoom';
import { ECHO, echo } from '../support/backend';
import { TestClient } from '../support/client';
import { chatRequest } from '../support/requests';
import { configFor, type Fixture, startFixture } from '../support/worker';

const MiB = 1 << 20;
const FREE = 64_000_000; // bytes of a client that has paid nothing
const MARGIN = 640_000; // bytes: 15 minutes of what comes back
const UNPAID = { pays: false, voucher: null };
const spend = jest.spyOn(JobNotes.prototype, 'spend');

let fixture: Fixture;
let free: number; // bytes of the disk

const start = async (features: Feature[] = ['logprobs']) => {
    free = 10_000 * MiB;
    let seconds = 0;
    const disk = { freeBytes: () => free, totalBytes: () => 20_000 * MiB };
    fixture = await startFixture({}, { disk, steady: () => ++seconds });
    fixture.backend.features = features;
    fixture.backend.script = (request) => [
        ...(asksForNotes(request) ? [{ type: 'delta' as const, note: { noted: 'a note' }, tokens: 0 }] : []),
        ...(request.endpoint === 'embedding'
            ? [{ type: 'end' as const, finish: 'stop' as const, usage: NOTHING }]
            : echo(request)),
    ];
};
const EMPTY = { reusableBytes: () => 0 };
const NOTHING = { prompt: 1, cached: 0, completion: 0, reasoning: 0 };
const withJob = () => TestClient.withJob(fixture.worker.url, fixture.chain);
const chat = (fields: object): ModelRequest =>
    chatRequest({ model: ECHO, messages: [{ role: 'user', content: 'one' }], ...fields });
const LOGPROBS = { logprobs: true };
const EMBEDDING: ModelRequest = { endpoint: 'embedding', maxTokens: 0, body: { model: ECHO, input: 'one' } };

/** The allowance of the job that was answered last, and what its answer took of it. */
const spent = () => ({
    allowance: spend.mock.contexts.at(-1) as JobNotes,
    bytes: spend.mock.calls.at(-1)![0],
});

beforeEach(() => spend.mockClear());
afterEach(() => fixture.stop());

describe('A client that has used up what may be stored for nothing', () => {
    beforeEach(() => start());

    it('is refused log probabilities before anything runs, unsigned, and gets text; another client gets both', async () => {
        const client = await withJob();
        expect((await client.ask(1, chat(LOGPROBS), UNPAID)).result).toBeDefined();
        const { allowance, bytes } = spent();
        expect(bytes).toBeGreaterThan('{"noted":"a note"}'.length);
        allowance.spend(FREE - bytes - MARGIN);
        expect((await client.ask(2, chat(LOGPROBS), UNPAID)).result).toBeDefined();
        allowance.spend(2 * MARGIN);

        expect(await client.ask(3, chat(LOGPROBS), UNPAID)).toMatchObject({
            ...{ status: 507, receipts: new Map() },
            refusal: { code: 'no_storage', message: expect.stringContaining('of this client for now: pay') as string },
        });
        expect(fixture.backend.requests).toHaveLength(2);
        expect((await client.ask(3, chat({}), UNPAID)).text).toBe('one');
        const other = await withJob();
        expect((await other.ask(1, chat(LOGPROBS), UNPAID)).result).toBeDefined();
    });

    it('gets them again once its vouchers promise 1 TON for each 64 GB', async () => {
        const client = await withJob();
        await client.ask(1, chat(LOGPROBS), UNPAID);
        const { allowance, bytes } = spent();
        allowance.spend(2 * FREE - bytes);

        expect((await client.pay(client.voucher(999_000n, 0))).status).toBe(200);
        expect((await client.ask(2, chat(LOGPROBS), UNPAID)).refusal?.code).toBe('no_storage');
        expect((await client.pay(client.voucher(1_001_000n, 0))).status).toBe(200);
        expect((await client.ask(2, chat(LOGPROBS), UNPAID)).result).toBeDefined();
    });

    it('gets them with the voucher that its query brings', async () => {
        const client = await withJob();
        await client.ask(1, chat(LOGPROBS), UNPAID);
        spent().allowance.spend(FREE + MARGIN);

        const paying = { pays: false, voucher: client.voucher(1_000_000n, 0) };
        expect((await client.ask(2, chat(LOGPROBS), paying)).result).toBeDefined();
    });
});

describe('A stranger whose channel names the escrow of another client', () => {
    it('and uses up what may be stored for that one keeps no log probabilities from a job that pays', async () => {
        await start();
        const client = await withJob();
        await client.ask(1, chat(LOGPROBS));
        const stranger = new TestClient(fixture.worker.url, fixture.chain);
        stranger.jobNumber = 8;
        await stranger.draft({ escrow: client.terms.escrow });
        await stranger.open();
        await stranger.register();
        await stranger.ask(1, chat(LOGPROBS), UNPAID);
        spent().allowance.spend(2 * FREE);
        expect((await stranger.ask(2, chat(LOGPROBS), UNPAID)).refusal?.code).toBe('no_storage');

        expect((await client.ask(2, chat(LOGPROBS))).result).toBeDefined();
    });
});

describe('A worker whose disk fills', () => {
    const TENTH = 2000 * MiB;
    const RESERVED = 712 * MiB;

    it('refuses log probabilities while less than a tenth of it is free besides what text needs', async () => {
        await start();
        const client = await withJob();
        free = RESERVED + TENTH - 1;
        expect(await client.ask(1, chat(LOGPROBS))).toMatchObject({
            refusal: { code: 'no_storage', message: expect.stringContaining('its disk is nearly full') as string },
        });
        expect((await fixture.worker.status()).readiness).toMatchObject({ ready: true });
        expect(fixture.worker.nodeInfo.offers[0].available).toBe(true);
        expect((await client.ask(1, chat({}))).text).toBe('one');

        free++;
        expect((await client.ask(2, chat(LOGPROBS))).result).toBeDefined();
        free = RESERVED;
        expect((await client.ask(3, chat({}))).text).toBe('one');
        free--;
        expect((await client.ask(4, chat({}))).refusal?.code).toBe('paused');
    });

    it('refuses embeddings in the same way, and does not list their model as available', async () => {
        await start(['embeddings']);
        const client = await withJob();
        free = RESERVED + TENTH;
        expect(fixture.worker.nodeInfo.offers[0].available).toBe(true);
        expect((await client.ask(1, EMBEDDING)).result).toBeDefined();
        free--;

        expect((await client.ask(2, EMBEDDING)).refusal?.code).toBe('no_storage');
        expect(fixture.worker.nodeInfo.offers[0].available).toBe(false);
    });

    it('counts what is free in the file of its store, but for the bytes that the log and others need', async () => {
        await start();
        const hasRoom = (freeBytes: number, reusableBytes: number) => {
            const disk = { freeBytes: () => freeBytes, totalBytes: () => 0 };
            const store = { reusableBytes: () => reusableBytes };
            const room = new DiskRoom(configFor(fixture.folder), disk, store, () => 0);
            return [room.hasRoom, room.hasRoomForNotes];
        };
        expect(hasRoom(200 * MiB, 512 * MiB)).toEqual([true, true]);
        expect(hasRoom(200 * MiB, 512 * MiB - 1)).toEqual([false, false]);
        expect(hasRoom(200 * MiB - 1, 5120 * MiB)).toEqual([false, false]);
    });

    it('refuses nothing where a database on another machine has the answers', async () => {
        await start();
        const settings = configFor(fixture.folder, { store: 'postgres://127.0.0.1/worker' });
        const room = new DiskRoom(settings, { freeBytes: () => 0, totalBytes: () => MiB }, EMPTY, () => 0);
        expect([room.hasRoom, room.hasRoomForNotes]).toEqual([true, true]);
    });
});
