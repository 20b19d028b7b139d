/** The gateway's own count of tokens, against which a node's meters and results are held. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_MODEL } from '../backend';
import { Tokenizer, TokenizerFile } from '../backend/embedded/tokenizer';
import { SealedChat } from '../link';

/** Counts tokens of one model; may count too many, never too few. */
export interface TokenCounter {
    /** Tokens of a conversation in the model's template. */
    prompt(messages: SealedChat['messages']): number;
    /** Tokens of a piece of an answer. */
    text(text: string): number;
}

// Marks around a message (5 in Llama 3, Qwen and harmony) with room for others.
const TOKENS_PER_MESSAGE = 16;

// Templates may open with a text of their own: a default system message, dates, harmony's channel rules (about 100).
const TOKENS_PER_REQUEST = 256;

/** For any model whose tokenizer is not here: no token of the vocabularies in use is shorter than a byte. */
export const byteCounter: TokenCounter = {
    prompt: (messages) =>
        messages.reduce(
            (sum, { content }) => sum + Buffer.byteLength(content) + TOKENS_PER_MESSAGE,
            TOKENS_PER_REQUEST,
        ),
    text: (text) => Buffer.byteLength(text),
};

function embeddedCounter(): TokenCounter {
    const file = join(__dirname, '..', 'backend', 'embedded', 'weights', 'tokenizer.json');
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')) as TokenizerFile);
    return {
        prompt: (messages) => tokenizer.encodeChat(messages).length,
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
