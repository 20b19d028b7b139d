/**
 * What the gateway demands of a node's receipts and meters before it pays. Pure: every function says what is wrong, or
 * undefined when nothing is. See rules 3, 6 and 10 in docs/protocol.md.
 */
import { Accept, Finish, priceOf, Rates, Refusal, Result, TokenCounts, tokenKinds } from '@cocoon-market/wrappers';
import { ANSWER_SECONDS, countTolerance } from '../link';
import type { AnswerTokens } from '../tokens/answerCount';

/** One query as the gateway sent it. */
export interface SentQuery {
    job: Buffer;
    number: number;
    request: Buffer; // hash of the sealed request
    ceiling: bigint; // nanoTON
    rates: Rates;
    askedAt: number; // unix seconds
    promptBound: number; // tokens, the gateway's own count
    stopBound: number; // tokens of the longest stop string, which a node may produce and not deliver
}

/** A stored query as the checks need it. */
export function sentQueryOf(
    { hash, terms }: { hash: Buffer; terms: { rates: Rates } },
    { number, request, ceiling, askedAt, promptBound, stopBound }: Omit<SentQuery, 'job' | 'rates'>,
): SentQuery {
    return { job: hash, rates: terms.rates, number, request, ceiling, askedAt, promptBound, stopBound };
}

/** The gateway's clock in unix seconds and the tolerance in seconds. */
export interface ClockReading {
    now: number;
    tolerance: number;
    offset?: number | undefined; // seconds by which the chain's clock is ahead; undefined: not known
}

/** True when the gateway's own clock may be the one that is wrong. */
export function isDoubtful({ tolerance, offset }: ClockReading): boolean {
    return offset === undefined || Math.abs(offset) > tolerance;
}

// What time it is: by this machine, and by the chain. A node that keeps to either is in time.
const times = ({ now, offset = 0 }: ClockReading): number[] => (offset === 0 ? [now] : [now, now + offset]);

/** A time that does not fit this gateway's clock, which may be the one that is wrong. */
export class TimeObjection {
    constructor(private readonly text: string) {}

    toString(): string {
        return `${this.text} of this gateway's clock`;
    }
}

/** Why something is refused. */
export type Objection = string | TimeObjection;

function checkIdentity(receipt: { job: Buffer; number: number }, query: SentQuery): string | undefined {
    if (!receipt.job.equals(query.job)) {
        return 'it is for another job';
    }
    return receipt.number === query.number ? undefined : 'it is for another query';
}

/** Why an accept is refused. */
export function checkAccept(accept: Accept, query: SentQuery, clock: ClockReading): Objection | undefined {
    const objection = checkIdentity(accept, query);
    if (objection !== undefined) {
        return objection;
    }
    if (!accept.request.equals(query.request)) {
        return 'it is for another request';
    }
    if (accept.ceiling !== query.ceiling) {
        return 'it names another ceiling';
    }
    const { tolerance } = clock;
    const inTime = times(clock).some(
        (now) => accept.deadline > now - tolerance && accept.deadline <= now + ANSWER_SECONDS + tolerance,
    );
    return inTime ? undefined : new TimeObjection(`its deadline is not within ${ANSWER_SECONDS} s`);
}

/** Why a decline or a fail is refused. */
export function checkRefusal(refusal: Refusal, query: SentQuery): string | undefined {
    return (
        checkIdentity(refusal, query) ??
        (refusal.request.equals(query.request) ? undefined : 'it is for another request')
    );
}

function checkCounts(counts: TokenCounts, own: AnswerTokens, query: SentQuery): string | undefined {
    if (counts.prompt + counts.cached > countTolerance(query.promptBound)) {
        return 'it counts more prompt tokens than were sent';
    }
    if (counts.completion > countTolerance(own.completion + query.stopBound)) {
        return 'it counts more completion tokens than arrived';
    }
    return counts.reasoning > countTolerance(own.reasoning)
        ? 'it counts more reasoning tokens than arrived'
        : undefined;
}

/** Why a frame's meter is refused, after the meter before it. */
export function checkMeter(
    meter: TokenCounts,
    last: TokenCounts,
    own: AnswerTokens,
    query: SentQuery,
): string | undefined {
    if (tokenKinds.some((kind) => meter[kind] < last[kind])) {
        return 'the meter fell';
    }
    if (priceOf(meter, query.rates) > query.ceiling) {
        return 'the meter is above the ceiling';
    }
    const objection = checkCounts(meter, own, query);
    return objection === undefined ? undefined : `the meter is too high: ${objection}`;
}

/** True when a result says that its answer was cut short. */
export function isCut(finish: number): boolean {
    return finish === Number(Finish.CutByClient) || isCutByNode(finish);
}

/** True when a result says that the node or its model server cut its answer short. */
export function isCutByNode(finish: number): boolean {
    return finish === Number(Finish.CutByBackend) || finish === Number(Finish.CutByWorker);
}

/** Why a result is refused; what it covers is checked apart, see `IncomingAnswer`, and its neighbours, see `Ledger`. */
export function checkResult(
    result: Result,
    query: SentQuery,
    own: AnswerTokens,
    clock: ClockReading & { late: boolean }, // late: fetched afterwards, so it may be as old as the query
): Objection | undefined {
    const objection = checkIdentity(result, query);
    if (objection !== undefined) {
        return objection;
    }
    if (result.index === 0) {
        return 'its index is 0';
    }
    if (Finish[result.finish] === undefined) {
        return 'its finish is unknown';
    }
    if (result.price !== priceOf(result, query.rates)) {
        return 'its price is not that of its counts at the rates of the terms';
    }
    if (result.price > query.ceiling) {
        return 'its price is above the ceiling';
    }
    const { tolerance, late, offset = 0 } = clock;
    const inTime = times(clock).some((now) => {
        const askedAt = query.askedAt + (now === clock.now ? 0 : offset);
        const earliest = (late ? Math.min(askedAt, now) : now) - tolerance;
        return result.finishedAt >= earliest && result.finishedAt <= now + tolerance;
    });
    if (!inTime) {
        return new TimeObjection(`its time is not within ${tolerance} s`);
    }
    return checkCounts(result, own, query);
}
