/** What a query costs; the same function as contracts/protocol/price.tact, bound to it by tests/vectors/price.json. */

/** Tokens that a rate is the price of. */
export const TOKENS_PER_RATE = 1_000_000n;

/** One number for each kind of token; `prompt` excludes `cached`, `completion` excludes `reasoning`. */
export interface PerKind<T> {
    prompt: T;
    cached: T;
    completion: T;
    reasoning: T;
}

/** Token counts, each at most 2^32 - 1. */
export type TokenCounts = PerKind<number>;

/** nanoTON per million tokens, each below 2^64. */
export type Rates = PerKind<bigint>;

export const tokenKinds = ['prompt', 'cached', 'completion', 'reasoning'] as const;
export const noTokens: TokenCounts = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };

export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The higher rate of a prompt's tokens, cached or not, and of an answer's tokens. */
export const maxRates = ({ prompt, cached, completion, reasoning }: Rates) => ({
    prompt: larger(prompt, cached),
    answer: larger(completion, reasoning),
});

const UNIT = Number(TOKENS_PER_RATE);

/** The sum of counts times rates as a number, which is several times faster; undefined if that may not be exact. */
function exactSum({ prompt, cached, completion, reasoning }: TokenCounts, rates: Rates): number | undefined {
    const sum =
        prompt * Number(rates.prompt) +
        cached * Number(rates.cached) +
        completion * Number(rates.completion) +
        reasoning * Number(rates.reasoning);
    // Below this limit no summand was rounded. Counts that are not whole numbers are refused further on.
    const isExact = sum >= 0 && sum < Number.MAX_SAFE_INTEGER - UNIT;
    const isWhole =
        Number.isInteger(prompt) &&
        Number.isInteger(cached) &&
        Number.isInteger(completion) &&
        Number.isInteger(reasoning);
    return isExact && isWhole ? sum : undefined;
}

/** Price in nanoTON: ceil(sum of counts times rates / 10^6), rounded once, in the provider's favour. */
export function priceOf(counts: TokenCounts, rates: Rates): bigint {
    const exact = exactSum(counts, rates);
    if (exact !== undefined) {
        const rounded = exact + UNIT - 1;
        return BigInt((rounded - (rounded % UNIT)) / UNIT);
    }
    const sum =
        BigInt(counts.prompt) * rates.prompt +
        BigInt(counts.cached) * rates.cached +
        BigInt(counts.completion) * rates.completion +
        BigInt(counts.reasoning) * rates.reasoning;
    return (sum + TOKENS_PER_RATE - 1n) / TOKENS_PER_RATE;
}
