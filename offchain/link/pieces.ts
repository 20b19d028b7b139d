/**
 * Puts the frames of an answer together again: the deltas that a model server sent, and whole messages made of them.
 */
import { assertPlainJson } from '../process/json';
import { FrameKind, FrameText } from './frames';

type Fields = Record<string, unknown>;

/** A piece of one choice of an answer. */
export interface AnswerPiece {
    choice: number;
    delta: Fields; // of the message: content, reasoning_content, tool_calls …
    note: Fields; // beside the delta: logprobs, finish_reason …
}

/** A node sent fields that are no JSON object, or broke off in them. */
export class PieceError extends Error {}

/** Makes pieces of frames. Texts become pieces at once; fields wait until their JSON is whole. */
export class PieceReader {
    private readonly parts = new Map<string, string>();
    private readonly notes = new Map<number, string[]>(); // as JSON: any number of them may wait for a delta

    /** The pieces that a frame completes. Throws {@link PieceError}. */
    push({ kind, choice, text, more }: FrameText): AnswerPiece[] {
        switch (kind) {
            case FrameKind.Content:
                return text === '' ? [] : [this.piece(choice, { content: text })];
            case FrameKind.Reasoning:
                return text === '' ? [] : [this.piece(choice, { reasoning_content: text })];
            case FrameKind.Fields: {
                const json = this.whole(kind, choice, text, more);
                return json === undefined ? [] : [this.piece(choice, jsonObject(json))];
            }
            case FrameKind.Note: {
                const json = this.whole(kind, choice, text, more);
                if (json !== undefined) {
                    jsonObject(json);
                    const stored = this.notes.get(choice) ?? [];
                    stored.push(json);
                    this.notes.set(choice, stored);
                }
                return [];
            }
            default:
                return [];
        }
    }

    /** True while JSON is not whole: the answer broke off in it, or reached its limit. */
    get isUnfinished(): boolean {
        return this.parts.size > 0;
    }

    /** The notes that no delta follows: how each choice ended. */
    end(): AnswerPiece[] {
        const rest = [...this.notes.keys()].map((choice) => this.piece(choice, {}));
        return rest.filter(({ note }) => Object.keys(note).length > 0);
    }

    private piece(choice: number, delta: Fields): AnswerPiece {
        const note: Fields = {};
        // Lists grow: a token without text leaves its note to the next one.
        this.notes.get(choice)?.forEach((json) => add(note, JSON.parse(json) as Fields));
        this.notes.delete(choice);
        return { choice, delta, note };
    }

    private whole(kind: FrameKind, choice: number, text: string, more: boolean): string | undefined {
        const key = `${kind}.${choice}`;
        const joined = (this.parts.get(key) ?? '') + text;
        if (more) {
            this.parts.set(key, joined);
            return undefined;
        }
        this.parts.delete(key);
        return joined;
    }
}

function jsonObject(text: string): Fields {
    let value: unknown;
    try {
        assertPlainJson(Buffer.from(text));
        value = JSON.parse(text);
    } catch {
        value = undefined;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new PieceError('The node sent fields that are no JSON object, or too deep or large');
    }
    return value as Fields;
}

/** One choice of an answer as a whole. */
export interface WholeChoice {
    index: number;
    message: Fields;
    note: Fields;
}

/** Adds up pieces to whole messages, in the way of OpenAI's SDK: texts and lists grow, tool calls by their index. */
export class WholeAnswer {
    private readonly byIndex = new Map<number, WholeChoice>();

    /** In the order of their indexes; choice 0 is always there. */
    get choices(): WholeChoice[] {
        this.choice(0);
        return [...this.byIndex.values()]
            .map((choice) => ({ ...choice, message: withoutHoles(choice.message) }))
            .sort((a, b) => a.index - b.index);
    }

    add({ choice: index, delta, note }: AnswerPiece): void {
        const choice = this.choice(index);
        add(choice.message, delta, { isMessage: true });
        add(choice.note, note);
    }

    /** True until something arrived that an app can read. */
    get isEmpty(): boolean {
        return [...this.byIndex.values()].every(({ message }) => Object.keys(message).length === 0);
    }

    private choice(index: number): WholeChoice {
        let choice = this.byIndex.get(index);
        if (choice === undefined) {
            choice = { index, message: {}, note: {} };
            this.byIndex.set(index, choice);
        }
        return choice;
    }
}

// Texts that a later delta repeats whole.
const REPEATED = ['id', 'type', 'role', 'finish_reason'];

/** Adds the fields of a delta to a message, or of a note to a note, in place: an answer has many deltas. */
function add(sum: Fields, more: Fields, { isMessage = false } = {}): void {
    for (const [name, value] of Object.entries(more)) {
        if (name !== '__proto__' && value !== undefined && value !== null) {
            const base = Object.hasOwn(sum, name) ? sum[name] : undefined;
            // Only the message itself has calls: many such lists, each as long as its highest index, would fill memory.
            sum[name] =
                isMessage && name === 'tool_calls' && Array.isArray(value)
                    ? addCalls(Array.isArray(base) ? (base as Fields[]) : [], value)
                    : added(name, base, value);
        }
    }
}

function added(name: string, base: unknown, value: unknown): unknown {
    if (Array.isArray(value)) {
        const items = Array.isArray(base) ? (base as unknown[]) : [];
        value.forEach((item) => items.push(item));
        return items;
    }
    if (isFields(value)) {
        const fields = isFields(base) ? base : {};
        add(fields, value);
        return fields;
    }
    const grows = typeof base === 'string' && typeof value === 'string' && !REPEATED.includes(name);
    return grows ? base + value : value;
}

/** Pieces of calls with one `index` are one call; the index itself belongs to streams only. */
function addCalls(calls: Fields[], pieces: unknown[]): Fields[] {
    for (const { index, ...call } of pieces.filter(isFields)) {
        const at = typeof index === 'number' && Number.isInteger(index) && index >= 0 ? index : calls.length;
        if (at < MAX_CALLS) {
            add((calls[at] ??= {}), call);
        }
    }
    return calls;
}

function isFields(value: unknown): value is Fields {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const MAX_CALLS = 1024; // of one message

function withoutHoles(message: Fields): Fields {
    const { tool_calls: calls } = message;
    return Array.isArray(calls) ? { ...message, tool_calls: calls.filter((call) => call !== undefined) } : message;
}
