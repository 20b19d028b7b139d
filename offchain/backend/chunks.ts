/** Reads the events of an OpenAI-compatible stream, with the ways in which servers differ. */
import { choicesOf, type ModelRequest } from '../link';
import { type BackendDelta, BackendError, type FinishReason } from './backend';

type Fields = Record<string, unknown>;

/** One choice of an event. */
interface WireChoice extends Fields {
    index?: unknown;
    delta?: Fields | null; // of a chat
    text?: unknown; // of a plain completion
    finish_reason?: unknown;
}

/** The choices of one event, as far as they are read here. */
export interface WireChunk {
    choices?: WireChoice[] | null;
}

/** Turns the events of one answer into deltas, and knows how the answer ended. */
export class ChunkReader {
    private readonly choices: number;
    private readonly finishes = new Map<number, string>();
    private readonly calls = new Map<number, CallIndexes>();

    constructor(request: ModelRequest) {
        this.choices = choicesOf(request);
    }

    /** Why the answer ended; undefined while a choice goes on. */
    get finish(): FinishReason | undefined {
        if (this.finishes.size < this.choices) {
            return undefined;
        }
        const words = [...this.finishes.values()];
        return words.includes('length') ? 'length' : words.includes('content_filter') ? 'content_filter' : 'stop';
    }

    /** The deltas of an event. Throws BackendError when it is malformed or says that the server gave up. */
    read({ choices }: WireChunk): BackendDelta[] {
        return (choices ?? []).map((choice) => this.readChoice(choice)).filter((delta) => delta !== undefined);
    }

    private readChoice(choice: WireChoice): BackendDelta | undefined {
        const { index = 0, delta, text, finish_reason: finish, ...others } = choice;
        if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= this.choices) {
            throw new BackendError('the server sent a choice that was not asked for');
        }
        const note = withoutNothing(others);
        const word = isNothing(finish) ? undefined : wordOf(finish);
        if (word !== undefined) {
            this.finishes.set(index, word);
            if (this.choices > 1 || !isPlain(word)) {
                note.finish_reason = word;
            }
        }
        const message = messageOf(isNothing(text) ? (delta ?? {}) : { content: text });
        if (Array.isArray(message.fields?.tool_calls)) {
            message.fields.tool_calls = this.indexesOf(index).apply(message.fields.tool_calls as Fields[]);
        }
        const hasNote = Object.keys(note).length > 0;
        return Object.keys(message).length === 0 && !hasNote
            ? undefined
            : { ...(index > 0 && { choice: index }), ...message, ...(hasNote && { note }) };
    }

    private indexesOf(choice: number): CallIndexes {
        let indexes = this.calls.get(choice);
        if (indexes === undefined) {
            indexes = new CallIndexes();
            this.calls.set(choice, indexes);
        }
        return indexes;
    }
}

/**
 * Two deltas as one, which costs half as much to seal, send and open; undefined unless both are counted text of one
 * kind and one choice.
 */
export function joinedDelta(first: BackendDelta, second: BackendDelta): BackendDelta | undefined {
    const kind = textOf(first);
    if (kind === undefined || kind !== textOf(second) || first.choice !== second.choice) {
        return undefined;
    }
    return { ...first, [kind]: first[kind]! + second[kind]!, tokens: first.tokens! + second.tokens! };
}

/** The one kind of text that a counted delta has, if it has nothing else. */
function textOf({ content, reasoning, fields, note, tokens }: BackendDelta): 'content' | 'reasoning' | undefined {
    if (tokens === undefined || fields !== undefined || note !== undefined) {
        return undefined;
    }
    return content !== undefined && reasoning === undefined
        ? 'content'
        : reasoning !== undefined && content === undefined
          ? 'reasoning'
          : undefined;
}

/**
 * Gives every tool call of a message its own index. Some servers send whole calls without an index, or each with index
 * 0; a client would join them to one.
 */
class CallIndexes {
    private readonly ids = new Map<string, number>(); // by the server's own index and id
    private last = -1;

    apply(calls: Fields[]): Fields[] {
        return calls.map((call) => ({ ...call, index: this.indexOf(call) }));
    }

    private indexOf({ index, id }: Fields): number {
        const own = typeof index === 'number' ? index : -1;
        const isNew =
            typeof id === 'string' && id !== '' ? !this.ids.has(`${own}.${id}`) : own >= 0 && !this.ids.has(`${own}`);
        if (isNew || this.last < 0) {
            this.last = own > this.last ? own : this.last + 1;
            this.ids.set(`${own}.${String(id)}`, this.last);
            this.ids.set(`${own}`, this.last);
        }
        // A later piece names its call by the id or by the index only.
        return this.ids.get(`${own}.${String(id)}`) ?? this.ids.get(`${own}`) ?? this.last;
    }
}

/** The parts of a delta. Some servers send reasoning under two names. */
function messageOf(delta: Fields): Pick<BackendDelta, 'content' | 'reasoning' | 'fields'> {
    const { role: _, content, reasoning_content: thought, reasoning, ...others } = delta;
    const fields = withoutNothing(others);
    const texts: Pick<BackendDelta, 'content' | 'reasoning'> = {};
    if (!isNothing(content)) {
        if (typeof content === 'string') {
            texts.content = content;
        } else {
            fields.content = content;
        }
    }
    const thoughts = isNothing(thought) ? reasoning : thought;
    if (!isNothing(thoughts)) {
        if (typeof thoughts === 'string') {
            texts.reasoning = thoughts;
        } else {
            fields.reasoning = thoughts;
        }
    }
    return { ...texts, ...(Object.keys(fields).length > 0 && { fields }) };
}

function withoutNothing(fields: Fields): Fields {
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isNothing(value)));
}

function isNothing(value: unknown): boolean {
    return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

// Words of TGI for the end of an answer.
const SAME_AS_STOP = ['eos_token', 'stop_sequence'];

// Words with which servers say that they gave an answer up. It is not whole, so it is no end.
const GAVE_UP = ['error', 'abort', 'aborted', 'cancelled', 'insufficient_system_resource'];

function wordOf(finish: unknown): string {
    if (typeof finish !== 'string' || finish.length > 64 || GAVE_UP.includes(finish)) {
        throw new BackendError('the server stopped the answer by itself: see its own log');
    }
    return SAME_AS_STOP.includes(finish) ? 'stop' : finish;
}

// A receipt says these by itself.
function isPlain(word: string): word is FinishReason {
    return word === 'stop' || word === 'length' || word === 'content_filter';
}
