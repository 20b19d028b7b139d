/** The page that buys checks each receipt of a job, and names the field that was changed. */
import type { Receipt } from '@cocoon-market/client';
import { Accept, Finish, jobHash, priceOf, Result, type SigningKey, signingKey } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { bytesOfHex, checkBytes, checkReceipts, reportText } from '../../examples/buy-page/src/receipts';

const NETWORK = -3;
const AT = 1_790_000_000;
const bytes = (fill: number) => Buffer.alloc(32, fill);
const node = signingKey(bytes(70));
const rates = { prompt: 100_000n, cached: 50_000n, completion: 400_000n, reasoning: 300_000n };
const terms = {
    ...{ escrow: bytes(1), provider: bytes(2), node: bytes(3), receiptKey: node.publicKey, payout: bytes(4) },
    ...{ voucherKey: signingKey(bytes(5)).publicKey, model: bytes(6), rates, step: 10_000_000n },
    ...{ maxParallel: 4, maxAnswer: 1 << 20, notice: 3600, end: AT + 86_400 },
};
const address = new Address(0, bytes(7));
const job = { network: NETWORK, address, terms };
const hash = jobHash(NETWORK, address.hash, terms);
const counts = { prompt: 1_000, cached: 0, completion: 500, reasoning: 0 };
const price = priceOf(counts, rates);

const signed = <T>(layout: { encode(values: T): Buffer; hash(values: T): Buffer }, values: T, key: SigningKey = node) =>
    Buffer.concat([layout.encode(values), key.sign(layout.hash(values))]);

/** The receipt of the result at a place in the job, asked as the query of this number. */
function receiptOf(index: number, number: number): Receipt {
    const request = bytes(8);
    const ending = { finishedAt: AT, finish: Finish.Stop };
    const cumulative = price * BigInt(index);
    const result = { job: hash, number, index, content: bytes(9), ...counts, price, cumulative, ...ending };
    const accept = { job: hash, number, request, ceiling: 1_000_000n, deadline: AT + 600 };
    const common = { number, price, tokens: counts, finish: Finish.Stop };
    return { ...common, result: signed(Result, result), accept: signed(Accept, accept) };
}

describe('Receipts on the page that buys', () => {
    it('are right, in the order in which the node signed them', () => {
        const checked = checkReceipts(job, [receiptOf(2, 1), receiptOf(1, 2)]);

        expect(checked.map(({ index }) => index)).toEqual([1, 2]);
        expect(checked.map(({ report }) => reportText(report))).toEqual([
            expect.stringMatching(/^Right: \d+ fields checked\.$/),
            expect.stringMatching(/^Right: \d+ fields checked\.$/),
        ]);
        expect(checked[1].cumulativeBefore).toBe(price);
    });

    it('say nothing of the sum after a receipt that is not there', () => {
        const [checked] = checkReceipts(job, [receiptOf(2, 2)]);

        expect(checked.cumulativeBefore).toBeUndefined();
        expect(checked.report.checks).toContainEqual(
            expect.objectContaining({ field: 'cumulative', state: 'not checked' }),
        );
    });

    it('name the price when its last bit is flipped, before the signature', () => {
        const [checked] = checkReceipts(job, [receiptOf(1, 1)]);
        const changed = Buffer.from(checked.receipt.result);
        changed[Result.bytes - 14] ^= 1; // the price ends before the sum, the time and the way of ending
        const text = reportText(checkBytes(job, checked, changed));

        expect(text).toMatch(/^Wrong: price: .*signature: /);
    });

    it('of another job are wrong', () => {
        const other = { ...job, address: new Address(0, bytes(10)) };

        expect(checkReceipts(other, [receiptOf(1, 1)])[0].report.right).toBe(false);
    });

    it.each([
        ['0a 0B\n', '0a0b'],
        ['', ''],
    ])('are read from hex: %j', (text, hex) => {
        expect(bytesOfHex(text).toString('hex')).toBe(hex);
    });

    it.each(['0', 'zz', '0x0a'])('refuse %j, which is no hex', (text) => {
        expect(() => bytesOfHex(text)).toThrow('hex digits');
    });
});
