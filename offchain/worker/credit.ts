/**
 * The arithmetic of a job's money: what the worker may send before the next voucher, what a query may cost, and what it
 * bills. The rules are numbered in docs/protocol.md. All amounts are nanoTON.
 */
import {
    maxRates,
    noTokens,
    priceOf,
    type Rates,
    smaller,
    type TokenCounts,
    TOKENS_PER_RATE,
} from '@cocoon-market/wrappers';
import { maxFrame, maxPrompt } from '../link';
import type { AnswerTokens } from '../tokens';

/** The cost of a running query so far. */
export interface RunningCost {
    sent: bigint; // price of the counts of everything sent
    unmetered: bigint; // maximal price of what no count covers yet
}

interface Credit {
    step: bigint;
    ended: bigint; // prices of all results
    paid: bigint; // promise of the newest voucher
    running: readonly RunningCost[];
}

/** Rule 5: true when `next` more may be sent without another voucher. */
export function maySend({ step, ended, paid, running }: Credit, next: bigint): boolean {
    const unpaid = running.reduce((sum, { sent, unmetered }) => sum + sent + unmetered, ended - paid);
    return unpaid + next <= step * BigInt(running.length);
}

/**
 * Rule 2: true when the channel covers all results and every open ceiling, `ceiling` among them, after the rent that it
 * may still pay.
 */
export function covers(
    { balance, paid, rent }: { balance: bigint; paid: bigint; rent: bigint },
    { results, ceilings, ceiling }: { results: bigint; ceilings: bigint; ceiling: bigint },
): boolean {
    return results + ceilings + ceiling <= (balance > rent ? balance - rent : 0n) + paid;
}

const MAX_TOKENS = 0xffff_ffff;

/** The maximal number of tokens at `rate` whose price, rounded up, is at most `amount`. */
export function tokensFor(amount: bigint, rate: bigint): number {
    if (amount < 0n) {
        return 0;
    }
    const tokens = rate === 0n ? BigInt(MAX_TOKENS) : (amount * TOKENS_PER_RATE) / rate;
    return Number(smaller(tokens, BigInt(MAX_TOKENS)));
}

/** The maximal price of a prompt of at most `bound` tokens, whichever part of it is cached. */
export function promptBoundPrice(bound: number, rates: Rates): bigint {
    return priceOf({ ...noTokens, prompt: bound }, { ...rates, prompt: maxRates(rates).prompt });
}

/** The maximal number of answer tokens within the ceiling, after a prompt of at most `promptBound` tokens. */
export function answerTokens(ceiling: bigint, promptBound: number, rates: Rates): number {
    return tokensFor(ceiling - promptBoundPrice(promptBound, rates), maxRates(rates).answer);
}

/** The maximal number of tokens of a frame, at least 1. */
export function frameTokens(step: bigint, rates: Rates): number {
    return Math.max(1, tokensFor(maxFrame(step), maxRates(rates).answer));
}

/** False for a step so small that a frame, which may cost a tenth of it, cannot hold one character of 4 tokens. */
export function stepCarriesFrames(step: bigint, rates: Rates): boolean {
    return tokensFor(maxFrame(step), maxRates(rates).answer) >= 4;
}

/**
 * Maximal price of what no count covers: the prompt until its count is known, and bytes of the answer whose tokens the
 * backend did not count. It is at most half a step, because a client pays counts only: with more, both would wait for
 * each other.
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
    const answer = priceOf({ ...noTokens, completion: bounds.completion, reasoning: bounds.reasoning }, rates);
    const countedPrice = priceOf({ ...noTokens, completion: counts.completion, reasoning: counts.reasoning }, rates);
    return smaller(maxPrompt(step), promptBoundPrice(promptBound, rates) + answer - countedPrice);
}

/** The counts and bounds of a query when it ends. */
export interface EndedQuery {
    meter: TokenCounts; // of everything stored
    accepted: AnswerTokens; // the most that a client accepts for the text (rule 6)
    promptBound: number; // tokens
    promptKnown: boolean; // the meter holds the prompt's count
    allCounted: boolean; // the meter holds every token of the answer, not just one for each piece
    usage: Partial<TokenCounts> | undefined; // the backend's report on the whole answer; it may leave fields out
    cut: boolean; // the answer did not reach its own end
    promptEstimate: number; // tokens, where nobody counted them
    textEstimate: AnswerTokens;
    ceiling: bigint;
}

/**
 * The counts that a result bills (rules 12 and 17). They are the backend's usage where it reports one; otherwise the
 * meter, with the prompt and, at an answer's own end, its text estimated. They are never above the ceiling.
 * They are never below the meter, with one exception: a backend that counted no piece may report fewer tokens than
 * pieces, and the sum is never above its report.
 */
export function billedCounts(ended: EndedQuery, rates: Rates): TokenCounts {
    const { meter, accepted, promptBound } = ended;
    const { prompt, cached } = promptCounts(ended);
    const { completion, reasoning, max } = answerCounts(ended);
    // A client accepts no more prompt tokens than it sent, however a report splits them beside the meter, and no more
    // answer tokens than arrived.
    const fromCache = Math.max(Math.min(cached, promptBound - meter.prompt), meter.cached);
    const read = { prompt: Math.max(Math.min(prompt, promptBound - fromCache), meter.prompt), cached: fromCache };
    const made = {
        completion: Math.max(Math.min(completion, accepted.completion), meter.completion),
        reasoning: Math.max(Math.min(reasoning, accepted.reasoning), meter.reasoning),
    };
    const billed = { ...read, ...within(max, made, meter) };
    const floor = {
        ...meter,
        completion: Math.min(meter.completion, billed.completion),
        reasoning: Math.min(meter.reasoning, billed.reasoning),
    };
    return withinCeiling(billed, floor, ended.ceiling, rates);
}

/**
 * nanoTON of answer tokens that were made and the result does not bill, if that is more than what it bills. A little of
 * it is the way of a model. `maxTokens`: that the request allowed; a server that counts more is wrong, and its client
 * is not to blame.
 */
export function unpaidTokens(
    { made, billed, maxTokens }: { made: AnswerTokens; billed: TokenCounts; maxTokens: number },
    rates: Rates,
): bigint {
    const tokens = Math.min(made.completion + made.reasoning, maxTokens) - billed.completion - billed.reasoning;
    const work = priceOf({ ...noTokens, completion: Math.max(0, tokens) }, rates);
    return work > priceOf(billed, rates) ? work : 0n;
}

// Every prompt has tokens, so a report of none is ignored.
function promptCounts({
    meter,
    promptKnown,
    usage,
    promptEstimate,
}: EndedQuery): Pick<TokenCounts, 'prompt' | 'cached'> {
    const { prompt = 0, cached = 0 } = usage ?? {};
    if (prompt + cached > 0) {
        return { prompt, cached };
    }
    return { prompt: promptKnown ? meter.prompt : promptEstimate, cached: meter.cached };
}

/** `max` limits the sum of completion and reasoning. */
function answerCounts({ meter, allCounted, cut, usage, textEstimate }: EndedQuery): AnswerTokens & { max: number } {
    if (usage?.completion === undefined) {
        const [completion, reasoning] =
            cut || allCounted ? [meter.completion, meter.reasoning] : [textEstimate.completion, textEstimate.reasoning];
        return { completion, reasoning, max: Infinity };
    }
    const { completion, reasoning = 0 } = usage;
    const max = allCounted ? Infinity : completion + reasoning;
    if (reasoning > 0 || textEstimate.reasoning === 0) {
        return { completion, reasoning, max };
    }
    // Reasoning arrived and was not counted separately, so the texts show its share of the sum.
    const texts = textEstimate.reasoning + textEstimate.completion;
    const share = Math.round((completion * textEstimate.reasoning) / texts);
    return { completion: completion - share, reasoning: share, max };
}

/** Reduces the counts to a sum of at most `max`: first what lies above the meter, then both in proportion. */
function within(max: number, { completion, reasoning }: AnswerTokens, meter: AnswerTokens): AnswerTokens {
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
