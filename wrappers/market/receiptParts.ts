/** What a receipt is checked by, and what the check says. */
import type { Accept, Result } from '../signed/payloads';
import type { Terms } from '../signed/terms';

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

/** What the checks of a result compare it with. */
export interface ReceiptBasis {
    parts: ReceiptParts;
    job: Buffer | undefined; // hash
    accept: Accept | undefined; // that the node signed
}
