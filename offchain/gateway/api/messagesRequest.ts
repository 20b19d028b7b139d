/** Requests in the shape of Anthropic's Messages, read as chats: a node sees a chat only. */
import { z } from 'zod';
import { listOf, requestLimits } from '../../link';
import { badRequest } from '../errors';
import { type ApiCall, invalidBody, readCall, type ReadOptions, unsupported } from './request';

type Fields = Record<string, unknown>;

const text = z.string();

const imageSource = z.looseObject(
    { type: z.literal('base64'), media_type: text, data: text },
    'expected an image as base64: a node fetches nothing for a client',
);
const textBlock = z.looseObject({ type: z.literal('text'), text });
const imageBlock = z.looseObject({ type: z.literal('image'), source: imageSource });

const block = z.discriminatedUnion(
    'type',
    [
        textBlock,
        imageBlock,
        z.looseObject({ type: z.literal('tool_use'), id: text, name: text, input: z.looseObject({}) }),
        z.looseObject({
            type: z.literal('tool_result'),
            tool_use_id: text,
            content: z
                .union([text, listOf(z.discriminatedUnion('type', [textBlock, imageBlock]), requestLimits.parts)])
                .nullish(),
            is_error: z.boolean().nullish(),
        }),
        z.looseObject({ type: z.literal('thinking'), thinking: text }),
    ],
    'expected a block of type text, image, tool_use, tool_result or thinking',
);
type Block = z.output<typeof block>;

const message = z.strictObject({
    role: z.enum(['user', 'assistant'], 'expected user or assistant'),
    content: z.union([text, listOf(block, requestLimits.parts)], {
        error: ({ input }) => (Array.isArray(input) ? undefined : 'expected a text or a list of blocks'),
    }),
});

const tool = z.looseObject({
    type: z.literal('custom', 'expected "custom": a node runs no tools of its own').nullish(),
    name: text,
    description: text.nullish(),
    input_schema: z.looseObject({}),
});

const toolChoice = z.discriminatedUnion(
    'type',
    [z.looseObject({ type: z.enum(['auto', 'any', 'none']) }), z.looseObject({ type: z.literal('tool'), name: text })],
    'expected the type auto, any, none or tool',
);

const shape = z.strictObject({
    model: text,
    max_tokens: z.number('expected a whole number from 1'),
    messages: listOf(message, requestLimits.messages).refine(
        ({ length }) => length > 0,
        'expected at least one message',
    ),
    system: z
        .union([text, listOf(textBlock, requestLimits.parts)], 'expected a text or a list of text blocks')
        .nullish(),
    stream: z.boolean().nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    top_k: z.number().nullish(),
    stop_sequences: listOf(text, requestLimits.stops).nullish(),
    tools: listOf(tool, requestLimits.tools).nullish(),
    tool_choice: toolChoice.nullish(),
    metadata: z.looseObject({}).nullish(),
    thinking: z
        .looseObject({ type: z.enum(['enabled', 'adaptive', 'disabled']), budget_tokens: z.number().nullish() })
        .nullish(),
    service_tier: z.enum(['auto', 'standard_only']).nullish(),
});
type MessagesBody = z.output<typeof shape>;

/** Reads a request for /v1/messages. Throws 400 with a message that names the field and the remedy. */
export function readMessages(body: unknown, options: ReadOptions): ApiCall {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
        throw badRequest('The body must be a JSON object');
    }
    const fields = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
    const names = Object.keys(shape.shape);
    const other = Object.keys(fields).find((name) => !names.includes(name));
    if (other !== undefined) {
        throw unsupported(other.slice(0, 100), 'is not served here');
    }
    const parsed = shape.safeParse(fields);
    if (!parsed.success) {
        throw invalidBody(parsed.error);
    }
    return readCall('chat', toChat(parsed.data), options);
}

function toChat(body: MessagesBody): Fields {
    const { thinking, tools, tool_choice: choice, metadata, stop_sequences: stop, max_tokens } = body;
    const same = ['model', 'stream', 'temperature', 'top_p', 'top_k'] as const;
    return {
        ...Object.fromEntries(same.filter((name) => body[name] != null).map((name) => [name, body[name]])),
        max_tokens,
        messages: messagesOf(body),
        ...(stop != null && stop.length > 0 && { stop }),
        ...(metadata != null && { metadata }),
        ...(thinking != null && { chat_template_kwargs: { enable_thinking: thinking.type !== 'disabled' } }),
        ...((tools ?? []).length > 0 && {
            tools: tools!.map(({ name, description, input_schema: parameters }) => ({
                type: 'function',
                function: { name, ...(description != null && { description }), parameters },
            })),
        }),
        ...(choice != null && { tool_choice: choiceOf(choice) }),
        ...(choice?.disable_parallel_tool_use === true && { parallel_tool_calls: false }),
    };
}

function choiceOf(choice: z.output<typeof toolChoice>): unknown {
    switch (choice.type) {
        case 'tool':
            return { type: 'function', function: { name: choice.name } };
        case 'any':
            return 'required';
        default:
            return choice.type;
    }
}

function messagesOf({ system, messages }: MessagesBody): Fields[] {
    const systemText = typeof system === 'string' ? system : system?.map((one) => one.text).join('\n');
    return [
        ...(systemText === undefined ? [] : [{ role: 'system', content: systemText }]),
        ...messages.flatMap(({ role, content }) =>
            typeof content === 'string'
                ? [{ role, content }]
                : role === 'user'
                  ? ofUser(content)
                  : [ofAssistant(content)],
        ),
    ];
}

/** Results of tools are messages of their own in a chat, before what the user says beside them. */
function ofUser(blocks: Block[]): Fields[] {
    const results = blocks.flatMap((one) =>
        one.type === 'tool_result'
            ? [{ role: 'tool', tool_call_id: one.tool_use_id, content: contentOf(one.content ?? '') }]
            : [],
    );
    const rest = blocks.filter((one) => one.type !== 'tool_result');
    return rest.length === 0 ? results : [...results, { role: 'user', content: contentOf(rest) }];
}

function ofAssistant(blocks: Block[]): Fields {
    const calls = blocks.flatMap((one) =>
        one.type === 'tool_use'
            ? [{ id: one.id, type: 'function', function: { name: one.name, arguments: JSON.stringify(one.input) } }]
            : [],
    );
    const thoughts = blocks.flatMap((one) => (one.type === 'thinking' ? [one.thinking] : [])).join('');
    const texts = blocks.filter((one) => one.type === 'text');
    return {
        role: 'assistant',
        content: texts.length === 0 ? null : contentOf(texts),
        ...(thoughts !== '' && { reasoning_content: thoughts }),
        ...(calls.length > 0 && { tool_calls: calls }),
    };
}

function contentOf(content: string | Block[]): unknown {
    if (typeof content === 'string') {
        return content;
    }
    const parts = content.map((one): Fields => {
        if (one.type === 'image') {
            return { type: 'image_url', image_url: { url: `data:${one.source.media_type};base64,${one.source.data}` } };
        }
        return { type: 'text', text: one.type === 'text' ? one.text : '' };
    });
    return parts.every(({ type }) => type === 'text') ? parts.map((part) => part.text).join('') : parts;
}
