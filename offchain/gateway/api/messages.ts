/** Answers in the shape of Anthropic's Messages. */
import type { Result } from '@cocoon-market/wrappers';
import { type AnswerPiece, PieceError, type WholeAnswer } from '../../link';
import { assertPlainJson } from '../../process/json';
import type { GatewayError } from '../errors';
import type { BilledResult } from '../router';
import { type Block, Blocks, type BlockWriter } from './blocks';
import { type AnswerFormat, type AnswerHead, type Ending, type FinishWord, sse, wordOf } from './format';

type Fields = Record<string, unknown>;

export class MessagesFormat implements AnswerFormat, BlockWriter {
    private readonly blocks = new Blocks(this);
    private readonly content: Fields[] = [];
    private word: Fields = {}; // why the model server says that the answer ended
    private current: Block | undefined; // whose events are sent as they come
    private next = 0; // index of the block that is sent next or now
    private readonly closed = new Map<number, string>(); // events of blocks that ended, by index, from `next` on

    constructor(private readonly head: AnswerHead) {}

    begin(): string {
        const usage = { input_tokens: 0, output_tokens: 0 };
        return event('message_start', { message: this.message({ stop_reason: null, content: [], usage }) });
    }

    piece(piece: AnswerPiece): string {
        const { finish_reason: word } = piece.note;
        this.word = typeof word === 'string' ? { finish_reason: word } : this.word;
        return this.blocks.piece(piece);
    }

    end(finish: FinishWord, result: Result): string {
        const delta = { stop_reason: this.stopReason(finish), stop_sequence: null };
        return (
            this.blocks.end({ cut: finish !== 'stop' }) +
            event('message_delta', { delta, usage: messagesUsage(result) }) +
            event('message_stop', {})
        );
    }

    error(error: GatewayError): string {
        return sse(messagesError(error), 'error');
    }

    /** An answer that was cut is an error in this shape, because it has no place for both. */
    whole(answer: WholeAnswer, { finish, result, error }: Ending): object {
        if (error !== undefined || result === undefined) {
            throw error ?? new Error('An answer without an error has a result');
        }
        const [{ message, note }] = answer.choices;
        this.piece({ choice: 0, delta: message, note });
        this.blocks.end({ cut: finish !== 'stop' });
        const { content } = this;
        return this.message({ stop_reason: this.stopReason(finish), content, usage: messagesUsage(result) });
    }

    /** A client of this shape expects one block after the other, so each waits until all before it have ended. */
    open(block: Block): string {
        if (block.index !== this.next) {
            return '';
        }
        this.current = block;
        return startOf(block);
    }

    grow(block: Block, delta: string): string {
        return block === this.current ? deltaOf(block, delta) : '';
    }

    close(block: Block, { cut }: { cut: boolean }): string {
        // A call that was cut is never shown as a whole one.
        if (block.kind !== 'call' || !cut) {
            this.content.push(contentOf(block));
        }
        const waited = block === this.current ? '' : startOf(block) + deltaOf(block, block.text);
        this.current = block === this.current ? undefined : this.current;
        this.closed.set(block.index, waited + event('content_block_stop', { index: block.index }));
        let ended = '';
        for (let text = this.closed.get(this.next); text !== undefined; text = this.closed.get(this.next)) {
            ended += text;
            this.closed.delete(this.next++);
        }
        return ended;
    }

    private stopReason(finish: FinishWord): string {
        const word = wordOf(this.word, finish);
        const reasons: Partial<Record<string, string>> = {
            stop: 'end_turn',
            length: 'max_tokens',
            tool_calls: 'tool_use',
            function_call: 'tool_use',
            content_filter: 'refusal',
        };
        const hasCall = this.content.some(({ type }) => type === 'tool_use');
        return word === 'stop' && hasCall ? 'tool_use' : (reasons[word] ?? word);
    }

    private message(fields: { stop_reason: string | null; content: Fields[]; usage: Fields }): Fields {
        const { id, model } = this.head;
        return { id, type: 'message', role: 'assistant', model, stop_sequence: null, ...fields };
    }
}

const event = (type: string, fields: object): string => sse({ type, ...fields }, type);

const startOf = (block: Block): string =>
    event('content_block_start', { index: block.index, content_block: contentOf({ ...block, text: '' }) });

function deltaOf({ index, kind }: Block, delta: string): string {
    const deltas = {
        reasoning: { type: 'thinking_delta', thinking: delta },
        text: { type: 'text_delta', text: delta },
        refusal: { type: 'text_delta', text: delta },
        call: { type: 'input_json_delta', partial_json: delta },
    };
    return event('content_block_delta', { index, delta: deltas[kind] });
}

function contentOf({ kind, text, callId, name }: Block): Fields {
    switch (kind) {
        case 'reasoning':
            return { type: 'thinking', thinking: text, signature: '' };
        case 'call':
            return { type: 'tool_use', id: callId, name, input: inputOf(text) };
        default:
            return { type: 'text', text, citations: null };
    }
}

// A limit may end an answer within a call; its arguments are then no JSON, and the stop reason says max_tokens.
function inputOf(text: string): unknown {
    try {
        assertPlainJson(Buffer.from(text), { mayRepeatKeys: true });
    } catch {
        throw new PieceError('The node sent arguments of a call that are too deep or large');
    }
    try {
        return JSON.parse(text === '' ? '{}' : text) as unknown;
    } catch {
        return {};
    }
}

function messagesUsage({ prompt, cached, completion, reasoning, price, bill }: BilledResult): Fields {
    return {
        input_tokens: prompt,
        cache_read_input_tokens: cached,
        cache_creation_input_tokens: 0,
        output_tokens: completion + reasoning,
        cost_nanoton: price.toString(),
        ...bill,
    };
}

const types: Partial<Record<number, string>> = {
    401: 'authentication_error',
    402: 'billing_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    504: 'timeout_error',
};

/** An error in Anthropic's shape. */
export function messagesError({ status, message, code }: GatewayError): Fields {
    const type = types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
    return { type: 'error', error: { type, message, code } };
}
