/** What an app does with OpenAI's Responses, in each SDK that has them. */
import assert from 'node:assert/strict';
import { z } from 'zod';

const person = z.object({ name: z.string(), age: z.number() });
const city = z.object({ city: z.string() });
const weather = {
    type: 'function',
    name: 'weather',
    description: 'Tells weather',
    strict: false,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** Like `features`, for the endpoint /v1/responses. */
export async function responses({ at, model, key }) {
    const { default: OpenAI } = await import('openai');
    const { zodTextFormat } = await import('openai/helpers/zod');
    const openai = new OpenAI({ baseURL: at, apiKey: key, maxRetries: 0 });
    const ai = await import('ai');
    const { createOpenAI } = await import('@ai-sdk/openai');
    const vercel = createOpenAI({ baseURL: at, apiKey: key }).responses(model);
    const agents = await import('@openai/agents');
    const agentModel = new agents.OpenAIResponsesModel(openai, model);
    const agent = (more = {}) => new agents.Agent({ name: 'A', instructions: 'Be short', model: agentModel, ...more });
    const agentTool = agents.tool({
        name: 'weather',
        description: 'Tells weather',
        parameters: city,
        execute: ({ city: place }) => `weather of ${place}`,
    });
    const { ChatOpenAI } = await import('@langchain/openai');
    const lang = new ChatOpenAI({
        ...{ model, apiKey: key, maxRetries: 0, useResponsesApi: true },
        configuration: { baseURL: at },
    });

    return {
        responses: {
            openai: async () => {
                const response = await openai.responses.create({ model, input: 'hello there' });
                assert.equal(response.output_text, 'You said: hello there');
                assert.equal(response.status, 'completed');
                assert.ok(response.usage.total_tokens > 0);
            },
            'ai-sdk': async () => {
                const { text } = await ai.generateText({ model: vercel, prompt: 'hello there', maxRetries: 0 });
                assert.equal(text, 'You said: hello there');
            },
            langchain: async () => {
                const { content } = await lang.invoke('hello there');
                const text = typeof content === 'string' ? content : content.map((part) => part.text).join('');
                assert.equal(text, 'You said: hello there');
            },
            agents: async () => {
                assert.equal((await agents.run(agent(), 'hello there')).finalOutput, 'You said: hello there');
            },
        },
        'responses, streamed': {
            openai: async () => {
                const stream = openai.responses.stream({ model, input: 'hello there', reasoning: { effort: 'high' } });
                const types = new Set();
                let text = '';
                for await (const event of stream) {
                    types.add(event.type);
                    text += event.type === 'response.output_text.delta' ? event.delta : '';
                }
                assert.equal(text, 'You said: hello there');
                assert.equal((await stream.finalResponse()).output_text, text);
                for (const type of [
                    'created',
                    'in_progress',
                    'reasoning_text.delta',
                    'output_text.done',
                    'completed',
                ]) {
                    assert.ok(types.has(`response.${type}`), type);
                }
            },
            'ai-sdk': async () => {
                let text = '';
                const { textStream } = ai.streamText({ model: vercel, prompt: 'hello there', maxRetries: 0 });
                for await (const piece of textStream) text += piece;
                assert.equal(text, 'You said: hello there');
            },
            agents: async () => {
                const result = await agents.run(agent(), 'hello there', { stream: true });
                await result.completed;
                assert.equal(result.finalOutput, 'You said: hello there');
            },
        },
        'responses, tools': {
            openai: async () => {
                const input = [{ role: 'user', content: 'use weather' }];
                const first = await openai.responses.create({ model, input, tools: [weather] });
                const call = first.output.find(({ type }) => type === 'function_call');
                assert.deepEqual([call.name, JSON.parse(call.arguments)], ['weather', { city: 'a city' }]);
                const output = { type: 'function_call_output', call_id: call.call_id, output: 'rain' };
                const second = await openai.responses.create({
                    ...{ model, tools: [weather] },
                    input: [...input, ...first.output, output],
                });
                assert.equal(second.output_text, 'The tools said: rain.');
            },
            'ai-sdk': async () => {
                const tool = ai.tool({
                    description: 'Tells weather',
                    inputSchema: city,
                    execute: ({ city: place }) => `weather of ${place}`,
                });
                const stopWhen = ai.stepCountIs(3);
                const fields = {
                    model: vercel,
                    prompt: 'use weather',
                    tools: { weather: tool },
                    stopWhen,
                    maxRetries: 0,
                };
                const options = { openai: { store: false } };
                const { text } = await ai.generateText({ ...fields, providerOptions: options });
                assert.equal(text, 'The tools said: weather of a city.');
            },
            agents: async () => {
                const result = await agents.run(agent({ tools: [agentTool] }), 'use weather', { stream: true });
                await result.completed;
                assert.equal(result.finalOutput, 'The tools said: weather of a city.');
            },
        },
        'responses, structured output': {
            openai: async () => {
                const { output_parsed: parsed } = await openai.responses.parse({
                    ...{ model, input: 'who?' },
                    text: { format: zodTextFormat(person, 'person') },
                });
                assert.deepEqual(parsed, { name: 'a name', age: 7 });
            },
            'ai-sdk': async () => {
                const { object } = await ai.generateObject({
                    model: vercel,
                    prompt: 'who?',
                    schema: person,
                    maxRetries: 0,
                });
                assert.deepEqual(object, { name: 'a name', age: 7 });
            },
            agents: async () => {
                const { finalOutput } = await agents.run(agent({ outputType: person }), 'who?');
                assert.deepEqual(finalOutput, { name: 'a name', age: 7 });
            },
        },
    };
}
