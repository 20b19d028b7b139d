/**
 * Model servers that answer as real ones do, for tests: what they say depends on the request alone. Each kind has the
 * quirks of its server, as far as a client can see them.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const HIDDEN_WIDTH = 8; // numbers of an embedding
const SLOW_MS = 100; // before each word, where the request asks for it

/** What each server does in its own way. */
export const kinds = {
    // Reasoning under "reasoning"; a call's arguments in pieces after its name; usage in a chunk of its own, and counts
    // of each choice in every chunk if the request asks for them.
    vllm: {
        owner: 'vllm',
        continuous: true,
        reasoning: 'reasoning',
        callPieces: 3,
        finishOfCalls: 'tool_calls',
        tokenIds: true,
    },
    // Reasoning under "reasoning_content"; the count of reasoning beside the completion.
    sglang: {
        ...{ owner: 'sglang', continuous: true, reasoning: 'reasoning_content', callPieces: 2 },
        ...{ finishOfCalls: 'tool_calls', topLevelReasoning: true },
    },
    // A whole call in one piece, and the finish reason "stop" in older versions.
    ollama: {
        owner: 'library',
        reasoning: 'reasoning',
        callPieces: 1,
        finishOfCalls: 'tool_calls',
        usageWithFinish: true,
    },
    // Timings in the last chunk, and in every one if the request asks for it.
    llamacpp: {
        owner: 'llamacpp',
        reasoning: 'reasoning_content',
        callPieces: 4,
        finishOfCalls: 'tool_calls',
        timings: true,
    },
};

/** A value that a JSON schema allows: the shortest one, with texts that name their field. */
export function instanceOf(schema, name = 'value', root = schema) {
    if (schema.$ref) {
        const path = schema.$ref.replace('#/', '').split('/');
        return instanceOf(
            path.reduce((at, key) => at[key], root),
            name,
            root,
        );
    }
    if (schema.enum) return schema.enum[0];
    if ('const' in schema) return schema.const;
    const union = schema.anyOf ?? schema.oneOf;
    if (union) return instanceOf(union[0], name, root);
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    switch (type) {
        case 'object':
            return Object.fromEntries(
                Object.entries(schema.properties ?? {}).map(([key, field]) => [key, instanceOf(field, key, root)]),
            );
        case 'array':
            return [instanceOf(schema.items ?? { type: 'string' }, name, root)];
        case 'integer':
        case 'number':
            return 7;
        case 'boolean':
            return true;
        case 'null':
            return null;
        default:
            return `a ${name}`;
    }
}

const partsOf = (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []));
const textOf = (content) =>
    partsOf(content)
        .filter(({ type }) => type === 'text')
        .map(({ text }) => text)
        .join('');

/** The tools that a user's words name and no result answers yet: "use NAME" each, in their order. */
function wantedTools({ messages, tools = [] }) {
    const at = messages.findLastIndex(({ role }) => role === 'user');
    const words = textOf(messages[at]?.content);
    const answered = messages.slice(at + 1).filter(({ role }) => role === 'tool').length;
    const named = tools
        .map(({ function: { name } }) => ({ name, place: words.indexOf(`use ${name}`) }))
        .filter(({ place }) => place >= 0)
        .sort((a, b) => a.place - b.place)
        .map(({ name }) => tools.find((tool) => tool.function.name === name).function);
    return { named: named.slice(answered), answered };
}

/** What the server answers, before its quirks: texts, calls and counts. */
export function answerOf(body) {
    const { messages, tool_choice: choice, response_format: format, n = 1 } = body;
    const last = messages.at(-1);
    const images = messages
        .flatMap(({ content }) => partsOf(content))
        .filter(({ type }) => type === 'image_url').length;
    const { named, answered } = wantedTools(body);
    const reasoning = body.reasoning_effort ? `Thinking with ${body.reasoning_effort} effort.` : '';
    if (named.length > 0 && choice !== 'none') {
        const called = body.parallel_tool_calls === false || last.role === 'tool' ? named.slice(0, 1) : named;
        const calls = called.map(({ name, parameters }, i) => ({
            id: `call_${answered + i}_${name}`,
            type: 'function',
            function: { name, arguments: JSON.stringify(instanceOf(parameters ?? { type: 'object' })) },
        }));
        return { n, reasoning, content: '', calls };
    }
    if (format?.type === 'json_schema') {
        return { n, reasoning, content: JSON.stringify(instanceOf(format.json_schema.schema)), calls: [] };
    }
    if (format?.type === 'json_object') {
        return { n, reasoning, content: '{"ok":true}', calls: [] };
    }
    if (images > 0) {
        return { n, reasoning, content: `I see ${images} image${images === 1 ? '' : 's'}.`, calls: [] };
    }
    const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content));
    const content = results.length > 0 ? `The tools said: ${results.join('; ')}.` : `You said: ${textOf(last.content)}`;
    return { n, reasoning, content, calls: [] };
}

const words = (text) => text.match(/\s*\S+/g) ?? [];

/** Starts a model server of one kind; `requests` holds the bodies that it received. */
export async function startStandIn(kind, { model = 'test-model' } = {}) {
    const quirks = kinds[kind];
    const requests = [];
    const busyOnce = new Set(); // texts that were refused once
    const server = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const json = (status, body) => {
            response.writeHead(status, { 'content-type': 'application/json' });
            response.end(JSON.stringify(body));
        };
        if (request.url === '/v1/models') {
            return json(200, { object: 'list', data: [{ id: model, object: 'model', owned_by: quirks.owner }] });
        }
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
        requests.push(body);
        if (request.url === '/v1/embeddings') {
            const inputs = Array.isArray(body.input) ? body.input : [body.input];
            const data = inputs.map((input, index) => {
                const vector = Array.from(
                    { length: body.dimensions ?? HIDDEN_WIDTH },
                    (_, i) => ((input.length + i) % 7) / 7,
                );
                const packed = () => Buffer.from(new Float32Array(vector).buffer).toString('base64');
                return { object: 'embedding', index, embedding: body.encoding_format === 'base64' ? packed() : vector };
            });
            const tokens = inputs.reduce((sum, input) => sum + words(input).length, 0);
            return json(200, { object: 'list', model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } });
        }
        if (request.url !== '/v1/chat/completions') return json(404, { error: { message: 'no such path' } });
        const asked = textOf(body.messages.at(-1).content);
        if (asked.startsWith('busy once') && !busyOnce.has(asked)) {
            busyOnce.add(asked);
            response.setHeader('retry-after', '1');
            return json(429, { error: { message: 'Too many requests', type: 'rate_limit_error', code: 429 } });
        }
        const { n, reasoning, content, calls } = answerOf(body);
        const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model };
        const limit = body.max_completion_tokens ?? body.max_tokens ?? Infinity;
        const spoken = words(content);
        const cut = spoken.length > limit;
        const finish = cut ? 'length' : calls.length > 0 ? quirks.finishOfCalls : 'stop';
        const completion = n * (Math.min(spoken.length, limit) + words(reasoning).length + calls.length * 8);
        const prompt = body.messages.reduce((sum, { content: said }) => sum + words(textOf(said)).length + 4, 0);
        const usage = {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            ...(quirks.topLevelReasoning
                ? { reasoning_tokens: words(reasoning).length * n }
                : { completion_tokens_details: { reasoning_tokens: words(reasoning).length * n } }),
        };
        const logprobs = (text) =>
            body.logprobs
                ? { content: [{ token: text, logprob: -0.5, bytes: [...Buffer.from(text)], top_logprobs: [] }] }
                : null;
        if (!body.stream) {
            const message = {
                role: 'assistant',
                content: spoken.slice(0, limit).join('') || null,
                ...(reasoning && { [quirks.reasoning]: reasoning }),
                ...(calls.length > 0 && { tool_calls: calls }),
            };
            const choices = Array.from({ length: n }, (_, index) => ({
                index,
                message,
                finish_reason: finish,
                logprobs: body.logprobs
                    ? { content: spoken.slice(0, limit).flatMap((word) => logprobs(word).content) }
                    : null,
            }));
            return json(200, { ...head, object: 'chat.completion', choices, usage });
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const send = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`);
        // Counts so far of one choice, as its server gives them.
        const countsSoFar = (made) => {
            if (quirks.continuous && body.stream_options?.continuous_usage_stats) {
                return { usage: { prompt_tokens: prompt, completion_tokens: made, total_tokens: prompt + made } };
            }
            return quirks.timings && body.timings_per_token
                ? { timings: { cache_n: 0, prompt_n: prompt, predicted_n: made } }
                : {};
        };
        const made = []; // tokens by choice
        const delta = (index, fields, more = {}) => {
            const text = fields.content ?? fields[quirks.reasoning] ?? '';
            made[index] = (made[index] ?? 0) + (text === '' ? 0 : 1);
            const choice = { index, delta: fields, finish_reason: null, ...more };
            send({ ...head, choices: [choice], ...countsSoFar(made[index]) });
        };
        for (let index = 0; index < n; index++) {
            delta(index, { role: 'assistant', content: '' });
            for (const word of words(reasoning)) delta(index, { [quirks.reasoning]: word });
            for (const word of spoken.slice(0, limit)) {
                if (asked.startsWith('slowly')) await sleep(SLOW_MS);
                if (response.destroyed) return;
                delta(
                    index,
                    { content: word },
                    { logprobs: logprobs(word), ...(quirks.tokenIds && { token_ids: [1] }) },
                );
            }
            calls.forEach(({ id, type, function: { name, arguments: text } }, i) => {
                if (quirks.callPieces === 1) {
                    delta(index, { tool_calls: [{ index: i, id, type, function: { name, arguments: text } }] });
                    return;
                }
                delta(index, { tool_calls: [{ index: i, id, type, function: { name, arguments: '' } }] });
                const size = Math.ceil(text.length / quirks.callPieces);
                for (let from = 0; from < text.length; from += size) {
                    delta(index, {
                        tool_calls: [{ index: i, function: { arguments: text.slice(from, from + size) } }],
                    });
                }
            });
            send({
                ...head,
                choices: [{ index, delta: {}, finish_reason: finish }],
                ...(quirks.usageWithFinish && index === n - 1 && { usage }),
            });
        }
        if (!quirks.usageWithFinish) {
            const timings = quirks.timings && { timings: { cache_n: 0, prompt_n: prompt, predicted_n: completion } };
            send({ ...head, choices: [], usage, ...timings });
        }
        response.end('data: [DONE]\n\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}/v1`,
        requests,
        close: () =>
            new Promise((resolve) => {
                server.closeAllConnections();
                server.close(resolve);
            }),
    };
}
