// Longer than 350 lines because every implementation of a store passes this one suite.
import { randomBytes } from 'node:crypto';
import type { GatewayStore, StoredEnding, StoredJob, StoredQuery } from '../../../offchain/store/gateway';

const MAX = (1n << 64n) - 1n;
const rates = { prompt: 1n, cached: 2n, completion: MAX, reasoning: 4n };

export function newJob(number: number, fields: Partial<StoredJob> = {}): StoredJob {
    return {
        ...{ number, phase: 'ordered', model: 'm', worker: 'http://w', tier: 'open' },
        ...{ channel: randomBytes(32), hash: randomBytes(32), deposit: MAX, funds: MAX },
        terms: {
            ...{ escrow: randomBytes(32), provider: randomBytes(32), node: randomBytes(32), payout: randomBytes(32) },
            ...{ receiptKey: randomBytes(32), voucherKey: randomBytes(32), model: randomBytes(32), rates },
            ...{ step: 7n, maxParallel: 4, maxAnswer: 1 << 20, notice: 600, end: 2_000_000_000 },
        },
        ...{ validUntil: 1, createdAt: 2, voucher: null, note: '', breachAt: null, found: false, member: 1 },
        ...fields,
    };
}

export const query = (job: number, number: number, fields: Partial<StoredQuery> = {}): StoredQuery => ({
    ...{ job, number, salt: randomBytes(16), commitment: randomBytes(32), secret: Buffer.alloc(32, number) },
    ...{ request: randomBytes(32), ceiling: MAX, promptBound: 10, stopBound: 0, tokenizer: 'bytes', askedAt: 86_399 },
    ...fields,
});

const tokens = { prompt: 3, cached: 1, completion: 2, reasoning: 4 };

export const result = (fields: Partial<StoredEnding> = {}): StoredEnding => ({
    ...{ phase: 'result', accept: Buffer.from('accept'), receipt: Buffer.from('result') },
    ...{ entry: { index: 1, price: 5n, cumulative: MAX }, answer: Buffer.from('answer') },
    ...fields,
});

/** What every {@link GatewayStore} does; `open` opens the same store again after a close. */
export function describeGatewayStore(name: string, open: () => Promise<GatewayStore>): void {
    describe(name, () => {
        let store: GatewayStore;

        beforeEach(async () => {
            store = await open();
        });

        afterEach(() => store.close());

        const reopen = async () => {
            await store.close();
            store = await open();
        };

        it('keeps a job as it was ordered, and another order of its channel in its place', async () => {
            const job = newJob(2 ** 40 - 1);
            await store.addJob(job);
            await store.addJob(newJob(1));
            await reopen();
            expect(await store.job(job.number)).toEqual(job);
            expect(await store.newestJob()).toEqual(job);
            expect(await store.hasChannel(job.channel)).toBe(true);
            expect(await store.hasChannel(randomBytes(32))).toBe(false);

            await store.addJob({ ...job, deposit: 9n, found: true });
            expect(await store.job(job.number)).toMatchObject({ deposit: 9n, found: true });
            expect(await store.jobs()).toHaveLength(2);
        });

        it('keeps of a job that it found its voucher, and when its node broke the protocol', async () => {
            const voucher = { cumulative: 1n << 63n, count: 3, signature: randomBytes(64) };
            const job = newJob(1, { phase: 'leaving', voucher, breachAt: 5, found: true });
            await store.addJob(job);
            await reopen();
            expect(await store.job(1)).toEqual(job);
        });

        it('lists the orders whose outcome it does not have', async () => {
            const job = newJob(1, { validUntil: 77 });
            await store.addJob(job);
            await store.addJob(newJob(2, { phase: 'open' }));
            await store.addJob(newJob(3, { phase: 'failed' }));
            expect(await store.ordersUnderWay()).toEqual([{ channel: job.channel, validUntil: 77 }]);
        });

        it('gives each job that is over once, though more are asked for', async () => {
            for (const number of [1, 2, 3]) {
                await store.addJob(newJob(number, { phase: 'ended' }));
            }
            const after = async (number: number, limit: number) =>
                (await store.over(await store.job(number), limit)).map((job) => job.number);
            expect(await after(3, 1)).toEqual([2]);
            expect(await after(2, 9)).toEqual([1, 3, 2]);
        });

        it('reopens a job of its own that is still as it was read', async () => {
            await store.addJob(newJob(1, { phase: 'ended' }));
            await store.addJob(newJob(2, { phase: 'ended' }));
            const ended = (await store.job(1))!;
            expect(await store.revive({ ...ended, phase: 'failed' }, { phase: 'open' })).toBe(false);
            expect(await store.revive(ended, { phase: 'settling', note: 'why' })).toBe(true);
            expect(await store.revive(ended, { phase: 'open' })).toBe(false);
            expect(await store.job(1)).toEqual({ ...ended, phase: 'settling', note: 'why' });
            expect((await store.job(2))!.phase).toBe('ended');
        });

        it('lists jobs that have not ended, and those that are over, the newest first and then from the start', async () => {
            const phases = ['ended', 'open', 'failed', 'ended', 'settled'] as const;
            for (const [number, phase] of phases.entries()) {
                await store.addJob(newJob(number, { phase }));
            }
            const numbers = (jobs: StoredJob[]) => jobs.map(({ number }) => number);
            expect(numbers(await store.unended())).toEqual([1, 2, 4]);
            expect(numbers(await store.over(undefined, 2))).toEqual([3, 2]);
            expect(numbers(await store.over(await store.job(2), 2))).toEqual([0, 3]);
        });

        it('prefers a job that was opened to one of its number that failed', async () => {
            const opened = newJob(1, { phase: 'ended' });
            await store.addJob(newJob(1, { phase: 'failed' }));
            await store.addJob(opened);
            await store.addJob(newJob(1, { phase: 'failed' }));
            expect((await store.job(1))!.channel).toEqual(opened.channel);
            expect((await store.newestJob())!.channel).toEqual(opened.channel);
        });

        it('changes of a job what is named, and keeps the newest voucher', async () => {
            const job = newJob(1);
            const voucher = (cumulative: bigint, count: number) => ({ cumulative, count, signature: randomBytes(64) });
            const newest = voucher(1n << 63n, 2);
            await store.addJob(job);
            await store.changeJob(job.channel, { phase: 'open', note: 'why' });
            await store.changeJob(job.channel, { funds: 3n });
            await store.saveVoucher(job.channel, voucher(5n, 1));
            await store.saveVoucher(job.channel, newest);
            await expect(store.saveVoucher(job.channel, voucher(6n, 3))).rejects.toThrow('is not stored');
            await expect(store.saveVoucher(job.channel, voucher(MAX, 1))).rejects.toThrow('is not stored');
            await expect(store.saveVoucher(randomBytes(32), newest)).rejects.toThrow('is not stored');
            expect(await store.job(1)).toEqual({ ...job, phase: 'open', note: 'why', funds: 3n, voucher: newest });
        });

        it('takes a voucher that says as much as the newest one, and no older one after a restart', async () => {
            const job = newJob(1);
            const voucher = (cumulative: bigint, count: number) => ({ cumulative, count, signature: randomBytes(64) });
            await store.addJob(job);
            await store.saveVoucher(job.channel, voucher(5n, 2));
            await store.saveVoucher(job.channel, voucher(6n, 2));
            const newest = voucher(6n, 3);
            await store.saveVoucher(job.channel, newest);
            await reopen();
            await expect(store.saveVoucher(job.channel, voucher(5n, 3))).rejects.toThrow('is not stored');
            await expect(store.saveVoucher(job.channel, voucher(7n, 2))).rejects.toThrow('is not stored');
            expect((await store.job(1))!.voucher).toEqual(newest);
            await store.saveVoucher(job.channel, voucher(7n, 3));
            expect((await store.job(1))!.voucher).toMatchObject({ cumulative: 7n, count: 3 });
        });

        it('knows no process of a worker that names none', async () => {
            const job = newJob(1);
            await store.addJob({ ...job, processes: ['http://one'] });
            await store.changeJob(job.channel, { processes: [] });
            expect((await store.job(1))!.processes).toBeUndefined();
        });

        it('knows where the processes of a worker are, as it was told last', async () => {
            const job = newJob(1);
            await store.addJob({ ...job, processes: ['http://one'] });
            await store.changeJob(job.channel, { phase: 'open' });
            expect((await store.job(1))!.processes).toEqual(['http://one']);
            await store.changeJob(job.channel, { processes: ['http://two', 'http://one'] });
            expect((await store.job(1))!.processes).toEqual(['http://two', 'http://one']);
        });

        it('uses a query number once, and knows the highest', async () => {
            await store.addQuery(query(1, 4));
            await expect(store.addQuery(query(1, 4))).rejects.toBeDefined();
            await Promise.allSettled([store.addQuery(query(1, 2)), store.addQuery(query(1, 4))]);
            await store.addQuery(query(2, 4));
            await store.addQuery(query(5, 9, { tokenizer: 'qwen' }));
            expect(await store.highest(1)).toBe(4);
            expect(await store.highest(3)).toBe(0);
            const tokenizers = [await store.tokenizer(1), await store.tokenizer(3), await store.tokenizer(5)];
            expect(tokenizers).toEqual(['bytes', undefined, 'qwen']);
            expect((await store.openQueries(1)).map(({ number }) => number)).toEqual([2, 4]);
        });

        it('keeps the secret of a query until it ends, and the whole query if it is wanted', async () => {
            const open = query(1, 1, { apiKey: 'bob' });
            const whole = { session: randomBytes(32), sealed: randomBytes(5000) };
            await store.addQuery(open, whole);
            await store.saveAccept(1, 1, Buffer.from('accept'));
            await reopen();
            expect(await store.openQueries(1)).toMatchObject([open]);
            expect(await store.wholeQuery(1, 1)).toBeUndefined();

            await store.endQuery(1, 1, result());
            const { salt, commitment, secret } = open;
            const stored = { ...whole, salt, commitment, secret, answer: Buffer.from('answer') };
            expect(await store.wholeQuery(1, 1)).toEqual({ ...stored, result: Buffer.from('result') });
            expect(await store.openQueries(1)).toEqual([]);
            await store.forget(86_399);
            expect(await store.wholeQuery(1, 1)).toBeDefined();
            await store.forget(86_400);
            expect(await store.wholeQuery(1, 1)).toBeUndefined();
        });

        it('keeps nothing to open a query whose secret nobody has', async () => {
            const open = query(1, 1, { secret: null });
            await store.addQuery(open, { session: randomBytes(32), sealed: randomBytes(9) });
            expect(await store.openQueries(1)).toMatchObject([open]);
            await store.endQuery(1, 1, result());
            expect(await store.wholeQuery(1, 1)).toBeUndefined();
        });

        it('gives a whole query to nobody before it has the receipt of its result', async () => {
            await store.addQuery(query(1, 1), { session: randomBytes(32), sealed: randomBytes(9) });
            await store.endQuery(1, 1, { phase: 'result', answer: Buffer.from('answer') });
            expect(await store.wholeQuery(1, 1)).toBeUndefined();
        });

        it('forgets no query that has no ending', async () => {
            await store.addQuery(query(1, 1), { session: randomBytes(32), sealed: randomBytes(9) });
            await store.forget(90_000);
            await store.endQuery(1, 1, result());
            expect(await store.wholeQuery(1, 1)).toBeDefined();
        });

        it('forgets many queries of many jobs, and none that is newer or has no ending', async () => {
            const ids = Array.from({ length: 90 }, (_, i) => ({
                job: (i * 7) % 30,
                number: Math.floor(i / 30) + 1,
                i,
            }));
            const fates = ['old', 'new', 'open', 'huge'] as const;
            for (const { job, number, i } of ids) {
                const fields = { askedAt: fates[i % 4] === 'new' ? 90_000 : 86_399 };
                const bytes = fates[i % 4] === 'huge' ? 1 << 20 : 9;
                await store.addQuery(query(job, number, fields), {
                    session: randomBytes(32),
                    sealed: Buffer.alloc(bytes),
                });
                if (fates[i % 4] !== 'open') {
                    await store.endQuery(job, number, result());
                }
            }
            await store.forget(90_000);
            for (const { job, number, i } of ids) {
                if (fates[i % 4] === 'open') {
                    await store.endQuery(job, number, result());
                }
                const isKept = ['new', 'open'].includes(fates[i % 4]);
                expect((await store.wholeQuery(job, number)) !== undefined).toBe(isKept);
            }
        });

        it('keeps what a node signed, and the entries of its results', async () => {
            await store.addQuery(query(1, 1));
            await store.addQuery(query(1, 2));
            await store.addQuery(query(1, 3));
            await store.endQuery(1, 2, result());
            const last = Buffer.from('last');
            await store.endQuery(1, 1, result({ receipt: last, entry: { index: 2, price: MAX, cumulative: 3n } }));
            await store.endQuery(1, 3, { phase: 'fail', receipt: Buffer.from('fail') });
            const phases = (await store.receipts(1)).map(({ number, phase }) => [number, phase]);
            expect(phases).toEqual([
                [1, 'result'],
                [2, 'result'],
                [3, 'fail'],
            ]);
            expect(await store.newestReceipts(1)).toEqual([Buffer.from('fail'), last]);
            expect(await store.entries(1)).toEqual([
                { index: 1, price: 5n, cumulative: MAX },
                { index: 2, price: MAX, cumulative: 3n },
            ]);
            expect(await store.storedAnswer(1, 2)).toMatchObject({ index: 1, ceiling: MAX, phase: 'result' });
            expect(await store.storedAnswer(1, 4)).toBeUndefined();
        });

        it('keeps the accept of a query, whether it comes before its ending or with it', async () => {
            const [accept, receipt] = [randomBytes(150), randomBytes(150)];
            await store.addQuery(query(1, 1));
            await store.addQuery(query(1, 2));
            await store.saveAccept(1, 1, accept);
            const [open] = await store.receipts(1);
            expect(open).toEqual({ number: 1, phase: 'open', accept, receipt: null });

            await store.endQuery(1, 1, { phase: 'fail', receipt });
            await store.endQuery(1, 2, { phase: 'fail', accept, receipt });
            await reopen();
            expect(await store.receipts(1)).toEqual(
                [1, 2].map((number) => ({ number, phase: 'fail', accept, receipt })),
            );
        });

        it('has as newest receipts those that there are, each once', async () => {
            const [first, second] = [Buffer.from('first'), Buffer.from('second')];
            expect(await store.newestReceipts(1)).toEqual([]);
            for (const number of [1, 2, 3]) {
                await store.addQuery(query(1, number));
            }
            await store.endQuery(1, 1, { phase: 'decline', receipt: first });
            expect(await store.newestReceipts(1)).toEqual([first]);
            await store.endQuery(1, 2, result({ receipt: second }));
            expect(await store.newestReceipts(1)).toEqual([second]);
            await store.endQuery(1, 3, { phase: 'decline', receipt: first });
            expect(await store.newestReceipts(1)).toEqual([first, second]);
        });

        it('leaves a job that settles too, once a receipt of it is refused', async () => {
            await store.addJob(newJob(1, { phase: 'settling' }));
            await store.addQuery(query(1, 1));
            await store.endQuery(1, 1, { phase: 'refused', breach: { at: 9, reason: 'why' } });
            expect(await store.job(1)).toMatchObject({ phase: 'leaving', note: 'why', breachAt: 9 });
        });

        it('leaves a job in the step in which a receipt of it is refused', async () => {
            const [open, ended] = [newJob(1, { phase: 'open' }), newJob(2, { phase: 'ended' })];
            for (const job of [open, ended]) {
                await store.addJob(job);
                await store.addQuery(query(job.number, 1));
                await store.endQuery(job.number, 1, { phase: 'refused', breach: { at: 9, reason: 'why' } });
            }
            expect(await store.job(1)).toMatchObject({ phase: 'leaving', note: 'why', breachAt: 9 });
            expect(await store.job(2)).toMatchObject({ phase: 'ended', breachAt: null });
        });

        it('adds each query to the usage of its day, key, model and worker once', async () => {
            const used = { model: 'm', worker: 'w', cost: 1n << 62n, tokens };
            await store.addQuery(query(1, 1, { apiKey: 'bob' }));
            await store.addQuery(query(1, 2, { apiKey: 'bob' }));
            await store.addQuery(query(1, 3, { apiKey: 'bob', askedAt: 86_400 }));
            await store.addQuery(query(1, 4));
            expect((await store.openCosts()).map(({ number, ceiling }) => [number, ceiling])).toEqual([
                [1, MAX],
                [2, MAX],
                [3, MAX],
            ]);
            await Promise.all([1, 2].map((number) => store.endQuery(1, number, result({ used }))));
            await store.endQuery(1, 1, result({ used }));
            await store.releaseQuery(1, 3, { ...used, tokens: undefined, cost: 5n });
            await reopen();

            const row = { apiKey: 'bob', model: 'm', worker: 'w' };
            const first = { ...row, day: 0, queries: 2, cost: 1n << 63n };
            const second = { ...row, day: 1, queries: 1, cost: 5n };
            const sums = { prompt: 6, cached: 2, completion: 4, reasoning: 8 };
            const none = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };
            expect(await store.usage(0)).toEqual([
                { ...first, ...sums },
                { ...second, ...none },
            ]);
            expect(await store.usage(1)).toHaveLength(1);
            expect(await store.openCosts()).toEqual([]);
        });

        it('adds to the usage of a day after a restart too, and nothing for a query that it does not have', async () => {
            const used = { model: 'm', worker: 'w', cost: 5n, tokens };
            await store.addQuery(query(1, 1));
            await store.addQuery(query(1, 2));
            await store.endQuery(1, 1, result({ used }));
            await reopen();
            await store.endQuery(1, 2, result({ used }));
            await store.endQuery(1, 3, result({ used }));
            const sums = { prompt: 6, cached: 2, completion: 4, reasoning: 8 };
            const slot = { day: 0, apiKey: '', model: 'm', worker: 'w' };
            expect(await store.usage(0)).toEqual([{ ...slot, ...sums, queries: 2, cost: 10n }]);
        });

        it('says of one key what it used and what it may still cost, and of which process the job is', async () => {
            const used = { model: 'm', worker: 'w', cost: 7n };
            await store.addJob(newJob(1));
            await store.addQuery(query(1, 1, { apiKey: 'bob' }));
            await store.addQuery(query(1, 2, { apiKey: 'bob', ceiling: 3n }));
            await store.addQuery(query(1, 3, { apiKey: 'zoe' }));
            await store.addQuery(query(2, 1, { apiKey: 'zoe' }));
            await store.endQuery(1, 1, result({ used }));

            const { number: member } = store.cluster;
            const open = { job: 1, number: 2, apiKey: 'bob', askedAt: 86_399, ceiling: 3n };
            expect(await store.openCosts('bob')).toEqual([{ ...open, member }]);
            const ofZoe = (await store.openCosts('zoe')).map((cost) => [cost.job, cost.member]);
            expect(ofZoe.sort()).toEqual([
                [1, member],
                [2, null],
            ]);
            expect(await store.usage(0, 'bob')).toMatchObject([{ apiKey: 'bob', cost: 7n }]);
            expect(await store.usage(0, 'zoe')).toEqual([]);
        });

        it('has a query that is released without a cost cost nothing', async () => {
            await store.addQuery(query(1, 1, { apiKey: 'bob' }));
            await store.releaseQuery(1, 1, undefined);
            expect(await store.openCosts()).toEqual([]);
            expect(await store.usage(0)).toEqual([]);
            expect((await store.openQueries(1)).map(({ number }) => number)).toEqual([1]);
        });

        it('keeps the limits of a key, and that it has none', async () => {
            const key = { hash: randomBytes(32), models: null, createdAt: 1, expiresAt: 2, revokedAt: null };
            const keys = [
                { ...key, name: 'a', daily: MAX, monthly: 1n },
                { ...key, name: 'b', daily: null, monthly: null },
            ];
            for (const each of keys) {
                await store.saveApiKey(each);
            }
            expect(await store.apiKeys()).toEqual(keys);
        });

        it('keeps keys by their names, each in the place of another of its name', async () => {
            const key = {
                ...{ name: 'bob', hash: randomBytes(32), daily: MAX, monthly: null, models: ['a', 'b'] },
                ...{ createdAt: 1, expiresAt: null, revokedAt: null },
            };
            const other = { ...key, name: 'Zoe', models: null };
            await store.saveApiKey(key);
            await store.saveApiKey(other);
            await store.saveApiKey({ ...key, revokedAt: 5 });
            expect(await store.apiKeys()).toEqual([other, { ...key, revokedAt: 5 }]);
            expect(await store.apiKey('bob')).toEqual({ ...key, revokedAt: 5 });
            expect(await store.apiKey('eve')).toBeUndefined();
        });

        it('keeps one setback of a job', async () => {
            const setback = { job: 1, worker: 'w', node: randomBytes(32), cause: 'silent', at: 5 };
            await store.addSetback(setback);
            await store.addSetback({ ...setback, at: 6 });
            await store.addSetback({ ...setback, job: 2, at: 4 });
            expect(await store.setbacks(5)).toEqual([setback]);
        });
    });
}
