/**
 * What a sealed request holds: the app's own body for one endpoint of OpenAI's API. Gateway and worker read it by these
 * shapes, and the body travels to the model server as the app wrote it.
 */
import { z } from 'zod';

/** The endpoints of a model server that a request may be for, by their paths below its base URL. */
export const endpointPaths = {
    chat: 'chat/completions',
    completion: 'completions',
    embedding: 'embeddings',
} as const;
export type ModelEndpoint = keyof typeof endpointPaths;

/** Limits of a request, whatever a node allows. */
export const requestLimits = {
    tokens: 1_000_000, // of an answer
    choices: 128,
    tools: 128,
    stops: 16,
    stop: 256, // characters of a stop string: a model server may keep as many of the answer back, unpaid
    inputs: 2048, // of one request for embeddings
    messages: 10_000,
    parts: 1000, // of one message: of its content, and its tool calls
} as const;

const text = z.string();

/**
 * Checks the items of a list up to the first wrong one: each would be an error of its own, and a list of a hundred
 * thousand would take half a second.
 */
export const eachOf =
    <T extends z.ZodType>(item: T) =>
    (values: unknown[], context: Pick<z.RefinementCtx, 'addIssue'>): z.output<T>[] => {
        const items: z.output<T>[] = [];
        for (const [i, value] of values.entries()) {
            const { data, error } = item.safeParse(value);
            if (error !== undefined) {
                const [issue] = error.issues;
                context.addIssue({ ...issue, path: [i, ...issue.path] });
                return z.NEVER;
            }
            items.push(data);
        }
        return items;
    };

/** A list whose length is checked before its items are. */
export const listOf = <T extends z.ZodType>(item: T, max: number) =>
    z.array(z.unknown(), 'expected a list').max(max, `expected at most ${max}`).transform(eachOf(item));
const dataUrl = z.string().regex(/^data:/, 'expected a data: URL with the bytes; a node fetches nothing for a client');

/** A part of a message's content. Bytes of images, files and audio stand in the request itself. */
const part = z.discriminatedUnion(
    'type',
    [
        z.looseObject({ type: z.literal('text'), text }),
        z.looseObject({ type: z.literal('refusal'), refusal: text }),
        z.looseObject({ type: z.literal('image_url'), image_url: z.looseObject({ url: dataUrl }) }),
        z.looseObject({ type: z.literal('video_url'), video_url: z.looseObject({ url: dataUrl }) }),
        z.looseObject({ type: z.literal('input_audio'), input_audio: z.looseObject({ data: text, format: text }) }),
        z.looseObject({ type: z.literal('file'), file: z.looseObject({ file_data: text }) }),
    ],
    'expected a part of type text, refusal, image_url, video_url, input_audio or file',
);

const content = z.union([text, listOf(part, requestLimits.parts)], 'expected a text or a list of parts');

const functionCall = z.looseObject({ name: text, arguments: text });
const toolCall = z.looseObject({ id: text, function: functionCall.optional() });

/** The fields of a message that both sides know. */
export const messageFields = {
    role: z.enum(
        ['system', 'developer', 'user', 'assistant', 'tool', 'function'],
        'expected system, developer, user, assistant, tool or function',
    ),
    content: content.nullish(),
    name: text.nullish(),
    tool_call_id: text.nullish(),
    tool_calls: listOf(toolCall, requestLimits.parts).nullish(),
    function_call: functionCall.nullish(),
    refusal: text.nullish(),
    reasoning_content: text.nullish(),
    reasoning: text.nullish(),
};
const message = z.looseObject(messageFields);
export type ChatMessage = z.output<typeof message>;

const functionName = text.regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits, "_", "-" or "."');
const schema = z.looseObject({}, 'expected a JSON schema, which is an object');
const parameters = schema.refine(({ type }) => type === undefined || type === 'object', {
    message: 'expected a JSON schema of type "object"',
    path: ['type'],
});
const toolFunction = z.looseObject({ name: functionName, parameters: parameters.nullish() });

const number = z.number('expected a number');
const int = z.number('expected a whole number').int('expected a whole number');
const choices = int.min(1).max(requestLimits.choices);
const stop = text
    .min(1, 'expected no empty stop string')
    .max(requestLimits.stop, `expected at most ${requestLimits.stop} characters in a stop string`);
const stops = z.union(
    [stop, listOf(stop, requestLimits.stops)],
    `expected a text or up to ${requestLimits.stops}, none of them empty or longer than ${requestLimits.stop} characters`,
);

/** Fields of chat and plain completions that mean the same in both. */
const sampling = {
    model: text,
    n: choices.nullish(),
    temperature: number.min(0).max(2).nullish(),
    top_p: number.gt(0).max(1).nullish(),
    seed: int.nullish(),
    stop: stops.nullish(),
    presence_penalty: number.min(-2).max(2).nullish(),
    frequency_penalty: number.min(-2).max(2).nullish(),
    logit_bias: z
        .record(z.string(), z.unknown())
        .refine((biases) => Object.values(biases).every(Number.isFinite), 'expected numbers')
        .transform((biases) => biases as Record<string, number>)
        .nullish(),
};

export const chatBody = z.looseObject({
    ...sampling,
    messages: listOf(message, requestLimits.messages).refine(
        (messages) => messages.length > 0,
        'expected at least one message',
    ),
    logprobs: z.boolean().nullish(),
    top_logprobs: int.min(0).max(20).nullish(),
    tools: listOf(
        z.looseObject({
            type: z.literal('function', 'expected "function": a node runs no tools of its own'),
            function: toolFunction,
        }),
        requestLimits.tools,
    ).nullish(),
    tool_choice: z
        .union(
            [z.enum(['none', 'auto', 'required']), z.looseObject({ type: text })],
            'expected none, auto, required or an object',
        )
        .nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    functions: listOf(toolFunction, requestLimits.tools).nullish(),
    function_call: z.union([text, z.looseObject({ name: text })], 'expected a text or an object').nullish(),
    response_format: z
        .discriminatedUnion(
            'type',
            [
                z.looseObject({ type: z.literal('text') }),
                z.looseObject({ type: z.literal('json_object') }),
                z.looseObject({
                    type: z.literal('json_schema'),
                    json_schema: z.looseObject({ name: text.optional(), schema: schema.optional() }),
                }),
            ],
            'expected the type text, json_object or json_schema',
        )
        .nullish(),
    reasoning_effort: text.nullish(),
    // What a model thought is billed, so it is delivered.
    include_reasoning: z.literal(true, 'expected true: reasoning is delivered, because it is paid').nullish(),
    stream_reasoning: z.literal(true, 'expected true: reasoning is delivered as it is made').nullish(),
    reasoning: z
        .looseObject({
            exclude: z.literal(false, 'expected false: reasoning is delivered, because it is paid').nullish(),
        })
        .nullish(),
    modalities: listOf(z.enum(['text', 'audio']), requestLimits.parts).nullish(),
    audio: z.looseObject({}).nullish(),
});

export const completionBody = z.looseObject({
    ...sampling,
    prompt: z.union([text, listOf(text, 1).refine(({ length }) => length > 0)], 'expected one text'),
    suffix: text.nullish(),
    echo: z.literal(false, 'expected false: a prompt is not sent back').nullish(),
    best_of: z.literal(1, 'expected 1: every answer that is made is delivered').nullish(),
    logprobs: int.min(0).max(20).nullish(),
});

export const embeddingBody = z.looseObject({
    model: text,
    input: z.union([text.min(1), listOf(text.min(1), requestLimits.inputs).refine(({ length }) => length > 0)], {
        error: `expected a text or a list of 1 to ${requestLimits.inputs}, none of them empty`,
    }),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    dimensions: int.min(1).max(65_536).nullish(),
});

/** The body of a request for each endpoint. */
export const bodies = { chat: chatBody, completion: completionBody, embedding: embeddingBody } as const;

const envelope = { maxTokens: int.min(0).max(requestLimits.tokens) };

/**
 * What the sealed request holds, as JSON. `maxTokens`: of the answer, all choices together; 0 for embeddings. The body
 * is the app's own, without what only the gateway needs.
 */
export const modelRequest = z.discriminatedUnion('endpoint', [
    z.strictObject({ endpoint: z.literal('chat'), ...envelope, body: chatBody }),
    z.strictObject({ endpoint: z.literal('completion'), ...envelope, body: completionBody }),
    z.strictObject({ endpoint: z.literal('embedding'), ...envelope, body: embeddingBody }),
]);
export type ModelRequest = z.output<typeof modelRequest>;

/** How many answers a request asks for. */
export const choicesOf = ({ endpoint, body }: ModelRequest): number => (endpoint === 'embedding' ? 1 : (body.n ?? 1));

/** The text of a message's content; parts that are not text add nothing. */
export function textOf(content: ChatMessage['content']): string {
    return typeof content === 'string'
        ? content
        : (content ?? []).map((one) => (one.type === 'text' ? one.text : '')).join('');
}
