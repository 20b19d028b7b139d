/**
 * The money of a job as the worker counts it: what it may send before the next voucher, what a query may cost, and what
 * it bills. Arithmetic alone; the rules are numbered in docs/protocol.md. All amounts are nanoTON.
 */
import { priceOf } from '@cocoon-market/wrappers';
import type { Rates, TokenCounts } from '@cocoon-market/wrappers';
import { countTolerance, frameMost, promptMost } from '../link';

/** What a query that runs has cost so far. */
export interface RunningCost {
    sent: bigint; // price of the counts of everything sent
    unmetered: bigint; // bound of what no count covers yet
}

export interface Credit {
    step: bigint;
    ended: bigint; // prices of all results
    paid: bigint; // the newest voucher's cumulative
    running: readonly RunningCost[];
}

/** Rule 5: true when `next` more may be sent without another voucher. */
export function maySend({ step, ended, paid, running }: Credit, next: bigint): boolean {
    const unpaid = running.reduce((sum, { sent, unmetered }) => sum + sent + unmetered, ended - paid);
    return unpaid + next <= step * BigInt(running.length);
}

/**
 * Rule 2: true when the channel covers every open ceiling, `ceiling` among them, on top of all results, after the rent that
 * it may still pay.
 */
export function covers(
    { there, paid, rent }: { there: bigint; paid: bigint; rent: bigint },
    { results, ceilings, ceiling }: { results: bigint; ceilings: bigint; ceiling: bigint },
): boolean {
    return results + ceilings + ceiling <= (there > rent ? there - rent : 0n) + paid;
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const TOKENS_PER_RATE = 1_000_000n;
const MOST_TOKENS = 0xffff_ffff;

/** The most tokens at `rate` that cost at most `amount`, rounded up as prices are. */
export function tokensFor(amount: bigint, rate: bigint): number {
    if (amount < 0n) {
        return 0;
    }
    const tokens = rate === 0n ? BigInt(MOST_TOKENS) : (amount * TOKENS_PER_RATE) / rate;
    return Number(smaller(tokens, BigInt(MOST_TOKENS)));
}

const NONE: TokenCounts = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };

/** What a prompt of at most `bound` tokens costs at most, whichever part of it is cached. */
export function promptBoundPrice(bound: number, { prompt, cached }: Rates): bigint {
    return priceOf(
        { ...NONE, prompt: bound },
        { prompt: larger(prompt, cached), cached: 0n, completion: 0n, reasoning: 0n },
    );
}

/** The dearer of the two kinds of tokens of which an answer is made. */
export function answerRate({ completion, reasoning }: Rates): bigint {
    return larger(completion, reasoning);
}

/** The most tokens of answer for which the ceiling suffices after a prompt of at most `promptBound` tokens. */
export function answerTokens(ceiling: bigint, promptBound: number, rates: Rates): number {
    return tokensFor(ceiling - promptBoundPrice(promptBound, rates), answerRate(rates));
}

/** The most tokens of a frame, at least 1. */
export function frameTokens(step: bigint, rates: Rates): number {
    return Math.max(1, tokensFor(frameMost(step), answerRate(rates)));
}

/** False for a step so small that a frame cannot hold one character (4 bytes, so at most 4 tokens) within its part of it. */
export function stepCarriesFrames(step: bigint, rates: Rates): boolean {
    return tokensFor(frameMost(step), answerRate(rates)) >= 4;
}

/**
 * Bound of what no count covers: the prompt until it is known, and bytes of answer whose tokens the backend did not
 * count. At most half a step, since a client pays counts alone: with more, both would wait for each other.
 */
export function unmeteredBound(
    {
        step,
        promptBound,
        counts,
        bounds,
    }: { step: bigint; promptBound: number; counts: TokenCounts; bounds: TokenCounts },
    rates: Rates,
): bigint {
    const answer = priceOf({ ...NONE, completion: bounds.completion, reasoning: bounds.reasoning }, rates);
    const counted = priceOf({ ...NONE, completion: counts.completion, reasoning: counts.reasoning }, rates);
    return smaller(promptMost(step), promptBoundPrice(promptBound, rates) + answer - counted);
}

/** Tokens of a text whose tokens nobody counted (rule 17). */
export function estimatedTokens(bytes: number): number {
    return Math.ceil(bytes / 4);
}

/** What is known of a query when it ends. */
export interface Ended {
    meter: TokenCounts; // of everything stored
    bounds: TokenCounts; // the same, with the most tokens that uncounted text may hold
    promptBound: number; // tokens
    promptKnown: boolean; // the meter holds the prompt's count
    counted: boolean; // the meter holds every token of the answer, not just one for each piece
    usage: TokenCounts | undefined; // from the backend, of the whole answer
    cut: boolean; // the answer did not reach its own end
    promptBytes: number;
    contentBytes: number;
    reasoningBytes: number;
    ceiling: bigint;
}

/**
 * The counts that a result bills (rules 12 and 17): usage if known; else the meter, with the prompt and, at an answer's
 * own end, its text by bytes. Never below the meter, which promised a floor, and never above the ceiling.
 */
export function billedCounts(ended: Ended, rates: Rates): TokenCounts {
    const { meter, promptKnown, counted, usage, cut } = ended;
    const estimated = {
        prompt: promptKnown ? meter.prompt : estimatedTokens(ended.promptBytes),
        cached: meter.cached,
        completion: cut || counted ? meter.completion : estimatedTokens(ended.contentBytes),
        reasoning: cut || counted ? meter.reasoning : estimatedTokens(ended.reasoningBytes),
    };
    const { prompt, cached, completion, reasoning } = usage ?? estimated;
    // No client believes that more was read than it sent, or made than arrived.
    const most = {
        prompt: ended.promptBound - Math.min(cached, ended.promptBound),
        cached: ended.promptBound,
        completion: countTolerance(ended.bounds.completion),
        reasoning: countTolerance(ended.bounds.reasoning),
    };
    const billed = {
        prompt: Math.max(Math.min(prompt, most.prompt), meter.prompt),
        cached: Math.max(Math.min(cached, most.cached), meter.cached),
        completion: Math.max(Math.min(completion, most.completion), meter.completion),
        reasoning: Math.max(Math.min(reasoning, most.reasoning), meter.reasoning),
    };
    return withinCeiling(billed, meter, ended.ceiling, rates);
}

const KINDS = ['completion', 'reasoning', 'prompt', 'cached'] as const;

function withinCeiling(counts: TokenCounts, floor: TokenCounts, ceiling: bigint, rates: Rates): TokenCounts {
    const fitting = { ...counts };
    for (const kind of KINDS) {
        if (rates[kind] === 0n || priceOf(fitting, rates) <= ceiling) {
            continue;
        }
        const others = priceOf({ ...fitting, [kind]: 0 }, rates);
        fitting[kind] = Math.max(floor[kind], Math.min(fitting[kind], tokensFor(ceiling - others, rates[kind])));
    }
    return fitting;
}
