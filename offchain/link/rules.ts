/**
 * The constants of the stream between gateway and worker. The numbers of rules are those of docs/protocol.md. A model
 * of the rules lost nothing in 20,000 rounds with 36,824 kills. It broke when meters covered more than the disk had,
 * and with larger thresholds.
 */
import { liabilityRules } from '@cocoon-market/wrappers';

/** Versions of the wire that this program speaks, the best first. A session is bound to one of them. */
export const wireVersions = ['cocoon-market/2'] as const;

/** The best version that both sides speak; undefined if there is none. */
export function commonVersion(theirs: readonly string[]): string | undefined {
    return wireVersions.find((version) => theirs.includes(version));
}

/** Rules 3 and 10: the most seconds between a receipt's time and the gateway's clock. Contracts allow as many. */
export const CLOCK_TOLERANCE = liabilityRules.clockSkew;

/** Seconds that a node has to answer what it accepted. */
export const ANSWER_SECONDS = 600;

/**
 * Seconds that gateway, worker and model server wait for each other. After its accept only the deadline ends a query,
 * because a model may think for minutes before its first word.
 */
export const waits = {
    connect: 5, // for a connection to a worker
    accept: 30, // for a worker to take or refuse a query
    whole: 30, // for any answer of a worker that is not a stream
    silence: 30, // between two pieces of an answer that is stored
    query: ANSWER_SECONDS + CLOCK_TOLERANCE, // between two pieces of a query's answer: the latest deadline
    backend: ANSWER_SECONDS, // for a model server to begin, and between two pieces; the query's deadline comes first
    models: 30, // for a model server's list of models
    begin: 60, // for a node to begin an answer whose app has gone, before it counts as silent
    think: 120, // the same while its app waits: queries go elsewhere, and this one on
    pace: 10, // between two looks whether an answer goes on that has begun
    reader: 60, // for an app to read of a stream what was sent to it
    comment: 5, // of silence in a stream, before it is sent a comment so that no proxy closes it
    shutdown: 30, // for running answers, when a process is told to stop
} as const;

/** Seconds for which a receipt counts as evidence, unless the chain says more. Stored answers stay as long. */
export const EVIDENCE_SECONDS = 120 * 3600;

/** nanoTON of a channel that no query may reserve: the rent of the longest job, on plain code, and a quarter more. */
export const RENT = 2_000_000n;

/**
 * True if a channel holds what its order deposits, less what its deployment costs. Anyone may deploy it with less
 * before, if they know the order.
 */
export const holdsDeposit = (balance: bigint, deposit: bigint): boolean => 10n * balance >= 9n * deposit;

const LONGEST_JOB = 90 * 86_400; // seconds

/** nanoTON of rent that a channel may still pay if it ends in so many seconds. */
export const remainingRent = (seconds: number): bigint =>
    (RENT * BigInt(Math.min(LONGEST_JOB, Math.max(0, seconds)))) / BigInt(LONGEST_JOB);

/** Rule 4: the highest price of a frame, nanoTON. */
export const maxFrame = (step: bigint): bigint => step / 10n;

/** Rule 4: the price of what the worker sends before it commits, nanoTON. */
export const commitEvery = (step: bigint): bigint => step / 8n;

/** Rule 7: the unpaid amount at which the gateway pays, nanoTON. */
export const payEvery = (step: bigint): bigint => step / 4n;

/** Rule 7: milliseconds from a result to the post of its voucher, in which the next query may bring it. */
export const VOUCHER_DELAY_MS = 20;

/** Rule 7: milliseconds in which the query that brings a voucher has to be accepted, or the voucher is posted. */
export const VOUCHER_ACCEPT_MS = 250;

/** Rule 2: the highest price of the bound of a prompt, nanoTON; above it a node declines. */
export const maxPrompt = (step: bigint): bigint => step / 2n;

/** Rule 6: the highest token count of a node for an own count of the gateway. Tokens of templates differ. */
export const countTolerance = (own: number): number => Math.ceil(own * 1.02) + 16;
