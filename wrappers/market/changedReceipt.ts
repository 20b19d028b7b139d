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
 * What the node signed, found by trying: one field as the buyer expects it, then each bit the other way. Undefined if
 * none of these has the signature.
 */
export function signedResult(verifier: Verifier, says: Result, basis: ReceiptBasis): Result | undefined {
    const { receipt } = basis.parts;
    const isOriginal = (result: Result) => {
        try {
            return isSignedBy(verifier, Result.encode(result), receipt);
        } catch {
            return false; // what the buyer expects fits in no receipt
        }
    };
    if (isOriginal(says)) {
        return says; // only the tag was changed
    }
    const found = expectedResults(says, basis).find(isOriginal);
    if (found !== undefined) {
        return found;
    }
    const payload = Result.encode(says);
    for (let bit = 32; bit < payload.length * 8; bit++) {
        payload[bit >> 3] ^= 0x80 >> (bit & 7);
        if (isSignedBy(verifier, payload, receipt)) {
            return Result.decode(payload);
        }
        payload[bit >> 3] ^= 0x80 >> (bit & 7);
    }
    return undefined;
}

/** The result with one field at a time as the buyer expects it. */
function expectedResults(says: Result, { parts, job, accept }: ReceiptBasis): Result[] {
    const { number, index, cumulativeBefore, answer, terms } = parts;
    const request = parts.request ?? accept?.request;
    const content = answer && request && contentHash(request, answerRoot(answer));
    const price = priceOf(says, terms.rates);
    const cumulative = cumulativeBefore === undefined ? undefined : cumulativeBefore + says.price;
    const fields = { job, number, index, content, price, cumulative };
    const expected = Object.entries(fields).flatMap(([field, value]) =>
        value === undefined ? [] : [{ ...says, [field]: value }],
    );
    return [...expected, ...FINISHES.map((finish) => ({ ...says, finish }))];
}

const FINISHES = Object.values(Finish).filter((value) => typeof value === 'number');

/** The fields in which two results differ. */
export function changedFields(one: Result, other: Result): ReceiptField[] {
    return (Object.keys(one) as (keyof Result & ReceiptField)[]).filter((field) => {
        const [value, changed] = [one[field], other[field]];
        return Buffer.isBuffer(value) ? !value.equals(changed as Buffer) : value !== changed;
    });
}
