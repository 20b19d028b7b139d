/** What an app does with Anthropic's SDK at a gateway. */
import assert from 'node:assert/strict';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const tool = {
    name: 'weather',
    description: 'Tells weather',
    input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** Like `features`, for the endpoint /v1/messages. */
export async function messages({ at, poor, model, key }) {
    const { default: Anthropic } = await import('@anthropic-ai/sdk');
    const clientOf = (url) => new Anthropic({ baseURL: url.replace(/\/v1$/, ''), apiKey: key, maxRetries: 0 });
    const client = clientOf(at);
    const ask = (content, more = {}) => ({
        ...{ model, max_tokens: 200, messages: [{ role: 'user', content }] },
        ...more,
    });

    return {
        messages: {
            anthropic: async () => {
                const { content, stop_reason, usage } = await client.messages.create(ask('hello there'));
                assert.deepEqual([content[0].text, stop_reason], ['You said: hello there', 'end_turn']);
                assert.ok(usage.output_tokens > 0);
            },
        },
        'messages, streamed': {
            anthropic: async () => {
                const stream = client.messages.stream(ask('hello there', { system: 'Be short' }));
                let text = '';
                stream.on('text', (piece) => (text += piece));
                const whole = await stream.finalMessage();
                assert.deepEqual([text, whole.content[0].text], Array(2).fill('You said: hello there'));
            },
        },
        'messages, tools': {
            anthropic: async () => {
                const first = await client.messages.stream(ask('use weather', { tools: [tool] })).finalMessage();
                const use = first.content.find(({ type }) => type === 'tool_use');
                assert.deepEqual([use.name, use.input, first.stop_reason], ['weather', { city: 'a city' }, 'tool_use']);
                const result = { type: 'tool_result', tool_use_id: use.id, content: 'rain' };
                const second = await client.messages.create({
                    ...ask('use weather', { tools: [tool] }),
                    messages: [
                        { role: 'user', content: 'use weather' },
                        { role: 'assistant', content: first.content },
                        { role: 'user', content: [result] },
                    ],
                });
                assert.equal(second.content[0].text, 'The tools said: rain.');
            },
        },
        'messages, images': {
            anthropic: async () => {
                const source = { type: 'base64', media_type: 'image/png', data: PIXEL };
                const { content } = await client.messages.create(
                    ask([
                        { type: 'text', text: 'what?' },
                        { type: 'image', source },
                    ]),
                );
                assert.equal(content[0].text, 'I see 1 image.');
            },
        },
        'messages, errors': {
            anthropic: async () => {
                await assert.rejects(clientOf(poor).messages.create(ask('hello')), ({ status, error }) => {
                    assert.deepEqual([status, error.error.type], [402, 'billing_error']);
                    return true;
                });
                await assert.rejects(
                    client.messages.create({ ...ask('hello'), color: 'red' }),
                    Anthropic.BadRequestError,
                );
            },
        },
    };
}
