/**
 * Requests in the shape of OpenAI's Responses, read as chats: a node sees a chat only. The gateway stores nothing, so
 * every request brings its whole conversation.
 */
import { z } from 'zod';
import { eachOf, listOf, requestLimits } from '../../link';
import { badRequest } from '../errors';
import { type ApiCall, invalidBody, readCall, type ReadOptions, unsupported } from './request';

type Fields = Record<string, unknown>;

const text = z.string();

// Names that OpenAI's API gives to what it has made or stored; they are taken, and mean nothing to a chat.
const made = { id: text.nullish(), status: text.nullish() };
const nothing = z.null().optional();

const inputPart = z.discriminatedUnion(
    'type',
    [
        z.strictObject({ type: z.literal('input_text'), text }),
        z.strictObject({
            ...{ type: z.literal('output_text'), text },
            ...{ annotations: z.array(z.unknown()).nullish(), logprobs: z.array(z.unknown()).nullish() },
        }),
        z.strictObject({ type: z.literal('refusal'), refusal: text }),
        z.strictObject({ type: z.literal('input_image'), image_url: text, detail: text.nullish(), file_id: nothing }),
        z.strictObject({
            ...{ type: z.literal('input_file'), file_data: text, filename: text.nullish() },
            ...{ file_id: nothing, file_url: nothing },
        }),
        z.strictObject({
            type: z.literal('input_audio'),
            input_audio: z.strictObject({ data: text, format: text }),
        }),
    ],
    'expected a part of type input_text, output_text, refusal, input_image, input_file or input_audio',
);
type InputPart = z.output<typeof inputPart>;

const content = z.union([text, listOf(inputPart, requestLimits.parts)], 'expected a text or a list of parts');

const messageItem = z.strictObject({
    ...made,
    phase: text.nullish(),
    type: z.literal('message'),
    role: z.enum(['user', 'assistant', 'system', 'developer'], 'expected user, assistant, system or developer'),
    content,
});
const callItem = z.strictObject({
    ...made,
    ...{ type: z.literal('function_call'), call_id: text, name: text, arguments: text },
});
const outputItem = z.strictObject({ ...made, type: z.literal('function_call_output'), call_id: text, output: content });
const reasoningItem = z.strictObject({
    ...made,
    type: z.literal('reasoning'),
    summary: z.array(z.unknown()).max(0, 'expected no summary: this gateway makes none').nullish(),
    encrypted_content: z.null('expected none: this gateway encrypts no reasoning for itself').optional(),
    content: listOf(z.strictObject({ type: z.literal('reasoning_text'), text }), requestLimits.parts).nullish(),
});

const item = z.preprocess(
    // A message may leave its type out.
    (value) => (typeof value === 'object' && value !== null ? { type: 'message', ...value } : value),
    z.discriminatedUnion(
        'type',
        [callItem, outputItem, reasoningItem, messageItem],
        'expected a message, function_call, function_call_output or reasoning; this gateway stores no items',
    ),
);

/** A text is a message of the user. */
const input = z.preprocess(
    (value) => (typeof value === 'string' ? [{ role: 'user', content: value }] : value),
    z
        .array(z.unknown(), 'expected a text or a list of items')
        .min(1, 'expected at least one item')
        .max(requestLimits.messages)
        .transform(eachOf(item)),
);

const tool = z.strictObject({
    type: z.literal('function', 'expected "function": a node runs no tools of its own'),
    name: text,
    description: text.nullish(),
    parameters: z.looseObject({}).nullish(),
    strict: z.boolean().nullish(),
});

const format = z.discriminatedUnion(
    'type',
    [
        z.strictObject({ type: z.literal('text') }),
        z.strictObject({ type: z.literal('json_object') }),
        z.strictObject({
            type: z.literal('json_schema'),
            name: text,
            schema: z.looseObject({}),
            strict: z.boolean().nullish(),
            description: text.nullish(),
        }),
    ],
    'expected the type text, json_object or json_schema',
);

const shape = z.looseObject({
    model: text,
    input,
    instructions: text.nullish(),
    max_output_tokens: z.number().nullish(),
    tools: listOf(tool, requestLimits.tools).nullish(),
    tool_choice: z
        .union(
            [z.enum(['none', 'auto', 'required']), z.strictObject({ type: z.literal('function'), name: text })],
            'expected none, auto, required or a function by its name',
        )
        .nullish(),
    text: z.strictObject({ format: format.nullish(), verbosity: text.nullish() }).nullish(),
    // A summary is not made; the reasoning itself arrives.
    reasoning: z
        .strictObject({ effort: text.nullish(), summary: text.nullish(), generate_summary: text.nullish() })
        .nullish(),
    include: listOf(text, requestLimits.parts).nullish(),
    store: z.boolean().nullish(),
    stream_options: z.strictObject({ include_obfuscation: z.literal(false).nullish() }).nullish(),
});
export type ResponsesBody = z.output<typeof shape>;

// Fields that a chat has by the same name and with the same meaning.
const SAME = [
    ...['model', 'stream', 'temperature', 'top_p', 'top_logprobs', 'parallel_tool_calls', 'user', 'metadata'],
    ...[
        'safety_identifier',
        'prompt_cache_key',
        'service_tier',
        'seed',
        'top_k',
        'min_p',
        'chat_template_kwargs',
        'provider',
    ],
];

// What asks for nothing that a gateway without a store does otherwise.
const WITHOUT_EFFECT = ['store', 'include', 'truncation', 'background', 'max_tool_calls'];

/** A request for /v1/responses: the chat that it is for a node, and its own fields for the answer. */
export interface ResponsesCall extends ApiCall {
    body: ResponsesBody;
}

/** Reads a request for /v1/responses. Throws 400 with a message that names the field and the remedy. */
export function readResponses(body: unknown, options: ReadOptions): ResponsesCall {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
        throw badRequest('The body must be a JSON object');
    }
    const fields = Object.fromEntries(Object.entries(body as Fields).filter(([, value]) => value !== null));
    requireStateless(fields, options);
    const parsed = shape.safeParse(fields);
    if (!parsed.success) {
        throw invalidBody(parsed.error);
    }
    const call = readCall('chat', toChat(parsed.data, options), options);
    return { ...call, body: parsed.data };
}

function requireStateless(fields: Fields, { extraFields }: ReadOptions): void {
    for (const name of ['previous_response_id', 'conversation', 'prompt']) {
        if (fields[name] !== undefined) {
            throw unsupported(
                name,
                'is not served here',
                'this gateway stores no conversation; send it whole in "input"',
            );
        }
    }
    const valued = [
        ...(fields.background === true ? ['background'] : []),
        ...(fields.truncation === 'auto' ? ['truncation'] : []),
        ...(fields.store === true ? ['store'] : []),
    ];
    if (valued.length > 0) {
        throw unsupported(valued[0], 'with this value is not served here');
    }
    const encrypted = 'reasoning.encrypted_content'; // of a server that keeps reasoning from its client
    const include = Array.isArray(fields.include) ? fields.include : [];
    if (include.some((one) => one !== encrypted && one !== 'message.output_text.logprobs')) {
        throw unsupported('include', 'with this value is not served here');
    }
    const allowed = [...Object.keys(shape.shape), ...SAME, ...WITHOUT_EFFECT, ...extraFields];
    const other = Object.keys(fields).find((name) => !allowed.includes(name));
    if (other !== undefined) {
        throw unsupported(other.slice(0, 100), 'is not known here');
    }
}

function toChat(body: ResponsesBody, { extraFields }: ReadOptions): Fields {
    const fields = body as Fields;
    const same = Object.fromEntries(
        [...SAME, ...extraFields].filter((name) => fields[name] != null).map((name) => [name, fields[name]]),
    );
    const { format, verbosity } = body.text ?? {};
    return {
        ...same,
        messages: messagesOf(body),
        ...(body.max_output_tokens != null && { max_completion_tokens: body.max_output_tokens }),
        ...((body.tools ?? []).length > 0 && {
            tools: body.tools!.map(({ type, ...rest }) => ({ type, function: rest })),
        }),
        ...(body.tool_choice != null && { tool_choice: choiceOf(body.tool_choice) }),
        ...(format != null && format.type !== 'text' && { response_format: responseFormat(format) }),
        ...(verbosity != null && { verbosity }),
        ...(body.reasoning?.effort != null && { reasoning_effort: body.reasoning.effort }),
        ...(body.include?.includes('message.output_text.logprobs') === true && { logprobs: true }),
    };
}

const choiceOf = (choice: NonNullable<ResponsesBody['tool_choice']>) =>
    typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } };

const responseFormat = ({ type, ...rest }: z.output<typeof format>) =>
    type === 'json_object' ? { type } : { type, json_schema: rest };

function messagesOf({ instructions, input }: ResponsesBody): Fields[] {
    const messages: Fields[] = instructions == null ? [] : [{ role: 'system', content: instructions }];
    let thoughts: Fields = {}; // of the model, before what it said or called
    const push = (message: Fields) => {
        messages.push(message.role === 'assistant' ? { ...message, ...thoughts } : message);
        thoughts = {};
    };
    for (const one of input) {
        const last = messages.at(-1);
        switch (one.type) {
            case 'function_call': {
                const { call_id: id, name, arguments: text } = one;
                const call = { id, type: 'function', function: { name, arguments: text } };
                // Calls that a model makes together are one message of a chat, as is the text before them.
                if (last?.role === 'assistant') {
                    ((last.tool_calls ??= []) as Fields[]).push(call);
                } else {
                    push({ role: 'assistant', content: null, tool_calls: [call] });
                }
                break;
            }
            case 'function_call_output':
                push({ role: 'tool', tool_call_id: one.call_id, content: contentOf(one.output) });
                break;
            case 'reasoning': {
                const text = (one.content ?? []).map((part) => part.text).join('');
                thoughts = text === '' ? {} : { reasoning_content: text };
                break;
            }
            case 'message':
                push({ role: one.role, content: contentOf(one.content) });
        }
    }
    return messages;
}

function contentOf(content: string | InputPart[]): unknown {
    if (typeof content === 'string') {
        return content;
    }
    const parts = content.map(partOf);
    return parts.every(({ type }) => type === 'text') ? parts.map(({ text }) => text).join('') : parts;
}

function partOf(part: InputPart): Fields {
    switch (part.type) {
        case 'input_text':
        case 'output_text':
            return { type: 'text', text: part.text };
        case 'input_image': {
            const detail = part.detail == null || part.detail === 'auto' ? {} : { detail: part.detail };
            return { type: 'image_url', image_url: { url: part.image_url, ...detail } };
        }
        case 'input_file': {
            const name = part.filename == null ? {} : { filename: part.filename };
            return { type: 'file', file: { file_data: part.file_data, ...name } };
        }
        default:
            return part;
    }
}
