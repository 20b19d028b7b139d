// cspell:ignore kwargs temprature
import { badRequest, GatewayError } from '../../../offchain/gateway/errors';
import { readCall } from '../../../offchain/gateway/api/request';
import { type Feature, neededFeatures } from '../../../offchain/link';

const base = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const options = { extraFields: ['engine_field'] };
const read = (body: object) => readCall('chat', body, options);

function refusal(body: object): GatewayError {
    try {
        read(body);
    } catch (error) {
        if (error instanceof GatewayError) return error;
        throw error;
    }
    return badRequest('it was taken');
}

const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } };
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } };

/** Fields that model servers know, with a value that means something, and the feature that a node needs for it. */
const passed: [string, unknown, Feature | undefined][] = [
    ['temperature', 0.5, undefined],
    ['top_p', 0.9, undefined],
    ['seed', 3, undefined],
    ['stop', ['a', 'b'], undefined],
    ['reasoning_effort', 'high', 'reasoning'],
    ['chat_template_kwargs', { enable_thinking: false }, 'reasoning'],
    ['top_k', 5, 'sampling'],
    ['min_p', 0.1, 'sampling'],
    ['repetition_penalty', 1.1, 'sampling'],
    ['include_reasoning', true, undefined],
    ['stream_reasoning', true, undefined],
    ['enable_thinking', false, 'reasoning'],
    ['skip_special_tokens', false, 'sampling'],
    ['min_tokens', 5, 'sampling'],
    ['presence_penalty', 1, 'sampling'],
    ['frequency_penalty', -1, 'sampling'],
    ['logit_bias', { '5': 1 }, 'sampling'],
    ['guided_json', { type: 'object' }, 'json'],
    ['structured_outputs', { json: {} }, 'json'],
    ['response_format', { type: 'json_object' }, 'json'],
    ['response_format', { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } }, 'json'],
    ['n', 2, 'choices'],
    ['tools', [weather], 'tools'],
    ['tool_choice', 'required', 'tools'],
    ['functions', [weather.function], 'tools'],
    ['logprobs', true, 'logprobs'],
    ['top_logprobs', 3, 'logprobs'],
    ['modalities', ['text', 'audio'], 'audio'],
    ['parallel_tool_calls', false, undefined],
    ['engine_field', { a: 1 }, undefined],
];

/** Fields that no node gets, with a value that means something. */
const refused: [string, unknown][] = [
    ['extra_body', { a: 1 }],
    ['web_search_options', {}],
    ['store', true],
    ['service_tier', 'flex'],
    ['best_of', 2],
    ['prompt', 'hi'],
    ['temprature', 1],
    ['Temperature', 1],
    ['priority', 1],
    ['ignore_eos', true],
    ['include_reasoning', false],
    ['stream_reasoning', false],
];

describe('Fields of a chat completion', () => {
    it.each(passed)('%s is passed on as it is', (name, value, feature) => {
        const { modelRequest } = read({ ...base, [name]: value });

        expect(modelRequest.body).toEqual({ ...base, [name]: value });
        expect(neededFeatures(modelRequest).map((need) => [need.feature, need.field])).toEqual(
            feature === undefined ? [] : [[feature, name]],
        );
    });

    it.each(refused)('%s is refused by its name', (name, value) => {
        expect(refusal({ ...base, [name]: value })).toMatchObject({ status: 400, param: name });
    });

    it.each<[string, object, Feature | undefined]>([
        ['a name', { name: 'Ann' }, undefined],
        ['reasoning', { role: 'assistant', reasoning_content: 'hm' }, undefined],
        ['a refusal', { role: 'assistant', refusal: 'no' }, undefined],
        ['a mark for a cache', { cache_control: { type: 'ephemeral' } }, undefined],
        ['parts of text', { content: [{ type: 'text', text: 'a', cache_control: {} }] }, undefined],
        ['tool calls', { role: 'assistant', content: null, tool_calls: [call] }, 'tools'],
        ['the result of a tool', { role: 'tool', tool_call_id: 'call_1' }, 'tools'],
        ['an image', { content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }, 'images'],
        ['audio', { content: [{ type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }] }, 'audio'],
        ['a file', { content: [{ type: 'file', file: { file_data: 'data:text/plain,a', filename: 'a' } }] }, 'files'],
    ])('a message with %s is passed on as it is', (_, change, feature) => {
        const body = { ...base, messages: [{ ...base.messages[0], ...change }] };
        const { modelRequest } = read(body);

        expect(modelRequest.body).toEqual(body);
        expect(neededFeatures(modelRequest).map((need) => need.feature)).toEqual(feature ? [feature] : []);
    });

    it.each<[string, object, string]>([
        ['an unknown field', { color: 'red' }, 'messages.0.color'],
        ['a tool call without an id', { role: 'assistant', tool_calls: [{}] }, 'messages.0.tool_calls.0.id'],
        ['an unknown part', { content: [{ type: 'smell' }] }, 'messages.0.content.0.type'],
        [
            'an image elsewhere, which a node would fetch',
            { content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
            'messages.0.content.0.image_url.url',
        ],
    ])('a message with %s is refused by the name of the field', (_, change, param) => {
        expect(refusal({ ...base, messages: [{ ...base.messages[0], ...change }] })).toMatchObject({
            status: 400,
            param,
        });
    });

    it.each<[string, object, string]>([
        ['a tool that is no function', { tools: [{ type: 'web_search' }] }, 'tools.0.type'],
        ['a tool without a name', { tools: [{ type: 'function', function: {} }] }, 'tools.0.function.name'],
        [
            'a tool whose schema is no object',
            { tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'string' } } }] },
            'tools.0.function.parameters.type',
        ],
        ['10,000 tools', { tools: Array.from({ length: 10_000 }, () => weather) }, 'tools'],
        ['129 answers', { n: 129 }, 'n'],
        ['more tokens than one answer may have, over all choices', { n: 128, max_tokens: 10_000 }, 'n'],
        ['a number that JSON cannot say again', JSON.parse('{"top_k": 1e999}') as object, 'top_k'],
        ['a text as messages', { messages: 'hi' }, 'messages'],
        ['no messages', { messages: [] }, 'messages'],
        ['stream as a text', { stream: 'yes' }, 'stream'],
        ['reasoning that is made and not delivered', { reasoning: { exclude: true } }, 'reasoning.exclude'],
        ['a stop string for which a model server keeps pages back', { stop: 'x'.repeat(257) }, 'stop'],
        ['such a stop string among others', { stop: ['a', 'x'.repeat(257)] }, 'stop.1'],
        ['more messages than a request may have', { messages: Array(10_001).fill(base.messages[0]) }, 'messages'],
    ])('%s is refused', (_, change, param) => {
        expect(refusal({ ...base, ...change })).toMatchObject({ status: 400, param });
    });

    it.each<[string, object, string]>([
        ['stream_options', { stream: true, stream_options: { include_usage: true, x: 1 } }, 'stream_options.x'],
        [
            'stream_options of vLLM',
            { stream: true, stream_options: { continuous_usage_stats: true } },
            'stream_options.continuous_usage_stats',
        ],
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

    it('values that change nothing need no feature of a node', () => {
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
        const echoed = { role: 'assistant', content: 'yes', refusal: null, tool_calls: [], annotations: [] };
        const { modelRequest, notPassedOn } = read({ ...base, messages: [...base.messages, echoed], ...neutral });

        expect(modelRequest).toMatchObject({ endpoint: 'chat', maxTokens: 5 });
        expect(neededFeatures(modelRequest)).toEqual([]);
        expect(notPassedOn).toEqual([]);
    });

    it('a limit is one of each answer, and a developer speaks as the system', () => {
        const messages = [{ role: 'developer', content: 'Be short' }, ...base.messages];
        const { modelRequest } = read({ ...base, messages, n: 3, max_completion_tokens: 7 });

        expect(modelRequest.maxTokens).toBe(21);
        expect(modelRequest.body).toEqual({
            ...base,
            messages: [{ ...messages[0], role: 'system' }, messages[1]],
            n: 3,
        });
    });

    it('what names a person stays here, and the call says so', () => {
        expect(read({ ...base, user: 'Ann', metadata: { a: 'b' }, safety_identifier: 'x' }).notPassedOn).toEqual([
            'user',
            'metadata',
            'safety_identifier',
        ]);
    });

    it('a name of a field is cut in the error, however long it is', () => {
        expect(refusal({ ...base, ['x'.repeat(5000)]: 1 }).message.length).toBeLessThan(300);
    });
});
