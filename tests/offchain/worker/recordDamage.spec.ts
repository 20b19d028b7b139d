import { Finish, jobHash, Result, type SignedVoucher, Verifier, Voucher } from '@cocoon-market/wrappers';
import type { JobRecord } from '../../../offchain/store/worker';
import { signReceipt } from '../../../offchain/link';
import { damageOf, FORGED_VOUCHER, mayHaveResult } from '../../../offchain/worker/damage';
import { NETWORK, testKey } from '../../support/market';

const bytes = (fill: number) => Buffer.alloc(32, fill);
const voucherKey = testKey(61);
const channel = bytes(9);
const terms = {
    ...{ escrow: bytes(1), provider: bytes(2), node: bytes(3), payout: bytes(4), model: bytes(5) },
    ...{ receiptKey: testKey(60).publicKey, voucherKey: voucherKey.publicKey, step: 1n, maxParallel: 1 },
    ...{ rates: { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n }, maxAnswer: 1, notice: 1, end: 1 },
};
const job = jobHash(NETWORK, channel, terms);
const voucher: SignedVoucher = {
    ...{ cumulative: 30n, count: 2 },
    signature: voucherKey.sign(Voucher.hash({ network: NETWORK, channel, cumulative: 30n, count: 2 })),
};
const receipt = signReceipt(
    Result,
    {
        ...{ job, number: 5, index: 3, content: bytes(6), prompt: 1, cached: 0, completion: 1, reasoning: 0 },
        ...{ price: 30n, cumulative: 60n, finishedAt: 1, finish: Finish.Stop },
    },
    testKey(60),
);

/** What is wrong with a record of this job, beside a store whose newest result is this one. */
function damage(changes: Partial<JobRecord> = {}, newest: Buffer | undefined = receipt, network = NETWORK) {
    const record = { job, channel, voucher, index: 3, cumulative: 60n, lowWater: 0, ...changes } as JobRecord;
    const store = { queries: { newestResult: async (id: Buffer) => (id.equals(job) ? newest : undefined) } };
    const context = { config: { network }, store } as unknown as Parameters<typeof damageOf>[0];
    return damageOf(context, { record, terms, verifier: new Verifier(voucherKey.publicKey) });
}

const OF_RESULT = 'index and cumulative are not those of the newest result';
const OF_TERMS = 'channel and terms are not those of the job';

describe('The record of a job', () => {
    it('has no damage if it is what keys have signed', async () => {
        expect(await damage()).toBeUndefined();
        expect(await damage({ voucher: undefined })).toBeUndefined();
    });

    it.each<[string, Partial<JobRecord>, string]>([
        ['another hash', { job: bytes(7) }, OF_TERMS],
        ['another channel', { channel: bytes(7) }, OF_TERMS],
        ['a higher voucher', { voucher: { ...voucher, cumulative: 31n } }, FORGED_VOUCHER],
        ['a voucher of another count', { voucher: { ...voucher, count: 3 } }, FORGED_VOUCHER],
        ['a voucher of a count that does not exist', { voucher: { ...voucher, count: -1 } }, FORGED_VOUCHER],
        ['a voucher without a signature', { voucher: { ...voucher, signature: Buffer.alloc(0) } }, FORGED_VOUCHER],
        ['a lower index', { index: 2 }, OF_RESULT],
        ['a higher index', { index: 4 }, OF_RESULT],
        ['another sum', { cumulative: 61n }, OF_RESULT],
    ])('is damaged with %s', async (_case, changes, text) => {
        expect(await damage(changes)).toBe(text);
    });

    it('is damaged on another network', async () => {
        expect(await damage({}, receipt, -3)).toBe(OF_TERMS);
    });

    it('is damaged if its newest result is no result', async () => {
        expect(await damage({}, Buffer.alloc(9))).toBe(OF_RESULT);
    });

    it.each([
        [0, 0, undefined],
        [1, 0, 'result 1 is missing'],
        [1, 1, undefined], // deleted, as those of a job that ended are
        [0, 1, undefined],
    ])('without results, of index %s and with numbers deleted up to %s, is %s', async (index, lowWater, text) => {
        const none = damageOf(
            { config: { network: NETWORK }, store: { queries: { newestResult: async () => undefined } } } as never,
            { record: { job, channel, index, lowWater } as JobRecord, terms, verifier: new Verifier(bytes(200)) },
        );
        expect(await none).toBe(text);
    });
});

describe('A number that has no row', () => {
    /** `results`: indexes of the results of this job that the store has. */
    const mayHave = (number: number, record: Parameters<typeof mayHaveResult>[2], results: number[]) => {
        const countResults = async (id: Buffer, max = Infinity) =>
            id.equals(job) ? results.filter((index) => index <= max).length : 0;
        const store = { queries: { countResults } } as unknown as Parameters<typeof mayHaveResult>[0];
        return mayHaveResult(store, { job, number }, record);
    };
    const record = { highest: 5, index: 3, lowWater: 0 };

    it.each([
        ['had none if it is above the highest that was used', 6, [1], false],
        ['had none if every result is there', 5, [1, 2, 3], false],
        ['may have had the one that is missing', 5, [1, 2], true],
        ['may have had the one that is missing beside a later one', 4, [1, 2, 4], true],
    ])('%s', async (_case, number, results, expected) => {
        expect(await mayHave(number, record, results)).toBe(expected);
    });

    it('may have had a result once queries were deleted, even if as many are there', async () => {
        expect(await mayHave(5, { ...record, lowWater: 1 }, [1, 2, 3])).toBe(true);
        expect(await mayHave(6, { ...record, lowWater: 1 }, [2])).toBe(false);
    });

    it('of a job that has no row either may have had a result if the job has any', async () => {
        expect(await mayHave(5, undefined, [])).toBe(false);
        expect(await mayHave(5, undefined, [9])).toBe(true);
    });
});
