/** What a query may cost at most, by the tokenizer by which its job is counted. */
import { maxRates, noTokens, priceOf, type Rates } from '@cocoon-market/wrappers';
import { choicesOf, type ModelRequest } from '../link';
import type { TokenCounter } from '../tokens/bytes';

/** The highest counts of a query that a node may bill. */
export interface QueryBounds {
    promptBound: number; // tokens
    stopBound: number; // tokens of the longest stop string, for every choice
}

/** `promptBound`: if it was counted already. */
export function boundsOf(
    request: ModelRequest,
    counter: Pick<TokenCounter, 'promptBound' | 'text'>,
    promptBound = counter.promptBound(request),
): QueryBounds {
    const { stop } = request.body as { stop?: string | string[] | null };
    const stops = typeof stop === 'string' ? [stop] : (stop ?? []);
    const longest = Math.max(0, ...stops.map((one) => counter.text(one)));
    return { promptBound, stopBound: longest * choicesOf(request) };
}

/** nanoTON that a query may cost at most. */
export function costBound(
    rates: Rates,
    { promptBound, maxTokens }: { promptBound: number; maxTokens: number },
): bigint {
    const { prompt, answer } = maxRates(rates);
    const counts = { ...noTokens, prompt: promptBound, completion: maxTokens };
    return priceOf(counts, { ...rates, prompt, completion: answer });
}
