/** The counters of tokenizers, as a caller gives them. */
import { type ModelRequest, promptBound } from '../offchain/link';
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
