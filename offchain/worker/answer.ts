/** The sealed answer of one query as it grows: the frames, their counts, and which of them are on the disk. */
import { noTokens, priceOf, type Terms, type TokenCounts, tokenKinds } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { FRAME_OVERHEAD, FrameKind, FrameWriter, SALT_BYTES } from '../link';

/** Part of a delta that fits one frame. */
export interface Part {
    kind: FrameKind;
    text: string;
    tokens: number; // minimal
    bound: number; // maximal tokens
}

const MAX_FRAME = 16 * 1024; // bytes

/** Bytes of text that a frame may carry. */
export const MAX_TEXT = MAX_FRAME - FRAME_OVERHEAD;

/** A delta of a backend. */
export interface Delta {
    content?: string;
    reasoning?: string;
    tokens?: number; // undefined: not counted, so at least one and at most one for each byte
}

/**
 * Joins characters that a backend sent in halves: UTF-16 has two for an emoji, and a half alone cannot be sent. Content
 * and reasoning are joined separately.
 */
export class WholeText {
    private halves = { content: '', reasoning: '' };

    /** The delta with the half before it, and without a half at its end. */
    join({ content = '', reasoning = '', ...rest }: Delta): Delta {
        return { ...rest, content: this.whole('content', content), reasoning: this.whole('reasoning', reasoning) };
    }

    /** The halves without another; each becomes U+FFFD. */
    takeRest(): Delta {
        const { content, reasoning } = this.halves;
        this.halves = { content: '', reasoning: '' };
        return { content, reasoning };
    }

    private whole(kind: 'content' | 'reasoning', text: string): string {
        if (text === '') {
            return '';
        }
        const joined = this.halves[kind] + text;
        const half = /[\ud800-\udbff]$/.exec(joined)?.[0] ?? '';
        this.halves[kind] = half;
        return joined.slice(0, joined.length - half.length);
    }
}

/** Cuts a delta into parts of at most `max` tokens, or bytes where tokens are not counted. */
export function parts(delta: Delta, max: number): Part[] {
    const reasoning = Buffer.byteLength(delta.reasoning ?? '');
    const content = Buffer.byteLength(delta.content ?? '');
    if (delta.tokens === undefined) {
        return [
            ...uncountedParts(FrameKind.Reasoning, delta.reasoning ?? '', max),
            ...uncountedParts(FrameKind.Content, delta.content ?? '', max),
        ];
    }
    const ofReasoning = reasoning === 0 ? 0 : Math.floor((delta.tokens * reasoning) / (reasoning + content));
    return [
        ...countedParts(FrameKind.Reasoning, delta.reasoning ?? '', ofReasoning, max),
        ...countedParts(FrameKind.Content, delta.content ?? '', delta.tokens - ofReasoning, max),
    ];
}

function uncountedParts(kind: FrameKind, text: string, max: number): Part[] {
    return textPieces(text, max).map((piece, i) => ({
        kind,
        text: piece,
        tokens: i === 0 ? 1 : 0,
        bound: Buffer.byteLength(piece),
    }));
}

function countedParts(kind: FrameKind, text: string, tokens: number, max: number): Part[] {
    const frames = Math.max(1, Math.ceil(tokens / max));
    const pieces = textPieces(text, Math.ceil(Buffer.byteLength(text) / frames));
    const made: Part[] = [];
    let remaining = tokens;
    for (let i = 0; i < pieces.length || remaining > 0; i++) {
        const share = Math.min(max, i < pieces.length ? Math.ceil(remaining / (pieces.length - i)) : remaining);
        const piece = pieces[i];
        // Tokens without text, such as half a character or a hidden mark.
        const kindOfPart = piece === undefined && kind === FrameKind.Content ? FrameKind.Empty : kind;
        made.push({ kind: kindOfPart, text: piece ?? '', tokens: share, bound: share });
        remaining -= share;
    }
    return made;
}

/** The text in pieces of at most `max` bytes, or one character where that is longer. */
function textPieces(text: string, max: number): string[] {
    const limit = Math.max(1, Math.min(max, MAX_TEXT));
    if (text === '' || Buffer.byteLength(text) <= limit) {
        return text === '' ? [] : [text];
    }
    const pieces: string[] = [];
    let piece = '';
    let bytes = 0;
    for (const character of text) {
        const more = Buffer.byteLength(character);
        if (bytes > 0 && bytes + more > limit) {
            pieces.push(piece);
            [piece, bytes] = ['', 0];
        }
        piece += character;
        bytes += more;
    }
    return [...pieces, piece];
}

/** The counts with the tokens of one more part. */
function plus(counts: TokenCounts, kind: FrameKind, tokens: number): TokenCounts {
    return kind === FrameKind.Reasoning
        ? { ...counts, reasoning: counts.reasoning + tokens }
        : { ...counts, completion: counts.completion + tokens };
}

/** Seals parts into frames, and counts them. */
export class Answer {
    counts = noTokens; // of everything sent
    bounds = noTokens; // the same, with the maximal tokens of uncounted text
    committed = noTokens; // the counts that meters may show
    allCounted = true; // no delta came without its tokens
    promptKnown = false;
    readonly textBytes = { content: 0, reasoning: 0 };
    private lastMeter = noTokens; // of the last frame
    private readonly chunks: Buffer[] = [];
    private pending: Buffer[] = []; // sent, not on the disk
    private size = 0;
    private readonly writer: FrameWriter;

    constructor(
        secret: Buffer,
        number: number,
        private readonly terms: Pick<Terms, 'rates' | 'maxAnswer'>,
    ) {
        this.writer = new FrameWriter(secret, number, randomBytes(SALT_BYTES));
    }

    /** All bytes so far. */
    get bytes(): Buffer {
        return Buffer.concat(this.chunks);
    }

    get isEmpty(): boolean {
        return this.chunks.length === 0;
    }

    /** True when the part's frame and the final one fit into the largest answer. */
    fits(part: Pick<Part, 'text'>): boolean {
        const salt = this.isEmpty ? SALT_BYTES : 0;
        const frames = 2 * FRAME_OVERHEAD + Buffer.byteLength(part.text);
        return this.size + salt + frames <= this.terms.maxAnswer;
    }

    /** nanoTON of everything counted so far. */
    price(): bigint {
        return priceOf(this.counts, this.terms.rates);
    }

    /** nanoTON that the answer costs with this part. */
    priceWith({ kind, tokens }: Part): bigint {
        return priceOf(plus(this.counts, kind, tokens), this.terms.rates);
    }

    /** Maximal nanoTON that the part costs. */
    maxPriceOf({ kind, bound }: Part): bigint {
        return priceOf(plus(noTokens, kind, bound), this.terms.rates);
    }

    /** nanoTON of what is not on the disk. */
    uncommitted(): bigint {
        const { rates } = this.terms;
        return this.pending.length === 0 ? 0n : this.price() - priceOf(this.committed, rates);
    }

    /** The prompt's count, once the backend knows it. */
    setPrompt({ prompt, cached }: { prompt: number; cached: number }): void {
        this.counts = { ...this.counts, prompt, cached };
        this.bounds = { ...this.bounds, prompt, cached };
        this.promptKnown = true;
    }

    /** Adds a part, and returns its frame, with the salt before the first. */
    addPart({ kind, text, tokens, bound }: Part): Buffer {
        this.counts = plus(this.counts, kind, tokens);
        this.bounds = plus(this.bounds, kind, bound);
        if (kind !== FrameKind.Empty) {
            this.textBytes[kind === FrameKind.Reasoning ? 'reasoning' : 'content'] += Buffer.byteLength(text);
        }
        return this.frame(kind, text);
    }

    /**
     * Adds a frame without text that shows the client a newer meter. Undefined when the client has it already, or no
     * frame fits.
     */
    addMeter(): Buffer | undefined {
        const isCurrent = priceOf(this.lastMeter, this.terms.rates) === priceOf(this.committed, this.terms.rates);
        return isCurrent || this.isEmpty || !this.fits({ text: '' }) ? undefined : this.frame(FrameKind.Empty, '');
    }

    /**
     * Adds the frame that ends the answer, with the counts that the result bills, or the last meter where that is
     * higher.
     */
    addFinal(counts: TokenCounts): Buffer {
        const grown = tokenKinds.every((kind) => counts[kind] >= this.lastMeter[kind]);
        this.committed = grown ? counts : this.lastMeter; // it is sent after the commit of the result
        return this.frame(FrameKind.Empty, '', { final: true });
    }

    /**
     * Takes the bytes that are to be written to the disk, with the counts that they cover. The caller calls `done`
     * after the write.
     */
    takePending(): { bytes: Buffer; counts: TokenCounts; done: () => void } {
        const { pending } = this;
        const counts = this.counts;
        this.pending = [];
        return { bytes: Buffer.concat(pending), counts, done: () => (this.committed = counts) };
    }

    private frame(kind: FrameKind, text: string, { final = false } = {}): Buffer {
        const frame = this.writer.write({ meter: this.committed, kind, text, final });
        const bytes = this.isEmpty ? Buffer.concat([this.writer.salt, frame]) : frame;
        this.lastMeter = this.committed;
        this.chunks.push(bytes);
        this.pending.push(bytes);
        this.size += bytes.length;
        return bytes;
    }
}
