/**
 * Byte-level BPE. Tokens 0–255 are bytes, then come the special tokens, then one token per merge. Text never becomes a
 * special token, so a prompt that contains `<|end|>` is only text.
 */

import { type ChatMessage, textOf } from '../../link';

/** Catalogue id of the embedded model. */
export const EMBEDDED_MODEL = 'cocoon-tiny';

/** The content of `tokenizer.json`. */
export interface TokenizerFile {
    pieces: string; // regular expression that cuts a text before merging
    specials: string[];
    merges: [number, number][]; // in the order they were learnt
}

// The model was never trained on tools, so a tool's message is read like a question.
const turns = {
    ...{ system: 'system', developer: 'system', user: 'user', assistant: 'assistant' },
    ...{ tool: 'user', function: 'user' },
} as const;

const BYTES = 256;
const MAX_COUNTED = 16 * 1024; // bytes of a conversation; a longer one is beyond the context of the model
const PAIR = 65_536; // above any token, so that first * PAIR + second is unique

/** Turns text into tokens and tokens into bytes. */
export class Tokenizer {
    readonly size: number;
    private readonly pieces: RegExp;
    private readonly specials: Map<string, number>;
    private readonly firstMerge: number;
    private readonly made = new Map<number, number>(); // pair: the token it merges into; a lower token merges first
    private readonly text: Uint8Array[];

    constructor(file: TokenizerFile) {
        this.pieces = new RegExp(file.pieces, 'gu');
        this.specials = new Map(file.specials.map((name, i) => [name, BYTES + i]));
        this.firstMerge = BYTES + file.specials.length;
        this.size = this.firstMerge + file.merges.length;
        this.text = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
        for (const _ of file.specials) this.text.push(new Uint8Array(0));
        file.merges.forEach(([first, second], i) => {
            this.made.set(first * PAIR + second, this.firstMerge + i);
            this.text.push(Uint8Array.from([...this.text[first], ...this.text[second]]));
        });
    }

    /** Tokens of a text; takes time linear in its length. */
    encode(text: string): number[] {
        const tokens: number[] = [];
        for (const [piece] of text.matchAll(this.pieces)) tokens.push(...this.merge([...Buffer.from(piece)]));
        return tokens;
    }

    /** Tokens of a conversation in the model's template, up to and including the mark before the answer. */
    encodeChat(messages: ChatMessage[]): number[] {
        const tokens = [this.special('begin')];
        for (const { role, content } of messages) {
            tokens.push(this.special(turns[role]));
            // Not spread into push, because an argument list has a limit, and a prompt that is refused later may be
            // long.
            for (const token of this.encode(textOf(content))) tokens.push(token);
            tokens.push(this.special('end'));
        }
        tokens.push(this.special('assistant'));
        return tokens;
    }

    /** Tokens of texts as {@link encode} makes them; of very long ones their bytes, which are more. */
    count(texts: readonly string[]): number {
        const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
        return bytes > MAX_COUNTED ? bytes : texts.reduce((sum, text) => sum + this.encode(text).length, 0);
    }

    /** Tokens of a conversation as {@link encodeChat} makes them, or more where it is very long. */
    countChat(messages: readonly ChatMessage[]): number {
        return this.count(messages.map(({ content }) => textOf(content))) + 2 * messages.length + 2;
    }

    /** UTF-8 bytes of a token, which may be part of a character; empty for special tokens. */
    bytes(token: number): Uint8Array {
        return this.text[token];
    }

    /** True for a token that marks structure and has no text. */
    isSpecial(token: number): boolean {
        return token >= BYTES && token < this.firstMerge;
    }

    private special(name: string): number {
        const token = this.specials.get(`<|${name}|>`);
        if (token === undefined) throw new Error(`tokenizer.json has no special token for ${name}`);
        return token;
    }

    private merge(tokens: number[]): number[] {
        for (;;) {
            let best = Infinity;
            for (let i = 0; i + 1 < tokens.length; i++) {
                best = Math.min(best, this.made.get(tokens[i] * PAIR + tokens[i + 1]) ?? Infinity);
            }
            if (best === Infinity) return tokens;
            let length = 0;
            for (let i = 0; i < tokens.length; length++) {
                const merges = i + 1 < tokens.length && this.made.get(tokens[i] * PAIR + tokens[i + 1]) === best;
                tokens[length] = merges ? best : tokens[i];
                i += merges ? 2 : 1;
            }
            tokens.length = length;
        }
    }
}
