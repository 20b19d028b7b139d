/** A server with OpenAI's chat API around llama.cpp, for one model file; as far as the URL backend needs it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const ROLES = { system: '<|system|>', user: '<|user|>', assistant: '<|assistant|>' };

/** Starts the server. `file`: a GGUF file with the marks of the embedded model; `encode`: tokens of a plain text. */
export async function startLlama(file, model, encode) {
    const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, progressLogs: false });
    const loaded = await llama.loadModel({ modelPath: file });
    const context = await loaded.createContext({ contextSize: 512, threads: 1 });
    const sequence = context.getSequence();
    const mark = (text) => loaded.tokenize(text, true)[0];
    const end = mark('<|end|>');
    const promptOf = (messages) => [
        mark('<|begin|>'),
        ...messages.flatMap(({ role, content }) => [mark(ROLES[role]), ...encode(content), end]),
        mark('<|assistant|>'),
    ];

    async function answer({ messages, max_tokens: limit, temperature = 1, seed }, send) {
        const prompt = promptOf(messages);
        const made = [];
        let finish = 'length';
        await sequence.clearHistory();
        for await (const token of sequence.evaluate(prompt, { temperature, seed, yieldEogToken: true })) {
            if (token === end) {
                finish = 'stop';
                break;
            }
            const before = loaded.detokenize(made);
            made.push(token);
            const text = loaded.detokenize(made).slice(before.length);
            if (text !== '') send({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
            if (made.length === limit) break;
        }
        const counts = { prompt_tokens: prompt.length, completion_tokens: made.length };
        send({ choices: [{ index: 0, delta: {}, finish_reason: finish }] });
        const usage = { ...counts, total_tokens: prompt.length + made.length };
        send({ choices: [], usage, timings: { prompt_n: prompt.length, predicted_n: made.length } });
    }

    const server = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        if (request.url === '/v1/models') {
            response.end(JSON.stringify({ object: 'list', data: [{ id: model, owned_by: 'llamacpp' }] }));
            return;
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model };
        const send = (event) => response.write(`data: ${JSON.stringify({ ...head, ...event })}\n\n`);
        await answer(JSON.parse(Buffer.concat(chunks).toString('utf8')), send);
        response.end('data: [DONE]\n\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}/v1`,
        async close() {
            server.close();
            server.closeAllConnections();
            await llama.dispose();
        },
    };
}
