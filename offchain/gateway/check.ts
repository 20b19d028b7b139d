/**
 * What the gateway demands of a node's receipts and meters before it pays. Pure: every function says what is wrong, or
 * undefined when nothing is. See docs/protocol.md, points 3, 6 and 10.
 */
import { Accept, Finish, priceOf, Rates, Refusal, Result, TokenCounts } from '@cocoon-market/wrappers';
import { ANSWER_SECONDS, countTolerance } from '../link';

/** One query as the gateway sent it. */
export interface Asked {
    job: Buffer;
    number: number;
    request: Buffer; // hash of the sealed request
    ceiling: bigint; // nanoTON
    rates: Rates;
    askedAt: number; // unix seconds
    promptBound: number; // tokens, the gateway's own count
    stopBound: number; // tokens of the longest stop string, which a node may produce and not deliver
}

/** The gateway's own count of what it received. */
export interface OwnCount {
    completion: number; // tokens
    reasoning: number;
}

/** The gateway's clock in unix seconds and the tolerance in seconds. */
export interface Clock {
    now: number;
    tolerance: number;
    offset?: number | undefined; // seconds by which the chain's clock is ahead; undefined: not known
}

/** True when the gateway's own clock may be the one that is wrong. */
export function isDoubtful({ tolerance, offset }: Clock): boolean {
    return offset === undefined || Math.abs(offset) > tolerance;
}

// What time it is: by this machine, and by the chain. A node that keeps to either is in time.
const times = ({ now, offset = 0 }: Clock): number[] => (offset === 0 ? [now] : [now, now + offset]);

/** A time that does not fit this gateway's clock, which may be the one that is wrong. */
export class TimeFault {
    constructor(private readonly words: string) {}

    toString(): string {
        return `${this.words} of this gateway's clock`;
    }
}

/** Why something is refused. */
export type Fault = string | TimeFault;

function identityFault(receipt: { job: Buffer; number: number }, asked: Asked): string | undefined {
    if (!receipt.job.equals(asked.job)) {
        return 'it is for another job';
    }
    return receipt.number === asked.number ? undefined : 'it is for another query';
}

/** Why an accept is refused. */
export function acceptFault(accept: Accept, asked: Asked, clock: Clock): Fault | undefined {
    const fault = identityFault(accept, asked);
    if (fault !== undefined) {
        return fault;
    }
    if (!accept.request.equals(asked.request)) {
        return 'it is for another request';
    }
    if (accept.ceiling !== asked.ceiling) {
        return 'it names another ceiling';
    }
    const { tolerance } = clock;
    const inTime = times(clock).some(
        (now) => accept.deadline > now - tolerance && accept.deadline <= now + ANSWER_SECONDS + tolerance,
    );
    return inTime ? undefined : new TimeFault(`its deadline is not within ${ANSWER_SECONDS} s`);
}

/** Why a decline or a fail is refused. */
export function refusalFault(refusal: Refusal, asked: Asked): string | undefined {
    return (
        identityFault(refusal, asked) ??
        (refusal.request.equals(asked.request) ? undefined : 'it is for another request')
    );
}

function countFault(counts: TokenCounts, own: OwnCount, asked: Asked): string | undefined {
    if (counts.prompt + counts.cached > countTolerance(asked.promptBound)) {
        return 'it counts more prompt tokens than were sent';
    }
    if (counts.completion > countTolerance(own.completion + asked.stopBound)) {
        return 'it counts more completion tokens than arrived';
    }
    return counts.reasoning > countTolerance(own.reasoning)
        ? 'it counts more reasoning tokens than arrived'
        : undefined;
}

/** Why a frame's meter is refused, after the meter before it. */
export function meterFault(meter: TokenCounts, last: TokenCounts, own: OwnCount, asked: Asked): string | undefined {
    const kinds = ['prompt', 'cached', 'completion', 'reasoning'] as const;
    if (kinds.some((kind) => meter[kind] < last[kind])) {
        return 'the meter fell';
    }
    if (priceOf(meter, asked.rates) > asked.ceiling) {
        return 'the meter is above the ceiling';
    }
    const fault = countFault(meter, own, asked);
    return fault === undefined ? undefined : `the meter is too high: ${fault}`;
}

/** True when a result says that its answer was cut short. */
export function isCut(finish: number): boolean {
    return (
        finish === Number(Finish.CutByClient) ||
        finish === Number(Finish.CutByBackend) ||
        finish === Number(Finish.CutByWorker)
    );
}

/** Why a result is refused; what it covers is checked apart, see `Intake`, and its neighbours, see `Ledger`. */
export function resultFault(
    result: Result,
    asked: Asked,
    own: OwnCount,
    clock: Clock & { late: boolean }, // late: fetched afterwards, so it may be as old as the query
): Fault | undefined {
    const fault = identityFault(result, asked);
    if (fault !== undefined) {
        return fault;
    }
    if (result.index === 0) {
        return 'its index is 0';
    }
    if (Finish[result.finish] === undefined) {
        return 'its finish is unknown';
    }
    if (result.price !== priceOf(result, asked.rates)) {
        return 'its price is not that of its counts at the rates of the terms';
    }
    if (result.price > asked.ceiling) {
        return 'its price is above the ceiling';
    }
    const { tolerance, late, offset = 0 } = clock;
    const inTime = times(clock).some((now) => {
        const askedAt = asked.askedAt + (now === clock.now ? 0 : offset);
        const earliest = (late ? Math.min(askedAt, now) : now) - tolerance;
        return result.finishedAt >= earliest && result.finishedAt <= now + tolerance;
    });
    if (!inTime) {
        return new TimeFault(`its time is not within ${tolerance} s`);
    }
    return countFault(result, own, asked);
}
