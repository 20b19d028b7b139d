/** A receipt is checked offline, and what is wrong with it is named. */
import fc from 'fast-check';
import {
    Accept,
    answerRoot,
    contentHash,
    Finish,
    jobHash,
    priceOf,
    Result,
    type SigningKey,
    signingKey,
    Verifier,
} from '@cocoon-market/wrappers';
import { type ReceiptField, type ReceiptParts, verifyReceipt } from '@cocoon-market/wrappers/market';

const NETWORK = -3;
const ASKED = 1_790_000_000;
const node = signingKey(Buffer.alloc(32, 70));
const bytes = (fill: number) => Buffer.alloc(32, fill);
const rates = { prompt: 100_000n, cached: 50_000n, completion: 400_000n, reasoning: 300_000n };
const terms = {
    ...{ escrow: bytes(1), provider: bytes(2), node: bytes(3), receiptKey: node.publicKey, payout: bytes(4) },
    ...{ voucherKey: signingKey(bytes(5)).publicKey, model: bytes(6), rates, step: 10_000_000n },
    ...{ maxParallel: 4, maxAnswer: 1 << 20, notice: 3600, end: ASKED + 86_400 },
};
const channel = bytes(7);
const job = jobHash(NETWORK, channel, terms);
const request = bytes(8);
const answer = Buffer.alloc(20_000, 9);
const counts = { prompt: 1_000, cached: 300, completion: 500, reasoning: 200 };
const price = priceOf(counts, rates);
const result: Result = {
    ...{ job, number: 7, index: 4, content: contentHash(request, answerRoot(answer)), ...counts, price },
    ...{ cumulative: 1_000n + price, finishedAt: ASKED + 5, finish: Finish.Stop },
};

const signed = <T>(layout: { encode(values: T): Buffer; hash(values: T): Buffer }, values: T, key: SigningKey = node) =>
    Buffer.concat([layout.encode(values), key.sign(layout.hash(values))]);

const accept = { job, number: 7, request, ceiling: 1_000_000n, deadline: ASKED + 600 };
const parts: ReceiptParts = {
    ...{ receipt: signed(Result, result), network: NETWORK, channel, terms, number: 7, index: 4, request },
    ...{ ceiling: 1_000_000n, askedAt: ASKED, accept: signed(Accept, accept), cumulativeBefore: 1_000n, answer },
    maxTokens: { prompt: 1_300, completion: 500, reasoning: 200 },
};

const wrongIn = (changes: Partial<ReceiptParts>): ReceiptField[] =>
    verifyReceipt({ ...parts, ...changes })
        .checks.filter(({ state }) => state === 'wrong')
        .map(({ field }) => field);

/** The fields of a result with the bits that they have in its receipt; the tag is the layout's. */
const BITS: [ReceiptField, number][] = [
    ...(['layout', 'number', 'index', 'prompt', 'cached', 'completion', 'reasoning', 'finishedAt'] as const).map(
        (field): [ReceiptField, number] => [field, 32],
    ),
    ...(['price', 'cumulative'] as const).map((field): [ReceiptField, number] => [field, 64]),
    ...(['job', 'content'] as const).map((field): [ReceiptField, number] => [field, 256]),
    ['finish', 8],
];
const ORDER: ReceiptField[] = [
    ...(['layout', 'job', 'number', 'index', 'content', 'prompt', 'cached', 'completion'] as const),
    ...(['reasoning', 'price', 'cumulative', 'finishedAt', 'finish'] as const),
];
const widthOf = new Map(BITS);
const fieldOfBit = ORDER.flatMap((field) => Array.from({ length: widthOf.get(field)! }, () => field));

function flipped(receipt: Buffer, bit: number): Buffer {
    const copy = Buffer.from(receipt);
    copy[bit >> 3] ^= 0x80 >> (bit & 7);
    return copy;
}

describe('A receipt', () => {
    it('that is right has no field that is wrong or not checked', () => {
        const { right, checks, says } = verifyReceipt(parts);

        expect(right).toBe(true);
        expect(checks.filter(({ state }) => state !== 'right')).toEqual([]);
        expect(says).toEqual(result);
    });

    it.each(ORDER)('with a flipped bit of %s has this field and the signature wrong, and no other', (field) => {
        expect(fieldOfBit).toHaveLength(Result.bytes * 8);
        const first = fieldOfBit.indexOf(field);
        const last = fieldOfBit.lastIndexOf(field);
        for (const bit of [first, (first + last) >> 1, last]) {
            expect(wrongIn({ receipt: flipped(parts.receipt, bit) }).sort()).toEqual([field, 'signature'].sort());
        }
    });

    it('with any one flipped bit has the field of the bit wrong, also when nothing of the answer was kept', () => {
        const { receipt, network } = parts;
        const bare = { receipt, network, channel, terms };
        const bits = fc.integer({ min: 0, max: fieldOfBit.length - 1 });
        fc.assert(
            fc.property(bits, (bit) => {
                const { checks } = verifyReceipt({ ...bare, receipt: flipped(receipt, bit) });
                const wrong = checks.filter(({ state }) => state === 'wrong').map((check) => check.field);
                expect(wrong.sort()).toEqual([fieldOfBit[bit], 'signature'].sort());
            }),
            { numRuns: 40 },
        );
    });

    it('with a flipped bit of its signature has the signature wrong, and no other', () => {
        const bits = fc.integer({ min: Result.bytes * 8, max: parts.receipt.length * 8 - 1 });
        fc.assert(
            fc.property(bits, (bit) =>
                expect(wrongIn({ receipt: flipped(parts.receipt, bit) })).toEqual(['signature']),
            ),
            { numRuns: 10 },
        );
    });

    it.each<[ReceiptField, Partial<Result>]>([
        ['job', { job: bytes(99) }],
        ['number', { number: 8 }],
        ['index', { index: 5 }],
        ['content', { content: bytes(98) }],
        ['prompt', { prompt: 1_001 }],
        ['completion', { completion: 501 }],
        ['reasoning', { reasoning: 201 }],
        ['price', { price: price + 1n, cumulative: 1_001n + price }],
        ['cumulative', { cumulative: 999n + price }],
        ['finishedAt', { finishedAt: ASKED - 61 }],
        ['finish', { finish: 200 }],
    ])('that the node signed with another %s has this field wrong, and no other', (field, changes) => {
        const all = { ...result, ...changes };
        const billed = changes.price === undefined ? priceOf(all, rates) : all.price;
        const cumulative = changes.cumulative ?? 1_000n + billed;
        expect(wrongIn({ receipt: signed(Result, { ...all, price: billed, cumulative }) })).toEqual([field]);
    });

    it('whose field was replaced by another value after signing has this field wrong, and the signature', () => {
        const payload = Result.encode({ ...result, price: 5n });
        const receipt = Buffer.concat([payload, parts.receipt.subarray(-64)]);

        expect(wrongIn({ receipt })).toEqual(['signature', 'price']);
    });

    it('of another job has the job wrong', () => {
        const other = bytes(50);
        const otherJob = jobHash(NETWORK, other, terms);

        expect(wrongIn({ receipt: signed(Result, { ...result, job: otherJob }) })).toEqual(['job']);
        expect(wrongIn({ channel: other })).toEqual(['job', 'accept']);
    });

    it('of another node has the signature wrong, and a weak key signs nothing', () => {
        const stranger = signingKey(bytes(77));

        expect(wrongIn({ receipt: signed(Result, result, stranger), accept: undefined })).toEqual(['signature']);
        expect(wrongIn({ terms: { ...terms, receiptKey: Buffer.alloc(32) } })).toContain('signature');
    });

    it('that the node did not sign costs a bounded number of signatures, and few if the buyer kept everything', () => {
        const forged = { receipt: signed(Result, result, signingKey(bytes(77))) };
        const bare = { ...forged, network: NETWORK, channel, terms };
        const free = { ...terms, rates: { prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n } };
        const ofNothing = signed(Result, { ...result, price: 0n }, signingKey(bytes(77)));
        const verify = jest.spyOn(Verifier.prototype, 'verify');
        const computed = (given: ReceiptParts) => {
            verify.mockClear();
            expect(verifyReceipt(given).right).toBe(false);
            return verify.mock.calls.length;
        };
        try {
            expect(computed({ ...parts, ...forged })).toBeLessThanOrEqual(70);
            expect(computed(bare)).toBeLessThanOrEqual(450);
            expect(computed({ ...bare, terms: free, receipt: ofNothing })).toBeLessThanOrEqual(560);
        } finally {
            verify.mockRestore();
        }
    });

    it('that is truncated at any byte has its layout wrong, and never throws', () => {
        for (let length = 0; length < parts.receipt.length; length++) {
            expect(wrongIn({ receipt: parts.receipt.subarray(0, length) })).toEqual(['layout', 'signature']);
        }
    });

    it('without an accept of the node says so, and one with a flipped bit is none', () => {
        expect(wrongIn({ accept: null })).toEqual(['accept']);
        expect(wrongIn({ accept: flipped(parts.accept!, 300) })).toEqual(['accept']);
        expect(wrongIn({ accept: signed(Accept, { ...accept, ceiling: 999n }) })).toEqual(['accept']);
    });
});
