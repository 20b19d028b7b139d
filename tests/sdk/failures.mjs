/** What an app gets in each SDK when it aborts, waits too long, is to ask again, or has no money left. */
import assert from 'node:assert/strict';

let texts = 0;

/** Like `features`, for what goes wrong. `poor`: the base URL of a gateway without money. */
export async function failures({ at, poor, model, key }) {
    const { default: OpenAI } = await import('openai');
    const openai = new OpenAI({ baseURL: at, apiKey: key, maxRetries: 0 });
    const user = (content) => [{ role: 'user', content }];
    const ai = await import('ai');
    const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
    const vercel = (baseURL) => createOpenAICompatible({ name: 'cocoon', baseURL, apiKey: key })(model);
    const { ChatOpenAI } = await import('@langchain/openai');
    const lang = (baseURL, more) => new ChatOpenAI({ model, apiKey: key, ...more, configuration: { baseURL } });
    const { OpenAI: LlamaOpenAI } = await import('@llamaindex/openai');
    const llama = (baseURL, more) => new LlamaOpenAI({ model, apiKey: key, baseURL, ...more });
    const agents = await import('@openai/agents');
    const agentOf = (client) =>
        new agents.Agent({
            name: 'A',
            instructions: 'Be short',
            model: new agents.OpenAIChatCompletionsModel(client, model),
        });

    const busy = () => `busy once, ${texts++}`; // the model server is busy at its first time
    const isTimeout = (error) => /time|abort/i.test(`${error.name} ${error.message}`);
    const isPoor = (error) => (error.status ?? error.statusCode) === 402;

    return {
        abort: {
            openai: async () => {
                const stream = await openai.chat.completions.create({
                    ...{ model, messages: user('slowly please'), stream: true },
                });
                await stream[Symbol.asyncIterator]().next();
                stream.controller.abort();
            },
            'ai-sdk': async () => {
                const abortSignal = AbortSignal.timeout(150);
                const asked = ai.generateText({
                    model: vercel(at),
                    prompt: 'slowly please',
                    abortSignal,
                    maxRetries: 0,
                });
                await assert.rejects(asked, isTimeout);
            },
        },
        timeout: {
            openai: async () => {
                const asked = openai.chat.completions.create(
                    { model, messages: user('slowly please') },
                    { timeout: 150 },
                );
                await assert.rejects(asked, OpenAI.APIConnectionTimeoutError);
            },
            langchain: async () => {
                await assert.rejects(lang(at, { timeout: 150, maxRetries: 0 }).invoke('slowly please'), isTimeout);
            },
            llamaindex: async () => {
                const asked = llama(at, { timeout: 150, maxRetries: 0 }).chat({ messages: user('slowly please') });
                await assert.rejects(asked, isTimeout);
            },
        },
        'retry of a busy server': {
            openai: async () => {
                const client = new OpenAI({ baseURL: at, apiKey: key, maxRetries: 2 });
                const text = busy();
                const { choices } = await client.chat.completions.create({ model, messages: user(text) });
                assert.equal(choices[0].message.content, `You said: ${text}`);
            },
            'ai-sdk': async () => {
                const text = busy();
                const answer = await ai.generateText({ model: vercel(at), prompt: text, maxRetries: 2 });
                assert.equal(answer.text, `You said: ${text}`);
            },
            langchain: async () => {
                const text = busy();
                assert.equal((await lang(at, { maxRetries: 2 }).invoke(text)).content, `You said: ${text}`);
            },
            llamaindex: async () => {
                const text = busy();
                const { message } = await llama(at, { maxRetries: 2 }).chat({ messages: user(text) });
                assert.equal(message.content, `You said: ${text}`);
            },
            agents: async () => {
                const text = busy();
                const agent = agentOf(new OpenAI({ baseURL: at, apiKey: key, maxRetries: 2 }));
                assert.equal((await agents.run(agent, text)).finalOutput, `You said: ${text}`);
            },
        },
        'no money left (402)': {
            openai: async () => {
                const client = new OpenAI({ baseURL: poor, apiKey: key });
                await assert.rejects(client.chat.completions.create({ model, messages: user('hello') }), isPoor);
            },
            'ai-sdk': async () => {
                await assert.rejects(ai.generateText({ model: vercel(poor), prompt: 'hello' }), isPoor);
            },
            langchain: async () => {
                await assert.rejects(lang(poor, { maxRetries: 0 }).invoke('hello'), isPoor);
            },
            llamaindex: async () => {
                await assert.rejects(llama(poor, {}).chat({ messages: user('hello') }), isPoor);
            },
            agents: async () => {
                const agent = agentOf(new OpenAI({ baseURL: poor, apiKey: key }));
                await assert.rejects(agents.run(agent, 'hello'), isPoor);
            },
        },
    };
}
