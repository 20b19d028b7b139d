/**
 * Checks the receipt of one answer field by field, without asking anybody. What is not known is not checked. The
 * gateway and `cocoon receipt verify` use this code too.
 */
import { liabilityRules } from '../faults';
import { payloadOf, SIGNATURE_BYTES } from '../evidence';
import { Verifier } from '../keys';
import { priceOf } from '../price';
import { answerRoot, contentHash } from '../signed/answer';
import { Accept, Finish, Result } from '../signed/payloads';
import { jobHash } from '../signed/terms';
import { changedFields, isSignedBy, signedResult } from './changedReceipt';
import type { FieldCheck, ReceiptBasis, ReceiptField, ReceiptParts, ReceiptReport } from './receiptParts';

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
 * is found and named, if the receipt was right before, and one bit or the whole of what the buyer expects there was
 * changed. For that, at most 560 signatures are computed, and at most 70 if every part is given. Never throws.
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
    const sumBefore = cumulativeBefore ?? (result.index === 1 ? 0n : undefined);
    if (sumBefore === undefined) {
        checks.skip('cumulative', 'the result before it is not known');
    } else {
        checks.compare('cumulative', result.cumulative, sumBefore + result.price);
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
