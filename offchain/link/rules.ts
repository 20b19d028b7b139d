/**
 * The numbers of the stream between gateway and worker, in one place. A model of these rules lost nothing in 20,000
 * rounds with 36,824 kills; with the meter ahead of the disk, or larger thresholds, it broke. See docs/protocol.md.
 */
import { liabilityRules } from '@cocoon-market/wrappers';

/** Version of the wire, part of every session's binding. */
export const WIRE_VERSION = 'cocoon-market/1';

/** Most seconds between a receipt's own time and the gateway's clock; contracts allow for as many. */
export const CLOCK_TOLERANCE = liabilityRules.clockSkew;

/** Seconds a node has to answer what it accepted, unless the request asks for less. */
export const ANSWER_SECONDS = 600;

/**
 * Seconds that gateway, worker and model server wait for each other. Between acceptance and ending nothing but the
 * deadline ends a query: a model may think for minutes before its first word.
 */
export const waits = {
    connect: 5, // for a connection to a worker
    accept: 30, // for a worker to take or refuse a query
    whole: 30, // for any answer of a worker that is not a stream
    silence: 30, // between two pieces of an answer that is stored
    query: ANSWER_SECONDS + CLOCK_TOLERANCE, // between two pieces of a query's answer: as long as its deadline may be away
    backend: ANSWER_SECONDS, // for a model server to begin, and between two pieces; the query's deadline comes first
    models: 30, // for a model server's list of models
    comment: 5, // after which a stream that waits is sent a comment, and its headers, so that nothing between closes it
    shutdown: 30, // for running answers, when a process is told to stop
} as const;

/** Seconds after a receipt in which it counts as evidence, unless the chain says more: stored answers stay as long. */
export const EVIDENCE_SECONDS = 120 * 3600;

/** nanoTON of a channel that no query is promised: the rent of the longest job, on plain code, and a quarter more. */
export const RENT = 2_000_000n;

const LONGEST_JOB = 90 * 86_400; // seconds

/** nanoTON of rent that a channel may still pay before its end in so many seconds. */
export const rentLeft = (seconds: number): bigint =>
    (RENT * BigInt(Math.min(LONGEST_JOB, Math.max(0, seconds)))) / BigInt(LONGEST_JOB);

/** A frame's price is at most this part of a step. */
export const maxFrame = (step: bigint): bigint => step / 10n;

/** The worker commits what it sent at least every this much of price. */
export const commitEvery = (step: bigint): bigint => step / 8n;

/** The gateway pays at the latest when this much is unpaid. */
export const payEvery = (step: bigint): bigint => step / 4n;

/** The most the bound of a prompt may cost; above it a node declines. */
export const maxPrompt = (step: bigint): bigint => step / 2n;

/** How far a node's token count may lie above the gateway's own: 2 % and 16 tokens, for template tokens differ. */
export const countTolerance = (own: number): number => Math.ceil(own * 1.02) + 16;
