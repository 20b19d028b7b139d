import { Accept, Decline, Fail, Result, SIGNATURE_BYTES } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import {
    joinTerms,
    resultStart,
    splitTerms,
    storedAccept,
    storedEnd,
    wholeAccept,
    wholeEnd,
} from '../../../offchain/store/leftOut';

const job = randomBytes(32);
const TERMS = 280; // bytes

describe('The terms of a job as its row has them', () => {
    it('are escrow, voucher key and end; those of its offer are the rest', () => {
        const terms = Buffer.from(Array.from({ length: TERMS }, (_, i) => i % 251));
        const { own, shared } = splitTerms(terms);
        const at = (from: number, to: number) => terms.subarray(from, to);
        expect(own).toEqual(Buffer.concat([at(0, 32), at(160, 192), at(276, 280)]));
        expect(shared).toEqual(Buffer.concat([at(32, 160), at(192, 276)]));
        expect(joinTerms(own, shared)).toEqual(terms);
    });

    it('are all of them if they have another length', () => {
        for (const length of [TERMS - 1, TERMS + 1]) {
            const bytes = randomBytes(length);
            expect(splitTerms(bytes)).toEqual({ own: bytes, shared: Buffer.alloc(0) });
            expect(joinTerms(bytes, Buffer.alloc(0))).toEqual(bytes);
        }
    });

    it.each([
        ['shorter', 67, 212, 'have 67 and 212 bytes'],
        ['longer', 69, 212, 'have 69 and 212 bytes'],
        ['with a shorter rest', 68, 211, 'have 68 and 211 bytes'],
        ['without the rest', 68, null, 'have 68 and no bytes'],
    ])('are refused %s, because then the store is damaged', (_case, own, shared, text) => {
        expect(() => joinTerms(randomBytes(own), shared === null ? null : randomBytes(shared))).toThrow(text);
    });
});

describe('The receipt of a query as its row has it', () => {
    const query = { job, number: 0x0102_0304, request: randomBytes(32), ceiling: 2n ** 63n + 5n };
    const refusal = { job, number: query.number, request: query.request, reason: 1, signedAt: 9 };
    const result = {
        ...{ job, number: query.number, index: 258, content: randomBytes(32), prompt: 3, cached: 1, completion: 7 },
        ...{ reasoning: 0, price: 10n, cumulative: 10n, finishedAt: 9, finish: 0 },
    };
    const signed = (payload: Buffer) => Buffer.concat([payload, randomBytes(SIGNATURE_BYTES)]);
    const accept = signed(Accept.encode({ ...query, deadline: 9 }));
    const ENDS = [
        ['result', signed(Result.encode(result))],
        ['decline', signed(Decline.encode(refusal))],
        ['fail', signed(Fail.encode(refusal))],
    ] as const;

    it('has no tag, job, number, request and ceiling of an accept', () => {
        const stored = storedAccept(query, accept);
        expect(stored).toEqual(accept.subarray(4 + 32 + 4 + 32 + 8));
        expect(wholeAccept(query, stored)).toEqual(accept);
    });

    it.each(ENDS)('has no tag, job and number of a %s', (kind, receipt) => {
        const stored = storedEnd(kind, query, receipt);
        expect(stored).toEqual(receipt.subarray(4 + 32 + 4));
        expect(wholeEnd(kind, query, stored)).toEqual(receipt);
    });

    it.each(ENDS)('is all of a %s that begins otherwise, or is longer', (kind, receipt) => {
        for (const other of [
            { ...query, number: 5 },
            { ...query, job: randomBytes(32) },
        ]) {
            expect(storedEnd(kind, other, receipt)).toBe(receipt);
            expect(wholeEnd(kind, other, receipt)).toBe(receipt);
        }
        const longer = Buffer.concat([receipt, Buffer.alloc(1)]);
        expect(storedEnd(kind, query, longer)).toBe(longer);
        expect(wholeEnd(kind, query, longer)).toBe(longer);
    });

    it('is never of as many bytes as what is left of a receipt, so that it is not taken for that', () => {
        const length = accept.length - storedAccept(query, accept).length;
        expect(() => storedAccept(query, randomBytes(accept.length - length))).toThrow('A receipt of');
        expect(() => storedEnd('fail', query, randomBytes(ENDS[2][1].length - 40))).toThrow('A receipt of');
    });

    it('of a result begins with its index, so that they sort by it', () => {
        expect(resultStart(258)).toEqual(Buffer.from([0, 0, 1, 2]));
        expect(storedEnd('result', query, ENDS[0][1]).subarray(0, 4)).toEqual(resultStart(258));
        expect(resultStart(2 ** 32)).toEqual(Buffer.from([255, 255, 255, 255]));
    });

    it('is refused with an end that does not exist', () => {
        expect(() => wholeEnd('toString' as never, query, randomBytes(9))).toThrow('does not exist: toString');
    });
});
