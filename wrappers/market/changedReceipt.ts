/** Finds what a node signed when its receipt was changed afterwards. */
import { SIGNATURE_BYTES } from '../evidence';
import type { Verifier } from '../keys';
import { priceOf } from '../price';
import { answerRoot, contentHash } from '../signed/answer';
import { cellHash } from '../signed/layout';
import { Finish, Result } from '../signed/payloads';
import type { ReceiptBasis, ReceiptField } from './receiptParts';

/** True if the receipt ends in the signature of this payload. */
export const isSignedBy = (verifier: Verifier, payload: Buffer, receipt: Buffer): boolean =>
    verifier.verify(cellHash(payload), receipt.subarray(-SIGNATURE_BYTES));

/**
 * What the node signed, found by trying: one field as the buyer expects it, then each bit of the fields of which
 * nothing is expected. Undefined if none of these has the signature. A node signs only what agrees with itself, so what
 * would not is not tried: at most 560 signatures are computed, and at most 70 if the buyer has kept everything.
 */
export function signedResult(verifier: Verifier, says: Result, basis: ReceiptBasis): Result | undefined {
    const { receipt } = basis.parts;
    const expected = expectedFields(says, basis);
    for (const result of [says, ...expectedResults(says, expected), ...flippedResults(says, expected, basis)]) {
        if (isSignedBy(verifier, Result.encode(result), receipt)) {
            return result; // if it is `says`, only the tag was changed
        }
    }
    return undefined;
}

/** What the buyer expects in fields of the result, as far as it fits there. */
function expectedFields(says: Result, { parts, job, accept }: ReceiptBasis): Partial<Result> {
    const { number, index, cumulativeBefore, answer, terms } = parts;
    const request = parts.request ?? accept?.request;
    const content = answer && request && contentHash(request, answerRoot(answer));
    const price = priceOf(says, terms.rates);
    const cumulative = cumulativeBefore === undefined ? undefined : cumulativeBefore + says.price;
    const fields = Object.entries({ job, number, index, content, price, cumulative });
    const fitting = fields.filter(([field, value]) => value !== undefined && fits(says, field, value));
    return Object.fromEntries(fitting);
}

function fits(says: Result, field: string, value: unknown): boolean {
    try {
        Result.encode({ ...says, [field]: value });
        return true;
    } catch {
        return false;
    }
}

/** The result with one field at a time as the buyer expects it, where it is not so already. */
function expectedResults(says: Result, expected: Partial<Result>): Result[] {
    const changed = Object.entries(expected).map(([field, value]) => ({ ...says, [field]: value }));
    const ended = FINISHES.map((finish) => ({ ...says, finish }));
    return [...changed, ...ended].filter((result) => changedFields(says, result).length > 0);
}

const COUNTS = ['prompt', 'cached', 'completion', 'reasoning'] as const;
const OTHERS = ['number', 'index', 'cumulative', 'finishedAt', 'content'] as const;

/** The result with one bit at a time the other way, where it then agrees with itself. */
function* flippedResults(says: Result, expected: Partial<Result>, { parts }: ReceiptBasis): Generator<Result> {
    const unknown = OTHERS.filter((field) => expected[field] === undefined);
    for (const field of [...COUNTS, ...unknown]) {
        for (let bit = 0; bit < BITS[field]; bit++) {
            const result = { ...says, [field]: flipped(says[field], bit) };
            const { index, price, cumulative } = result;
            if (price === priceOf(result, parts.terms.rates) && cumulative >= price && index > 0) {
                yield result;
            }
        }
    }
}

const BITS = {
    ...{ prompt: 32, cached: 32, completion: 32, reasoning: 32 },
    ...{ number: 32, index: 32, cumulative: 64, finishedAt: 32, content: 256 },
};

function flipped(value: number | bigint | Buffer, bit: number): number | bigint | Buffer {
    if (typeof value === 'number') {
        return (value ^ (1 << bit)) >>> 0;
    }
    if (typeof value === 'bigint') {
        return value ^ (1n << BigInt(bit));
    }
    const bytes = Buffer.from(value);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    return bytes;
}

const FINISHES = Object.values(Finish).filter((value) => typeof value === 'number');

/** The fields in which two results differ. */
export function changedFields(one: Result, other: Result): ReceiptField[] {
    return (Object.keys(one) as (keyof Result & ReceiptField)[]).filter((field) => {
        const [value, changed] = [one[field], other[field]];
        return Buffer.isBuffer(value) ? !value.equals(changed as Buffer) : value !== changed;
    });
}
