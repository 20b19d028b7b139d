/**
 * The money of a job as the worker counts it: what it may send before the next voucher, what a query may cost, and what
 * it bills. Arithmetic alone; the rules are numbered in docs/protocol.md. All amounts are nanoTON.
 */
import { priceOf } from '@cocoon-market/wrappers';
import type { Rates, TokenCounts } from '@cocoon-market/wrappers';
import { countTolerance, maxFrame, maxPrompt } from '../link';

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
    { balance, paid, rent }: { balance: bigint; paid: bigint; rent: bigint },
    { results, ceilings, ceiling }: { results: bigint; ceilings: bigint; ceiling: bigint },
): boolean {
    return results + ceilings + ceiling <= (balance > rent ? balance - rent : 0n) + paid;
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const TOKENS_PER_RATE = 1_000_000n;
const MAX_TOKENS = 0xffff_ffff;

/** The most tokens at `rate` that cost at most `amount`, rounded up as prices are. */
export function tokensFor(amount: bigint, rate: bigint): number {
    if (amount < 0n) {
        return 0;
    }
    const tokens = rate === 0n ? BigInt(MAX_TOKENS) : (amount * TOKENS_PER_RATE) / rate;
    return Number(smaller(tokens, BigInt(MAX_TOKENS)));
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
    return Math.max(1, tokensFor(maxFrame(step), answerRate(rates)));
}

/** False for a step so small that a frame cannot hold one character (4 bytes, so at most 4 tokens) within its part of it. */
export function stepCarriesFrames(step: bigint, rates: Rates): boolean {
    return tokensFor(maxFrame(step), answerRate(rates)) >= 4;
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
    return smaller(maxPrompt(step), promptBoundPrice(promptBound, rates) + answer - counted);
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
    usage: Partial<TokenCounts> | undefined; // from the backend, of the whole answer; undefined is what it left out
    cut: boolean; // the answer did not reach its own end
    promptBytes: number;
    contentBytes: number;
    reasoningBytes: number;
    ceiling: bigint;
}

/**
 * The counts that a result bills (rules 12 and 17): usage as far as it is known; else the meter, with the prompt and, at an
 * answer's own end, its text by bytes. Never above the ceiling; never below the meter, which promised a floor, unless the
 * backend counted no piece and reports fewer tokens than the pieces it sent: never more than it reports in sum.
 */
export function billedCounts(ended: Ended, rates: Rates): TokenCounts {
    const { meter, bounds, promptBound } = ended;
    const { prompt, cached } = promptCounts(ended);
    const { completion, reasoning, max } = answerCounts(ended);
    // No client believes that more was read than it sent, or made than arrived.
    const read = {
        prompt: Math.max(Math.min(prompt, promptBound - Math.min(cached, promptBound)), meter.prompt),
        cached: Math.max(Math.min(cached, promptBound), meter.cached),
    };
    const made = {
        completion: Math.max(Math.min(completion, countTolerance(bounds.completion)), meter.completion),
        reasoning: Math.max(Math.min(reasoning, countTolerance(bounds.reasoning)), meter.reasoning),
    };
    const billed = { ...read, ...within(max, made, meter) };
    const floor = {
        ...meter,
        completion: Math.min(meter.completion, billed.completion),
        reasoning: Math.min(meter.reasoning, billed.reasoning),
    };
    return withinCeiling(billed, floor, ended.ceiling, rates);
}

// A prompt that was read has tokens: a report without any says nothing.
function promptCounts({ meter, promptKnown, usage, promptBytes }: Ended): Pick<TokenCounts, 'prompt' | 'cached'> {
    const { prompt = 0, cached = 0 } = usage ?? {};
    if (prompt + cached > 0) {
        return { prompt, cached };
    }
    return { prompt: promptKnown ? meter.prompt : estimatedTokens(promptBytes), cached: meter.cached };
}

/** `most` is what completion and reasoning are together at most. */
function answerCounts({
    meter,
    counted,
    cut,
    usage,
    contentBytes,
    reasoningBytes,
}: Ended): Pick<TokenCounts, 'completion' | 'reasoning'> & { max: number } {
    if (usage?.completion === undefined) {
        const [completion, reasoning] =
            cut || counted
                ? [meter.completion, meter.reasoning]
                : [estimatedTokens(contentBytes), estimatedTokens(reasoningBytes)];
        return { completion, reasoning, max: Infinity };
    }
    const { completion, reasoning = 0 } = usage;
    const max = counted ? Infinity : completion + reasoning;
    if (reasoning > 0 || reasoningBytes === 0) {
        return { completion, reasoning, max };
    }
    // Reasoning arrived and was not counted apart: the text tells how much of the sum it is.
    const share = Math.round((completion * reasoningBytes) / (reasoningBytes + contentBytes));
    return { completion: completion - share, reasoning: share, max };
}

type Made = Pick<TokenCounts, 'completion' | 'reasoning'>;

/** The counts with a sum of at most `most`: first what lies above the meter is taken away, then both in proportion. */
function within(max: number, { completion, reasoning }: Made, meter: Made): Made {
    if (completion + reasoning <= max) {
        return { completion, reasoning };
    }
    const pieces = meter.completion + meter.reasoning;
    if (pieces > max) {
        const part = Math.floor((max * meter.completion) / pieces);
        return { completion: part, reasoning: max - part };
    }
    const over = completion + reasoning - max;
    const fromCompletion = Math.min(over, completion - meter.completion);
    return { completion: completion - fromCompletion, reasoning: reasoning - (over - fromCompletion) };
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
