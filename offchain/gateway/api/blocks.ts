/**
 * Cuts an answer into blocks, for endpoints that show it so: reasoning, text, a refusal, and one block for each tool
 * call. Blocks follow each other; a new one begins when another kind of piece arrives.
 */
import { randomUUID } from 'node:crypto';
import type { AnswerPiece } from '../../link';

type Fields = Record<string, unknown>;

export type BlockKind = 'reasoning' | 'text' | 'refusal' | 'call';

/** A block while it grows. */
export interface Block {
    readonly kind: BlockKind;
    readonly index: number;
    text: string; // of a call: its arguments
    readonly logprobs: unknown[];
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
    private block: Block | undefined;
    private callIndex: unknown; // of the call that the open block is

    constructor(private readonly writer: BlockWriter) {}

    piece({ delta, note }: AnswerPiece): string {
        const { reasoning_content: reasoning, content, refusal, tool_calls: calls } = delta;
        const logprobs = (note.logprobs as { content?: unknown[] | null } | null | undefined)?.content ?? [];
        const texts: [BlockKind, unknown][] = [
            ['reasoning', reasoning],
            ['text', content],
            ['refusal', refusal],
        ];
        const grown = texts.map(([kind, text]) =>
            typeof text !== 'string' || text === ''
                ? ''
                : this.begin(kind) + this.grow(text, kind === 'text' ? logprobs : []),
        );
        const called = (Array.isArray(calls) ? (calls as Fields[]) : []).map((call) => this.call(call));
        return [...grown, ...called].join('');
    }

    /** Closes the open block. */
    end({ cut = false } = {}): string {
        const { block } = this;
        this.block = undefined;
        return block === undefined ? '' : this.writer.close(block, { cut });
    }

    private call({ index, id, function: called }: Fields): string {
        const { name = '', arguments: text = '' } = (called ?? {}) as { name?: string; arguments?: string };
        const isOpen = this.block?.kind === 'call' && index !== undefined && index === this.callIndex;
        const begun = isOpen
            ? ''
            : this.start('call', { callId: typeof id === 'string' ? id : `call_${randomUUID()}`, name });
        this.callIndex = index;
        return begun + this.grow(text);
    }

    private begin(kind: BlockKind): string {
        return this.block?.kind === kind ? '' : this.start(kind);
    }

    private start(kind: BlockKind, call: { callId: string; name: string } = { callId: '', name: '' }): string {
        const closed = this.end();
        this.block = { kind, index: this.count++, text: '', logprobs: [], ...call };
        return closed + this.writer.open(this.block);
    }

    private grow(delta: string, logprobs: unknown[] = []): string {
        const { block } = this;
        if (block === undefined || delta === '') {
            return '';
        }
        block.text += delta;
        block.logprobs.push(...logprobs);
        return this.writer.grow(block, delta, logprobs);
    }
}
