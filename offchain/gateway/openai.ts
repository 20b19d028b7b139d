/** OpenAI's chat completions as this market can serve them: requests in, chunks and usage out. */
import { Finish, Result } from '@cocoon-market/wrappers';
import { z } from 'zod';
import { FrameKind, SealedChat } from '../link';
import { badRequest, GatewayError } from './errors';

/** Tokens of an answer when the client names no limit. */
const DEFAULT_MAX_TOKENS = 1024;
const MAX_TOKENS = 1_000_000;

const content = z.union(
    [z.string(), z.array(z.object({ type: z.literal('text'), text: z.string() }))],
    'expected a text or a list of text parts; images, audio and files are not served',
);
const message = z.object({
    role: z.enum(
        ['system', 'developer', 'user', 'assistant', 'tool'],
        'expected system, developer, user, assistant or tool',
    ),
    content: content.nullish(),
});

const tokens = z.number().int().min(1).max(MAX_TOKENS).nullish();
const stop = z.string().min(1, 'expected no empty stop string');

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
    stop: z.union([stop, z.array(stop).max(4)], 'expected a text or up to four, none of them empty').nullish(),
});

type Neutral = (value: unknown) => boolean;
const empty: Neutral = (value) => Array.isArray(value) && value.length === 0;
const off: Neutral = (value) => value === false || value === 0;
const oneOf =
    (...values: unknown[]): Neutral =>
    (value) =>
        values.includes(value);
const hasOnly =
    (name: string, expected: unknown): Neutral =>
    (value) =>
        typeof value === 'object' &&
        Object.entries(value as object).every(([key, field]) => key === name && field === expected);

/**
 * Fields that are not passed on, and the values at which nothing is lost by that. Any other field that is not passed on
 * is refused by its name: an app must not believe that a field was obeyed which was dropped.
 */
const neutral: Record<string, Neutral> = {
    n: oneOf(1),
    tools: empty,
    functions: empty,
    tool_choice: oneOf('none', 'auto'),
    function_call: oneOf('none', 'auto'),
    parallel_tool_calls: oneOf(true, false), // of tools, and there are none
    response_format: hasOnly('type', 'text'),
    logprobs: off,
    top_logprobs: off,
    logit_bias: (value) => typeof value === 'object' && Object.keys(value as object).length === 0,
    presence_penalty: off,
    frequency_penalty: off,
    modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
    store: off,
    service_tier: oneOf('auto', 'default'),
};
const neutralInMessage: Record<string, Neutral> = { tool_calls: empty, annotations: empty };
const neutralInStreamOptions: Record<string, Neutral> = { include_obfuscation: off };

/** Fields for the one who runs the API, which is this gateway. They name a person, and no node gets them. */
const GATEWAY_FIELDS = ['user', 'metadata', 'safety_identifier'];

const MAX_NAME = 100; // characters of a field's name in an error

/** Refuses every field that is neither passed on nor neutral; null is the same as absent. */
function requireKnown(
    value: unknown,
    at: string,
    passedOn: readonly string[],
    also: Record<string, Neutral> = {},
): void {
    if (typeof value !== 'object' || value === null) {
        return; // its type is checked afterwards
    }
    for (const [name, field] of Object.entries(value)) {
        const isNeutral = Object.hasOwn(also, name) && also[name](field);
        if (field !== null && !passedOn.includes(name) && !isNeutral) {
            const param = `${at}${name.slice(0, MAX_NAME)}`;
            const words = Object.hasOwn(also, name) ? 'with this value is not served here' : 'is not served here';
            throw badRequest(`"${param}" ${words}: leave it out`, param, 'unsupported_parameter');
        }
    }
}

function requireKnownFields(body: Record<string, unknown>): void {
    requireKnown(body, '', [...Object.keys(chat.shape), ...GATEWAY_FIELDS], neutral);
    requireKnown(body.stream_options, 'stream_options.', ['include_usage'], neutralInStreamOptions);
    const { messages } = body;
    if (!Array.isArray(messages)) {
        return;
    }
    messages.forEach((one: unknown, i) => {
        requireKnown(one, `messages.${i}.`, ['role', 'content'], neutralInMessage);
        const { content: parts } = (one ?? {}) as { content?: unknown };
        if (Array.isArray(parts)) {
            // Parts of another type are refused as such.
            parts.forEach((part: unknown, j) => {
                if ((part as { type?: unknown } | null)?.type === 'text') {
                    requireKnown(part, `messages.${i}.content.${j}.`, ['type', 'text']);
                }
            });
        }
    });
}

/** A chat completion as a client asked for it. */
export interface ChatCall {
    chat: SealedChat;
    stream: boolean;
    includeUsage: boolean;
    notPassedOn: string[]; // names of fields that stay in this gateway
}

/** The call in a request's body. Throws 400 with a message that repeats nothing of it. */
export function parseChat(body: unknown): ChatCall {
    if (typeof body !== 'object' || body === null) {
        throw badRequest('The body must be a JSON object with "model" and "messages"');
    }
    const fields = body as Record<string, unknown>;
    requireKnownFields(fields);
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
    const stops = typeof stop === 'string' ? [stop] : (stop ?? []);
    const { max_tokens: maxTokens, max_completion_tokens: maxNewTokens } = call;
    if (maxTokens != null && maxNewTokens != null && maxTokens !== maxNewTokens) {
        throw badRequest('"max_tokens" and "max_completion_tokens" differ: give one of them', 'max_tokens');
    }
    return {
        stream: call.stream === true,
        includeUsage: call.stream_options?.include_usage === true,
        notPassedOn: GATEWAY_FIELDS.filter((name) => fields[name] != null),
        chat: {
            model: call.model,
            messages: messages.map(({ role, content }) => ({
                role: role === 'developer' ? 'system' : role,
                content: textOf(content),
            })),
            maxTokens: maxNewTokens ?? maxTokens ?? DEFAULT_MAX_TOKENS,
            ...(call.temperature == null ? {} : { temperature: call.temperature }),
            ...(call.top_p == null ? {} : { topP: call.top_p }),
            ...(call.seed == null ? {} : { seed: call.seed }),
            ...(stops.length === 0 ? {} : { stop: stops }),
        },
    };
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

/** Why an answer ended: OpenAI's words, and `error` for one that was cut short. */
export type FinishWord = 'stop' | 'length' | 'content_filter' | 'error';

/** The error of an answer that was cut short. */
export function cutError(): GatewayError {
    return new GatewayError(502, 'answer_cut', 'The node cut the answer short; what arrived of it was paid', {
        billed: true,
    });
}

/** Why an answer ended. */
export function finishOf({ finish }: Result): FinishWord {
    switch (finish) {
        case Number(Finish.Stop):
            return 'stop';
        case Number(Finish.Length):
            return 'length';
        case Number(Finish.ContentFilter):
            return 'content_filter';
        default:
            return 'error';
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

/** An answer that is not streamed. One that was cut short has its text, the finish reason `error`, and the error. */
export function completionOf(
    head: AnswerHead,
    { content, reasoning }: { content: string; reasoning: string },
    { finish, usage, error }: { finish: FinishWord; usage?: object; error?: GatewayError },
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
                finish_reason: finish,
            },
        ],
        ...(usage && { usage }),
        ...(error && error.toBody()),
    };
}

/** A line that every reader of server-sent events passes over; it shows that the connection lives. */
export const comment = (text: string) => `: ${text}\n\n`;

/** One server-sent event. */
export function sse(data: unknown): string {
    return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}
