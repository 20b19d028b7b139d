/** Answers in the shape of OpenAI's Responses: items of reasoning, text and function calls, and their events. */
import type { Result } from '@cocoon-market/wrappers';
import { randomUUID } from 'node:crypto';
import { type AnswerPiece, WholeAnswer } from '../../link';
import type { GatewayError } from '../errors';
import { type Block, Blocks, type BlockWriter } from './blocks';
import { type AnswerFormat, type AnswerHead, type Ending, type FinishWord, sse, usageOf } from './format';
import type { ResponsesBody } from './responsesRequest';

type Fields = Record<string, unknown>;
export class ResponsesFormat implements AnswerFormat, BlockWriter {
    private sequence = 0;
    private readonly items: Fields[] = [];
    private readonly blocks = new Blocks(this);
    private readonly ids = new Map<number, string>(); // of items, by their index
    private isWhole = false; // no event is sent, so none is written: each would have the text again

    constructor(
        private readonly head: AnswerHead,
        private readonly body: ResponsesBody,
    ) {}

    begin(): string {
        const response = this.response('in_progress');
        return this.event('response.created', { response }) + this.event('response.in_progress', { response });
    }

    piece(piece: AnswerPiece): string {
        return this.blocks.piece(piece);
    }

    end(finish: FinishWord, result: Result): string {
        const status = statusOf(finish);
        const events = this.blocks.end({ cut: status !== 'completed' });
        return events + this.event(`response.${status}`, { response: this.response(status, { finish, result }) });
    }

    error(error: GatewayError): string {
        const events = this.blocks.end({ cut: true });
        const response = { ...this.response('failed'), error: responsesError(error) };
        return events + this.event('response.failed', { response });
    }

    whole(answer: WholeAnswer, { finish, result, error }: Ending): object {
        this.isWhole = true;
        const [{ message, note }] = answer.choices;
        // The calls of an answer that was cut may be cut themselves.
        this.piece({ choice: 0, delta: error === undefined ? message : { ...message, tool_calls: [] }, note });
        const status = error === undefined ? statusOf(finish) : 'failed';
        this.blocks.end({ cut: status !== 'completed' });
        const response = this.response(status, { finish, ...(result && { result }) });
        return error === undefined ? response : { ...response, error: responsesError(error) };
    }

    open(block: Block): string {
        const id = `${prefixes[block.kind]}_${randomUUID().replaceAll('-', '')}`;
        this.ids.set(block.index, id);
        const item = itemOf(block, id, 'in_progress');
        const added = { output_index: block.index, item: block.kind === 'call' ? item : { ...item, content: [] } };
        const events = this.event('response.output_item.added', added);
        return block.kind === 'call'
            ? events
            : events + this.event('response.content_part.added', { ...this.place(block), part: partOf(block) });
    }

    grow(block: Block, delta: string, logprobs: unknown[]): string {
        const more = block.kind === 'text' ? { logprobs } : {};
        return this.event(`${eventNames[block.kind]}.delta`, { ...this.place(block), delta, ...more });
    }

    close(block: Block, { cut }: { cut: boolean }): string {
        // A call that was cut is never shown as a whole one.
        if (block.kind === 'call' && cut) {
            return '';
        }
        const item = itemOf(block, this.idOf(block), cut ? 'incomplete' : 'completed');
        this.items[block.index] = item;
        const { kind, text, name, logprobs, index } = block;
        const whole = {
            reasoning: { text },
            text: { text, logprobs },
            refusal: { refusal: text },
            call: { name, arguments: text },
        }[kind];
        const done = this.event(`${eventNames[kind]}.done`, { ...this.place(block), ...whole });
        const part =
            kind === 'call'
                ? ''
                : this.event('response.content_part.done', { ...this.place(block), part: partOf(block) });
        return done + part + this.event('response.output_item.done', { output_index: index, item });
    }

    private idOf({ index }: Block): string {
        return this.ids.get(index)!;
    }

    private place({ kind, index }: Block): Fields {
        return { item_id: this.ids.get(index), output_index: index, ...(kind !== 'call' && { content_index: 0 }) };
    }

    private event(type: string, fields: object): string {
        return this.isWhole ? '' : sse({ type, sequence_number: this.sequence++, ...fields }, type);
    }

    private response(
        status: 'in_progress' | 'completed' | 'incomplete' | 'failed',
        { finish, result }: { finish?: FinishWord; result?: Result } = {},
    ): Fields {
        const { body, head } = this;
        const reason = finish === 'content_filter' ? 'content_filter' : 'max_output_tokens';
        return {
            id: head.id,
            object: 'response',
            created_at: head.created,
            status,
            background: false,
            error: null,
            incomplete_details: status === 'incomplete' ? { reason } : null,
            instructions: body.instructions ?? null,
            max_output_tokens: body.max_output_tokens ?? null,
            model: head.model,
            output: this.items.filter((item) => item !== undefined),
            parallel_tool_calls: body.parallel_tool_calls ?? true,
            previous_response_id: null,
            reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
            service_tier: 'default',
            store: false,
            temperature: body.temperature ?? null,
            text: { format: body.text?.format ?? { type: 'text' } },
            tool_choice: body.tool_choice ?? 'auto',
            tools: (body.tools ?? []).map((tool) => ({ strict: false, parameters: {}, ...tool })),
            top_p: body.top_p ?? null,
            truncation: 'disabled',
            ...(result && { usage: responsesUsage(result) }),
            metadata: {},
        };
    }
}

/** An error as Responses name it; the codes of its description are few. */
const responsesError = ({ code, message }: GatewayError) => ({ code: 'server_error', message: `${message} (${code})` });

const statusOf = (finish: FinishWord) =>
    finish === 'error' ? 'failed' : finish === 'length' || finish === 'content_filter' ? 'incomplete' : 'completed';

const prefixes = { reasoning: 'rs', text: 'msg', refusal: 'msg', call: 'fc' };
const eventNames = {
    reasoning: 'response.reasoning_text',
    text: 'response.output_text',
    refusal: 'response.refusal',
    call: 'response.function_call_arguments',
};

function partOf({ kind, text, logprobs }: Block): Fields {
    switch (kind) {
        case 'reasoning':
            return { type: 'reasoning_text', text };
        case 'refusal':
            return { type: 'refusal', refusal: text };
        default:
            return { type: 'output_text', text, annotations: [], logprobs };
    }
}

function itemOf(block: Block, id: string, status: string): Fields {
    const { kind, text, callId, name } = block;
    switch (kind) {
        case 'call':
            return { id, type: 'function_call', status, call_id: callId, name, arguments: text };
        case 'reasoning':
            return { id, type: 'reasoning', status, summary: [], content: [partOf(block)] };
        default:
            return { id, type: 'message', status, role: 'assistant', content: [partOf(block)] };
    }
}

/** Usage as Responses name it. */
function responsesUsage(result: Result): Fields {
    const {
        prompt_tokens,
        completion_tokens,
        total_tokens,
        prompt_tokens_details,
        completion_tokens_details,
        ...rest
    } = usageOf(result);
    return {
        input_tokens: prompt_tokens,
        input_tokens_details: { ...prompt_tokens_details, cache_write_tokens: 0 },
        output_tokens: completion_tokens,
        output_tokens_details: completion_tokens_details,
        total_tokens,
        ...rest,
    };
}
