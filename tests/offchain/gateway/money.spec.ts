// Longer than 350 lines because its cases share one clock and one worker.
import { Address } from '@ton/core';
import { type SignedVoucher, Voucher, voucherFor } from '@cocoon-market/wrappers';
import type { StoredJob } from '../../../offchain/store/gateway';
import { JobMoney } from '../../../offchain/payer/money';
import { requireMember } from '../../../offchain/gateway/member';
import { WorkerRefusal } from '../../../offchain/payer/workerErrors';
import { testKey } from '../../support/market';

const STEP = 1000n;
const MOMENT_MS = 20; // docs/protocol.md, rule 7
const ACCEPT_MS = 250; // of the same rule

describe('The money of a job', () => {
    let posted: bigint[]; // promises
    let stored: bigint[];
    let job: StoredJob;
    let money: JobMoney;
    let refusal: Error | undefined; // of the next voucher that is posted
    let rejection: Error | undefined; // of the next voucher that is stored
    let maxSigned: bigint | undefined;
    let isHeld: boolean; // this process is sure to have its jobs

    beforeEach(() => {
        jest.useFakeTimers();
        [posted, stored] = [[], []];
        [refusal, rejection, isHeld, maxSigned] = [undefined, undefined, true, undefined];
        job = {
            hash: Buffer.alloc(32, 1),
            channel: Buffer.alloc(32, 2),
            voucher: null,
            terms: { step: STEP },
        } as StoredJob;
        money = new JobMoney(job, parts());
    });

    afterEach(async () => {
        await money.stop();
        jest.useRealTimers();
    });

    const parts = () => ({
        key: testKey(1),
        worker: {
            voucher: async (_job: Buffer, voucher: SignedVoucher) => {
                const error = refusal;
                refusal = undefined;
                if (error !== undefined) {
                    throw error;
                }
                posted.push(voucher.cumulative);
                return voucher;
            },
        },
        requireMember: () => requireMember({ cluster: { isHeld } }),
        store: {
            saveVoucher: async (_channel: Buffer, { cumulative }: SignedVoucher) => {
                await Promise.resolve();
                const error = rejection;
                rejection = undefined;
                if (error !== undefined) {
                    throw error;
                }
                stored.push(cumulative);
            },
        },
        network: -3,
        get maxSigned() {
            return maxSigned;
        },
        onUnpaid: () => undefined,
    });

    /** The same job with this voucher, as a process that starts reads it. */
    const restart = (voucher: SignedVoucher | null) => new JobMoney({ ...job, voucher }, parts());

    const addResult = (index: number) => {
        money.ledger.addResult(index, { index, price: 10n, cumulative: 10n * BigInt(index) });
        money.payResult();
    };
    const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

    it.each([
        [MOMENT_MS - 1, []],
        [MOMENT_MS, [10n]],
    ])('%i ms after a result it has posted %p', async (ms, expected) => {
        addResult(1);
        await pass(ms);
        expect(posted).toEqual(expected);
    });

    it('has posted what no query brought before the process ends', async () => {
        addResult(1);
        await money.payPending();
        await money.stop();
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it('posts nothing of a process that slept until another one may have its jobs', async () => {
        addResult(1);
        isHeld = false;
        await expect(money.flush()).rejects.toThrow('nothing is sent');
        expect(posted).toEqual([]);
        isHeld = true;
        await money.flush();
        expect(posted).toEqual([10n]);
    });

    it('signs up to the limit that the client set, and nothing above it', async () => {
        maxSigned = 10n;
        addResult(1);
        await money.flush();
        addResult(2);
        await expect(money.flush()).rejects.toThrow('A voucher of 20 nanoTON is above the limit of 10');
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it('signs nothing on top of a stored voucher that its key did not sign', async () => {
        addResult(1);
        await money.flush();
        const { signature } = job.voucher!;
        for (const voucher of [
            { cumulative: 11n, count: 1, signature },
            { cumulative: 10n, count: 2, signature },
            { cumulative: 10n, count: 1, signature: Buffer.alloc(64) },
        ]) {
            const restored = restart(voucher);
            restored.ledger.addResult(2, { index: 1, price: 50n, cumulative: 50n });
            await restored.flush();
            expect(restored.paused).toContain('the store is damaged');
        }
        expect([stored, posted]).toEqual([[10n], [10n]]);
        const restored = restart(job.voucher);
        expect([restored.paused, restored.ledger.voucher]).toEqual([undefined, job.voucher]);
    });

    it('signs nothing on top of stored results that do not follow from each other', async () => {
        const results = [
            { index: 1, price: 10n, cumulative: 10n },
            { index: 2, price: 20n, cumulative: 30n },
        ];
        for (const changed of [
            [results[0], { ...results[1], price: 21n }],
            [results[0], { ...results[1], cumulative: 31n }],
            [{ ...results[0], price: 11n }, results[1]],
            [results[0], { ...results[1], index: 1 }],
        ]) {
            const restored = restart(null);
            restored.restore(changed);
            await restored.flush();
            expect(restored.paused).toContain('the store is damaged');
        }
        expect(stored).toEqual([]);
        const restored = restart(null);
        restored.restore(results);
        await restored.flush();
        expect([restored.paused, stored, restored.ledger.nextVoucher()]).toEqual([
            ...[undefined, [30n], { cumulative: 30n, count: 2 }],
        ]);
    });

    it('has one voucher for all results of a moment', async () => {
        [1, 2, 3].forEach(addResult);
        await pass(MOMENT_MS);
        expect([stored, posted]).toEqual([[30n], [30n]]);
    });

    it('posts nothing that a query brought and the worker took', async () => {
        addResult(1);
        await money.signResult();
        expect(stored).toEqual([10n]); // on the disk before the query leaves
        money.noteDelivered(job.voucher);
        await pass(10 * MOMENT_MS);
        expect(posted).toEqual([]);
    });

    it('posts what a query brought to a worker that did not take the query', async () => {
        addResult(1);
        await money.signResult();
        money.noteUndelivered();
        await pass(0);
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it.each([
        [ACCEPT_MS - 1, []],
        [ACCEPT_MS, [10n]],
    ])('%i ms after a query left with a voucher, and has no accept, it has posted %p', async (ms, expected) => {
        addResult(1);
        await money.signResult();
        await pass(ms);
        expect(posted).toEqual(expected);
    });

    it('posts nothing twice when the accept of a query comes after a while', async () => {
        addResult(1);
        await money.signResult();
        await pass(ACCEPT_MS - 1);
        money.noteDelivered(job.voucher);
        await pass(10 * ACCEPT_MS);
        expect([stored, posted]).toEqual([[10n], []]);
    });

    it('posts what a result added after a query had left with the voucher of another', async () => {
        addResult(1);
        await money.signResult();
        addResult(2);
        await pass(MOMENT_MS);
        expect([stored, posted]).toEqual([[10n, 20n], [20n]]);
    });

    it('posts nothing because a query without a new voucher was not taken', async () => {
        addResult(1);
        await money.signResult();
        money.noteDelivered(job.voucher);
        money.noteUndelivered();
        await pass(ACCEPT_MS);
        expect(posted).toEqual([]);
    });

    it('has posted what a query brought and nobody took yet before the process ends', async () => {
        addResult(1);
        await money.signResult();
        await money.payPending();
        await money.stop();
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it('signs nothing for a query while no result is unpaid', async () => {
        money.ledger.raiseMeter(1, 10n);
        await money.signResult();
        expect([stored, job.voucher]).toEqual([[], null]);
    });

    it('posts at once what is due while a query runs', async () => {
        addResult(1);
        money.ledger.raiseMeter(2, STEP / 4n);
        money.payIfDue();
        await pass(0);
        expect(posted).toEqual([260n]);
        await pass(10 * MOMENT_MS);
        expect(posted).toEqual([260n]);
    });

    const diskFull = () => new Error('No space left on device');
    const refused = (code: 'internal' | 'bad_voucher', status: number) => new WorkerRefusal(code, status, '');
    const RETRY_MS = 200;

    it('signs again what the store did not take, and posts that', async () => {
        rejection = diskFull();
        addResult(1);
        await pass(MOMENT_MS);
        expect([stored, posted, job.voucher]).toEqual([[], [], null]);

        await pass(RETRY_MS);
        expect([stored, posted]).toEqual([[10n], [10n]]);
        expect(job.voucher).toMatchObject({ cumulative: 10n, count: 1 });
    });

    it('settles with what is owed although the store did not take its voucher at first', async () => {
        rejection = diskFull();
        money.ledger.addResult(1, { index: 1, price: 10n, cumulative: 10n });
        await expect(money.flush()).rejects.toThrow('No space left');
        await money.flush();
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it('posts no older voucher while the newest is on its way to the disk', async () => {
        addResult(1);
        const signing = money.signResult();
        money.start();
        await signing;
        await pass(0);
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it.each([
        ['again what the worker could not decide now', refused('internal', 503), [10n]],
        ['again what the worker failed to take', refused('internal', 500), [10n]],
        ['only once what the worker has refused', refused('bad_voucher', 400), []],
    ])('after a post that failed: posts %s', async (_, error, expected) => {
        refusal = error;
        addResult(1);
        await pass(MOMENT_MS);
        expect(posted).toEqual([]);
        await pass(RETRY_MS);
        expect(posted).toEqual(expected);
    });

    it('posts after a pause what was signed and not delivered before it', async () => {
        refusal = new Error('The network is down');
        addResult(1);
        await pass(MOMENT_MS);
        money.pause('the chain is silent');
        await pass(10 * RETRY_MS);
        expect([stored, posted]).toEqual([[10n], []]);

        money.pause(undefined);
        await pass(0);
        expect([stored, posted]).toEqual([[10n], [10n]]);
    });

    it('posts after a pause what a query brought that the worker did not take', async () => {
        addResult(1);
        await money.signResult();
        money.pause('the chain is silent');
        money.noteUndelivered();
        await pass(2 * ACCEPT_MS);
        expect(posted).toEqual([]);

        money.pause(undefined);
        await pass(0);
        expect(posted).toEqual([10n]);
    });

    it.each([
        ['an older one', { cumulative: 3n, count: 0 }, [10n]],
        ['none', null, [10n]],
        ['the same', { cumulative: 10n, count: 1 }, []],
    ])('when the worker says that it has %s, it has posted %p', async (_, taken, expected) => {
        addResult(1);
        await money.signResult();
        money.noteDelivered(job.voucher);
        money.noteTaken(taken);
        await pass(0);
        expect(posted).toEqual(expected);
    });

    it('takes a voucher of the worker for its own only once that is stored', async () => {
        const voucher: SignedVoucher = { cumulative: 70n, count: 2, signature: Buffer.alloc(64) };
        const payload = voucherFor(-3, new Address(0, job.channel), voucher.cumulative, voucher.count);
        voucher.signature = testKey(1).sign(Voucher.hash(payload));
        rejection = diskFull();
        await expect(money.adopt(voucher)).rejects.toThrow('No space left');
        expect(money.ledger.voucher.cumulative).toBe(0n);

        await money.adopt(voucher);
        expect([stored, money.ledger.voucher.cumulative]).toEqual([[70n], 70n]);
    });

    it('signs and posts nothing while it is paused, and goes on then', async () => {
        addResult(1);
        money.pause('the chain is silent');
        await money.signResult();
        await pass(MOMENT_MS);
        expect([stored, posted]).toEqual([[], []]);

        money.pause(undefined);
        await pass(MOMENT_MS);
        expect(posted).toEqual([10n]);
    });
});
