/** The sealed answer of one query as it grows: the frames, their counts, and which of them are on the disk. */
import { noTokens, priceOf, type Terms, type TokenCounts, tokenKinds } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import type { BackendDelta } from '../backend';
import { AnswerCount, type AnswerTokens, type TokenCounter } from '../tokens';
import { countTolerance, type Frame, FRAME_OVERHEAD, FrameKind, FrameWriter, requestLimits, SALT_BYTES } from '../link';

/** Part of a delta that fits one frame. */
export interface Part {
    kind: FrameKind;
    choice: number;
    text: string;
    more: boolean; // the next part goes on with the same text
    tokens: number; // minimal
    bound: number; // maximal tokens
}

const MAX_FRAME = 16 * 1024; // bytes

/** Bytes of text that a frame may carry. */
export const MAX_TEXT = MAX_FRAME - FRAME_OVERHEAD;

/**
 * Joins characters that a backend sent in halves: UTF-16 has two for an emoji, and a half alone cannot be sent. Content
 * and reasoning of every choice are joined separately.
 */
export class WholeText {
    private readonly halves = new Map<string, string>();

    /** The delta with the half before it, and without a half at its end. */
    join({ content = '', reasoning = '', ...rest }: BackendDelta): BackendDelta {
        const { choice = 0 } = rest;
        return {
            ...rest,
            content: this.whole(`content ${choice}`, content),
            reasoning: this.whole(`reasoning ${choice}`, reasoning),
        };
    }

    /** The halves without another; each becomes U+FFFD. */
    takeRest(): BackendDelta[] {
        const rest = [...this.halves].filter(([, half]) => half !== '');
        this.halves.clear();
        return rest.map(([key, half]) => {
            const [kind, choice] = key.split(' ');
            return { choice: Number(choice), [kind]: half };
        });
    }

    private whole(key: string, text: string): string {
        if (text === '') {
            return '';
        }
        const joined = (this.halves.get(key) ?? '') + text;
        const isHalf = (joined.charCodeAt(joined.length - 1) & 0xfc00) === 0xd800;
        if (!isHalf) {
            this.halves.delete(key);
            return joined;
        }
        this.halves.set(key, joined.slice(-1));
        return joined.slice(0, -1);
    }
}

type PartText = Pick<Part, 'kind' | 'choice' | 'text'>;

/**
 * Cuts a delta into parts of at most `max` tokens, or bytes where the server does not count tokens. A note comes first,
 * because it belongs to what follows it. A long text is cut as its parts are taken: there may be millions.
 */
export function* parts(
    { choice = 0, content = '', reasoning = '', fields, note, tokens }: BackendDelta,
    max: number,
    counter: TokenCounter,
): Generator<Part> {
    // How a choice ended comes after what it ended with, which may not fit any more.
    const { finish_reason: word, ...first } = note ?? {};
    yield* noteParts(choice, first);
    const thought = { kind: FrameKind.Reasoning, choice, text: reasoning };
    const texts = [
        { kind: FrameKind.Content, choice, text: content },
        { kind: FrameKind.Fields, choice, text: fields === undefined ? '' : JSON.stringify(fields) },
    ];
    if (tokens === undefined) {
        for (const one of [thought, ...texts]) {
            yield* uncountedParts(one, max, counter);
        }
    } else {
        const size = ({ text }: PartText) => Buffer.byteLength(text);
        const all = Math.min(tokens, requestLimits.tokens); // a server that counts more is wrong
        const ofReasoning = share(all, size(thought), size(thought) + size(texts[0]) + size(texts[1]));
        const ofFields = share(all - ofReasoning, size(texts[1]), size(texts[0]) + size(texts[1]));
        yield* countedParts(thought, ofReasoning, max);
        yield* countedParts(texts[0], all - ofReasoning - ofFields, max);
        yield* countedParts(texts[1], ofFields, max);
    }
    yield* noteParts(choice, { finish_reason: word });
}

const share = (tokens: number, part: number, whole: number): number =>
    part === 0 ? 0 : Math.floor((tokens * part) / whole);

// The JSON of fields and notes goes on over several frames; a text is a text in each of them.
const isJson = (kind: FrameKind): boolean => kind === FrameKind.Fields || kind === FrameKind.Note;

function noteParts(choice: number, note: Record<string, unknown>): Part[] {
    const text = JSON.stringify(note);
    const pieces = text === '{}' ? [] : [...textPieces(text, MAX_TEXT)];
    const free = { kind: FrameKind.Note, choice, tokens: 0, bound: 0 };
    return pieces.map((piece, i) => ({ ...free, text: piece, more: i < pieces.length - 1 }));
}

// Without the model's tokenizer, all that is certain is one token for a delta, and at most one for a byte.
function* uncountedParts({ kind, choice, text }: PartText, max: number, counter: TokenCounter): Generator<Part> {
    let [isFirst, remaining] = [true, isJson(kind) ? Buffer.byteLength(text) : 0];
    for (const piece of textPieces(text, max)) {
        const bound = counter.text(piece);
        const tokens = counter.isExact ? bound : isFirst ? 1 : 0;
        remaining -= isJson(kind) ? Buffer.byteLength(piece) : 0;
        yield { kind, choice, text: piece, more: remaining > 0, tokens, bound };
        isFirst = false;
    }
}

function countedParts({ kind, choice, text }: PartText, tokens: number, max: number): Part[] {
    const frames = Math.max(1, Math.ceil(tokens / max));
    const pieces = [...textPieces(text, Math.ceil(Buffer.byteLength(text) / frames))];
    const made: Part[] = [];
    let remaining = tokens;
    for (let i = 0; i < pieces.length || remaining > 0; i++) {
        const some = Math.min(max, i < pieces.length ? Math.ceil(remaining / (pieces.length - i)) : remaining);
        const piece = pieces[i];
        // Tokens without text, such as half a character or a hidden mark.
        const kindOfPart = piece === undefined && kind === FrameKind.Content ? FrameKind.Empty : kind;
        const more = isJson(kind) && i < pieces.length - 1;
        made.push({ kind: kindOfPart, choice, text: piece ?? '', more, tokens: some, bound: some });
        remaining -= some;
    }
    return made;
}

/** The text in pieces of at most `max` bytes, or one character where that is longer. It may have many megabytes. */
function* textPieces(text: string, max: number): Generator<string> {
    const limit = Math.max(1, Math.min(max, MAX_TEXT));
    if (text === '' || Buffer.byteLength(text) <= limit) {
        yield* text === '' ? [] : [text];
        return;
    }
    const bytes = Buffer.from(text);
    const isWithin = (at: number) => at < bytes.length && (bytes[at] & 0xc0) === 0x80; // a character
    for (let start = 0, end: number; start < bytes.length; start = end) {
        end = Math.min(start + limit, bytes.length);
        while (isWithin(end) && end > start) end--;
        if (end === start) {
            do end++;
            while (isWithin(end));
        }
        yield bytes.toString('utf8', start, end);
    }
}

/** The counts with the tokens of one more part. */
function plus(counts: TokenCounts, kind: FrameKind, tokens: number): TokenCounts {
    return kind === FrameKind.Reasoning
        ? { ...counts, reasoning: counts.reasoning + tokens }
        : { ...counts, completion: counts.completion + tokens };
}

const EMPTY = { kind: FrameKind.Empty, choice: 0, text: '', more: false };

/** Seals parts into frames, and counts them. */
export class Answer {
    counts = noTokens; // of everything sent
    bounds = noTokens; // the same, with the maximal tokens of uncounted text
    private claimed = noTokens; // the same, as the backend counts, also where a client would refuse it
    private readonly text: AnswerCount;
    committed = noTokens; // the counts that meters may show
    allCounted = true; // no delta came without its tokens
    promptKnown = false;
    hasWord = false; // a frame has text
    private lastMeter = noTokens; // of the last frame
    private readonly chunks: Buffer[] = [];
    private pending: Buffer[] = []; // sent, not on the disk
    private size = 0;
    private readonly writer: FrameWriter;

    constructor(
        secret: Buffer,
        number: number,
        private readonly terms: Pick<Terms, 'rates' | 'maxAnswer'>,
        counter: TokenCounter,
    ) {
        this.text = new AnswerCount(counter);
        this.writer = new FrameWriter(secret, number, randomBytes(SALT_BYTES));
    }

    /** All bytes so far. */
    get bytes(): Buffer {
        return Buffer.concat(this.chunks);
    }

    get isEmpty(): boolean {
        return this.chunks.length === 0;
    }

    /** Tokens of the text so far, for a backend that does not report them. */
    get textEstimate(): AnswerTokens {
        return this.text.estimate;
    }

    /** The most tokens of the text so far that a client accepts, also if it has not counted a shorter text. */
    get accepted(): AnswerTokens {
        const { completion, reasoning } = this.text.boundNow;
        return { completion: countTolerance(completion), reasoning: countTolerance(reasoning) };
    }

    /**
     * nanoTON of what the backend has made and no client accepts for the text so far. `pending`: tokens that are in no
     * part.
     */
    unaccepted(pending: number): bigint {
        const { accepted, claimed } = this;
        const made = claimed.completion + Math.min(pending, requestLimits.tokens); // a server that counts more is wrong
        const completion = Math.max(0, made - accepted.completion);
        const reasoning = Math.max(0, claimed.reasoning - accepted.reasoning);
        return priceOf({ ...noTokens, completion, reasoning }, this.terms.rates);
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

    /**
     * Adds a part, and returns its frame, with the salt before the first. A server may count tokens before their text
     * comes: with it they become payable, as far as the whole answer costs no more than `max` (nanoTON). The caller has
     * made sure that {@link priceWith} of the part is within it.
     */
    addPart(part: Part, max: bigint): Buffer {
        const { kind, tokens, bound } = part;
        this.text.take(part);
        this.claimed = plus(this.claimed, kind, tokens);
        this.bounds = plus(this.bounds, kind, bound);
        const { prompt, cached } = this.counts;
        const payable = this.payable({ ...this.claimed, prompt, cached });
        const isWithin = priceOf(payable, this.terms.rates) <= max;
        this.counts = isWithin ? payable : this.payable(plus(this.counts, kind, tokens));
        return this.frame(part);
    }

    /** Counts as far as a client accepts them for the text so far, and not below those that it was shown. */
    private payable({ completion, reasoning, ...ofPrompt }: TokenCounts): TokenCounts {
        const { accepted, lastMeter } = this;
        return {
            ...ofPrompt,
            completion: Math.max(lastMeter.completion, Math.min(completion, accepted.completion)),
            reasoning: Math.max(lastMeter.reasoning, Math.min(reasoning, accepted.reasoning)),
        };
    }

    /**
     * Adds a frame without text that shows the client a newer meter. Undefined when the client has it already, or no
     * frame fits.
     */
    addMeter(): Buffer | undefined {
        const { rates } = this.terms;
        const isCurrent = priceOf(this.lastMeter, rates) === priceOf(this.meter, rates);
        return isCurrent || this.isEmpty || !this.fits({ text: '' }) ? undefined : this.frame(EMPTY);
    }

    /** What the next frame may show: what is on the disk, as far as it is payable still. */
    private get meter(): TokenCounts {
        const { committed, counts } = this;
        const kinds = tokenKinds.map((kind) => [kind, Math.min(committed[kind], counts[kind])] as const);
        return Object.fromEntries(kinds) as unknown as TokenCounts;
    }

    /**
     * Adds the frame that ends the answer, with the counts that the result bills, or the last meter where that is
     * higher.
     */
    addFinal(counts: TokenCounts): Buffer {
        const grown = tokenKinds.every((kind) => counts[kind] >= this.lastMeter[kind]);
        this.committed = grown ? counts : this.lastMeter; // it is sent after the commit of the result
        return this.frame({ ...EMPTY, final: true }, this.committed);
    }

    /**
     * Takes the bytes that are to be written to the disk, with the counts that they cover. The caller calls `done`
     * after the write, or `undo` if the store did not take them.
     */
    takePending(): { bytes: Buffer; counts: TokenCounts; done: () => void; undo: () => void } {
        const { pending } = this;
        const counts = this.counts;
        this.pending = [];
        const done = () => (this.committed = counts);
        const undo = () => (this.pending = [...pending, ...this.pending]);
        return { bytes: Buffer.concat(pending), counts, done, undo };
    }

    private frame(
        {
            kind,
            choice,
            text,
            more,
            final = false,
        }: Pick<Frame, 'kind' | 'choice' | 'text' | 'more'> & { final?: boolean },
        meter = this.meter,
    ): Buffer {
        const frame = this.writer.write({ meter, kind, choice, text, more, final });
        this.hasWord ||= text !== '';
        const bytes = this.isEmpty ? Buffer.concat([this.writer.salt, frame]) : frame;
        this.lastMeter = meter;
        this.chunks.push(bytes);
        this.pending.push(bytes);
        this.size += bytes.length;
        return bytes;
    }
}
