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
        assertFields(choice);
        const { index = 0, delta, text, finish_reason: finish } = choice;
        if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= this.choices) {
            throw new BackendError('the server sent a choice that was not asked for');
        }
        let note = restOf(choice, CHOICE_FIELDS);
        const word = isNothing(finish) ? undefined : wordOf(finish);
        if (word !== undefined) {
            this.finishes.set(index, word);
            if (this.choices > 1 || !isPlain(word)) {
                note = { ...note, finish_reason: word };
            }
        }
        assertFields(delta ?? {});
        const message = messageOf(isNothing(text) ? (delta ?? {}) : { content: text });
        if (Array.isArray(message?.fields?.tool_calls)) {
            message.fields.tool_calls.forEach(assertFields);
            message.fields.tool_calls = this.indexesOf(index).apply(message.fields.tool_calls as Fields[]);
        }
        if (message === undefined && note === undefined) {
            return undefined;
        }
        const made: BackendDelta = message ?? {};
        if (index > 0) {
            made.choice = index;
        }
        if (note !== undefined) {
            made.note = note;
        }
        return made;
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
 * Adds a delta to the one before it, which costs half as much to seal, send and open; false if it cannot be. Both must
 * be counted text of one kind and one choice.
 */
export function join(first: BackendDelta, second: BackendDelta): boolean {
    const kind = textOf(first);
    if (kind === undefined || kind !== textOf(second) || first.choice !== second.choice) {
        return false;
    }
    if (kind === 'content') {
        first.content! += second.content!;
    } else {
        first.reasoning! += second.reasoning!;
    }
    first.tokens! += second.tokens!;
    return true;
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

/** The parts of a delta; undefined if it has none. Some servers send reasoning under two names. */
function messageOf(delta: Fields): Pick<BackendDelta, 'content' | 'reasoning' | 'fields'> | undefined {
    const { content, reasoning_content: thought, reasoning } = delta;
    let fields = restOf(delta, MESSAGE_FIELDS);
    let texts: Pick<BackendDelta, 'content' | 'reasoning' | 'fields'> | undefined;
    if (!isNothing(content)) {
        if (typeof content === 'string') {
            texts = { content };
        } else {
            fields = { ...fields, content };
        }
    }
    const thoughts = isNothing(thought) ? reasoning : thought;
    if (!isNothing(thoughts)) {
        if (typeof thoughts === 'string') {
            texts = { ...texts, reasoning: thoughts };
        } else {
            fields = { ...fields, reasoning: thoughts };
        }
    }
    return fields === undefined ? texts : { ...texts, fields };
}

/** Throws for a text or a list, of which each character or item would be taken for a field. */
function assertFields(value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new BackendError(
            'the server sent a choice that is no object: check that the URL is an OpenAI-compatible API',
        );
    }
}

const CHOICE_FIELDS = ['index', 'delta', 'text', 'finish_reason'];
const MESSAGE_FIELDS = ['role', 'content', 'reasoning_content', 'reasoning'];

/** The fields besides the named ones that say something; undefined if there are none, as in nearly every event. */
function restOf(fields: Fields, names: readonly string[]): Fields | undefined {
    let rest: [string, unknown][] | undefined;
    for (const name in fields) {
        if (!names.includes(name) && !isNothing(fields[name])) {
            (rest ??= []).push([name, fields[name]]);
        }
    }
    return rest && Object.fromEntries(rest);
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
