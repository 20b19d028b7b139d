/** Answers in the shape of OpenAI's Responses: items of reasoning, text and function calls, and their events. */
import type { Result } from '@cocoon-market/wrappers';
import { randomUUID } from 'node:crypto';
import { type AnswerPiece, WholeAnswer } from '../../link';
import type { GatewayError } from '../errors';
import { type AnswerFormat, type AnswerHead, type Ending, type FinishWord, sse, usageOf } from './format';
import type { ResponsesBody } from './responsesRequest';

type Fields = Record<string, unknown>;
type Kind = 'reasoning' | 'message' | 'function_call';

/** An item of the output while it grows. */
interface OpenItem {
    kind: Kind;
    index: number;
    id: string;
    text: string; // of reasoning or message, or the arguments of a call
    logprobs: unknown[];
    refusal: boolean; // the text is a refusal
    callId: string;
    name: string;
}

export class ResponsesFormat implements AnswerFormat {
    private sequence = 0;
    private readonly items: Fields[] = [];
    private open: OpenItem | undefined;
    private call: number | undefined; // index of the call that the open item is

    constructor(
        private readonly head: AnswerHead,
        private readonly body: ResponsesBody,
    ) {}

    begin(): string {
        const response = this.response('in_progress');
        return this.event('response.created', { response }) + this.event('response.in_progress', { response });
    }

    piece({ delta, note }: AnswerPiece): string {
        const { reasoning_content: reasoning, content, refusal, tool_calls: calls } = delta;
        let events = '';
        if (typeof reasoning === 'string') {
            events += this.at('reasoning') + this.grow(reasoning, {});
        }
        if (typeof content === 'string') {
            events += this.at('message') + this.grow(content, note);
        }
        if (typeof refusal === 'string') {
            events += this.at('message', { refusal: true }) + this.grow(refusal, note);
        }
        for (const one of Array.isArray(calls) ? (calls as Fields[]) : []) {
            events += this.growCall(one);
        }
        return events;
    }

    end(finish: FinishWord, result: Result): string {
        const events = this.close('completed');
        const status = statusOf(finish);
        return events + this.event(`response.${status}`, { response: this.response(status, { finish, result }) });
    }

    error(error: GatewayError): string {
        const events = this.close('incomplete');
        const response = { ...this.response('failed'), error: responsesError(error) };
        return events + this.event('response.failed', { response });
    }

    whole(answer: WholeAnswer, { finish, result, error }: Ending): object {
        const [{ message, note }] = answer.choices;
        // The calls of an answer that was cut may be cut themselves.
        this.piece({ choice: 0, delta: error === undefined ? message : { ...message, tool_calls: [] }, note });
        this.close('completed');
        const status = error === undefined ? statusOf(finish) : 'failed';
        const response = this.response(status, { finish, ...(result && { result }) });
        return error === undefined ? response : { ...response, error: responsesError(error) };
    }

    private growCall({ index, id, function: called }: Fields): string {
        const { name = '', arguments: text = '' } = (called ?? {}) as { name?: string; arguments?: string };
        const isNew = this.open?.kind !== 'function_call' || (typeof index === 'number' ? index !== this.call : true);
        let events = '';
        if (isNew) {
            const callId = typeof id === 'string' ? id : `call_${randomUUID()}`;
            events += this.close('completed') + this.start('function_call', { callId, name });
            this.call = index as number | undefined;
        }
        return events + this.grow(text, {});
    }

    /** Goes on with the open item if it is of this kind, or begins one. */
    private at(kind: Kind, { refusal = false } = {}): string {
        return this.open?.kind === kind && this.open.refusal === refusal
            ? ''
            : this.close('completed') + this.start(kind, { refusal });
    }

    private start(kind: Kind, fields: Partial<OpenItem>): string {
        const prefixes = { reasoning: 'rs', message: 'msg', function_call: 'fc' };
        const open = {
            ...{ kind, index: this.items.length, id: `${prefixes[kind]}_${randomUUID().replaceAll('-', '')}` },
            ...{ text: '', logprobs: [], refusal: false, callId: '', name: '', ...fields },
        };
        this.open = open;
        const item = { ...itemOf(open, 'in_progress'), ...(kind === 'function_call' ? {} : { content: [] }) };
        const added = this.event('response.output_item.added', { output_index: open.index, item });
        return kind === 'function_call'
            ? added
            : added + this.event('response.content_part.added', { ...placeOf(open), part: partOf(open) });
    }

    private grow(delta: string, { logprobs }: Fields): string {
        const { open } = this;
        if (open === undefined || delta === '') {
            return '';
        }
        open.text += delta;
        const more = (logprobs as { content?: unknown[] | null } | null | undefined)?.content ?? [];
        open.logprobs.push(...more);
        switch (open.kind) {
            case 'function_call':
                return this.event('response.function_call_arguments.delta', { ...callPlaceOf(open), delta });
            case 'reasoning':
                return this.event('response.reasoning_text.delta', { ...placeOf(open), delta });
            case 'message':
                return open.refusal
                    ? this.event('response.refusal.delta', { ...placeOf(open), delta })
                    : this.event('response.output_text.delta', { ...placeOf(open), delta, logprobs: more });
        }
    }

    private close(status: 'completed' | 'incomplete'): string {
        const { open } = this;
        if (open === undefined) {
            return '';
        }
        this.open = undefined;
        this.call = undefined;
        // A call that was cut is never shown as a whole one.
        if (open.kind === 'function_call' && status === 'incomplete') {
            return '';
        }
        const item = itemOf(open, status);
        this.items.push(item);
        return this.contentDone(open) + this.event('response.output_item.done', { output_index: open.index, item });
    }

    private contentDone(open: OpenItem): string {
        const { kind, name, text, refusal, logprobs } = open;
        if (kind === 'function_call') {
            const whole = { ...callPlaceOf(open), name, arguments: text };
            return this.event('response.function_call_arguments.done', whole);
        }
        const place = placeOf(open);
        const done =
            kind === 'reasoning'
                ? this.event('response.reasoning_text.done', { ...place, text })
                : refusal
                  ? this.event('response.refusal.done', { ...place, refusal: text })
                  : this.event('response.output_text.done', { ...place, text, logprobs });
        return done + this.event('response.content_part.done', { ...place, part: partOf(open) });
    }

    private event(type: string, fields: object): string {
        return sse({ type, sequence_number: this.sequence++, ...fields }, type);
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
            output: [...this.items],
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

const placeOf = ({ id, index }: OpenItem) => ({ item_id: id, output_index: index, content_index: 0 });
const callPlaceOf = ({ id, index }: OpenItem) => ({ item_id: id, output_index: index });

function partOf({ kind, text, logprobs, refusal }: OpenItem): Fields {
    if (kind === 'reasoning') {
        return { type: 'reasoning_text', text };
    }
    return refusal ? { type: 'refusal', refusal: text } : { type: 'output_text', text, annotations: [], logprobs };
}

function itemOf(open: OpenItem, status: string): Fields {
    const { kind, id, text, callId, name } = open;
    switch (kind) {
        case 'function_call':
            return { id, type: kind, status, call_id: callId, name, arguments: text };
        case 'reasoning':
            return { id, type: kind, status, summary: [], content: [partOf(open)] };
        case 'message':
            return { id, type: kind, status, role: 'assistant', content: [partOf(open)] };
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
