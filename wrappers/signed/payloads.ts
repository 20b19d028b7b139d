/**
 * The payloads that keys sign off chain: one codec for contracts' tests, gateway and worker. Layouts: docs/protocol.md.
 * Amounts are nanoTON, times unix seconds, accounts the 256 bits of a basechain address.
 */
import { Layout, Values } from './layout';
import { tags } from './tags';

/** The client's signed total owed in one channel, by the voucher key. Both numbers only grow. */
export const Voucher = new Layout('Voucher', tags.TagVoucher, {
    network: 'i32',
    channel: 'b256',
    cumulative: 'u64', // nanoTON owed since the job began
    count: 'u32', // results 1 to count all arrived complete
});
export type Voucher = Values<{ network: 'i32'; channel: 'b256'; cumulative: 'u64'; count: 'u32' }>;

/** What names a job in every receipt: the hash of this is `job`. */
export const Job = new Layout('Job', tags.TagJob, { network: 'i32', channel: 'b256', terms: 'b256' });

/** The node accepts a query: it will answer by `deadline` for at most `ceiling`. */
export const Accept = new Layout('Accept', tags.TagAccept, {
    job: 'b256',
    number: 'u32',
    request: 'b256', // hash of the sealed request and its key commitment
    ceiling: 'u64', // nanoTON
    deadline: 'u32', // unix seconds
});
export type Accept = Values<{ job: 'b256'; number: 'u32'; request: 'b256'; ceiling: 'u64'; deadline: 'u32' }>;

/** The node has answered: the content, the counts, the price, and the total of the job. */
export const Result = new Layout('Result', tags.TagResult, {
    job: 'b256',
    number: 'u32',
    index: 'u32', // 1, 2, 3 ... in the order of signing
    content: 'b256', // contentHash(request, answer root)
    prompt: 'u32', // tokens
    cached: 'u32',
    completion: 'u32',
    reasoning: 'u32',
    price: 'u64', // nanoTON
    cumulative: 'u64', // nanoTON, of all results up to this index
    finishedAt: 'u32', // unix seconds
    finish: 'u8', // Finish
});
export type Result = ReturnType<(typeof Result)['decode']>;

const REFUSAL = { job: 'b256', number: 'u32', request: 'b256', reason: 'u8', signedAt: 'u32' } as const;

/** The node does not accept a query. Nothing is owed. */
export const Decline = new Layout('Decline', tags.TagDecline, REFUSAL);

/** The node accepted a query and could not deliver anything of it. Nothing is owed. */
export const Fail = new Layout('Fail', tags.TagFail, REFUSAL);
export type Refusal = Values<typeof REFUSAL>;

/** A committee member's vote: at most so many basis points of the node's share in the case of this account. */
export const Verdict = new Layout('Verdict', tags.TagVerdict, {
    network: 'i32',
    dispute: 'b256',
    class: 'u8',
    basisPoints: 'u16',
    rulesVersion: 'u32', // that the case keeps
    validUntil: 'u32', // unix seconds
});
export type Verdict = ReturnType<(typeof Verdict)['decode']>;

/** How an answer ended, and who ended it. */
export enum Finish {
    Stop = 1, // the model was done
    Length = 2, // the ceiling or the largest answer was reached
    CutByClient = 3,
    CutByBackend = 4,
    CutByWorker = 5, // the worker stopped, and after its restart found the stored prefix
    ContentFilter = 6, // the model server's filter ended it
}

/** Why a node declined a query, or failed one it had accepted. */
export enum Reason {
    StepTooSmall = 1, // the prompt alone may cost more than half a step
    TooBusy = 2, // as many queries run as the terms or the node allow
    Unfunded = 3, // channel and vouchers do not cover the ceiling
    Leaving = 4, // the channel's refund is too near
    TooLarge = 5, // the request or its answer exceeds what the terms or the model allow
    UnknownModel = 6,
    BadRequest = 7, // unsealed, it is no chat completion
    BackendDown = 8, // or it fails for a cause of its own
    BackendRefused = 9, // the request itself is wrong, and the backend says so
    Stopped = 10, // the worker stopped before anything was stored
    ContextExceeded = 11, // prompt and answer are longer than the model's context, and the backend says so
    BackendBusy = 12, // it has too much to do
    BackendDenied = 13, // it refuses the node's own key or account
    BackendModel = 14, // it has no such model or path
    BackendSlow = 15, // it did not begin or go on in time
    Unsupported = 16, // the request needs a feature that the node does not list for this model
}
