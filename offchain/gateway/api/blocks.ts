/**
 * Cuts an answer into blocks, for endpoints that show it so: reasoning, text, a refusal, and one block for each tool
 * call. A new one begins when another kind of piece arrives. Calls stay open until the end, because their pieces may
 * come in turn.
 */
import { randomUUID } from 'node:crypto';
import { type AnswerPiece, PieceError } from '../../link';
import { ListAsText } from './asText';

type Fields = Record<string, unknown>;

const MAX_BLOCKS = 4096; // of one answer; a call takes three bytes on the way and a kilobyte here

// Characters by which JSON is longer than the texts of one answer. A control character takes six, five times over where
// an answer is repeated; of a million tokens of code with its quotes and line breaks, JSON has one in six more.
const MAX_ESCAPES = 4 << 20;
const QUOTES = 2; // around a text in JSON

export type BlockKind = 'reasoning' | 'text' | 'refusal' | 'call';

/** A block while it grows. */
export interface Block {
    readonly kind: BlockKind;
    readonly index: number;
    text: string; // of a call: its arguments
    readonly logprobs: ListAsText;
    readonly callId: string;
    readonly name: string; // of the function that is called
}

/** Writes the events of blocks; each method returns their text. */
export interface BlockWriter {
    open(block: Block): string;
    grow(block: Block, delta: string, logprobs: unknown[]): string;
    /** `cut`: the answer broke off in this block. */
    close(block: Block, options: { cut: boolean }): string;
}

export class Blocks {
    private count = 0;
    private escapes = 0;
    private block: Block | undefined; // of text or reasoning, that is open
    private readonly calls = new Map<unknown, Block>(); // open, by their index: a server may write several in turn

    constructor(private readonly writer: BlockWriter) {}

    /** The events of a piece. Throws {@link PieceError} if the answer has too many blocks, or too much to escape. */
    piece({ delta, note }: AnswerPiece): string {
        const { reasoning_content: reasoning, content, refusal, tool_calls: calls } = delta;
        const { content: listed } = (note.logprobs ?? {}) as { content?: unknown };
        const logprobs = Array.isArray(listed) ? (listed as unknown[]) : [];
        const texts: [BlockKind, unknown][] = [
            ['reasoning', reasoning],
            ['text', content],
            ['refusal', refusal],
        ];
        const grown = texts.map(([kind, text]) =>
            typeof text !== 'string' || text === '' ? '' : this.text(kind, text, kind === 'text' ? logprobs : []),
        );
        const called = (Array.isArray(calls) ? (calls as Fields[]) : []).map((call) => this.call(call));
        return [...grown, ...called].join('');
    }

    /** Closes what is open. `cut`: the answer broke off, or reached its limit, in the block that is open last. */
    end({ cut = false } = {}): string {
        const open = [...this.calls.values(), ...(this.block === undefined ? [] : [this.block])];
        this.calls.clear();
        this.block = undefined;
        const last = Math.max(...open.map(({ index }) => index));
        return open
            .sort((a, b) => a.index - b.index)
            .map((block) => this.writer.close(block, { cut: cut && (block.kind === 'call' || block.index === last) }))
            .join('');
    }

    private text(kind: BlockKind, text: string, logprobs: unknown[]): string {
        if (this.block?.kind === kind) {
            return this.grow(this.block, text, logprobs);
        }
        const closed = this.closeText();
        const block = this.start(kind);
        this.block = block;
        return closed + this.writer.open(block) + this.grow(block, text, logprobs);
    }

    private call({ index, id, function: called }: Fields): string {
        const { name = '', arguments: raw = '' } = (called ?? {}) as { name?: string; arguments?: unknown };
        const text = typeof raw === 'string' ? raw : JSON.stringify(raw);
        const open = index === undefined ? undefined : this.calls.get(index);
        if (open !== undefined) {
            return this.grow(open, text, []);
        }
        const closed = this.closeText();
        const block = this.start('call', { callId: typeof id === 'string' ? id : `call_${randomUUID()}`, name });
        this.calls.set(index ?? block, block);
        return closed + this.writer.open(block) + this.grow(block, text, []);
    }

    private closeText(): string {
        const { block } = this;
        this.block = undefined;
        return block === undefined ? '' : this.writer.close(block, { cut: false });
    }

    private start(kind: BlockKind, call: { callId: string; name: string } = { callId: '', name: '' }): Block {
        if (this.count === MAX_BLOCKS) {
            throw new PieceError(`The node sent an answer of more than ${MAX_BLOCKS} texts and calls`);
        }
        return { kind, index: this.count++, text: '', logprobs: new ListAsText(), ...call };
    }

    private grow(block: Block, delta: string, logprobs: unknown[]): string {
        if (delta === '') {
            return '';
        }
        this.escapes += JSON.stringify(delta).length - delta.length - QUOTES;
        if (this.escapes > MAX_ESCAPES) {
            throw new PieceError('The node sent a text that is mostly control characters');
        }
        block.text += delta;
        block.logprobs.add(logprobs);
        return this.writer.grow(block, delta, logprobs);
    }
}
