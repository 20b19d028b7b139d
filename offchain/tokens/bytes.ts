/** Counts tokens by UTF-8 bytes, where no vocabulary of the model is known. */
import { type ModelRequest, promptBound, promptTexts } from '../link';

/** Counts UTF-8 bytes: no token of the vocabularies in use is shorter than a byte. */
export const BYTES = 'bytes';

/** Tokens of a request's prompt. */
export interface PromptCounts {
    bound: number; // maximal, in any template of the family
    estimate: number; // for a model server that does not report them
    texts: number; // of the texts that were named
}

/** Counts tokens of one vocabulary; may count too many, hardly ever too few. */
export interface TokenCounter {
    /** False for bytes, of which a text has several for each token. */
    readonly isExact: boolean;
    /** Maximal tokens of a request's prompt, in any template of the family. At once, however long that takes. */
    promptBound(request: ModelRequest): number;
    /** Counts a request's prompt, a long one over several turns of the event loop, and `texts` of it by themselves. */
    countPrompt(request: ModelRequest, texts?: readonly string[]): Promise<PromptCounts>;
    /** Tokens of a text. */
    text(text: string): number;
}

const bytesOf = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** For any model whose vocabulary is not here. */
export const byteCounter: TokenCounter = {
    isExact: false,
    promptBound: (request) => promptBound(request, Buffer.byteLength),
    countPrompt: async (request, texts = []) => ({
        bound: promptBound(request, Buffer.byteLength),
        estimate: estimateOfBytes(bytesOf(promptTexts(request))),
        texts: bytesOf(texts),
    }),
    text: Buffer.byteLength,
};

/** Estimated tokens of a text of which only the bytes are counted. */
export const estimateOfBytes = (bytes: number): number => Math.ceil(bytes / 4);
