/**
 * What the rows of a worker leave out because others have it: how receipts begin, and the terms that jobs of one offer
 * share. A worker has one row for each job and query, so their bytes decide what a million of them take.
 */
import { Accept, Decline, Fail, Result, SIGNATURE_BYTES } from '@cocoon-market/wrappers';
import type { EndKind, NewQuery, QueryId } from './worker';

const KEY = 32;
const TERMS = 7 * KEY + 5 * 8 + 4 * 4; // bytes, see termsBytes of the wrappers

/** Where terms have what differs from job to job: escrow, voucher key and end. */
const OWN = [
    [0, KEY],
    [5 * KEY, 6 * KEY],
    [TERMS - 4, TERMS],
] as const;

/** What the jobs of one offer share: provider, node, receipt key, payout, model, rates and limits. */
const SHARED = [
    [KEY, 5 * KEY],
    [6 * KEY, TERMS - 4],
] as const;

const partsOf = (bytes: Buffer, places: readonly (readonly [number, number])[]): Buffer =>
    Buffer.concat(places.map(([from, to]) => bytes.subarray(from, to)));

/** The terms of a job in two parts. Bytes that are no terms are the job's own. */
export function splitTerms(terms: Buffer): { own: Buffer; shared: Buffer } {
    return terms.length === TERMS
        ? { own: partsOf(terms, OWN), shared: partsOf(terms, SHARED) }
        : { own: terms, shared: Buffer.alloc(0) };
}

const lengthOfParts = (places: readonly (readonly [number, number])[]): number =>
    places.reduce((sum, [from, to]) => sum + to - from, 0);

/** The terms that {@link splitTerms} split. Throws if they are no such parts: then the store is damaged. */
export function joinTerms(own: Buffer, shared: Buffer | null): Buffer {
    if (shared?.length === 0) {
        return own;
    }
    if (own.length !== lengthOfParts(OWN) || shared?.length !== lengthOfParts(SHARED)) {
        throw new Error(`The parts of stored terms have ${own.length} and ${shared?.length ?? 'no'} bytes`);
    }
    const terms = Buffer.allocUnsafe(TERMS);
    const fill = (part: Buffer, places: readonly (readonly [number, number])[]) => {
        let at = 0;
        for (const [from, to] of places) {
            part.copy(terms, from, at, at + to - from);
            at += to - from;
        }
    };
    fill(own, OWN);
    fill(shared, SHARED);
    return terms;
}

const ENDS = { result: Result, decline: Decline, fail: Fail };

/** How the receipt of a query begins: tag, job and number. */
function startOf({ tag }: { tag: number }, { job, number }: QueryId, more: readonly Buffer[] = []): Buffer {
    const [first, last] = [Buffer.allocUnsafe(4), Buffer.allocUnsafe(4)];
    first.writeUInt32BE(tag);
    last.writeUInt32BE(number);
    return Buffer.concat([first, job, last, ...more]);
}

type AcceptedQuery = Pick<NewQuery, 'job' | 'number' | 'request' | 'ceiling'>;

function acceptStart({ request, ceiling, ...query }: AcceptedQuery): Buffer {
    const amount = Buffer.allocUnsafe(8);
    amount.writeBigUInt64BE(ceiling);
    return startOf(Accept, query, [request, amount]);
}

/** A receipt without its start. One that begins otherwise is stored as it is. */
function shortened(receipt: Buffer, start: Buffer, length: number): Buffer {
    if (receipt.length === length && receipt.subarray(0, start.length).equals(start)) {
        return receipt.subarray(start.length);
    }
    if (receipt.length === length - start.length) {
        throw new Error(`A receipt of ${receipt.length} bytes is none`);
    }
    return receipt;
}

const whole = (stored: Buffer, start: Buffer, length: number): Buffer =>
    stored.length === length - start.length ? Buffer.concat([start, stored]) : stored;

const lengthOf = ({ bytes }: { bytes: number }): number => bytes + SIGNATURE_BYTES;

/** An accept as the row of its query has it. */
export const storedAccept = (query: AcceptedQuery, accept: Buffer): Buffer =>
    shortened(accept, acceptStart(query), lengthOf(Accept));

/** The accept that {@link storedAccept} made this of. */
export const wholeAccept = (query: AcceptedQuery, stored: Buffer): Buffer =>
    whole(stored, acceptStart(query), lengthOf(Accept));

/** The receipt of an end as the row of its query has it. */
export const storedEnd = (kind: EndKind, query: QueryId, receipt: Buffer): Buffer =>
    shortened(receipt, startOf(ENDS[kind], query), lengthOf(ENDS[kind]));

/** How what is stored of a result begins: with its index, so that a higher one has higher bytes. */
export function resultStart(index: number): Buffer {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(Math.min(index, 0xffff_ffff)); // more only in a damaged row
    return bytes;
}

/** The receipt that {@link storedEnd} made this of. Throws for another kind: then the store is damaged. */
export function wholeEnd(kind: EndKind, query: QueryId, stored: Buffer): Buffer {
    if (!Object.hasOwn(ENDS, kind)) {
        throw new Error(`Query ${query.number} is stored with an end that does not exist: ${kind}`);
    }
    return whole(stored, startOf(ENDS[kind], query), lengthOf(ENDS[kind]));
}
