/** Counts the tokens of an answer as its frames come: gateway and worker see the same frames and count the same. */
import { type Frame, FrameKind, requestLimits } from '../link';
import { estimateOfBytes, type TokenCounter } from './bytes';

/** Tokens of answer and reasoning. */
export interface AnswerTokens {
    completion: number;
    reasoning: number;
}

// A model may write a text in more tokens than its tokenizer would, above all where its grammar is forced.
const FREEDOM = 1.1;
const STREAM_MARKS = 4; // tokens that begin or end a text and are not shown, such as those around reasoning

const boundOf = (tokens: number): number => Math.ceil(tokens * FREEDOM) + STREAM_MARKS;

const BILLED: readonly FrameKind[] = [FrameKind.Content, FrameKind.Reasoning, FrameKind.Fields];

const TAIL = 256; // characters that may still merge with what follows

/** A text that grows: what lies far enough back is counted once, and the rest when somebody asks. */
class GrowingText {
    private settled = 0;
    private tail = '';
    private current = 0;
    private highest = 0;
    private isCounted = true;

    constructor(private readonly counter: TokenCounter) {}

    add(text: string): void {
        this.tail += text;
        this.isCounted = false;
        if (this.tail.length > 2 * TAIL) {
            const end = this.tail.length - TAIL;
            const space = this.tail.lastIndexOf(' ', end);
            const isHalf = (this.tail.charCodeAt(end - 1) & 0xfc00) === 0xd800;
            const cut = space > 0 ? space : isHalf ? end - 1 : end;
            this.settled += this.counter.text(this.tail.slice(0, cut));
            this.tail = this.tail.slice(cut);
        }
    }

    /** Tokens when somebody asked last. */
    get last(): number {
        return this.highest;
    }

    /** Tokens so far, which never become fewer. */
    get tokens(): number {
        const { tokensNow } = this;
        return Math.max(this.highest, tokensNow);
    }

    /** Tokens of the text as it is. With the next characters they may become fewer, by those that are merged. */
    get tokensNow(): number {
        if (!this.isCounted) {
            this.current = this.settled + this.counter.text(this.tail);
            this.highest = Math.max(this.highest, this.current);
            this.isCounted = true;
        }
        return this.current;
    }
}

export class AnswerCount {
    private readonly texts = new Map<string, { kind: keyof AnswerTokens; text: GrowingText }>();
    private readonly bytes: AnswerTokens = { completion: 0, reasoning: 0 };

    /** `choices`: answers that were asked for; default: as many as a request may ask for. */
    constructor(
        private readonly counter: TokenCounter,
        private readonly choices: number = requestLimits.choices,
    ) {}

    /**
     * Counts the text of one frame, in order. Kinds that this version does not show, and choices that nobody asked for,
     * count nothing: an app sees nothing of them.
     */
    take({ kind, choice, text }: Pick<Frame, 'kind' | 'choice' | 'text'>): void {
        if (!BILLED.includes(kind) || choice >= this.choices || text === '') {
            return;
        }
        const sum = kind === FrameKind.Reasoning ? 'reasoning' : 'completion';
        if (!this.counter.isExact) {
            this.bytes[sum] += this.counter.text(text);
            return;
        }
        const key = `${kind}.${choice}`;
        let one = this.texts.get(key);
        if (one === undefined) {
            one = { kind: sum, text: new GrowingText(this.counter) };
            this.texts.set(key, one);
        }
        one.text.add(text);
    }

    /** What the tokenizer makes of the texts, or a quarter of their bytes. */
    get estimate(): AnswerTokens {
        const { completion, reasoning } = this.sum(({ tokens }) => tokens);
        const of = (count: number) => (this.counter.isExact ? count : estimateOfBytes(count));
        return { completion: of(completion), reasoning: of(reasoning) };
    }

    /** The most tokens that an honest node needs for these texts. */
    get bound(): AnswerTokens {
        return this.sum(({ tokens }) => boundOf(tokens));
    }

    /** {@link bound} of whoever counts only now. */
    get boundNow(): AnswerTokens {
        return this.sum(({ tokensNow }) => boundOf(tokensNow));
    }

    /** {@link bound} of what was counted, without counting more: no frame makes it fall, and it costs nothing. */
    get lastBound(): AnswerTokens {
        return this.sum(({ last }) => boundOf(last));
    }

    private sum(of: (text: GrowingText) => number): AnswerTokens {
        const sums = { ...this.bytes };
        for (const { kind, text } of this.texts.values()) {
            sums[kind] += of(text);
        }
        return sums;
    }
}
