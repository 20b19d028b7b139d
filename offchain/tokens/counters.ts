/** Counts the tokens of prompts and answers. Gateway and worker use the same counter for the same offer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_MODEL, Tokenizer, type TokenizerFile } from '../backend/embedded/tokenizer';
import { type ModelRequest, promptBound, promptTexts } from '../link';
import { BYTES } from './families';
import { familyCounter, familyNames } from './vocabularies';

/** Counts tokens of one vocabulary; may count too many, hardly ever too few. */
export interface TokenCounter {
    /** False for bytes, of which a text has several for each token. */
    readonly isExact: boolean;
    /** Maximal tokens of a request's prompt, in any template of the family. */
    promptBound(request: ModelRequest): number;
    /** Tokens of a request's prompt, for a model server that does not report them. */
    promptEstimate(request: ModelRequest): number;
    /** Tokens of a text. */
    text(text: string): number;
}

/** UTF-8 bytes of one prompt that are cut into tokens; the rest counts by bytes, so that no prompt takes long. */
export const MAX_TOKENIZED = 512 * 1024;

// Of a prompt in an exact vocabulary: templates write tools and schemas in other ways than JSON with one space.
const TEMPLATE_MARGIN = 1.05;

const MESSAGE_MARKS = 4; // tokens around a message, in an estimate

type Count = (text: string) => number;

const bytesOf = (texts: string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** For any model whose vocabulary is not here. */
const byteCounter: TokenCounter = {
    isExact: false,
    promptBound: (request) => promptBound(request, Buffer.byteLength),
    promptEstimate: (request) => estimateOfBytes(bytesOf(promptTexts(request))),
    text: Buffer.byteLength,
};

/** Estimated tokens of a text of which only the bytes are counted. */
export const estimateOfBytes = (bytes: number): number => Math.ceil(bytes / 4);

function exactCounter(count: Count): TokenCounter {
    return {
        isExact: true,
        promptBound: (request) => Math.ceil(promptBound(request, limited(count)) * TEMPLATE_MARGIN),
        promptEstimate: (request) => {
            const texts = promptTexts(request);
            const countPart = limited(count);
            return texts.reduce((sum, text) => sum + countPart(text) + MESSAGE_MARKS, 0);
        },
        text: (text) => limited(count)(text),
    };
}

/** Counts texts of one prompt: by bytes once they are longer than {@link MAX_TOKENIZED} together. */
function limited(count: Count): Count {
    let remaining = MAX_TOKENIZED;
    return (text) => {
        const bytes = Buffer.byteLength(text);
        remaining -= bytes;
        return remaining < 0 ? bytes : count(text);
    };
}

function embeddedCounter(): TokenCounter {
    const file = join(__dirname, '..', 'backend', 'embedded', 'weights', 'tokenizer.json');
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')) as TokenizerFile);
    const prompt = (request: ModelRequest) =>
        request.endpoint === 'chat'
            ? tokenizer.encodeChat(request.body.messages).length
            : byteCounter.promptBound(request);
    return {
        isExact: true,
        promptBound: prompt,
        promptEstimate: prompt,
        text: (text) => tokenizer.encode(text).length,
    };
}

const counters = new Map<string, TokenCounter>([[BYTES, byteCounter]]);

/** The counter of a tokenizer by its name in an offer; a name that is not known here counts bytes. */
export function counterOf(tokenizer: string): TokenCounter {
    let counter = counters.get(tokenizer);
    if (counter === undefined) {
        const family = familyNames.find((name) => name === tokenizer);
        if (family === undefined && tokenizer !== EMBEDDED_MODEL) {
            return byteCounter;
        }
        counter = family === undefined ? embeddedCounter() : exactCounter((text) => familyCounter(family).count(text));
        counters.set(tokenizer, counter);
    }
    return counter;
}
