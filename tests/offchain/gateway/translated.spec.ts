/** Requests of other shapes, as the chat that a node gets. */
import { readMessages } from '../../../offchain/gateway/api/messagesRequest';
import { readResponses } from '../../../offchain/gateway/api/responsesRequest';

const options = { extraFields: [] };
const schema = { type: 'object', properties: {} };

describe('A request for /v1/responses', () => {
    const chatOf = (body: object) => readResponses({ model: 'm', ...body }, options).modelRequest;

    it('with a text is a question of the user, after the instructions', () => {
        expect(chatOf({ input: 'hi', instructions: 'Be short', max_output_tokens: 7 })).toEqual({
            endpoint: 'chat',
            maxTokens: 7,
            body: {
                model: 'm',
                messages: [
                    { role: 'system', content: 'Be short' },
                    { role: 'user', content: 'hi' },
                ],
            },
        });
    });

    it('with calls and their outputs is a chat with tools, and keeps what the model thought', () => {
        const input = [
            {
                role: 'user',
                content: [
                    { type: 'input_text', text: 'use f ' },
                    { type: 'input_text', text: 'and g' },
                ],
            },
            { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
            { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Let me see.' }] },
            { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
            { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
            { type: 'function_call_output', call_id: 'a', output: 'one' },
            { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'two' }] },
        ];
        const tools = [{ type: 'function', name: 'f', description: 'F', parameters: schema, strict: true }];
        const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: '{}' } });
        const choice = { type: 'function', name: 'f' };
        expect(chatOf({ input, tools, tool_choice: choice, parallel_tool_calls: false }).body).toEqual({
            model: 'm',
            messages: [
                { role: 'user', content: 'use f and g' },
                {
                    ...{ role: 'assistant', content: 'Let me see.', reasoning_content: 'hm' },
                    tool_calls: [call('a', 'f'), call('b', 'g')],
                },
                { role: 'tool', tool_call_id: 'a', content: 'one' },
                { role: 'tool', tool_call_id: 'b', content: 'two' },
            ],
            tools: [{ type: 'function', function: { name: 'f', description: 'F', parameters: schema, strict: true } }],
            tool_choice: { type: 'function', function: { name: 'f' } },
            parallel_tool_calls: false,
        });
    });

    it('with images, files and a format is a chat with them', () => {
        const content = [
            { type: 'input_image', image_url: 'data:,a', detail: 'low' },
            { type: 'input_file', file_data: 'data:,b', filename: 'b.txt' },
        ];
        const format = { type: 'json_schema', name: 'n', schema, strict: true };
        const body = { input: [{ role: 'user', content }], text: { format }, reasoning: { effort: 'low' } };
        expect(chatOf(body).body).toEqual({
            model: 'm',
            messages: [
                {
                    role: 'user',
                    content: [
                        { type: 'image_url', image_url: { url: 'data:,a', detail: 'low' } },
                        { type: 'file', file: { file_data: 'data:,b', filename: 'b.txt' } },
                    ],
                },
            ],
            response_format: { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } },
            reasoning_effort: 'low',
        });
    });

    it('with a field that the configuration adds passes it on', () => {
        const { modelRequest } = readResponses({ model: 'm', input: 'a', mine: 1 }, { extraFields: ['mine'] });
        expect(modelRequest.body).toMatchObject({ mine: 1 });
    });

    it.each<[string, object, string]>([
        ['a message without a role', { input: [{ content: 'a' }] }, 'input.0.role'],
        [
            'a part of no known type',
            { input: [{ role: 'user', content: [{ type: 'smell' }] }] },
            'input.0.content.0.type',
        ],
        ['a call without a name', { input: [{ type: 'function_call', call_id: 'a', arguments: '' }] }, 'input.0.name'],
        ['a stored item', { input: [{ type: 'item_reference', id: 'x' }] }, 'input.0.type'],
        ['an unknown field of an item', { input: [{ role: 'user', content: 'a', color: 1 }] }, 'input.0.color'],
        ['an unknown field within', { input: 'a', reasoning: { max_tokens: 5 } }, 'reasoning.max_tokens'],
        ['a summary of reasoning', { input: [{ type: 'reasoning', summary: [{}] }] }, 'input.0.summary'],
        ['a stored prompt', { input: 'a', prompt: { id: 'x' } }, 'prompt'],
        ['an answer that is stored', { input: 'a', store: true }, 'store'],
        ['work in the background', { input: 'a', background: true }, 'background'],
        ['logs of a search', { input: 'a', include: ['web_search_call.results'] }, 'include'],
    ])('with %s is refused by name', (_, body, param) => {
        expect(() => chatOf(body)).toThrow(expect.objectContaining({ status: 400, param }));
    });
});

describe('A request for /v1/messages', () => {
    const chatOf = (body: object) => readMessages({ model: 'm', max_tokens: 9, ...body }, options).modelRequest;

    it('with uses of tools and their results is a chat with tools', () => {
        const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: { x: 1 } });
        const messages = [
            { role: 'user', content: 'hi' },
            { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: '' }, use('a'), use('b')] },
            {
                role: 'user',
                content: [
                    { type: 'tool_result', tool_use_id: 'a', content: 'one' },
                    { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'two' }], is_error: true },
                    { type: 'text', text: 'go on' },
                ],
            },
        ];
        const tools = [{ name: 'f', input_schema: schema }];
        const tool_choice = { type: 'any', disable_parallel_tool_use: true };
        const call = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{"x":1}' } });
        const request = chatOf({ messages, tools, tool_choice, system: [{ type: 'text', text: 'Be short' }] });
        expect(request).toEqual({
            endpoint: 'chat',
            maxTokens: 9,
            body: {
                model: 'm',
                messages: [
                    { role: 'system', content: 'Be short' },
                    { role: 'user', content: 'hi' },
                    { role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [call('a'), call('b')] },
                    { role: 'tool', tool_call_id: 'a', content: 'one' },
                    { role: 'tool', tool_call_id: 'b', content: 'two' },
                    { role: 'user', content: 'go on' },
                ],
                tools: [{ type: 'function', function: { name: 'f', parameters: schema } }],
                tool_choice: 'required',
                parallel_tool_calls: false,
            },
        });
    });

    it.each<[string, object, string]>([
        ['no limit', { messages: [{ role: 'user', content: 'a' }], max_tokens: undefined }, 'max_tokens'],
        [
            'an image elsewhere',
            { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'x' } }] }] },
            'messages.0.content.0.source.type',
        ],
        ['a system message in the list', { messages: [{ role: 'system', content: 'a' }] }, 'messages.0.role'],
        [
            'a tool that a server would run',
            { messages: [{ role: 'user', content: 'a' }], tools: [{ type: 'bash_20250124', name: 'bash' }] },
            'tools.0.type',
        ],
    ])('with %s is refused by name', (_, body, param) => {
        expect(() => chatOf(body)).toThrow(expect.objectContaining({ status: 400, param }));
    });
});
