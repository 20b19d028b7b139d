import type { TokenCounts } from '@cocoon-market/wrappers';

/** The sums of two counts. */
export function plus(a: TokenCounts, b: TokenCounts): TokenCounts {
    const [prompt, cached] = [a.prompt + b.prompt, a.cached + b.cached];
    return { prompt, cached, completion: a.completion + b.completion, reasoning: a.reasoning + b.reasoning };
}
