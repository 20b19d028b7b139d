/** Finds the faults of nodes that the receipts in a gateway's store prove. See docs/contracts/dispute.md. */
import type { Refusal, Terms } from '@cocoon-market/wrappers';
import { Accept, Fail, faultClassCodes, payloadOf, priceOf, Result, Verifier } from '@cocoon-market/wrappers';
import { z } from 'zod';
import { openReceipt, terms as wireTerms, termsToWire } from '../link';
import { hex, nano } from '../process/fields';
import type { GatewayStore, QueryPhase, StoredJob, StoredReceipts } from '../store/gateway';

const receipt = z
    .string()
    .regex(/^([0-9a-f]{2})+$/)
    .transform((text): Buffer => Buffer.from(text, 'hex'));

/** One fault with its evidence: what was done in which query, and the receipts that prove it. */
export const evidence = z.object({
    class: z.enum(faultClassCodes),
    job: z.number(), // the escrow's number
    queries: z.array(z.number()),
    channel: hex(32),
    terms: wireTerms,
    receipts: z.array(receipt), // A1: both; A2: the result and what it contradicts; A3: the accept; B1: the result
    loss: nano, // nanoTON that the contract counts as lost
    date: z.number(), // unix seconds that the receipts say
    reason: z.string(),
    refused: z.enum(['result', 'fail']).optional(), // A3: the receipt that the node signed of this query and the gateway refused
});
export type FaultEvidence = z.output<typeof evidence>;
type OnWire = Omit<FaultEvidence, 'terms'> & { terms: string };
type Found = Pick<FaultEvidence, 'class' | 'queries' | 'receipts' | 'loss' | 'date' | 'reason' | 'refused'>;

/** All evidence in the store. Every result is also there as a B1, for a committee to judge. */
export async function evidenceIn(store: Pick<GatewayStore, 'jobs' | 'receipts'>): Promise<OnWire[]> {
    const all: OnWire[] = [];
    for (const job of (await store.jobs()).filter(({ phase }) => phase !== 'failed')) {
        const { channel, terms } = job;
        const about = { job: job.number, channel, terms: termsToWire(terms) };
        for (const found of await evidenceOf(job, await store.receipts(job.number))) {
            all.push({ ...about, ...found });
        }
    }
    return all;
}

// What ends an accepted query. A node may also decline it afterwards, or say that it never had it.
const ENDED: readonly QueryPhase[] = ['result', 'fail'];

const VERIFIED_PER_TURN = 64; // queries, whose receipts are checked in some 20 ms

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

interface SignedReceipt<T> {
    number: number;
    value: T;
    bytes: Buffer;
}

/** The first value of each key. */
function firstBy<T, Key>(values: readonly T[], keyOf: (value: T) => Key): Map<Key, T> {
    return new Map([...values].reverse().map((value) => [keyOf(value), value]));
}

/** The places of the values of each key. */
function placesBy<T, Key>(values: readonly T[], keyOf: (value: T) => Key): Map<Key, number[]> {
    const places = new Map<Key, number[]>();
    values.forEach((value, at) => {
        const key = keyOf(value);
        const same = places.get(key) ?? [];
        same.push(at);
        places.set(key, same);
    });
    return places;
}

/**
 * The evidence in the receipts of one job. Receipts that the node did not sign, or signed for another job, prove
 * nothing. A job has any number of queries, so requests are answered meanwhile.
 */
export async function evidenceOf(
    { hash, terms }: Pick<StoredJob, 'hash' | 'terms'>,
    stored: StoredReceipts[],
): Promise<Found[]> {
    const verifier = new Verifier(terms.receiptKey);
    const endings = [];
    for (const [i, query] of stored.entries()) {
        if (i % VERIFIED_PER_TURN === 0) {
            await nextTurn();
        }
        const opened = query.receipt === null ? undefined : ending(query.receipt, hash, verifier);
        endings.push({ ...query, ...opened, accepted: query.accept && accepted(query.accept, hash, verifier) });
    }
    const results = endings.flatMap(({ number, result, receipt: bytes }) =>
        result === undefined ? [] : [{ number, value: result, bytes: bytes! }],
    );
    const accepts = endings.flatMap(({ number, phase, accept, accepted: value, result, fail }) =>
        value ? [{ number, value, bytes: accept!, phase, refused: answering(value, result, fail) }] : [],
    );
    return [
        ...twice(results, fails(endings)),
        ...excessive(terms, results, accepts),
        ...accepts.filter(({ phase }) => !ENDED.includes(phase)).map((one) => silent(terms, one)),
        ...results.map(judged),
    ];
}

function ending(bytes: Buffer, job: Buffer, verifier: Verifier): { result?: Result; fail?: Refusal } {
    const result = opened(() => openReceipt(Result, bytes, verifier));
    const fail = result === undefined ? opened(() => openReceipt(Fail, bytes, verifier)) : undefined;
    return {
        ...(result?.job.equals(job) === true && { result }),
        ...(fail?.job.equals(job) === true && { fail }),
    };
}

function accepted(bytes: Buffer, job: Buffer, verifier: Verifier): Accept | undefined {
    const accept = opened(() => openReceipt(Accept, bytes, verifier));
    return accept?.job.equals(job) === true ? accept : undefined;
}

function opened<T>(open: () => T): T | undefined {
    try {
        return open();
    } catch {
        return undefined; // another kind of receipt, or not signed by the node
    }
}

function fails(endings: { number: number; fail?: Refusal; receipt: Buffer | null }[]): SignedReceipt<Refusal>[] {
    return endings.flatMap(({ number, fail, receipt: bytes }) =>
        fail === undefined ? [] : [{ number, value: fail, bytes: bytes! }],
    );
}

/** A1: two results of one index or one number, or a result and a fail of one number, whatever queries they came for. */
function twice(results: SignedReceipt<Result>[], failed: SignedReceipt<Refusal>[]): Found[] {
    const byIndex = placesBy(results, ({ value }) => value.index);
    const byNumber = placesBy(results, ({ value }) => value.number);
    const failedByNumber = placesBy(failed, ({ value }) => value.number);
    const pairs = results.flatMap((first, at) => {
        const { index, number } = first.value;
        const others = new Set([...byIndex.get(index)!, ...byNumber.get(number)!]);
        return [
            ...[...others]
                .filter((other) => other > at)
                .sort((one, other) => one - other)
                .map((other) => results[other])
                .filter(({ bytes }) => !sameSigned(bytes, first.bytes)) // one receipt sent for two queries proves nothing
                .map((second) => ({ first, second, date: second.value.finishedAt, price: second.value.price })),
            ...(failedByNumber.get(number) ?? [])
                .map((other) => failed[other])
                .map((second) => ({ first, second, date: second.value.signedAt, price: 0n })),
        ];
    });
    return pairs.map(({ first, second, date, price }) => ({
        class: 'A1',
        queries: [first.number, second.number],
        receipts: [first.bytes, second.bytes],
        loss: first.value.price > price ? first.value.price : price,
        date: Math.max(first.value.finishedAt, date),
        reason: 'the node signed two receipts that exclude each other',
    }));
}

function sameSigned(one: Buffer, other: Buffer): boolean {
    return payloadOf(one).equals(payloadOf(other));
}

/**
 * A2: a price above the counts, the result before it or the accept. It counts once per job, so the largest loss is
 * first.
 */
function excessive(terms: Terms, results: SignedReceipt<Result>[], accepts: SignedReceipt<Accept>[]): Found[] {
    const byIndex = firstBy(results, ({ value }) => value.index);
    const acceptOf = firstBy(accepts, ({ value }) => value.number);
    const found = results.flatMap(({ number, value, bytes }) => {
        const { price, index, cumulative, finishedAt: date } = value;
        const previous = byIndex.get(index - 1);
        const accept = acceptOf.get(value.number);
        const excesses: [bigint, Buffer | undefined, string][] = [
            [price - priceOf(value, terms.rates), undefined, 'the price is above its counts at the rates of the terms'],
            [index <= 1 ? cumulative - price : 0n, undefined, 'the first result counts more than its own price'],
            [previous ? cumulative - previous.value.cumulative - price : 0n, previous?.bytes, 'the sum grew by more'],
            [accept ? price - accept.value.ceiling : 0n, accept?.bytes, 'the price is above the ceiling it accepted'],
        ];
        return excesses
            .filter(([excess]) => excess > 0n)
            .map(([loss, contradicted, reason]): Found => {
                const receipts = contradicted === undefined ? [bytes] : [bytes, contradicted];
                return { class: 'A2', queries: [number], receipts, loss, date, reason };
            });
    });
    return found.sort((a, b) => (a.loss > b.loss ? -1 : 1));
}

/** The receipt of a query that would answer a demand for it. */
function answering({ number, request }: Accept, result?: Result, fail?: Refusal): FaultEvidence['refused'] {
    if (result?.number === number) {
        return 'result';
    }
    return fail?.number === number && fail.request.equals(request) ? 'fail' : undefined;
}

function silent(
    { step }: Terms,
    { number, value, bytes, refused }: SignedReceipt<Accept> & Pick<FaultEvidence, 'refused'>,
): Found {
    const { ceiling, deadline } = value;
    return {
        class: 'A3',
        queries: [number],
        receipts: [bytes],
        loss: ceiling < step ? ceiling : step,
        date: deadline,
        reason: 'the node accepted, and no valid end has come',
        refused,
    };
}

function judged({ number, value, bytes }: SignedReceipt<Result>): Found {
    return {
        class: 'B1',
        queries: [number],
        receipts: [bytes],
        loss: value.price,
        date: value.finishedAt,
        reason: 'if you think it is the wrong model or answer: a committee decides',
    };
}
