/** What a query may cost at most, by the tokenizer by which its job is counted. */
import { maxRates, noTokens, priceOf, type Rates } from '@cocoon-market/wrappers';
import { choicesOf, type ModelRequest, promptBound } from '../offchain/link';
import { byteCounter, type TokenCounter } from '../offchain/tokens/bytes';
import type { TokenCounters } from './types';

// Of a prompt in an exact vocabulary: templates write tools and schemas in other ways than JSON with one space.
const TEMPLATE_MARGIN = 1.05;

/** The counter of a tokenizer. One that the caller does not know counts bytes, of which no token has less than one. */
export function counterOf(tokenizer: string, counters: TokenCounters): TokenCounter {
    const count = Object.hasOwn(counters, tokenizer) ? counters[tokenizer] : undefined;
    if (count === undefined) {
        return byteCounter;
    }
    const bound = (request: ModelRequest) => Math.ceil(promptBound(request, count) * TEMPLATE_MARGIN);
    return {
        isExact: true,
        promptBound: bound,
        countPrompt: async (request) => ({ bound: bound(request), estimate: bound(request), texts: 0 }),
        text: count,
    };
}

/** The highest counts of a query that a node may bill. */
export interface QueryBounds {
    promptBound: number; // tokens
    stopBound: number; // tokens of the longest stop string, for every choice
}

export function boundsOf(request: ModelRequest, counter: TokenCounter): QueryBounds {
    const { stop } = request.body as { stop?: string | string[] | null };
    const stops = typeof stop === 'string' ? [stop] : (stop ?? []);
    const longest = Math.max(0, ...stops.map((one) => counter.text(one)));
    return { promptBound: counter.promptBound(request), stopBound: longest * choicesOf(request) };
}

/** nanoTON that a query may cost at most. */
export function maxCost(rates: Rates, { maxTokens }: ModelRequest, bounds: QueryBounds): bigint {
    const { prompt, answer } = maxRates(rates);
    const counts = { ...noTokens, prompt: bounds.promptBound, completion: maxTokens };
    return priceOf(counts, { ...rates, prompt, completion: answer });
}
