// Longer than 350 lines because every lie is told by the same worker.
/** What a client refuses of a worker that lies, and what it says of each lie. Nothing of a lie is paid. */
import { type ChatQuestion, type ClientJob, memoryStore, type Store } from '@cocoon-market/client';
import { Result, signingKey, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { Address, type Contract } from '@ton/core';
import { ActiveJob } from '../../client/activeJob';
import type { ClientContext } from '../../client/context';
import { fetchEndings } from '../../client/endings';
import { ClientJob as Job } from '../../client/job';
import { Records, type SavedJob } from '../../client/records';
import { encodeRecord, RecordReader, RecordType, signReceipt, type WireRecord } from '../../offchain/link';
import { TestClient } from '../offchain/support/client';
import { account, type Fixture, SEEDS, startFixture } from '../offchain/support/worker';

const QUESTION: ChatQuestion = { messages: [{ role: 'user', content: 'one two three' }], maxTokens: 100 };
const LIMIT = 50_000_000n; // nanoTON of one query
const SEED = Buffer.alloc(32, 9);

type Change = (records: WireRecord[], context: { last: WireRecord[] | undefined }) => WireRecord[];

describe('A client and a worker that lies', () => {
    let fixture: Fixture;
    let change: Change | undefined; // of the next answer
    let last: WireRecord[] | undefined; // of the answer before
    let answer: ((path: string, response: Response) => Promise<Response>) | undefined; // of calls that are no query
    let jobs = 0;

    beforeAll(async () => {
        fixture = await startFixture();
    });
    afterAll(() => fixture.stop());

    /** The worker's answers, but records of a query as `change` makes them. */
    const lyingFetch = async (url: string, init: RequestInit): Promise<Response> => {
        const response = await fetch(url, init);
        if (!url.endsWith('/v1/query') || !response.ok) {
            return answer?.(new URL(url).pathname, response) ?? response;
        }
        const records = new RecordReader().push(Buffer.from(await response.arrayBuffer()));
        const changed = change?.(records, { last }) ?? records;
        last = records;
        return new Response(new Uint8Array(Buffer.concat(changed.map(({ type, bytes }) => encodeRecord(type, bytes)))));
    };

    /** Asks, and gets no ending: a proxy answers where it would be fetched. */
    const askWithoutEnding = async (job: ClientJob) => {
        change = (records) => without(records, RecordType.Result);
        answer = async (path, response) =>
            path.includes('/queries/') ? new Response('<h1>Not Found</h1>', { status: 404 }) : response;
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
    };

    const openJob = async (store: Store = memoryStore()): Promise<{ job: ClientJob; state: ActiveJob }> => {
        [change, answer] = [undefined, undefined];
        const { chain, worker } = fixture;
        const client = new TestClient(worker.url, chain, signingKey(SEED));
        client.jobNumber = 4 * ++jobs;
        await client.draft();
        await client.open();
        const { info, terms } = client;
        const escrow = new Address(0, terms.escrow);
        const getReading = async () => ({ isActive: false, balance: 0n }); // no channel is on chain
        const context: ClientContext = {
            network: chain.network,
            market: {
                readNode: async (address) => ({
                    ...{ address, provider: Address.parse(info.provider), number: 0, endpoint: worker.url },
                    ...{ receiptKey: info.receiptKey, encryptionKey: info.encryptionKey, payout: account(0x33) },
                    offers: info.offers.map(({ rates }) => ({
                        model: BigInt(`0x${terms.model.toString('hex')}`),
                        ...rates,
                    })),
                    ...{ isJailed: false, slashable: 1n },
                }),
            },
            chain: { open: <T extends Contract>(_contract: T) => ({ getReading }) as never },
            ...{ escrow, wallet: undefined, spendKey: signingKey(SEED), records: new Records(store, escrow) },
            ...{ limits: { job: 10n ** 9n, query: LIMIT }, counters: {}, fetch: lyingFetch },
            ...{
                now: () => chain.now(),
                pollMs: 1,
                allowPrivate: true,
                requireOpen: () => undefined,
                turn: (task) => task(),
                halted: new AbortController().signal,
            },
        };
        const saved: SavedJob = {
            ...{ number: client.jobNumber, network: chain.network, model: info.offers[0].model, url: worker.url },
            ...{ processes: [], channel: client.channel.hash, hash: client.job, terms, deposit: 10n ** 9n },
            ...{ funds: 10n ** 9n, maxSpend: 10n ** 9n, orderedAt: chain.now(), seed: SEED, phase: 'open', note: '' },
            ...{ highest: 0, queryCount: 0, voucher: null, signingStop: '' },
        };
        await context.records.addJob(saved);
        const state = await ActiveJob.load(context, saved);
        return { job: Job.of(state), state };
    };

    const of = (records: WireRecord[], type: RecordType) => records.find((one) => one.type === type)!;
    const without = (records: WireRecord[], type: RecordType) => records.filter((one) => one.type !== type);

    /** The records with another result, which the node signed. */
    const withResult = (records: WireRecord[], changes: Partial<Result>, key = SEEDS.receiptKey): WireRecord[] => {
        const result = Result.decode(of(records, RecordType.Result).bytes.subarray(0, Result.bytes));
        const bytes = signReceipt(Result, { ...result, ...changes }, signingKey(key));
        return [...without(records, RecordType.Result), { type: RecordType.Result, bytes }];
    };

    it('answers an honest one with the text and a receipt, and pays its price', async () => {
        const { job, state } = await openJob();
        const answer = job.ask(QUESTION);

        expect(await answer.text()).toBe('one two three');
        expect(await job.receipts()).toEqual([answer.receipt]);
        await state.money.flush();
        expect(job.spent).toBe(answer.receipt!.price);
        expect(job.spent).toBeGreaterThan(0n);
    });

    const dearer = (records: WireRecord[]) => {
        const { price, cumulative } = Result.decode(of(records, RecordType.Result).bytes.subarray(0, Result.bytes));
        return withResult(records, { price: price + 1n, cumulative: cumulative + 1n });
    };
    const flipped = ({ type, bytes }: WireRecord): WireRecord => {
        const changed = Buffer.from(bytes);
        changed[changed.length - 1] ^= 1;
        return { type, bytes: changed };
    };
    it.each<[string, Change, string]>([
        [
            'bills a nanoTON more than its counts',
            dearer,
            'its price is not that of its counts at the rates of the terms',
        ],
        ['counts a total that does not follow', (all) => withResult(all, { cumulative: 7n }), 'its cumulative'],
        [
            'signs with another key',
            (all) => withResult(all, {}, Buffer.alloc(32, 7)),
            'the node did not sign this result',
        ],
        ['signs for another job', (all) => withResult(all, { job: Buffer.alloc(32) }), 'it is for another job'],
        ['signs for another query', (all) => withResult(all, { number: 9 }), 'it is for another query'],
        [
            'signs for another answer',
            (all) => withResult(all, { content: Buffer.alloc(32) }),
            'not the answer that arrived',
        ],
        ['signs another time', (all) => withResult(all, { index: 0 }), 'its index is 0'],
        ['shows no accept', (all) => without(all, RecordType.Accept), 'an answer comes before its accept'],
        ['shows its accept twice', (all) => [all[0], ...all], 'there are two accepts'],
        [
            'changes a byte of a frame',
            ([accept, one, ...all]) => [accept, flipped(one), ...all],
            'a frame does not open',
        ],
    ])('refuses one that %s, and pays nothing more', async (_name, lie, message) => {
        const { job, state } = await openJob();
        change = lie;

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({
            code: 'breach',
            message: expect.stringContaining(message) as string,
        });
        expect([job.phase, job.spent, await job.receipts()]).toEqual(['broken', 0n, []]);
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'wrong_phase' });
        expect(state.stored.voucher).toBeNull();
    });

    it.each<[string, RecordType, string]>([
        ['accept', RecordType.Accept, 'the accept is refused: it is for another query'],
        ['result', RecordType.Result, 'the result is refused: it is for another query'],
    ])('refuses the %s of an earlier query, which is replayed', async (_name, type, message) => {
        const { job } = await openJob();
        await job.ask(QUESTION).text();
        change = (records, { last: earlier }) => records.map((one) => (one.type === type ? of(earlier!, type) : one));

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'breach', message });
        expect((await job.receipts()).map(({ number }) => number)).toEqual([1]);
    });

    it('takes an answer that is truncated for no whole one, and fetches its ending', async () => {
        const { job } = await openJob();
        change = (records) => without(records, RecordType.Result);

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
        expect([await job.recover(), (await job.receipts()).length]).toEqual([true, 1]);
    });

    it('signs nothing above the limit of a query, and sends nothing', async () => {
        const { job } = await openJob();

        expect(() => job.ask({ ...QUESTION, maxPrice: LIMIT + 1n })).toThrow(
            expect.objectContaining({ code: 'over_limit' }) as Error,
        );
        expect(await job.ask({ ...QUESTION, maxPrice: LIMIT }).text()).toBe('one two three');
    });

    it('names the field of a question that no node knows, before anything is sent', async () => {
        const { job, state } = await openJob();

        expect(() => job.ask({ ...QUESTION, surprise: 1 })).toThrow('a field that no node knows: surprise');
        expect(state.stored.highest).toBe(0);
    });

    it('goes on after a reload with the numbers, vouchers and receipts of its store', async () => {
        const { job, state } = await openJob();
        await job.ask(QUESTION).text();
        await state.money.flush();
        await state.money.stop();

        const [saved] = await state.context.records.jobs();
        const again = Job.of(await ActiveJob.load(state.context, saved));
        await again.ask(QUESTION).text();

        expect((await again.receipts()).map(({ number }) => number)).toEqual([1, 2]);
        expect([again.owed, again.spent >= job.spent]).toEqual([2n * job.owed, true]);
    });

    it('goes on after a reload though its worker says that four billion queries were asked', async () => {
        const { job, state } = await openJob();
        answer = async (path, response) => {
            const body = (await response.json()) as object;
            return Response.json(path === '/v1/jobs' ? { ...body, highest: 0xff00_0000 } : body);
        };
        await job.ask(QUESTION).text();

        const [saved] = await state.context.records.jobs();
        const again = Job.of(await ActiveJob.load(state.context, saved));

        expect((await again.receipts()).map(({ number }) => number)).toEqual([0xff00_0001]);
    });

    it('blames no node for an ending that its own store did not take, and books it later', async () => {
        const inner = memoryStore();
        let puts = 0;
        const { job } = await openJob({
            ...inner,
            put: async (key, value) => {
                if (key.endsWith('/query/1') && ++puts === 2) {
                    throw new Error('QuotaExceededError');
                }
                await inner.put(key, value);
            },
        });

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });

        expect([await job.recover(), job.phase, (await job.receipts()).length]).toEqual([true, 'open', 1]);
        expect(job.owed).toBe((await job.receipts())[0].price);
    });

    it('takes the word of a proxy for no ending of a query, and fetches it when the worker answers', async () => {
        const { job, state } = await openJob();
        await askWithoutEnding(job);

        await fetchEndings(state, 500);
        expect(state.reservations.size).toBe(1);
        answer = undefined;
        expect([await job.recover(), (await job.receipts()).length]).toEqual([true, 1]);
    });

    it('blames no node that is a step ahead for each of two queries at once, also after a start', async () => {
        const { job, state } = await openJob();
        await Promise.all([askWithoutEnding(job), askWithoutEnding(job)]);

        const [saved] = await state.context.records.jobs();
        const again = await ActiveJob.load(state.context, saved);

        const counts = [state, again].map(({ reservations }) =>
            [...reservations.values()].map(({ query }) => query?.concurrent),
        );
        expect(counts).toEqual([
            [2, 2],
            [2, 2],
        ]);
    });

    it('refuses the receipt of another answer than the one that began to arrive', async () => {
        const { job, state } = await openJob();
        change = (records) => without(records, RecordType.Result);
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
        const reservation = state.reservations.get(1)!;
        expect(reservation.received.length).toBeGreaterThan(0);
        reservation.received[0] ^= 1;

        await job.recover();
        expect([job.phase, state.stored.note]).toEqual([
            'broken',
            'the stored answer is another than the one that was sent',
        ]);
    });

    it('breaks off with a worker that answers a payment with a voucher that nobody signed', async () => {
        const { job, state } = await openJob();
        const foreign = { cumulative: '9999999', count: 1, signature: '00'.repeat(64) };
        await job.ask(QUESTION).text();
        answer = async (path, response) => (path === '/v1/voucher' ? Response.json({ voucher: foreign }) : response);

        const abandon = jest.spyOn(state, 'abandon');
        const note = 'The worker has a voucher that the key of its job did not sign';
        expect(await job.settle()).toMatchObject({ note, spent: job.owed });
        expect(abandon).toHaveBeenCalledWith(note);
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'wrong_phase' });
    });

    it('blames no node when its own store does not take the voucher of another program', async () => {
        const inner = memoryStore();
        let isFull = false;
        const put = async (key: string, value: string) => {
            if (isFull && key.endsWith('/voucher')) {
                throw new Error('QuotaExceededError');
            }
            await inner.put(key, value);
        };
        const { job, state } = await openJob({ ...inner, put });
        const hash = Voucher.hash(voucherFor(state.stored.network, state.channel, 9_999n, 1));
        const voucher = { cumulative: '9999', count: 1, signature: state.key.sign(hash).toString('hex') };
        answer = async (path, response) =>
            path === '/v1/jobs' ? Response.json({ ...((await response.json()) as object), voucher }) : response;
        isFull = true;

        await expect(job.ask(QUESTION).text()).rejects.toThrow('QuotaExceededError');
        expect(job.phase).toBe('open');
    });

    it('waits for no worker that sends a stored answer without end', async () => {
        const { job, state } = await openJob();
        change = (records) => without(records, RecordType.Result);
        answer = async (path, response) =>
            path.includes('/queries/') ? new Response(new ReadableStream({ pull: () => undefined })) : response;
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });

        const begin = Date.now();
        await fetchEndings(state, 50);
        expect(Date.now() - begin).toBeLessThan(2_000);
    });

    it('fetches a few endings at a time from a worker that withholds many', async () => {
        const { job, state } = await openJob();
        change = (records) => without(records, RecordType.Result);
        let [running, most] = [0, 0];
        answer = async (path, response) => {
            if (!path.includes('/queries/')) return response;
            most = Math.max(most, ++running);
            await new Promise(setImmediate);
            running--;
            return new Response('<h1>Not Found</h1>', { status: 404 });
        };
        for (let query = 0; query < 10; query++) {
            await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
        }
        most = 0;
        await fetchEndings(state, 500);
        expect([state.reservations.size, most]).toEqual([10, 4]);

        answer = undefined;
        expect([await job.recover(), (await job.receipts()).length]).toEqual([true, 10]);
    });

    it('fetches a few endings at a time over all questions from a worker that begins each and sends no more', async () => {
        const { job, state } = await openJob();
        change = (records) => without(records, RecordType.Result);
        let fetched = 0;
        let release!: () => void;
        const released = new Promise<void>((resolve) => (release = resolve));
        answer = async (path, response) => {
            if (path.includes('/queries/')) {
                fetched++;
                await released;
            }
            return response;
        };
        for (let query = 0; query < 10; query++) {
            await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
        }
        expect([state.reservations.size, fetched]).toEqual([10, 4]);

        release();
        expect([await job.recover(), (await job.receipts()).length]).toEqual([true, 10]);
    });

    it('sends nothing more to a worker whose answers without an ending fill the memory', async () => {
        const { job, state } = await openJob();
        await askWithoutEnding(job);
        state.reservations.get(1)!.received = Buffer.alloc(16 << 20);

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'too_many' });
        expect(state.stored.highest).toBe(1);
    });

    it('sends nothing more to a worker that gave no ending of a hundred queries', async () => {
        const { job, state } = await openJob();
        await askWithoutEnding(job);
        const [one] = state.reservations.values();
        for (let number = 1002; number <= 1099; number++) state.reservations.set(number, { ...one, query: undefined });

        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'broken_off' });
        await expect(job.ask(QUESTION).text()).rejects.toMatchObject({ code: 'too_many' });
    });
});
