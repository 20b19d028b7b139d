// Longer than 350 lines because every implementation of a store passes this one suite.
import { Accept, Decline, Fail, Result } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { addSums, NO_JOBS, sumsOf } from '../../../offchain/store/jobSums';
import type { JobInsert, JobPage, LostPage, WorkerStore } from '../../../offchain/store/worker';

const MAX = (1n << 64n) - 1n;

const resultFields = {
    ...{ index: 1, content: Buffer.alloc(32, 1), prompt: 3, cached: 1, completion: 7, reasoning: 0 },
    ...{ price: 10n, cumulative: 10n, finishedAt: 9, finish: 0 },
};

const counts = (completion: number) => ({ prompt: 3, cached: 1, completion, reasoning: 2 });

/** A job as the worker adds it. */
export function newJob(fields: Partial<JobInsert> = {}): JobInsert {
    return {
        job: randomBytes(32),
        channel: randomBytes(32),
        terms: Buffer.from('terms'),
        client: '0:c1',
        model: 'some/model',
        tokenizer: 'qwen',
        jobNumber: 2 ** 40 - 1,
        enc: Buffer.alloc(32, 9),
        wire: 'one',
        snapshot: { balance: (1n << 64n) - 1n, paid: 0n, refundAt: 2_000_000_000, at: 1_800_000_000 },
        ...fields,
    };
}

/** What every {@link WorkerStore} does; `open` opens the same store again after a close. */
export function describeWorkerStore(name: string, open: () => Promise<WorkerStore>): void {
    describe(name, () => {
        let store: WorkerStore;
        const added: Buffer[] = [];

        beforeEach(async () => {
            store = await open();
        });

        // Whatever a test does: the stored sums are those of the jobs as they are.
        afterEach(async () => {
            const expected = { open: NO_JOBS, ending: NO_JOBS, ended: NO_JOBS };
            for (const id of added.splice(0)) {
                const record = (await store.jobs.get(id))!;
                expected[record.state] = addSums(expected[record.state], sumsOf(record));
            }
            expect(await store.earnings.sums()).toEqual(expected);
            await store.close();
        });

        const reopen = async () => {
            await store.close();
            store = await open();
        };

        async function add(job: JobInsert): Promise<void> {
            await store.jobs.add(job);
            added.push(job.job);
        }

        async function withJob(fields: Partial<JobInsert> = {}): Promise<Buffer> {
            const job = newJob(fields);
            await add(job);
            return job.job;
        }

        const claimedByDay = async () => (await store.earnings.days()).map(({ group, claimed }) => [group, claimed]);

        async function withQuery(number = 1, fields: Partial<JobInsert> = {}): Promise<Buffer> {
            const job = await withJob(fields);
            await store.queries.accept(query(job, number));
            return job;
        }

        const query = (job: Buffer, number: number) => ({
            job,
            number,
            request: Buffer.alloc(32, number),
            ceiling: (1n << 64n) - 1n,
            promptEstimate: 40,
            accept: Buffer.from('accept'),
        });

        const result = (
            job: Buffer,
            number: number,
            index: number,
            cumulative: bigint,
            { finishedAt = 1_800_000_000 }: { finishedAt?: number } = {},
        ) => ({
            kind: 'result' as const,
            job,
            number,
            receipt: Buffer.from('result'),
            bytes: Buffer.from('end'),
            counts: counts(7),
            index,
            cumulative,
            finishedAt,
        });

        const receiptOf = (payload: Buffer) => Buffer.concat([payload, randomBytes(64)]);

        it('finds a job by its hash and by its channel, after a restart too', async () => {
            const job = newJob();
            await add(job);
            await reopen();

            const fresh = {
                state: 'open',
                highest: 0,
                lowWater: 0,
                index: 0,
                cumulative: 0n,
                confirmedPaid: 0n,
                lastClaimAt: 0,
                lastClaimPaid: 0n,
                claimed: 0n,
                unclaimedSince: 0,
                member: store.cluster.number,
            };
            expect(await store.jobs.get(job.job)).toEqual({ ...job, ...fresh, voucher: undefined });
            expect((await store.jobs.ofChannel(job.channel))!.job).toEqual(job.job);
            expect(await store.jobs.get(randomBytes(32))).toBeUndefined();
        });

        it('refuses a second job on one channel', async () => {
            const job = newJob();
            await add(job);
            await expect(store.jobs.add(newJob({ channel: job.channel }))).rejects.toBeDefined();
            await expect(store.jobs.add(newJob({ job: job.job }))).rejects.toBeDefined();
        });

        it('finds no job of an unknown channel', async () => {
            await withJob();
            expect(await store.jobs.ofChannel(randomBytes(32))).toBeUndefined();
        });

        it('keeps the newest session and the channel as it was seen', async () => {
            const job = await withJob();
            const snapshot = { balance: 5n, paid: 6n, refundAt: 7, at: 8 };
            await store.jobs.setSession(job, { enc: Buffer.alloc(32, 1), wire: 'two' });
            await store.jobs.setSnapshot(job, snapshot);
            expect(await store.jobs.get(job)).toMatchObject({ enc: Buffer.alloc(32, 1), wire: 'two', snapshot });
        });

        it('never leads an ended job back', async () => {
            const job = await withJob();
            await store.jobs.setState(job, 'ending', 1);
            await store.jobs.setState(job, 'ended', 2);
            await store.jobs.setState(job, 'open', 3);
            expect((await store.jobs.get(job))!.state).toBe('ended');
        });

        it('takes a voucher that says as much as the newest one, and none of an unknown job', async () => {
            const [job, other] = [await withJob(), await withJob()];
            const voucher = { cumulative: 5n, count: 2, signature: randomBytes(64) };
            await store.jobs.addVoucher(job, voucher, 1);
            const newest = { ...voucher, signature: randomBytes(64) };
            expect(await store.jobs.addVoucher(job, newest, 2)).toBe(true);
            expect(await store.jobs.addVoucher(randomBytes(32), newest, 2)).toBe(false);
            expect((await store.jobs.get(job))!.voucher).toEqual(newest);
            expect((await store.jobs.get(other))!.voucher).toBeUndefined();
        });

        it('takes a voucher and a query of a job that it has just read, and of one after a restart', async () => {
            const job = await withJob();
            const voucher = (cumulative: bigint) => ({ cumulative, count: 1, signature: randomBytes(64) });
            const newest = voucher(9n);
            await store.jobs.addVoucher(job, voucher(8n), 7);
            await store.queries.accept(query(job, 3));
            await store.queries.end(result(job, 3, 1, 10n));
            await reopen();
            expect(await store.jobs.addVoucher(job, voucher(7n), 8)).toBe(false);
            await expect(store.queries.accept(query(job, 3))).rejects.toHaveProperty('message');
            await store.queries.accept(query(job, 4));
            await store.jobs.get(job);
            expect(await store.jobs.addVoucher(job, newest, 8)).toBe(true);
            await store.queries.end(result(job, 4, 2, 25n));
            const numbers = { highest: 4, index: 2, cumulative: 25n, unclaimedSince: 7 };
            expect(await store.jobs.get(job)).toMatchObject({ ...numbers, voucher: newest });
            expect(await store.earnings.row('client', '0:c1')).toEqual({
                ...{ group: '0:c1', results: 2, prompt: 6, cached: 2, completion: 14, reasoning: 4 },
                ...{ earned: 25n, claimed: 0n },
            });
        });

        it('keeps a voucher that grows in both numbers and no other', async () => {
            const job = await withJob();
            const voucher = (cumulative: bigint, count: number) => ({ cumulative, count, signature: randomBytes(64) });
            const newest = voucher((1n << 63n) + 5n, 2);

            expect(await store.jobs.addVoucher(job, voucher(1n << 63n, 2), 1)).toBe(true);
            expect(await store.jobs.addVoucher(job, newest, 1)).toBe(true);
            expect(await store.jobs.addVoucher(job, voucher(1n << 63n, 3), 1)).toBe(false);
            expect(await store.jobs.addVoucher(job, voucher((1n << 63n) + 6n, 1), 1)).toBe(false);
            await reopen();

            expect((await store.jobs.get(job))!.voucher).toEqual(newest);
        });

        it('knows since when vouchers of a job are unclaimed: the first one, or what was claimed last', async () => {
            const job = await withJob();
            const since = async () => (await store.jobs.get(job))!.unclaimedSince;
            const add = (cumulative: bigint, at: number) =>
                store.jobs.addVoucher(job, { cumulative, count: 0, signature: randomBytes(64) }, at);
            await store.jobs.setSnapshot(job, { balance: 100n, paid: 0n, refundAt: 9000, at: 900 });
            await add(5n, 1000);
            await add(6n, 1001);
            expect(await since()).toBe(1000);

            await store.jobs.setSnapshot(job, { balance: 95n, paid: 5n, refundAt: 9000, at: 1100 });
            expect(await since()).toBe(1100);
            await store.jobs.setSnapshot(job, { balance: 94n, paid: 6n, refundAt: 9000, at: 1200 });
            await add(7n, 1300);
            expect(await since()).toBe(1300);
        });

        it('keeps the newest of vouchers that arrive in one turn', async () => {
            const job = await withJob();
            const vouchers = [3n, 1n, 5n, 4n].map((cumulative) => ({
                cumulative,
                count: 0,
                signature: randomBytes(64),
            }));
            const kept = await Promise.all(vouchers.map((voucher) => store.jobs.addVoucher(job, voucher, 1)));
            expect(kept).toEqual([true, false, true, false]);
            expect((await store.jobs.get(job))!.voucher).toEqual(vouchers[2]);
        });

        it('stores results and vouchers of one turn as if they came one after another', async () => {
            const [job, other] = [await withQuery(), await withQuery()];
            await store.queries.accept(query(job, 2));
            const voucher = (cumulative: bigint, count: number) => ({ cumulative, count, signature: randomBytes(64) });
            const newest = voucher(30n, 2);
            const [older, first, , refused, second, last] = await Promise.allSettled([
                store.jobs.addVoucher(job, voucher(10n, 0), 1000),
                store.queries.end(result(job, 1, 1, 10n)),
                store.jobs.setSnapshot(job, { balance: 100n, paid: 10n, refundAt: 9000, at: 1001 }),
                store.queries.end(result(other, 1, 2, 5n)),
                store.queries.end(result(job, 2, 2, 25n)),
                store.jobs.addVoucher(job, newest, 1002),
            ]);

            const states = [older, first, refused, second, last].map(({ status }) => status);
            expect(states).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
            const amounts = { index: 2, cumulative: 25n, highest: 2, unclaimedSince: 1002 };
            expect(await store.jobs.get(job)).toMatchObject({ ...amounts, voucher: newest });
            expect(await store.jobs.get(other)).toMatchObject({ index: 0, cumulative: 0n, highest: 1 });
            expect((await store.earnings.row('client', '0:c1'))!.earned).toBe(25n);
        });

        it('uses a query number once', async () => {
            const job = await withQuery(4);
            await expect(store.queries.accept(query(job, 4))).rejects.toBeDefined();
            await expect(
                store.queries.decline({ job, number: 4, request: Buffer.alloc(32), receipt: Buffer.from('no') }),
            ).rejects.toBeDefined();
            await store.queries.accept(query(job, 2));
            expect((await store.jobs.get(job))!.highest).toBe(4);
        });

        it('keeps a decline without an accept', async () => {
            const job = await withJob();
            await store.queries.decline({ job, number: 1, request: Buffer.alloc(32, 1), receipt: Buffer.from('no') });
            expect(await store.queries.get({ job, number: 1 })).toMatchObject({
                accept: undefined,
                end: { kind: 'decline', receipt: Buffer.from('no') },
            });
            expect(await store.queries.unended(10)).toEqual([]);
        });

        it('gives receipts back byte for byte, though the row of a query has how they begin', async () => {
            const job = await withJob();
            const request = randomBytes(32);
            const asked = (number: number) => ({ job, number, request, ceiling: 7n });
            const refusal = (number: number) => ({ job, number, request, reason: 1, signedAt: 9 });
            const accepts = [1, 2].map((number) => receiptOf(Accept.encode({ ...asked(number), deadline: 9 })));
            await store.queries.accept({ ...asked(1), promptEstimate: 3, accept: accepts[0] });
            await store.queries.accept({ ...asked(2), promptEstimate: 3, accept: accepts[1] });
            const ends = [
                receiptOf(Result.encode({ ...resultFields, job, number: 1 })),
                receiptOf(Fail.encode(refusal(2))),
                receiptOf(Decline.encode(refusal(3))),
                receiptOf(Decline.encode(refusal(77))), // of another number, so it is stored as it is
            ];
            await store.queries.end({ ...result(job, 1, 1, 10n), receipt: ends[0] });
            await store.queries.end({ kind: 'fail', job, number: 2, receipt: ends[1] });
            await store.queries.decline({ job, number: 3, request, receipt: ends[2] });
            await store.queries.decline({ job, number: 4, request, receipt: ends[3] });
            await reopen();

            const stored = await Promise.all([1, 2, 3, 4].map((number) => store.queries.get({ job, number })));
            expect(stored.map((one) => one!.accept)).toEqual([...accepts, undefined, undefined]);
            expect(stored.map((one) => one!.end!.receipt)).toEqual(ends);
        });

        it('finds the result of the highest index of a job, whatever its number', async () => {
            const [job, other] = [await withQuery(1), await withQuery(3)];
            await store.queries.accept(query(job, 300));
            await store.queries.accept(query(job, 2));
            expect(await store.queries.newestResult(job)).toBeUndefined();
            const receipts = [300, 1, 2].map((number, i) =>
                receiptOf(Result.encode({ ...resultFields, job, number, index: 255 + i })),
            );
            await store.queries.end({ ...result(job, 300, 1, 1n), receipt: receipts[0] });
            await store.queries.end({ ...result(job, 2, 2, 2n), receipt: receipts[2] });
            await store.queries.end({ ...result(job, 1, 3, 3n), receipt: receipts[1] });
            await store.queries.end({ kind: 'fail', job: other, number: 3, receipt: Buffer.alloc(200, 0xff) });
            expect(await store.queries.newestResult(job)).toEqual(receipts[2]);
            expect(await store.queries.newestResult(other)).toBeUndefined();
        });

        it('counts the results of a job, all or up to an index, and nothing else', async () => {
            const [job, other] = [await withQuery(1), await withQuery(1)];
            await store.queries.accept(query(job, 2));
            await store.queries.accept(query(job, 3));
            for (const [number, index] of [
                [1, 256],
                [2, 255],
            ]) {
                const receipt = receiptOf(Result.encode({ ...resultFields, job, number, index }));
                await store.queries.end({ ...result(job, number, number, BigInt(number)), receipt });
            }
            await store.queries.end({ kind: 'fail', job, number: 3, receipt: Buffer.alloc(200) });

            expect(await store.queries.countResults(job)).toBe(2);
            expect(await store.queries.countResults(job, 256)).toBe(2);
            expect(await store.queries.countResults(job, 255)).toBe(1);
            expect(await store.queries.countResults(job, 254)).toBe(0);
            expect(await store.queries.countResults(other)).toBe(0);
        });

        it('gives terms back byte for byte, though jobs of one offer share most of them', async () => {
            const offer = randomBytes(280);
            const others = [offer, randomBytes(280), randomBytes(279)].map((terms) => Buffer.from(terms));
            const jobs = await Promise.all([offer, ...others].map((terms) => withJob({ terms })));
            await reopen();

            const stored = await Promise.all(jobs.map((job) => store.jobs.get(job)));
            expect(stored.map((one) => one!.terms)).toEqual([offer, ...others]);
        });

        it('appends to an answer in order, with the meter of all of it', async () => {
            const job = await withQuery();
            for (const [i, bytes] of ['one', 'two', 'three'].entries()) {
                const piece = { job, number: 1, bytes: Buffer.from(bytes), counts: counts(i), promptKnown: i > 0 };
                await store.queries.append(piece);
            }
            await reopen();

            expect(await store.queries.answer({ job, number: 1 })).toEqual(Buffer.from('onetwothree'));
            expect(await store.queries.get({ job, number: 1 })).toEqual({
                ...query(job, 1),
                counts: counts(2),
                promptKnown: true,
                end: undefined,
            });
        });

        it('adds nothing to an answer that has ended or does not exist, and ends none that does not', async () => {
            const job = await withQuery();
            await store.queries.end(result(job, 1, 1, 10n));
            const piece = { job, bytes: Buffer.from('more'), counts: counts(1), promptKnown: true };
            await expect(store.queries.append({ ...piece, number: 1 })).rejects.toHaveProperty('message');
            await expect(store.queries.append({ ...piece, number: 2 })).rejects.toHaveProperty('message');
            const fail = { kind: 'fail' as const, job, number: 2, receipt: Buffer.from('fail') };
            await expect(store.queries.end(fail)).rejects.toThrow('is not running');
            await expect(store.queries.end(result(job, 2, 2, 20n))).rejects.toHaveProperty('message');
            expect(await store.queries.answer({ job, number: 1 })).toEqual(Buffer.from('end'));
            expect(await store.queries.get({ job, number: 2 })).toBeUndefined();
            expect(await store.jobs.get(job)).toMatchObject({ index: 1, cumulative: 10n });
        });

        it('ends an answer without more bytes', async () => {
            const job = await withQuery();
            const piece = { job, number: 1, bytes: Buffer.from('all'), counts: counts(1), promptKnown: true };
            await store.queries.append(piece);
            await store.queries.end({ ...result(job, 1, 1, 10n), bytes: Buffer.alloc(0) });
            expect(await store.queries.answer({ job, number: 1 })).toEqual(Buffer.from('all'));
            expect(await store.queries.get({ job, number: 1 })).toMatchObject({ counts: counts(7), promptKnown: true });
        });

        it('accepts and declines no query of an unknown job, and has denied none', async () => {
            const job = randomBytes(32);
            await expect(store.queries.accept(query(job, 1))).rejects.toThrow('was used');
            const unserved = { job, number: 1, request: Buffer.alloc(32), receipt: Buffer.from('no') };
            await expect(store.queries.decline(unserved)).rejects.toThrow('was used');
            expect(await store.queries.get({ job, number: 1 })).toBeUndefined();
            expect(await store.queries.denial(unserved)).toBeUndefined();
        });

        it('lists accepted queries without an end of all jobs or of one, in pages', async () => {
            const jobs = [await withQuery(1), await withQuery(1)].sort(Buffer.compare);
            await store.queries.accept(query(jobs[1], 3));
            await store.queries.accept(query(jobs[1], 2));
            await store.queries.accept(query(jobs[0], 4));
            await store.queries.end(result(jobs[1], 2, 1, 10n));
            const ids = (queries: readonly { job: Buffer; number: number }[]) =>
                queries.map(({ job, number }) => [jobs.findIndex((each) => each.equals(job)), number]);

            const all = [
                [0, 1],
                [0, 4],
                [1, 1],
                [1, 3],
            ];
            expect(ids(await store.queries.unended(9))).toEqual(all);
            expect(ids(await store.queries.unended(2, { job: jobs[0], number: 1 }))).toEqual(all.slice(1, 3));
            expect(ids(await store.queries.unended(9, { job: jobs[1], number: 1 }))).toEqual(all.slice(3));
            expect(ids(await store.queries.unendedOf(jobs[1]))).toEqual(all.slice(2));
            expect(await store.queries.unendedOf(randomBytes(32))).toEqual([]);
        });

        it('lists accepted queries without an end, in pages', async () => {
            const job = await withQuery(1);
            await store.queries.accept(query(job, 2));
            await store.queries.accept(query(job, 3));
            await store.queries.end(result(job, 2, 1, 10n));

            expect((await store.queries.unended(10)).map(({ number }) => number)).toEqual([1, 3]);
            expect(await store.queries.unended(1)).toHaveLength(1);
        });

        it('ends a query once, with its last bytes, its counts and the job in one step', async () => {
            const job = await withQuery();
            await store.queries.append({
                job,
                number: 1,
                bytes: Buffer.from('the '),
                counts: counts(1),
                promptKnown: true,
            });
            await store.queries.end(result(job, 1, 1, (1n << 64n) - 1n));
            await expect(store.queries.end(result(job, 1, 2, 20n))).rejects.toBeDefined();
            await expect(
                store.queries.end({ kind: 'fail', job, number: 1, receipt: Buffer.from('f') }),
            ).rejects.toBeDefined();
            await reopen();

            expect(await store.queries.answer({ job, number: 1 })).toEqual(Buffer.from('the end'));
            expect(await store.queries.get({ job, number: 1 })).toMatchObject({
                counts: counts(7),
                end: { kind: 'result' },
            });
            expect(await store.jobs.get(job)).toMatchObject({ index: 1, cumulative: (1n << 64n) - 1n });
        });

        it('refuses a result whose index is not the next, and nothing of it stays', async () => {
            const job = await withQuery();
            await expect(store.queries.end(result(job, 1, 2, 10n))).rejects.toThrow('does not follow');
            expect(await store.queries.answer({ job, number: 1 })).toHaveLength(0);
            expect((await store.queries.get({ job, number: 1 }))!.end).toBeUndefined();
        });

        it('lists jobs with vouchers above what was paid, and those that are ending, in pages', async () => {
            const jobs = await Promise.all([withJob(), withJob(), withJob(), withJob()]);
            jobs.sort(Buffer.compare);
            await store.jobs.addVoucher(jobs[0], { cumulative: 5n, count: 0, signature: randomBytes(64) }, 1);
            await store.jobs.setState(jobs[1], 'ending', 1);
            await store.jobs.addVoucher(jobs[2], { cumulative: 5n, count: 0, signature: randomBytes(64) }, 1);
            await store.jobs.setState(jobs[2], 'ended', 1);
            await store.jobs.addVoucher(jobs[3], { cumulative: 5n, count: 0, signature: randomBytes(64) }, 1);
            await store.jobs.setConfirmedPaid(jobs[3], 5n, 1);

            const all = await store.jobs.claimable({ limit: 10 });
            expect(all.map(({ job }) => job)).toEqual(jobs.slice(0, 2));
            expect((await store.jobs.claimable({ cursor: jobs[0], limit: 10 })).map(({ job }) => job)).toEqual([
                jobs[1],
            ]);
            expect(await store.jobs.claimable({ limit: 1 })).toHaveLength(1);
        });

        it('lists open jobs that are overdue and have nothing to claim, in pages', async () => {
            const jobs = await Promise.all(Array.from({ length: 5 }, () => withJob()));
            jobs.sort(Buffer.compare);
            const { refundAt } = (await store.jobs.get(jobs[0]))!.snapshot;
            await store.jobs.addVoucher(jobs[1], { cumulative: 5n, count: 0, signature: randomBytes(64) }, 1);
            await store.jobs.setState(jobs[2], 'ending', 1);
            await store.jobs.setState(jobs[3], 'ended', 1);
            const overdue = async (page: JobPage, at = refundAt + 1) =>
                (await store.jobs.overdue(page, at)).map(({ job }) => job);
            expect(await overdue({ limit: 9 })).toEqual([jobs[0], jobs[4]]);
            expect(await overdue({ limit: 1 })).toEqual([jobs[0]]);
            expect(await overdue({ cursor: jobs[0], limit: 9 })).toEqual([jobs[4]]);
            expect(await overdue({ limit: 9 }, refundAt)).toEqual([]);

            await store.jobs.setConfirmedPaid(jobs[1], 5n, 1);
            expect(await overdue({ limit: 9 })).toEqual([jobs[0], jobs[1], jobs[4]]);
        });

        it('lists open jobs, in pages', async () => {
            const jobs = await Promise.all([withJob(), withJob(), withJob(), withJob()]);
            jobs.sort(Buffer.compare);
            await store.jobs.setState(jobs[1], 'ending', 1);
            await store.jobs.setState(jobs[2], 'ended', 1);
            const open = async (page: JobPage) => (await store.jobs.open(page)).map(({ job }) => job);
            expect(await open({ limit: 9 })).toEqual([jobs[0], jobs[3]]);
            expect(await open({ limit: 1 })).toEqual([jobs[0]]);
            expect(await open({ cursor: jobs[0], limit: 9, ofAll: true })).toEqual([jobs[3]]);
            expect(await open({ cursor: jobs[3], limit: 9 })).toEqual([]);
        });

        it('lists jobs that ended unpaid in the order of their ends, apart from those that a last claim ended', async () => {
            const jobs = await Promise.all(Array.from({ length: 6 }, () => withJob()));
            jobs.sort(Buffer.compare);
            const [first, second, early, paid, claimed, open] = jobs;
            for (const job of jobs) {
                await store.jobs.addVoucher(job, { cumulative: 5n, count: 0, signature: randomBytes(64) }, 1);
            }
            await store.jobs.setConfirmedPaid(paid, 5n, 1);
            await store.jobs.setLastClaims([{ job: claimed, paidAfter: 5n }], 1);
            for (const job of [first, second, paid, claimed]) {
                await store.jobs.setState(job, 'ended', 1000);
            }
            await store.jobs.setState(early, 'ended', 900);
            await store.jobs.setState(open, 'ending', 950);

            const lost = async (search: Partial<LostPage> = {}) => {
                const page = { byLastClaim: false, since: 0, cursor: undefined, limit: 9, ...search };
                return (await store.jobs.lost(page)).map(({ job }) => job);
            };
            expect(await lost()).toEqual([early, first, second]);
            expect(await lost({ limit: 2 })).toEqual([early, first]);
            expect(await lost({ since: 1000 })).toEqual([first, second]);
            expect(await lost({ since: 1001 })).toEqual([]);
            expect(await lost({ cursor: { at: 1000, job: first } })).toEqual([second]);
            expect(await lost({ byLastClaim: true })).toEqual([claimed]);
        });

        it('reopens only a job that has ended', async () => {
            const [open, ended] = [await withJob(), await withJob()];
            await store.jobs.setState(ended, 'ended', 1000);
            const [before, snapshot] = [
                await store.jobs.get(open),
                { balance: 4n, paid: 5n, refundAt: 3000, at: 90_100 },
            ];
            await store.jobs.revive(open, 'ending', snapshot);
            await store.jobs.revive(ended, 'open', snapshot);
            expect(await store.jobs.get(open)).toEqual(before);
            expect(await store.jobs.get(ended)).toMatchObject({ state: 'open', snapshot });
            expect(await claimedByDay()).toEqual([]);
        });

        it('has no claim of a job that ended without a last claim', async () => {
            const job = await withJob();
            expect(await store.jobs.setState(job, 'ending', 999)).toBe(true);
            expect(await store.jobs.setState(job, 'ended', 1000)).toBe(true);
            expect(await store.jobs.setState(job, 'ended', 1001)).toBe(true);
            expect(await claimedByDay()).toEqual([]);
        });

        it('sums up jobs, results, earnings and how far they are claimed', async () => {
            const job = await withQuery();
            await store.queries.end(result(job, 1, 1, 10n));
            await store.jobs.addVoucher(job, { cumulative: 8n, count: 1, signature: randomBytes(64) }, 1);
            await store.jobs.setSnapshot(job, { balance: 100n, paid: 3n, refundAt: 1, at: 1 });
            await store.jobs.setConfirmedPaid(job, 2n, 1);

            const jobs = { open: 1, ending: 0, ended: 0 };
            const amounts = { earned: 10n, unclaimed: 5n, confirming: 1n, claimed: 2n };
            expect(await store.totals()).toEqual({ jobs, results: 1, ...amounts });
        });

        it('adds each result to the earnings of its day (UTC), model and client, in the step in which the query ends', async () => {
            const [one, other] = [await withQuery(1), await withQuery(1, { client: '0:c2', model: 'other' })];
            await store.queries.accept(query(one, 2));
            await store.queries.accept(query(one, 3));
            const [lastSecond, midnight] = [{ finishedAt: 20_000 * 86_400 - 1 }, { finishedAt: 20_000 * 86_400 }];
            await store.queries.end(result(one, 1, 1, 10n, lastSecond));
            await store.queries.end(result(one, 2, 2, 25n, midnight));
            await store.queries.end(result(one, 3, 3, 31n, midnight));
            await store.queries.end(result(other, 1, 1, MAX, midnight));
            await expect(store.queries.end(result(other, 1, 2, 9n))).rejects.toBeDefined();
            await reopen();

            const of = (group: string, results: number, earned: bigint) => ({
                ...{ group, results, prompt: 3 * results, cached: results, completion: 7 * results },
                ...{ reasoning: 2 * results, earned, claimed: 0n },
            });
            const days = [of('2024-10-03', 1, 10n), of('2024-10-04', 3, 21n + MAX)];
            expect(await store.earnings.days()).toEqual(days);
            expect(await store.earnings.best('model', 9)).toEqual([of('other', 1, MAX), of('some/model', 3, 31n)]);
            expect(await store.earnings.best('client', 9)).toEqual([of('0:c2', 1, MAX), of('0:c1', 3, 31n)]);
            expect(await store.earnings.row('day', '2024-10-04')).toEqual(days[1]);
            expect(await store.earnings.row('day', '2024-10-05')).toBeUndefined();
        });

        it('names the clients and the jobs that earned the most, the best first', async () => {
            for (const [client, price] of [
                ['0:c1', 9n],
                ['0:c2', 100n],
                ['0:c3', 20n],
            ] as const) {
                await store.queries.end(result(await withQuery(1, { client }), 1, 1, price));
            }
            const ended = await withQuery(1, { client: '0:c3' });
            await store.queries.end(result(ended, 1, 1, 500n));
            await store.jobs.setState(ended, 'ended', 1000);

            const clients = await store.earnings.best('client', 2);
            expect(clients.map(({ group, earned }) => [group, earned])).toEqual([
                ['0:c3', 520n],
                ['0:c2', 100n],
            ]);
            expect((await store.jobs.best(2)).map(({ cumulative }) => cumulative)).toEqual([100n, 20n]);
        });

        it('counts a confirmed claim once, for what the channel paid since the one before', async () => {
            const job = await withJob();
            await store.jobs.setConfirmedPaid(job, 5n, 86_399);
            await store.jobs.setConfirmedPaid(job, 5n, 86_400);
            await store.jobs.setConfirmedPaid(job, 12n, 86_401);
            await reopen();

            expect(await claimedByDay()).toEqual([
                ['1970-01-01', 5n],
                ['1970-01-02', 7n],
            ]);
            expect((await store.jobs.get(job))!.claimed).toBe(12n);
        });

        it('counts no claim where the channel has paid no more than was known', async () => {
            const job = await withJob();
            await store.jobs.setConfirmedPaid(job, 5n, 1000);
            await store.jobs.setConfirmedPaid(job, 5n, 100_000);
            await store.jobs.setConfirmedPaid(job, 4n, 200_000);
            expect(await claimedByDay()).toEqual([['1970-01-01', 5n]]);
            expect((await store.jobs.get(job))!.claimed).toBe(5n);
        });

        it('counts a result that costs nothing', async () => {
            const job = await withQuery();
            await store.queries.end(result(job, 1, 1, 0n));
            expect(await store.totals()).toMatchObject({ results: 1, earned: 0n });
        });

        it('counts no last claim while its job only ends', async () => {
            const job = await withJob();
            await store.jobs.setLastClaims([{ job, paidAfter: 9n }], 1000);
            expect(await store.jobs.setState(job, 'ending', 1001)).toBe(true);
            expect(await claimedByDay()).toEqual([]);
        });

        it('counts a last claim once its job has ended, and takes it back from a job that goes on', async () => {
            const [ended, refunded, lapsed] = [await withJob(), await withJob(), await withJob()];
            await store.jobs.setConfirmedPaid(ended, 5n, 1000);
            await store.jobs.setLastClaims([{ job: ended, paidAfter: 9n }], 1000);
            await store.jobs.setLastClaims([{ job: lapsed, paidAfter: 9n }], 1000);
            await store.jobs.setLastClaims([{ job: lapsed, paidAfter: 0n }], 0);
            expect(await claimedByDay()).toEqual([['1970-01-01', 5n]]);
            for (const job of [ended, refunded, lapsed]) await store.jobs.setState(job, 'ended', 90_000);
            await store.jobs.setState(ended, 'ended', 90_001);

            expect(await claimedByDay()).toEqual([
                ['1970-01-01', 5n],
                ['1970-01-02', 4n],
            ]);
            expect((await store.jobs.get(ended))!.claimed).toBe(9n);

            await store.jobs.revive(ended, 'ending', { balance: 4n, paid: 5n, refundAt: 3000, at: 90_100 });
            expect(await claimedByDay()).toEqual([
                ['1970-01-01', 5n],
                ['1970-01-02', 0n],
            ]);
            expect((await store.jobs.get(ended))!).toMatchObject({ claimed: 5n, lastClaimPaid: 0n });
        });

        it.each([
            { received: 6_000_119n, isBounced: false, claims: 0 },
            { received: 6_000_120n, isBounced: false, claims: 1 },
            { received: 11_000_119n, isBounced: true, claims: 0 },
        ])('believes a last claim of 1 mTON and 100 if the wallet received it: $claims of $received', async (row) => {
            const job = await withJob();
            await store.jobs.addVoucher(job, { cumulative: 1_000_100n, count: 0, signature: randomBytes(64) }, 1);
            await store.jobs.setLastClaims([{ job, paidAfter: 1_000_100n }], 1000);
            const wallet = randomBytes(32);
            const claim = { at: 1000, kind: 'claim' as const, account: '0:1', job, isBounced: false, order: undefined };
            const movements = [
                // An earlier claim, which says nothing about the last one.
                { ...claim, lt: 1n, number: 0, isIncoming: false, amount: 10_000_020n, order: 'first' },
                { ...claim, lt: 2n, number: 0, isIncoming: true, amount: 90_000_000n },
                { ...claim, lt: 3n, number: 0, isIncoming: false, amount: 10_000_020n, order: 'last' },
                { ...claim, lt: 4n, number: 0, isIncoming: true, amount: row.received, isBounced: row.isBounced },
            ];
            const to = { lt: 4n, hash: randomBytes(32) };
            await store.wallet.add(wallet, movements, undefined, to);
            await expect(store.wallet.add(wallet, movements, undefined, to)).rejects.toThrow();
            expect(await store.wallet.movements(wallet)).toEqual(movements);
            expect(await store.wallet.movementsOfOrder('last')).toEqual([movements[2]]);
            expect(await store.wallet.sums(wallet)).toEqual([
                { kind: 'claim', isIncoming: false, amount: 20_000_040n },
                { kind: 'claim', isIncoming: true, amount: 90_000_000n + row.received },
            ]);

            expect(await store.jobs.setState(job, 'ended', 2000)).toBe(row.claims === 1);
            expect(await claimedByDay()).toEqual(row.claims === 0 ? [] : [['1970-01-01', 1_000_100n]]);
            expect((await store.jobs.get(job))!.lastClaimAt).toBe(1000 * row.claims);
        });

        const [claimMessage, answerMessage] = [1n, 2n].map((lt) => ({
            ...{ at: 1000, kind: 'claim' as const, account: '0:1', isBounced: false, order: undefined },
            ...{ lt, number: 0, isIncoming: lt === 2n },
        }));

        it('believes a last claim that brought what the channel had not paid before', async () => {
            const job = await withJob();
            await store.jobs.setSnapshot(job, { balance: 9_000_000n, paid: 2_000_000n, refundAt: 9000, at: 900 });
            await store.jobs.setLastClaims([{ job, paidAfter: 3_000_100n }], 1000);
            const movements = [
                { ...claimMessage, job, amount: 10_000_020n },
                { ...answerMessage, job, amount: 6_000_120n },
            ];
            await store.wallet.add(randomBytes(32), movements, undefined, { lt: 2n, hash: randomBytes(32) });
            expect(await store.jobs.setState(job, 'ended', 2000)).toBe(true);
            expect(await claimedByDay()).toEqual([['1970-01-01', 3_000_100n]]);
        });

        it('asks not what claims brought of a job that ended without a last one', async () => {
            const job = await withJob();
            const movements = [
                { ...claimMessage, job, amount: 10_000_020n },
                { ...answerMessage, job, amount: 1n },
            ];
            await store.wallet.add(randomBytes(32), movements, undefined, { lt: 2n, hash: randomBytes(32) });
            expect(await store.jobs.setState(job, 'ended', 2000)).toBe(true);
        });

        it('replaces the movements of one wallet', async () => {
            const [wallet, other] = [randomBytes(32), randomBytes(32)];
            const movement = {
                ...{ at: 1, kind: 'transfer' as const, account: '0:1', job: undefined, order: undefined },
                ...{ lt: 9n, number: 0, isIncoming: true, isBounced: false, amount: 5n },
            };
            const to = { lt: 9n, hash: randomBytes(32) };
            for (const each of [wallet, other]) await store.wallet.add(each, [movement], undefined, to);
            const [truth, end] = [
                { ...movement, lt: 3n },
                { lt: 3n, hash: randomBytes(32) },
            ];
            await store.wallet.replace(wallet, [truth], end);

            expect(await store.wallet.movements(wallet)).toEqual([truth]);
            expect(await store.wallet.cursor(wallet)).toEqual(end);
            expect(await store.wallet.movements(other)).toEqual([movement]);
        });

        it('says when the last job ended whose answers are stored', async () => {
            expect(await store.jobs.lastEnd()).toBeUndefined();
            const [old, recent] = [await withQuery(7), await withQuery(7)];
            for (const job of [old, recent]) await store.queries.end(result(job, 7, 1, 10n));
            await store.jobs.setState(old, 'ended', 1000);
            expect(await store.jobs.lastEnd()).toBe(1000);
            await store.jobs.setState(recent, 'ended', 2000);
            expect(await store.jobs.lastEnd()).toBe(2000);
            await store.prune(3000);
            expect(await store.jobs.lastEnd()).toBeUndefined();
        });

        it('drops the answers of any number of jobs', async () => {
            const jobs = await Promise.all(Array.from({ length: 45 }, () => withQuery()));
            await Promise.all(jobs.map((job) => store.queries.end(result(job, 1, 1, 10n))));
            await Promise.all(jobs.map((job) => store.jobs.setState(job, 'ended', 1000)));

            expect(await store.prune(1500)).toBe(45);
            expect(await store.prune(1500)).toBe(0);
        });

        it('drops answers of many megabytes, with those between them', async () => {
            const job = await withQuery(1);
            for (let number = 2; number <= 6; number++) await store.queries.accept(query(job, number));
            const bytes = Buffer.alloc(3 << 20, 1);
            for (const number of [1, 3, 4]) {
                await store.queries.append({ job, number, bytes, counts: counts(7), promptKnown: true });
            }
            for (let number = 1; number <= 6; number++) {
                await store.queries.end({ kind: 'fail', job, number, receipt: Buffer.from('fail') });
            }
            const other = await withQuery(1);
            await store.queries.end(result(other, 1, 1, 10n));
            for (const each of [job, other]) await store.jobs.setState(each, 'ended', 1000);

            expect(await store.prune(1500)).toBe(2);
            expect(await store.prune(1500)).toBe(0);
            for (let number = 1; number <= 6; number++) {
                expect(await store.queries.get({ job, number })).toBeUndefined();
                expect(await store.queries.answer({ job, number })).toHaveLength(0);
            }
            expect((await store.jobs.get(job))!.lowWater).toBe(6);
        });

        it('drops the answers of jobs that ended long ago, and keeps their numbers used', async () => {
            const [old, recent] = [await withQuery(7), await withQuery(7)];
            for (const job of [old, recent]) {
                await store.queries.end(result(job, 7, 1, 10n));
            }
            await store.jobs.setState(old, 'ended', 1000);
            await store.jobs.setState(recent, 'ended', 2000);

            expect(await store.prune(1500)).toBe(1);
            expect(await store.prune(1500)).toBe(0);
            expect(await store.queries.get({ job: old, number: 7 })).toBeUndefined();
            expect((await store.jobs.get(old))!.lowWater).toBe(7);
            expect(await store.queries.answer({ job: recent, number: 7 })).toEqual(Buffer.from('end'));
            await expect(store.queries.accept(query(old, 7))).rejects.toThrow('was used');
        });

        const denial = (job: Buffer, number: number) => ({
            ...{ job, number },
            request: Buffer.alloc(32, 0xee),
            receipt: Buffer.from('fail'),
        });

        it('fails a query it never accepted, whose number is used from then on', async () => {
            const job = await withQuery(1);
            await store.queries.deny(denial(job, 3));

            await reopen();
            expect(await store.queries.denial(denial(job, 3))).toEqual(Buffer.from('fail'));
            expect((await store.queries.get({ job, number: 3 }))!.end).toEqual({
                kind: 'fail',
                receipt: Buffer.from('fail'),
            });
            expect((await store.jobs.get(job))!.highest).toBe(3);
            // The database's error may be of another realm than the test's, so it is no `Error` here.
            await expect(store.queries.accept(query(job, 3))).rejects.toHaveProperty('message');
            await store.queries.accept(query(job, 2));
        });

        it('uses no number of an unknown job that it denied, nor one below, once the job is added', async () => {
            const unknown = newJob();
            for (const number of [3, 5, 4]) {
                await store.queries.deny(denial(unknown.job, number));
            }
            await add(unknown);

            expect(await store.jobs.get(unknown.job)).toMatchObject({ highest: 5, lowWater: 5 });
            await expect(store.queries.accept(query(unknown.job, 5))).rejects.toThrow('was used');
            await store.queries.accept(query(unknown.job, 6));
        });

        it('denies nothing that it accepted or may have forgotten', async () => {
            const [running, delivered, failed] = [await withQuery(1), await withQuery(1), await withQuery(1)];
            await store.queries.end(result(delivered, 1, 1, 10n));
            await store.queries.end({ kind: 'fail', job: failed, number: 1, receipt: Buffer.from('its own') });
            await expect(store.queries.deny(denial(running, 1))).rejects.toThrow('cannot be denied');
            await expect(store.queries.deny(denial(delivered, 1))).rejects.toThrow('cannot be denied');
            await store.queries.deny(denial(failed, 1)); // of another request: two fails exclude nothing

            await store.jobs.setState(delivered, 'ended', 1);
            await store.prune(2);
            await expect(store.queries.deny(denial(delivered, 1))).rejects.toThrow('was used');
        });

        const found = (job: Buffer, number = 1) => ({
            dispute: Buffer.alloc(32, number),
            class: 'A3' as const,
            ...{ job, number, reportedAt: 1000 },
        });

        it('keeps cases, how far it read, and how each one stands', async () => {
            const job = randomBytes(32);
            expect(await store.cases.cursor()).toBe(0n);
            await store.cases.add([found(job, 1), found(job, 2)], 77n);
            await store.cases.set(Buffer.alloc(32, 1), { answerBy: 2000 });
            await store.cases.set(Buffer.alloc(32, 2), { standing: 'innocent' });

            await reopen();
            await store.cases.add([{ ...found(job, 2), reportedAt: 3000 }], 78n);
            expect(await store.cases.cursor()).toBe(78n);
            expect(await store.cases.open()).toEqual([{ ...found(job, 1), answerBy: 2000, standing: 'open' }]);
        });

        it('opens a case again that was absent, when it is reported again', async () => {
            const job = randomBytes(32);
            await store.cases.add([found(job)], 1n);
            await store.cases.set(found(job).dispute, { standing: 'absent' });
            expect(await store.cases.open()).toEqual([]);

            await store.cases.add([{ ...found(job), reportedAt: 5000 }], 2n);
            expect(await store.cases.open()).toMatchObject([{ reportedAt: 5000, standing: 'open' }]);
        });

        it('keeps of the cases of one account the one that follows', async () => {
            const [madeUp, job] = [randomBytes(32), randomBytes(32)];
            const { dispute } = found(job);
            await store.cases.add([found(madeUp)], 1n);
            await store.cases.set(dispute, { standing: 'absent' });
            await store.cases.add([{ ...found(job), follows: true }], 2n);
            await store.cases.set(dispute, { answerBy: 2000 });
            await store.cases.add([found(madeUp), { ...found(job), follows: true }], 3n);

            expect(await store.cases.open()).toEqual([{ ...found(job), answerBy: 2000, standing: 'open' }]);
        });

        it('drops no answer while a case of its job is open', async () => {
            const job = await withQuery(7);
            await store.queries.end(result(job, 7, 1, 10n));
            await store.jobs.setState(job, 'ended', 1000);
            await store.cases.add([found(job, 7)], 1n);
            expect(await store.prune(1500)).toBe(0);

            await store.cases.set(Buffer.alloc(32, 7), { standing: 'innocent' });
            expect(await store.prune(1500)).toBe(1);
        });
    });
}
