/** What is wrong with a request is said at the edge, with the field and the remedy, and nothing of it is billed. */
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { modelNamed } from '../../../offchain/gateway/api/modelName';
import { useMarket } from '../../support/market';
import { ask, type Bench, startBench } from './support';

const chat = '/v1/chat/completions';
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };
const image = (url: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }];
const json = (body: object) => JSON.stringify(body);
const withField = (field: string) => `${json(ask).slice(0, -1)},${field}}`;

/** By what is wrong: the path, the body, and the status, code and field of the error. */
const cases: [string, string, string | Buffer, number, string, string | null][] = [
    ['an unknown field', chat, withField('"color":"red"'), 400, 'unsupported_parameter', 'color'],
    ['a field of the wrong type', chat, withField('"temperature":"warm"'), 400, 'invalid_request', 'temperature'],
    ['no messages', chat, json({ ...ask, messages: [] }), 400, 'invalid_request', 'messages'],
    ['messages that are no list', chat, json({ ...ask, messages: {} }), 400, 'invalid_request', 'messages'],
    ['an unknown model', chat, json({ ...ask, model: 'gpt-9' }), 404, 'model_not_found', 'model'],
    ['no model', chat, json({ messages: ask.messages }), 400, 'invalid_request', 'model'],
    ['1,000 answers', chat, withField('"n":1000'), 400, 'invalid_request', 'n'],
    ['half an answer', chat, withField('"n":1.5'), 400, 'invalid_request', 'n'],
    ['10,000 tools', chat, json({ ...ask, tools: Array(10_000).fill(weather) }), 400, 'invalid_request', 'tools'],
    [
        'a tool whose schema is a text',
        chat,
        json({ ...ask, tools: [{ type: 'function', function: { name: 'f', parameters: 'x' } }] }),
        400,
        'invalid_request',
        'tools.0.function.parameters',
    ],
    [
        'an image elsewhere',
        chat,
        json({ ...ask, messages: image('http://10.0.0.1/a.png') }),
        400,
        'invalid_request',
        'messages.0.content.0.image_url.url',
    ],
    [
        'an image of 9 MB',
        chat,
        json({ ...ask, messages: image(`data:,${'a'.repeat(9 << 20)}`) }),
        413,
        'too_large',
        null,
    ],
    ['a number above all numbers', chat, withField('"seed":1e999'), 400, 'invalid_request', 'seed'],
    ['a number that is none', chat, withField('"seed":NaN'), 400, 'invalid_json', null],
    ['a key that stands twice', chat, withField('"model":"other"'), 400, 'invalid_json', 'model'],
    ['a key that changes a prototype', chat, withField('"__proto__":{"n":2}'), 400, 'invalid_json', null],
    [
        'brackets 100 levels deep',
        chat,
        withField(`"x":${'['.repeat(100)}${']'.repeat(100)}`),
        400,
        'invalid_json',
        null,
    ],
    ['a list in place of an object', chat, '[]', 400, 'invalid_request', null],
    ['a body that is empty', chat, '', 400, 'invalid_json', null],
    ['a body that unpacks to much more', chat, gzipSync(Buffer.alloc(50 << 20)), 400, 'invalid_request', null],
    [
        'two prompts',
        '/v1/completions',
        json({ model: ask.model, prompt: ['a', 'b'] }),
        400,
        'invalid_request',
        'prompt',
    ],
    ['no input', '/v1/embeddings', json({ model: ask.model, input: [] }), 400, 'invalid_request', 'input'],
    [
        'a stream of vectors',
        '/v1/embeddings',
        json({ model: ask.model, input: 'a', stream: true }),
        400,
        'unsupported_parameter',
        'stream',
    ],
    [
        'a conversation that is stored elsewhere',
        '/v1/responses',
        json({ model: ask.model, input: 'a', previous_response_id: 'resp_1' }),
        400,
        'unsupported_parameter',
        'previous_response_id',
    ],
    [
        'a tool that a server would run',
        '/v1/responses',
        json({ model: ask.model, input: 'a', tools: [{ type: 'web_search' }] }),
        400,
        'invalid_request',
        'tools.0.type',
    ],
    [
        'an item of no known type',
        '/v1/responses',
        json({ model: ask.model, input: [{ type: 'x' }] }),
        400,
        'invalid_request',
        'input.0.type',
    ],
];

describe('A request that is wrong', () => {
    const market = useMarket();
    let bench: Bench;

    beforeAll(async () => {
        bench = await startBench(market());
    });
    afterAll(() => bench.close());

    const send = async (path: string, body: string | Buffer) => {
        const packed = Buffer.isBuffer(body) ? { 'content-encoding': 'gzip' } : {};
        const headers = { 'content-type': 'application/json', ...packed };
        const answer = await request(bench.gateway.url + path, { method: 'POST', body, headers });
        return { status: answer.statusCode, body: (await answer.body.json()) as { error: Record<string, unknown> } };
    };

    it.each(cases)('with %s is refused by name', async (_, path, body, status, code, param) => {
        const answer = await send(path, body);
        expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([status, code, param]);
        expect(String(answer.body.error.message)).toMatch(/\w/);
    });

    it('is never sent to a node, and no job was opened for it', async () => {
        expect(bench.worker.asked).toEqual([]);
        expect(bench.chain.sent).toBe(0);
    });

    it('leaves the gateway as able as before', async () => {
        expect((await bench.post(ask)).status).toBe(200);
    });

    it('of Anthropic\u2019s API is refused in its shape', async () => {
        const { status, body } = await send('/v1/messages', json({ ...ask, max_tokens: 5, color: 'red' }));
        expect([status, body]).toEqual([
            400,
            {
                type: 'error',
                error: { type: 'invalid_request_error', code: 'unsupported_parameter', message: expect.any(String) },
            },
        ]);
    });
});

describe('The name of a model', () => {
    const models = ['Qwen/Qwen3-32B', 'other/Qwen3-32B', 'deepseek-ai/DeepSeek-V3', 'tiny'];

    it.each([
        ['Qwen/Qwen3-32B', 'Qwen/Qwen3-32B'],
        ['deepseek-v3', 'deepseek-ai/DeepSeek-V3'],
        ['tiny', 'tiny'],
    ])('%s means %s', (name, model) => {
        expect(modelNamed(name, models)).toBe(model);
    });

    it.each([
        ['qwen3-32b', 400, 'ambiguous_model'],
        ['qwen3', 404, 'model_not_found'],
        ['else/DeepSeek-V3', 404, 'model_not_found'],
        ['constructor', 404, 'model_not_found'],
    ])('%s is refused with %i', (name, status, code) => {
        let error: unknown;
        try {
            modelNamed(name, models);
        } catch (thrown) {
            error = thrown;
        }
        expect(error).toMatchObject({ status, code, param: 'model' });
    });
});
