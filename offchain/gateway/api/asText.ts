/**
 * Keeps what an answer brought until its end as text: it then takes about the bytes that came. Read, JSON of many small
 * objects takes twenty times as much, and a gateway has a hundred answers at once.
 */
import { FrameKind, type FrameText, PieceReader, WholeAnswer } from '../../link';

const TEXTS = [FrameKind.Content, FrameKind.Reasoning];
const READ = [...TEXTS, FrameKind.Fields, FrameKind.Note];

/** The frames of an answer that goes to its app in one body. */
export class AnswerAsText {
    private readonly frames: FrameText[] = [];

    /** Frames that a {@link PieceReader} took. */
    add({ kind, choice, text, more }: FrameText): void {
        const last = this.frames.at(-1);
        if (TEXTS.includes(kind) && last?.kind === kind && last.choice === choice) {
            last.text += text;
        } else if (READ.includes(kind)) {
            this.frames.push({ kind, choice, text, more });
        }
    }

    /**
     * The answer, read anew: nobody may hold it who waits for anything. `isCut`: the notes before a delta that did not
     * come fall away.
     */
    whole({ isCut = false } = {}): WholeAnswer {
        const reader = new PieceReader();
        const whole = new WholeAnswer();
        for (const frame of this.frames) {
            reader.push(frame).forEach((piece) => whole.add(piece));
        }
        (isCut ? [] : reader.end()).forEach((piece) => whole.add(piece));
        return whole;
    }
}

const PART = 64 << 10; // characters of a list that are one text, before they are bytes

/** A list that grows, such as of log probabilities. It is written to JSON like any other list. */
export class ListAsText {
    private readonly parts: Buffer[] = [];
    private rest = '';

    add(items: unknown[]): void {
        if (items.length === 0) {
            return;
        }
        this.rest += `${this.rest === '' ? '' : ','}${JSON.stringify(items).slice(1, -1)}`;
        if (this.rest.length > PART) {
            this.parts.push(Buffer.from(this.rest));
            this.rest = '';
        }
    }

    toJSON(): unknown[] {
        const texts = [...this.parts.map(String), this.rest].filter((text) => text !== '');
        return JSON.parse(`[${texts.join(',')}]`) as unknown[];
    }
}
