/** OpenAI's chat completions as this market can serve them: requests in, chunks and usage out. */
import { Finish, Result } from '@cocoon-market/wrappers';
import { z } from 'zod';
import { FrameKind, SealedChat } from '../link';
import { badRequest, GatewayError } from './errors';

/** Tokens of an answer when the client names no limit. */
const DEFAULT_MAX_TOKENS = 1024;
const MOST_TOKENS = 1_000_000;

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const content = z.union(
    [z.string(), z.array(textPart)],
    'expected a text or a list of text parts; images, audio and files are not served',
);
const message = z.object({
    role: z.enum(
        ['system', 'developer', 'user', 'assistant', 'tool'],
        'expected system, developer, user, assistant or tool',
    ),
    content: content.nullish(),
});

const tokens = z.number().int().min(1).max(MOST_TOKENS).nullish();

const chat = z.object({
    model: z.string(),
    messages: z.array(message).min(1),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: tokens,
    max_completion_tokens: tokens,
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    seed: z.number().int().nullish(),
    stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
});

type Absent = (value: unknown) => boolean;
const empty: Absent = (value) => Array.isArray(value) && value.length === 0;
const off: Absent = (value) => value === false || value === 0;
const plainText: Absent = (value) => (value as { type?: unknown }).type === 'text';
const noKeys: Absent = (value) => typeof value === 'object' && Object.keys(value as object).length === 0;

/** Fields that would change what the answer means, and the values at which they do not. */
const unserved: Record<string, Absent> = {
    n: (value) => value === 1,
    tools: empty,
    functions: empty,
    tool_choice: (value) => value === 'none' || value === 'auto',
    function_call: (value) => value === 'none' || value === 'auto',
    response_format: plainText,
    logprobs: off,
    top_logprobs: off,
    logit_bias: noKeys,
    presence_penalty: off,
    frequency_penalty: off,
    audio: () => false,
    modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
    prediction: () => false,
    web_search_options: () => false,
};

/** A chat completion as a client asked for it. */
export interface ChatCall {
    chat: SealedChat;
    stream: boolean;
    includeUsage: boolean;
}

/** The call that a request's body is. Throws 400 in words that repeat nothing of it. */
export function parseChat(body: unknown): ChatCall {
    if (typeof body !== 'object' || body === null) {
        throw badRequest('The body must be a JSON object with "model" and "messages"');
    }
    const fields = body as Record<string, unknown>;
    for (const [name, absent] of Object.entries(unserved)) {
        const value = fields[name];
        if (value !== undefined && value !== null && !absent(value)) {
            throw badRequest(
                `"${name}" with this value is not served here: leave it out`,
                name,
                'unsupported_parameter',
            );
        }
    }
    requirePlainMessages(fields.messages);
    const parsed = chat.safeParse(body);
    if (!parsed.success) {
        const issue = parsed.error.issues[0];
        const param = issue.path.map(String).join('.');
        throw badRequest(
            `${param === '' ? 'The body' : `"${param}"`} is not valid: ${issue.message}`,
            param || undefined,
        );
    }
    const { messages, stop, ...call } = parsed.data;
    const stops = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((one) => one !== '');
    return {
        stream: call.stream === true,
        includeUsage: call.stream_options?.include_usage === true,
        chat: {
            model: call.model,
            messages: messages.map(({ role, content }) => ({
                role: role === 'developer' ? 'system' : role,
                content: textOf(content),
            })),
            maxTokens: call.max_completion_tokens ?? call.max_tokens ?? DEFAULT_MAX_TOKENS,
            ...(call.temperature == null ? {} : { temperature: call.temperature }),
            ...(call.top_p == null ? {} : { topP: call.top_p }),
            ...(call.seed == null ? {} : { seed: call.seed }),
            ...(stops.length === 0 ? {} : { stop: stops }),
        },
    };
}

function requirePlainMessages(messages: unknown): void {
    if (!Array.isArray(messages)) {
        return;
    }
    messages.forEach((one: unknown, i) => {
        const fields = (one ?? {}) as Record<string, unknown>;
        for (const name of ['tool_calls', 'function_call', 'audio']) {
            if (fields[name] != null && !empty(fields[name])) {
                throw badRequest(
                    `"messages.${i}.${name}" is not served here`,
                    `messages.${i}.${name}`,
                    'unsupported_parameter',
                );
            }
        }
    });
}

function textOf(content: z.output<typeof message>['content']): string {
    return typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('');
}

/** Usage in OpenAI's shape, with what the query cost in nanoTON. */
export function usageOf({ prompt, cached, completion, reasoning, price }: Result) {
    return {
        prompt_tokens: prompt + cached,
        completion_tokens: completion + reasoning,
        total_tokens: prompt + cached + completion + reasoning,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: reasoning },
        cost_nanoton: price.toString(),
    };
}

/** Why a whole answer ended, in OpenAI's words. Throws when it was cut short. */
export function finishOf({ finish }: Result): 'stop' | 'length' {
    switch (finish) {
        case Number(Finish.Stop):
            return 'stop';
        case Number(Finish.Length):
            return 'length';
        default:
            throw new GatewayError(502, 'answer_cut', 'The node cut the answer short; what arrived of it was paid', {
                billed: true,
            });
    }
}

/** What every piece of one answer carries. */
export interface AnswerHead {
    id: string;
    created: number; // unix seconds
    model: string;
}

function chunkOf(head: AnswerHead, choices: object[], usage?: object) {
    return {
        id: head.id,
        object: 'chat.completion.chunk',
        created: head.created,
        model: head.model,
        choices,
        ...(usage ? { usage } : {}),
    };
}

/** The first chunk of a stream. */
export const roleChunk = (head: AnswerHead) =>
    chunkOf(head, [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]);

/** A chunk of text. */
export function textChunk(head: AnswerHead, kind: FrameKind, text: string) {
    const delta = kind === FrameKind.Reasoning ? { reasoning_content: text } : { content: text };
    return chunkOf(head, [{ index: 0, delta, finish_reason: null }]);
}

/** The last chunk with a choice. */
export const finishChunk = (head: AnswerHead, result: Result) =>
    chunkOf(head, [{ index: 0, delta: {}, finish_reason: finishOf(result) }]);

/** The chunk that `stream_options.include_usage` asks for. */
export const usageChunk = (head: AnswerHead, result: Result) => chunkOf(head, [], usageOf(result));

/** A whole answer. */
export function completionOf(
    head: AnswerHead,
    { content, reasoning }: { content: string; reasoning: string },
    result: Result,
) {
    return {
        id: head.id,
        object: 'chat.completion',
        created: head.created,
        model: head.model,
        choices: [
            {
                index: 0,
                message: {
                    role: 'assistant',
                    content,
                    refusal: null,
                    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
                },
                logprobs: null,
                finish_reason: finishOf(result),
            },
        ],
        usage: usageOf(result),
    };
}

/** One server-sent event. */
export function sse(data: unknown): string {
    return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}
