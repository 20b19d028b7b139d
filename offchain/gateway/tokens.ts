/** The gateway's own count of tokens, against which a node's meters and results are held. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_MODEL } from '../backend';
import { Tokenizer, TokenizerFile } from '../backend/embedded/tokenizer';
import { ModelRequest, promptBound } from '../link';

/** Counts tokens of one model; may count too many, never too few. */
export interface TokenCounter {
    /** Tokens of a request's prompt, in the model's template. */
    prompt(request: ModelRequest): number;
    /** Tokens of a piece of an answer. */
    text(text: string): number;
}

/** For any model whose tokenizer is not here: no token of the vocabularies in use is shorter than a byte. */
export const byteCounter: TokenCounter = {
    prompt: (request) => promptBound(request, Buffer.byteLength),
    text: Buffer.byteLength,
};

function embeddedCounter(): TokenCounter {
    const file = join(__dirname, '..', 'backend', 'embedded', 'weights', 'tokenizer.json');
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')) as TokenizerFile);
    return {
        prompt: (request) =>
            request.endpoint === 'chat'
                ? tokenizer.encodeChat(request.body.messages).length
                : byteCounter.prompt(request),
        text: (text) => tokenizer.encode(text).length,
    };
}

let embedded: TokenCounter | undefined;

/** The counter of a model. */
export function counterOf(model: string): TokenCounter {
    if (model !== EMBEDDED_MODEL) {
        return byteCounter;
    }
    embedded ??= embeddedCounter();
    return embedded;
}
