// Longer than 350 lines because it is one table: features and SDKs.
/** What an app does with each SDK, unchanged except for the base URL. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { failures } from './failures.mjs';
import { messages } from './messages.mjs';
import { responses } from './responses.mjs';

const PIXEL =
    'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const city = z.object({ city: z.string() });
const tools = (names) =>
    names.map((name) => ({
        type: 'function',
        function: {
            name,
            description: `Tells ${name}`,
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
    }));

const said = (names) => `The tools said: ${names.map((name) => `${name} of a city`).join('; ')}.`;

/**
 * By feature and SDK, a function that throws if the SDK does not get what it asks for. `at`: base URL; `poor`: that of
 * a gateway without money; `model`: its name there; `key`: API key.
 */
export async function features({ at, poor, model, key = 'not needed' }) {
    const { default: OpenAI } = await import('openai');
    const { zodResponseFormat } = await import('openai/helpers/zod');
    const openai = new OpenAI({ baseURL: at, apiKey: key, maxRetries: 0 });
    const user = (content) => [{ role: 'user', content }];

    const ai = await import('ai');
    const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
    const vercel = createOpenAICompatible({
        name: 'cocoon',
        baseURL: at,
        apiKey: key,
        includeUsage: true,
        supportsStructuredOutputs: true,
    });
    const vercelTools = (names) =>
        Object.fromEntries(
            names.map((name) => [
                name,
                ai.tool({
                    description: `Tells ${name}`,
                    inputSchema: city,
                    execute: ({ city: place }) => `${name} of ${place}`,
                }),
            ]),
        );

    const { ChatOpenAI, OpenAIEmbeddings } = await import('@langchain/openai');
    const { tool: langTool } = await import('@langchain/core/tools');
    const { HumanMessage, ToolMessage } = await import('@langchain/core/messages');
    const lang = new ChatOpenAI({ model, apiKey: key, maxRetries: 0, configuration: { baseURL: at } });
    const langTools = (names) =>
        names.map((name) =>
            langTool(({ city: place }) => `${name} of ${place}`, { name, description: `Tells ${name}`, schema: city }),
        );

    const { OpenAI: LlamaOpenAI, OpenAIEmbedding } = await import('@llamaindex/openai');
    const { tool: llamaTool } = await import('llamaindex');
    const llama = new LlamaOpenAI({ model, apiKey: key, baseURL: at, maxRetries: 0, supportToolCall: true });

    const agents = await import('@openai/agents');
    agents.setTracingDisabled(true);
    const agentModel = new agents.OpenAIChatCompletionsModel(openai, model);
    const agentTools = (names) =>
        names.map((name) =>
            agents.tool({
                name,
                description: `Tells ${name}`,
                parameters: city,
                execute: ({ city: place }) => `${name} of ${place}`,
            }),
        );

    return {
        chat: {
            openai: async () => {
                const { choices, usage } = await openai.chat.completions.create({
                    model,
                    messages: user('hello there'),
                });
                assert.equal(choices[0].message.content, 'You said: hello there');
                assert.equal(choices[0].finish_reason, 'stop');
                assert.ok(usage.total_tokens > 0);
            },
            'ai-sdk': async () =>
                assert.equal(
                    (await ai.generateText({ model: vercel(model), prompt: 'hello there', maxRetries: 0 })).text,
                    'You said: hello there',
                ),
            langchain: async () => assert.equal((await lang.invoke('hello there')).content, 'You said: hello there'),
            llamaindex: async () =>
                assert.equal(
                    (await llama.chat({ messages: user('hello there') })).message.content,
                    'You said: hello there',
                ),
            agents: async () => {
                const agent = new agents.Agent({ name: 'A', instructions: 'Be short', model: agentModel });
                assert.equal((await agents.run(agent, 'hello there')).finalOutput, 'You said: hello there');
            },
        },
        stream: {
            openai: async () => {
                let text = '';
                let usage;
                const stream = await openai.chat.completions.create({
                    model,
                    messages: user('hello there'),
                    stream: true,
                    stream_options: { include_usage: true },
                });
                for await (const chunk of stream) {
                    text += chunk.choices[0]?.delta.content ?? '';
                    usage = chunk.usage ?? usage;
                }
                assert.equal(text, 'You said: hello there');
                assert.ok(usage.completion_tokens > 0);
            },
            'ai-sdk': async () => {
                let text = '';
                for await (const piece of ai.streamText({ model: vercel(model), prompt: 'hello there', maxRetries: 0 })
                    .textStream)
                    text += piece;
                assert.equal(text, 'You said: hello there');
            },
            langchain: async () => {
                let text = '';
                for await (const piece of await lang.stream('hello there')) text += piece.content;
                assert.equal(text, 'You said: hello there');
            },
            llamaindex: async () => {
                let text = '';
                for await (const { delta } of await llama.chat({ messages: user('hello there'), stream: true }))
                    text += delta;
                assert.equal(text, 'You said: hello there');
            },
            agents: async () => {
                const agent = new agents.Agent({ name: 'A', instructions: 'Be short', model: agentModel });
                const result = await agents.run(agent, 'hello there', { stream: true });
                let text = '';
                for await (const piece of result.toTextStream()) text += piece;
                assert.equal(text, 'You said: hello there');
            },
        },
        'tools, round trip': {
            openai: async () => {
                const first = await openai.chat.completions.create({
                    model,
                    messages: user('use weather'),
                    tools: tools(['weather']),
                });
                const [call] = first.choices[0].message.tool_calls;
                assert.equal(first.choices[0].finish_reason, 'tool_calls');
                assert.deepEqual(JSON.parse(call.function.arguments), { city: 'a city' });
                const messages = [
                    ...user('use weather'),
                    first.choices[0].message,
                    { role: 'tool', tool_call_id: call.id, content: 'rain' },
                ];
                const second = await openai.chat.completions.create({ model, messages, tools: tools(['weather']) });
                assert.equal(second.choices[0].message.content, 'The tools said: rain.');
            },
            'ai-sdk': async () => {
                const result = await ai.generateText({
                    model: vercel(model),
                    prompt: 'use weather',
                    tools: vercelTools(['weather']),
                    stopWhen: ai.stepCountIs(3),
                    maxRetries: 0,
                });
                assert.equal(result.text, 'The tools said: weather of a city.');
            },
            langchain: async () => {
                const [weather] = langTools(['weather']);
                const bound = lang.bindTools([weather]);
                const first = await bound.invoke([new HumanMessage('use weather')]);
                const [call] = first.tool_calls;
                const output = await weather.invoke(call.args);
                const second = await bound.invoke([
                    new HumanMessage('use weather'),
                    first,
                    new ToolMessage({ content: output, tool_call_id: call.id }),
                ]);
                assert.equal(second.content, 'The tools said: weather of a city.');
            },
            llamaindex: async () => {
                const weather = llamaTool({
                    name: 'weather',
                    description: 'Tells weather',
                    parameters: city,
                    execute: ({ city: place }) => `weather of ${place}`,
                });
                const { message } = await llama.chat({ messages: user('use weather'), tools: [weather] });
                assert.equal(message.options.toolCall[0].name, 'weather');
                const messages = [
                    ...user('use weather'),
                    message,
                    {
                        role: 'user',
                        content: 'rain',
                        options: { toolResult: { id: message.options.toolCall[0].id, result: 'rain', isError: false } },
                    },
                ];
                assert.equal(
                    (await llama.chat({ messages, tools: [weather] })).message.content,
                    'The tools said: rain.',
                );
            },
            agents: async () => {
                const agent = new agents.Agent({
                    name: 'A',
                    instructions: 'Be short',
                    model: agentModel,
                    tools: agentTools(['weather']),
                });
                assert.equal(
                    (await agents.run(agent, 'use weather')).finalOutput,
                    'The tools said: weather of a city.',
                );
            },
        },
        'tools, streamed': {
            openai: async () => {
                const runner = openai.chat.completions.stream({
                    model,
                    messages: user('use weather, then use time'),
                    tools: tools(['weather', 'time']),
                });
                const { choices } = await runner.finalChatCompletion();
                assert.deepEqual(
                    choices[0].message.tool_calls.map((call) => call.function.name),
                    ['weather', 'time'],
                );
                assert.deepEqual(JSON.parse(choices[0].message.tool_calls[1].function.arguments), { city: 'a city' });
            },
            'ai-sdk': async () => {
                const result = ai.streamText({
                    model: vercel(model),
                    prompt: 'use weather, then use time',
                    tools: vercelTools(['weather', 'time']),
                    stopWhen: ai.stepCountIs(4),
                    maxRetries: 0,
                });
                assert.equal(await result.text, 'The tools said: weather of a city; time of a city.');
            },
            langchain: async () => {
                let whole;
                for await (const piece of await lang.bindTools(langTools(['weather'])).stream('use weather'))
                    whole = whole ? whole.concat(piece) : piece;
                assert.deepEqual(whole.tool_calls[0].args, { city: 'a city' });
            },
            llamaindex: async () => {
                const weather = llamaTool({
                    name: 'weather',
                    description: 'Tells weather',
                    parameters: city,
                    execute: () => 'rain',
                });
                let call;
                for await (const { options } of await llama.chat({
                    messages: user('use weather'),
                    tools: [weather],
                    stream: true,
                }))
                    call = options?.toolCall?.[0] ?? call;
                assert.equal(call.name, 'weather');
            },
            agents: async () => {
                const agent = new agents.Agent({
                    name: 'A',
                    instructions: 'Be short',
                    model: agentModel,
                    tools: agentTools(['weather']),
                });
                const result = await agents.run(agent, 'use weather', { stream: true });
                await result.completed;
                assert.equal(result.finalOutput, 'The tools said: weather of a city.');
            },
        },
        'agent loop, three tools': {
            openai: async () => {
                const run = (name) => ({
                    type: 'function',
                    function: {
                        ...tools([name])[0].function,
                        parse: JSON.parse,
                        function: ({ city: place }) => `${name} of ${place}`,
                    },
                });
                const runner = openai.chat.completions.runTools({
                    model,
                    messages: user('use weather, use time, use news'),
                    parallel_tool_calls: false,
                    tools: ['weather', 'time', 'news'].map(run),
                });
                assert.equal(await runner.finalContent(), said(['weather', 'time', 'news']));
            },
            'ai-sdk': async () => {
                const result = await ai.generateText({
                    model: vercel(model),
                    prompt: 'use weather, use time, use news',
                    tools: vercelTools(['weather', 'time', 'news']),
                    stopWhen: ai.stepCountIs(6),
                    maxRetries: 0,
                });
                assert.equal(result.text, said(['weather', 'time', 'news']));
            },
            langchain: async () => {
                const byName = new Map(langTools(['weather', 'time', 'news']).map((one) => [one.name, one]));
                const bound = lang.bindTools([...byName.values()], { parallel_tool_calls: false });
                const messages = [new HumanMessage('use weather, use time, use news')];
                for (;;) {
                    const answer = await bound.invoke(messages);
                    messages.push(answer);
                    if (answer.tool_calls.length === 0) break;
                    for (const { id, name, args } of answer.tool_calls) {
                        messages.push(
                            new ToolMessage({ content: await byName.get(name).invoke(args), tool_call_id: id }),
                        );
                    }
                }
                assert.equal(messages.at(-1).content, said(['weather', 'time', 'news']));
            },
            llamaindex: async () => {
                const run = (name) =>
                    llamaTool({
                        ...{ name, description: `Tells ${name}`, parameters: city },
                        execute: ({ city: place }) => `${name} of ${place}`,
                    });
                const byName = new Map(['weather', 'time', 'news'].map((name) => [name, run(name)]));
                const messages = user('use weather, use time, use news');
                for (;;) {
                    const { message } = await llama.chat({ messages, tools: [...byName.values()] });
                    messages.push(message);
                    const calls = message.options?.toolCall ?? [];
                    if (calls.length === 0) break;
                    for (const { id, name, input } of calls) {
                        const args = typeof input === 'string' ? JSON.parse(input) : input;
                        const result = await byName.get(name).call(args);
                        messages.push({
                            role: 'user',
                            content: result,
                            options: { toolResult: { id, result, isError: false } },
                        });
                    }
                }
                assert.equal(messages.at(-1).content, said(['weather', 'time', 'news']));
            },
            agents: async () => {
                const agent = new agents.Agent({
                    name: 'A',
                    instructions: 'Be short',
                    model: agentModel,
                    tools: agentTools(['weather', 'time', 'news']),
                    modelSettings: { parallelToolCalls: false },
                });
                assert.equal(
                    (await agents.run(agent, 'use weather, use time, use news')).finalOutput,
                    said(['weather', 'time', 'news']),
                );
            },
        },
        'structured output': {
            openai: async () => {
                const schema = z.object({ name: z.string(), age: z.number(), tags: z.array(z.string()) });
                const { choices } = await openai.chat.completions.parse({
                    model,
                    messages: user('who?'),
                    response_format: zodResponseFormat(schema, 'person'),
                });
                assert.deepEqual(choices[0].message.parsed, { name: 'a name', age: 7, tags: ['a tags'] });
            },
            'ai-sdk': async () => {
                const { object } = await ai.generateObject({
                    model: vercel(model),
                    prompt: 'who?',
                    schema: z.object({ name: z.string(), age: z.number() }),
                    maxRetries: 0,
                });
                assert.deepEqual(object, { name: 'a name', age: 7 });
            },
            langchain: async () => {
                const structured = lang.withStructuredOutput(z.object({ name: z.string(), age: z.number() }), {
                    method: 'jsonSchema',
                });
                assert.deepEqual(await structured.invoke('who?'), { name: 'a name', age: 7 });
            },
            llamaindex: async () => {
                const { message } = await llama.chat({
                    messages: user('who?'),
                    responseFormat: z.object({ name: z.string(), age: z.number() }),
                });
                assert.deepEqual(JSON.parse(message.content), { name: 'a name', age: 7 });
            },
            agents: async () => {
                const agent = new agents.Agent({
                    name: 'A',
                    instructions: 'Be short',
                    model: agentModel,
                    outputType: z.object({ name: z.string(), age: z.number() }),
                });
                assert.deepEqual((await agents.run(agent, 'who?')).finalOutput, { name: 'a name', age: 7 });
            },
        },
        images: {
            openai: async () => {
                const content = [
                    { type: 'text', text: 'what is it?' },
                    { type: 'image_url', image_url: { url: PIXEL } },
                ];
                assert.equal(
                    (await openai.chat.completions.create({ model, messages: user(content) })).choices[0].message
                        .content,
                    'I see 1 image.',
                );
            },
            'ai-sdk': async () => {
                const messages = [
                    {
                        role: 'user',
                        content: [
                            { type: 'text', text: 'what?' },
                            { type: 'image', image: PIXEL },
                        ],
                    },
                ];
                assert.equal(
                    (await ai.generateText({ model: vercel(model), messages, maxRetries: 0 })).text,
                    'I see 1 image.',
                );
            },
            langchain: async () => {
                const message = new HumanMessage({
                    content: [
                        { type: 'text', text: 'what?' },
                        { type: 'image_url', image_url: { url: PIXEL } },
                    ],
                });
                assert.equal((await lang.invoke([message])).content, 'I see 1 image.');
            },
            llamaindex: async () => {
                const content = [
                    { type: 'text', text: 'what?' },
                    { type: 'image_url', image_url: { url: PIXEL } },
                ];
                assert.equal(
                    (await llama.chat({ messages: [{ role: 'user', content }] })).message.content,
                    'I see 1 image.',
                );
            },
            agents: async () => {
                const agent = new agents.Agent({ name: 'A', instructions: 'Be short', model: agentModel });
                const input = [
                    {
                        role: 'user',
                        content: [
                            { type: 'input_text', text: 'what?' },
                            { type: 'input_image', image: PIXEL },
                        ],
                    },
                ];
                assert.equal((await agents.run(agent, input)).finalOutput, 'I see 1 image.');
            },
        },
        'reasoning effort': {
            openai: async () => {
                const { choices, usage } = await openai.chat.completions.create({
                    model,
                    messages: user('hello'),
                    reasoning_effort: 'high',
                });
                assert.equal(choices[0].message.reasoning_content, 'Thinking with high effort.');
                assert.equal(usage.completion_tokens_details.reasoning_tokens, 4);
            },
        },
        'two choices, log probabilities': {
            openai: async () => {
                const { choices } = await openai.chat.completions.create({
                    model,
                    messages: user('hello'),
                    n: 2,
                    logprobs: true,
                });
                assert.deepEqual(
                    choices.map(({ index, message }) => [index, message.content]),
                    [
                        [0, 'You said: hello'],
                        [1, 'You said: hello'],
                    ],
                );
                assert.equal(choices[0].logprobs.content.map(({ token }) => token).join(''), 'You said: hello');
            },
        },
        embeddings: {
            openai: async () => {
                const { data, usage } = await openai.embeddings.create({ model, input: ['one', 'two words'] });
                assert.equal(data.length, 2);
                assert.equal(data[1].embedding.length, 8);
                assert.ok(usage.prompt_tokens > 0);
            },
            'ai-sdk': async () => {
                const { embedding } = await ai.embed({
                    model: vercel.textEmbeddingModel(model),
                    value: 'one',
                    maxRetries: 0,
                });
                assert.equal(embedding.length, 8);
            },
            langchain: async () => {
                const embeddings = new OpenAIEmbeddings({
                    model,
                    apiKey: key,
                    maxRetries: 0,
                    configuration: { baseURL: at },
                });
                assert.equal((await embeddings.embedQuery('one')).length, 8);
            },
            llamaindex: async () => {
                const embedding = new OpenAIEmbedding({ model, apiKey: key, baseURL: at, maxRetries: 0 });
                assert.equal((await embedding.getTextEmbedding('one')).length, 8);
            },
        },
        models: {
            openai: async () => {
                const { data } = await openai.models.list();
                const listed = data.find(({ id }) => id === model);
                assert.ok(listed.nodes > 0 && BigInt(listed.prices.best.prompt) > 0n);
                assert.equal((await openai.models.retrieve(model)).owned_by, listed.owned_by);
                await assert.rejects(openai.models.retrieve('no/such model'), OpenAI.NotFoundError);
            },
        },
        ...(await responses({ at, model, key })),
        ...(await failures({ at, poor, model, key })),
        ...(await messages({ at, poor, model, key })),
    };
}
