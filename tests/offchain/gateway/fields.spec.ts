// cspell:ignore kwargs temprature
import { badRequest, GatewayError } from '../../../offchain/gateway/errors';
import { parseChat } from '../../../offchain/gateway/openai';

const base = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

function refusal(body: object): GatewayError {
    try {
        parseChat(body);
    } catch (error) {
        if (error instanceof GatewayError) return error;
        throw error;
    }
    return badRequest('it was taken');
}

/**
 * Every field that OpenAI or a model server takes and this version does not pass on, with a value that means something.
 */
const fields: [string, unknown][] = [
    ['reasoning_effort', 'high'],
    ['top_k', 5],
    ['min_p', 0.1],
    ['repetition_penalty', 1.1],
    ['chat_template_kwargs', { enable_thinking: false }],
    ['guided_json', {}],
    ['structured_outputs', { json: {} }],
    ['extra_body', { a: 1 }],
    ['n', 2],
    ['tools', [{ type: 'function', function: { name: 'f' } }]],
    ['tool_choice', 'required'],
    ['functions', [{ name: 'f' }]],
    ['function_call', { name: 'f' }],
    ['response_format', { type: 'json_object' }],
    ['logprobs', true],
    ['top_logprobs', 3],
    ['logit_bias', { '5': 1 }],
    ['presence_penalty', 1],
    ['frequency_penalty', 1],
    ['audio', { voice: 'x' }],
    ['modalities', ['audio']],
    ['prediction', { type: 'content', content: 'x' }],
    ['web_search_options', {}],
    ['verbosity', 'low'],
    ['store', true],
    ['service_tier', 'flex'],
    ['prompt_cache_key', 'a'],
    ['ignore_eos', true],
    ['min_tokens', 5],
    ['best_of', 2],
    ['prompt', 'hi'],
    ['temprature', 1],
    ['Temperature', 1],
];

describe('Fields of a chat completion', () => {
    it.each(fields)('%s is refused by its name', (name, value) => {
        expect(refusal({ ...base, [name]: value })).toMatchObject({ status: 400, param: name });
    });

    it.each<[string, object, string]>([
        ['a name', { name: 'Ann' }, 'messages.0.name'],
        ['a tool call it answers', { role: 'tool', tool_call_id: 'x' }, 'messages.0.tool_call_id'],
        ['tool calls', { role: 'assistant', tool_calls: [{ id: '1' }] }, 'messages.0.tool_calls'],
        ['reasoning', { role: 'assistant', reasoning_content: 'hm' }, 'messages.0.reasoning_content'],
        ['a refusal', { role: 'assistant', refusal: 'no' }, 'messages.0.refusal'],
        ['a mark for a cache', { cache_control: { type: 'ephemeral' } }, 'messages.0.cache_control'],
        [
            'a part of the content with a mark',
            {
                content: [
                    { type: 'text', text: 'a' },
                    { type: 'text', text: 'b', cache_control: {} },
                ],
            },
            'messages.0.content.1.cache_control',
        ],
    ])('a message with %s is refused by the name of the field', (_, change, param) => {
        expect(refusal({ ...base, messages: [{ ...base.messages[0], ...change }] })).toMatchObject({
            status: 400,
            param,
        });
    });

    it.each<[string, object, string]>([
        ['stream_options', { stream: true, stream_options: { include_usage: true, x: 1 } }, 'stream_options.x'],
        [
            'stream_options of vLLM',
            { stream: true, stream_options: { continuous_usage_stats: true } },
            'stream_options.continuous_usage_stats',
        ],
        ['response_format', { response_format: { type: 'text', strict: true } }, 'response_format'],
    ])('a field within %s is refused', (_, change, param) => {
        expect(refusal({ ...base, ...change })).toMatchObject({ status: 400, param });
    });

    it.each<[string, object, string]>([
        ['an empty stop string', { stop: ['a', ''] }, 'stop.1'],
        ['an empty stop', { stop: '' }, 'stop'],
        ['two limits that differ', { max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens'],
    ])('%s is refused, for one would be dropped', (_, change, param) => {
        expect(refusal({ ...base, ...change })).toMatchObject({ status: 400, param });
    });

    it('values that change nothing are taken', () => {
        const neutral = {
            n: 1,
            tools: [],
            tool_choice: 'auto',
            parallel_tool_calls: true,
            response_format: { type: 'text' },
            logprobs: false,
            logit_bias: {},
            presence_penalty: 0,
            frequency_penalty: 0,
            modalities: ['text'],
            store: false,
            service_tier: 'auto',
            stream_options: { include_usage: true, include_obfuscation: false },
            stop: [],
            max_tokens: 5,
            max_completion_tokens: 5,
            reasoning_effort: null,
            top_k: null,
        };
        const echoed = {
            role: 'assistant',
            content: 'yes',
            refusal: null,
            tool_calls: [],
            annotations: [],
            name: null,
        };
        const { chat, notPassedOn } = parseChat({ ...base, messages: [...base.messages, echoed], ...neutral });

        expect(chat).toEqual({
            model: 'm',
            messages: [
                { role: 'user', content: 'hi' },
                { role: 'assistant', content: 'yes' },
            ],
            maxTokens: 5,
        });
        expect(notPassedOn).toEqual([]);
    });

    it('what names a person stays here, and the call says so', () => {
        expect(parseChat({ ...base, user: 'Ann', metadata: { a: 'b' }, safety_identifier: 'x' }).notPassedOn).toEqual([
            'user',
            'metadata',
            'safety_identifier',
        ]);
    });

    it('a name of a field is cut in the error, however long it is', () => {
        expect(refusal({ ...base, ['x'.repeat(5000)]: 1 }).message.length).toBeLessThan(300);
    });
});
