import type { SignedVoucher } from '@cocoon-market/wrappers';
import type { StoredJob } from '../../../offchain/store/gateway';
import { JobMoney } from '../../../offchain/gateway/money';
import type { JobLink } from '../../../offchain/gateway/jobLink';
import { testKey } from '../../support/market';

const STEP = 1000n;
const MOMENT_MS = 20; // docs/protocol.md, rule 7
const ACCEPT_MS = 250; // of the same rule

describe('The money of a job', () => {
    let posted: bigint[]; // promises
    let stored: bigint[];
    let job: StoredJob;
    let money: JobMoney;

    beforeEach(() => {
        jest.useFakeTimers();
        [posted, stored] = [[], []];
        job = {
            hash: Buffer.alloc(32, 1),
            channel: Buffer.alloc(32, 2),
            voucher: null,
            terms: { step: STEP },
        } as StoredJob;
        money = new JobMoney(job, {
            key: testKey(1),
            worker: {
                voucher: async (_job: Buffer, voucher: SignedVoucher) => {
                    posted.push(voucher.cumulative);
                    return voucher;
                },
            } as unknown as JobLink,
            store: {
                saveVoucher: async (_channel: Buffer, { cumulative }: SignedVoucher) => void stored.push(cumulative),
            } as never,
            network: -3,
            onUnpaid: () => undefined,
            onEnded: () => undefined,
        });
    });

    afterEach(async () => {
        await money.stop();
        jest.useRealTimers();
    });

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
