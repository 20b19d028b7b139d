/**
 * Checks the receipt of one answer field by field, without asking anybody. What is not known is not checked. The gateway
 * and `cocoon receipt verify` use this code too.
 */
import { liabilityRules } from '../faults';
import { payloadOf, SIGNATURE_BYTES } from '../evidence';
import { Verifier } from '../keys';
import { priceOf } from '../price';
import { answerRoot, contentHash } from '../signed/answer';
import { cellHash } from '../signed/layout';
import { Accept, Finish, Result } from '../signed/payloads';
import { jobHash, type Terms } from '../signed/terms';

/** A field of a receipt, or what it must agree with. */
export type ReceiptField =
    | 'layout' // length and tag
    | 'signature'
    | 'terms'
    | 'job'
    | 'number'
    | 'index'
    | 'prompt'
    | 'cached'
    | 'completion'
    | 'reasoning'
    | 'price'
    | 'ceiling'
    | 'cumulative'
    | 'finish'
    | 'accept'
    | 'finishedAt'
    | 'content';

/**
 * One field of a receipt; `not checked`: what it takes is not known.
 *
 * @example
 * ```ts
 * import type { FieldCheck } from '@cocoon-market/wrappers/market';
 *
 * const show = ({ field, state, reason = '' }: FieldCheck) => `${field}: ${state} ${reason}`;
 * ```
 */
export interface FieldCheck {
    field: ReceiptField;
    state: 'right' | 'wrong' | 'not checked';
    reason?: string; // of the other two
}

/**
 * What a receipt says, and what of it is right. `says` is undefined for what is no receipt of a result.
 *
 * @example
 * ```ts
 * import type { ReceiptReport } from '@cocoon-market/wrappers/market';
 *
 * const wrongFields = ({ checks }: ReceiptReport) =>
 *     checks.filter(({ state }) => state === 'wrong').map(({ field }) => field);
 * ```
 */
export interface ReceiptReport {
    right: boolean; // no field is wrong
    says: Result | undefined;
    checks: FieldCheck[];
}

/**
 * What a buyer has of an answer. Amounts in nanoTON, times in unix seconds, hashes in 32 bytes.
 *
 * @example
 * ```ts
 * import type { JobHandle, ReceiptParts } from '@cocoon-market/wrappers/market';
 *
 * const partsOf = (network: number, { channel, terms }: JobHandle, receipt: Buffer): ReceiptParts => ({
 *     network,
 *     channel: channel.hash,
 *     terms,
 *     receipt,
 * });
 * ```
 */
export interface ReceiptParts {
    receipt: Buffer; // as the worker sent it: the payload of a result, then 64 bytes of signature
    network: number; // GLOBALID
    channel: Buffer; // account of the job's channel
    terms: Terms;
    job?: Buffer | undefined; // hash of the job, if it was stored
    number?: number | undefined; // of the query within the job
    index?: number | undefined; // of the result within the job
    request?: Buffer | undefined; // hash of the sealed request
    ceiling?: bigint | undefined; // the most that this query may cost
    askedAt?: number | undefined;
    accept?: Buffer | null | undefined; // as the worker sent it; null: there is none, which is wrong
    cumulativeBefore?: bigint | undefined; // of the result before this one
    maxTokens?: Partial<Record<'prompt' | 'completion' | 'reasoning', number>> | undefined; // `prompt` with cached ones
    answer?: Buffer | undefined; // the concatenated sealed frames
}

/** Checks as they are made. */
class Checks {
    readonly all: FieldCheck[] = [];

    /** Says that a field is right, or what is wrong with it. */
    say(field: ReceiptField, objection: string | undefined): void {
        const check: FieldCheck =
            objection === undefined ? { field, state: 'right' } : { field, state: 'wrong', reason: objection };
        const index = this.all.findIndex((each) => each.field === field);
        if (index < 0) {
            this.all.push(check);
        } else {
            this.all[index] = check;
        }
    }

    skip(field: ReceiptField, reason: string): void {
        this.all.push({ field, state: 'not checked', reason });
    }

    /** Compares a field with what the buyer knows of it. */
    compare(field: ReceiptField, value: bigint | number, expected: bigint | number | undefined): void {
        if (expected === undefined) {
            this.skip(field, 'it is not known what it should be');
        } else {
            this.say(field, value === expected ? undefined : `it is ${value}, and should be ${expected}`);
        }
    }
}

const NOT_KEPT = 'the answer was not kept';

/**
 * Checks every field of the receipt of a result, without asking anybody. A field that was changed after the node signed
 * is found and named, if one bit or the whole of what the buyer expects there was changed. Never throws.
 *
 * @example
 * ```ts
 * import { verifyReceipt, type JobHandle } from '@cocoon-market/wrappers/market';
 *
 * function requireRight(network: number, { channel, terms }: JobHandle, receipt: Buffer, cumulativeBefore: bigint) {
 *     const { right, checks } = verifyReceipt({ network, channel: channel.hash, terms, receipt, cumulativeBefore });
 *     const wrong = checks.filter(({ state }) => state === 'wrong').map(({ field, reason }) => `${field}: ${reason}`);
 *     if (!right) throw new Error(wrong.join('. '));
 * }
 * ```
 */
export function verifyReceipt(parts: ReceiptParts): ReceiptReport {
    const checks = new Checks();
    const verifier = verifierOf(parts.terms.receiptKey);
    const payload = readPayload(parts.receipt, checks);
    if (payload === undefined || verifier === undefined) {
        checks.say('signature', verifier === undefined ? 'the terms name a weak key' : NOT_SIGNED);
        return { right: false, says: undefined, checks: checks.all };
    }
    const job = parts.job ?? jobOf(parts);
    const accept = parts.accept ? readAccept(parts.accept, verifier) : undefined;
    const says = Result.decode(payload);
    const isSigned = !isWrong(checks, 'layout') && isSignedBy(verifier, payload, parts.receipt);
    checks.say('signature', isSigned ? undefined : NOT_SIGNED);
    const signed = isSigned ? says : (signedResult(verifier, says, { parts, job, accept }) ?? says);
    checkResult(signed, { parts, job, accept }, checks);
    for (const field of changedFields(signed, says)) {
        const value = signed[field as keyof Result];
        const text = Buffer.isBuffer(value) ? value.toString('hex') : String(value);
        checks.say(field, `it was changed after the node had signed ${text}`);
    }
    return { right: checks.all.every(({ state }) => state !== 'wrong'), says, checks: checks.all };
}

const NOT_SIGNED = "it is not the node's, by the receipt key of the job's terms";

/** What the checks of a result compare it with. */
interface ReceiptBasis {
    parts: ReceiptParts;
    job: Buffer | undefined; // hash
    accept: Accept | undefined; // that the node signed
}

function verifierOf(key: Buffer): Verifier | undefined {
    try {
        return new Verifier(key);
    } catch {
        return undefined;
    }
}

function jobOf({ network, channel, terms }: ReceiptParts): Buffer | undefined {
    try {
        return jobHash(network, channel, terms);
    } catch {
        return undefined;
    }
}

const isWrong = ({ all }: Checks, field: ReceiptField) =>
    all.some((check) => check.field === field && check.state === 'wrong');

const isSignedBy = (verifier: Verifier, payload: Buffer, receipt: Buffer): boolean =>
    verifier.verify(cellHash(payload), receipt.subarray(-SIGNATURE_BYTES));

/** The payload with the tag of a result; undefined if the bytes are not as many. */
function readPayload(receipt: Buffer, checks: Checks): Buffer | undefined {
    const bytes = Result.bytes + SIGNATURE_BYTES;
    if (receipt.length !== bytes) {
        checks.say('layout', `a receipt of a result has ${bytes} bytes, and this one has ${receipt.length}`);
        return undefined;
    }
    const payload = Buffer.from(payloadOf(receipt));
    const tag = payload.readUInt32BE(0);
    checks.say('layout', tag === Result.tag ? undefined : `it begins with the tag 0x${tag.toString(16)}`);
    payload.writeUInt32BE(Result.tag, 0);
    return payload;
}

/** An accept that the node signed. */
function readAccept(receipt: Buffer, verifier: Verifier): Accept | undefined {
    try {
        const payload = payloadOf(receipt);
        return isSignedBy(verifier, payload, receipt) ? Accept.decode(payload) : undefined;
    } catch {
        return undefined;
    }
}

function checkResult(result: Result, { parts, job, accept }: ReceiptBasis, checks: Checks): void {
    const { network, channel, terms, maxTokens, cumulativeBefore } = parts;
    const termsHash = jobOf({ ...parts, network, channel, terms });
    checks.say('terms', job !== undefined && termsHash?.equals(job) ? undefined : 'they are not those of the job');
    checks.say('job', job !== undefined && result.job.equals(job) ? undefined : 'it is of another job');
    checks.compare('number', result.number, parts.number);
    if (result.index === 0) {
        checks.say('index', 'it is 0');
    } else {
        checks.compare('index', result.index, parts.index);
    }
    for (const kind of ['prompt', 'completion', 'reasoning'] as const) {
        const max = maxTokens?.[kind];
        const count = kind === 'prompt' ? result.prompt + result.cached : result[kind];
        if (max === undefined) {
            checks.skip(kind, kind === 'prompt' ? 'it is not known how many are possible' : NOT_KEPT);
        } else {
            checks.say(kind, count > max ? `it bills ${count} tokens, and ${max} are possible` : undefined);
        }
    }
    checks.compare('price', result.price, priceOf(result, terms.rates));
    const ceiling = parts.ceiling ?? accept?.ceiling;
    if (ceiling === undefined) {
        checks.skip('ceiling', 'the ceiling of the query is not known');
    } else {
        checks.say('ceiling', result.price > ceiling ? `its price is above the ceiling of ${ceiling}` : undefined);
    }
    const before = cumulativeBefore ?? (result.index === 1 ? 0n : undefined);
    if (before === undefined) {
        checks.skip('cumulative', 'the result before it is not known');
    } else {
        checks.compare('cumulative', result.cumulative, before + result.price);
    }
    checks.say('finish', Finish[result.finish] === undefined ? `${result.finish} is no way to end` : undefined);
    if (parts.accept === undefined) {
        checks.skip('accept', 'it was not kept');
    } else {
        checks.say('accept', acceptObjection(accept, { parts, job, accept }, result));
    }
    checkTime(result, { parts, job, accept }, checks);
    const request = parts.request ?? accept?.request;
    if (parts.answer === undefined || request === undefined) {
        checks.skip('content', NOT_KEPT);
    } else {
        const isRight = contentHash(request, answerRoot(parts.answer)).equals(result.content);
        checks.say('content', isRight ? undefined : 'it is not the hash of the stored answer');
    }
}

function acceptObjection(accept: Accept | undefined, { parts, job }: ReceiptBasis, result: Result): string | undefined {
    if (accept === undefined) {
        return 'there is none that the node signed';
    }
    const isOther =
        job === undefined ||
        !accept.job.equals(job) ||
        accept.number !== (parts.number ?? result.number) ||
        (parts.request !== undefined && !accept.request.equals(parts.request));
    if (isOther) {
        return 'it is for another request';
    }
    return parts.ceiling === undefined || accept.ceiling === parts.ceiling ? undefined : 'it names another ceiling';
}

function checkTime({ finishedAt }: Result, { parts: { askedAt }, accept }: ReceiptBasis, checks: Checks): void {
    const { clockSkew } = liabilityRules;
    if (askedAt === undefined && accept === undefined) {
        checks.skip('finishedAt', 'it is not known when the query was asked');
    } else if (askedAt !== undefined && finishedAt < askedAt - clockSkew) {
        checks.say('finishedAt', `it is before the query was asked, at ${askedAt}`);
    } else {
        const isLate = accept !== undefined && finishedAt > accept.deadline + clockSkew;
        checks.say('finishedAt', isLate ? `it is after the deadline, ${accept.deadline}` : undefined);
    }
}

/**
 * What the node signed, found by trying: one field as the buyer expects it, then each bit the other way. Undefined if
 * none of these has the signature.
 */
function signedResult(verifier: Verifier, says: Result, known: ReceiptBasis): Result | undefined {
    const { receipt } = known.parts;
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
    const found = expectedResults(says, known).find(isOriginal);
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
function changedFields(one: Result, other: Result): ReceiptField[] {
    return (Object.keys(one) as (keyof Result & ReceiptField)[]).filter((field) => {
        const [value, changed] = [one[field], other[field]];
        return Buffer.isBuffer(value) ? !value.equals(changed as Buffer) : value !== changed;
    });
}
