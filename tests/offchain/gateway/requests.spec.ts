import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { ADMIN_HEADER, adminHeaders } from '../../../offchain/gateway/adminToken';
import OpenAI from 'openai';
import { request } from 'undici';
import { useMarket } from '../../support/market';
import { ask, Bench, startBench } from './support';

const secret = 'SECRET PROMPT';

describe('Requests to the gateway', () => {
    const market = useMarket();
    let bench: Bench;

    beforeAll(async () => {
        bench = await startBench(market());
    });
    afterAll(() => bench.close());

    it('answers malformed JSON with 400, in words that repeat nothing of it', async () => {
        const { status, body } = await bench.post(`{"model": "${secret}`);

        expect(status).toBe(400);
        expect(body.error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_json' });
        expect(JSON.stringify(body)).not.toContain(secret);
    });

    it('answers an empty body and another content type with 400', async () => {
        expect((await bench.post('')).status).toBe(400);
        expect((await bench.post('hello', { 'content-type': 'text/html' })).status).toBe(400);
    });

    it('answers a key that stands twice, a compressed body and a key that would change a prototype with 400', async () => {
        const twice = await bench.post('{"model":"a","messages":[],"model":"b"}');
        expect(twice.status).toBe(400);
        expect(twice.body.error).toMatchObject({ param: 'model', code: 'invalid_json' });

        const packed = await bench.post(ask, { 'content-encoding': 'gzip' });
        expect([packed.status, packed.body.error.message]).toEqual([400, expect.stringContaining('not compressed')]);

        expect((await bench.post('{"model":"a","messages":[],"__proto__":{"x":1}}')).status).toBe(400);
    });

    it('answers an unknown model with 404 model_not_found', async () => {
        const refused = bench.openai.chat.completions.create({ ...ask, model: 'gpt-9' });

        await expect(refused).rejects.toBeInstanceOf(OpenAI.NotFoundError);
        await expect(refused).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    });

    it.each([
        ['n', { n: 2 }],
        ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
        ['response_format', { response_format: { type: 'json_schema', json_schema: {} } }],
        ['logprobs', { logprobs: true }],
        ['modalities', { modalities: ['audio'] }],
        ['presence_penalty', { presence_penalty: 1 }],
        [
            'messages.0.content.0',
            { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,a' } }] }] },
        ],
    ])('refuses %s where no node does what it asks for', async (param, fields) => {
        const { status, body } = await bench.post({ ...ask, ...fields });

        expect(status).toBe(400);
        expect(body.error).toMatchObject({ param, code: 'unsupported_parameter' });
    });

    it.each([
        ['no messages', { messages: [] }, 'messages'],
        ['a role that does not exist', { messages: [{ role: 'king', content: secret }] }, 'messages.0.role'],
        [
            'an image',
            { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: secret } }] }] },
            'messages.0.content.0.image_url.url',
        ],
        ['tool calls', { messages: [{ role: 'assistant', tool_calls: [{ a: '1' }] }] }, 'messages.0.tool_calls.0.id'],
        ['a temperature of 3', { temperature: 3 }, 'temperature'],
        ['a top_p of 0', { top_p: 0 }, 'top_p'],
        ['no tokens', { max_tokens: 0 }, 'max_tokens'],
        ['seventeen stop strings', { stop: Array.from({ length: 17 }, String) }, 'stop'],
        ['a seed that is no number', { seed: 'x' }, 'seed'],
    ])('refuses %s with 400 and the name of the field', async (_, fields, param) => {
        const { status, body } = await bench.post({ ...ask, ...fields });

        expect(status).toBe(400);
        expect(body.error.param).toBe(param);
        expect(JSON.stringify(body)).not.toContain(secret);
    });

    it('asks for what it was asked, with 1024 tokens when none are named', async () => {
        await bench.post(ask);
        await bench.post({
            ...ask,
            messages: [
                { role: 'developer', content: 'Be short' },
                {
                    role: 'user',
                    content: [
                        { type: 'text', text: 'Say ' },
                        { type: 'text', text: 'hello' },
                    ],
                },
            ],
            max_completion_tokens: 5,
            temperature: 0.5,
            top_p: 0.9,
            seed: 3,
            stop: 'x',
            user: 'someone',
            metadata: { a: 'b' },
            n: 1,
            response_format: { type: 'text' },
        });

        expect(bench.worker.asked[0]).toEqual({ endpoint: 'chat', maxTokens: 1024, body: ask });
        expect(bench.worker.asked[1]).toEqual({
            endpoint: 'chat',
            maxTokens: 5,
            body: {
                model: ask.model,
                messages: [
                    { role: 'system', content: 'Be short' },
                    {
                        role: 'user',
                        content: [
                            { type: 'text', text: 'Say ' },
                            { type: 'text', text: 'hello' },
                        ],
                    },
                ],
                temperature: 0.5,
                top_p: 0.9,
                seed: 3,
                stop: 'x',
                n: 1,
                response_format: { type: 'text' },
            },
        });
    });

    it('names job, query and tier in headers', async () => {
        const { headers } = await bench.post(ask);

        expect(headers).toMatchObject({ 'x-cocoon-job': '0', 'x-cocoon-tier': 'open' });
        expect(Number(headers['x-cocoon-query'])).toBeGreaterThan(0);
    });

    it('counts reasoning apart and shows it', async () => {
        bench.worker.scripts.push({ reasoning: ['hm'], frames: ['yes'] });
        const { body } = await bench.post(ask);

        expect(body.choices[0].message).toMatchObject({ content: 'yes', reasoning_content: 'hm' });
        expect(body.usage).toMatchObject({ completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 1 } });
    });

    it('lists its models and says that it is well', async () => {
        const models = await bench.openai.models.list();
        expect(models.data.map(({ id }) => id)).toEqual([ask.model]);
        expect((await request(`${bench.gateway.url}/healthz`)).statusCode).toBe(200);
    });

    it('answers an unknown path with 404 in the same shape', async () => {
        const answer = await request(`${bench.gateway.url}/v1/images`, { method: 'POST' });
        expect(answer.statusCode).toBe(404);
        expect(await answer.body.json()).toMatchObject({ error: { code: 'unknown_path' } });
    });

    it('never writes prompts or answers to its log', async () => {
        bench.worker.scripts.push({ frames: ['SECRET ANSWER'], result: (result) => ({ ...result, price: 1n }) });
        await bench.post({ ...ask, messages: [{ role: 'user', content: secret }] });

        expect(bench.log.length).toBeGreaterThan(0);
        expect(bench.log.join('')).not.toMatch(/SECRET/);
    });

    describe('admin paths', () => {
        const admin = (path: string, options: Parameters<typeof request>[1] = {}) =>
            request(`${bench.gateway.url}/admin${path}`, {
                ...options,
                headers: { ...adminHeaders(bench.gateway.url), ...(options.headers as Record<string, string>) },
            });

        it('answer nobody without the token, such as a reverse proxy on the same machine', async () => {
            const { port } = new URL(bench.gateway.url);
            const at = `${bench.gateway.url}/admin/jobs`;
            const shown = adminHeaders(bench.gateway.url);
            expect(Object.keys(shown)).toEqual([ADMIN_HEADER]);

            const statuses: number[] = [];
            for (const headers of [
                {},
                { 'x-forwarded-for': '203.0.113.9', host: `127.0.0.1:${port}` },
                { [ADMIN_HEADER]: '' },
                { [ADMIN_HEADER]: '0'.repeat(64) },
                { [ADMIN_HEADER]: shown[ADMIN_HEADER].slice(1) },
                shown,
            ]) {
                statuses.push((await request(at, { headers })).statusCode);
            }
            expect(statuses).toEqual([403, 403, 403, 403, 403, 200]);
        });

        it('have their token in a file that nobody else may read', () => {
            const { port } = new URL(bench.gateway.url);
            const file = join(userInfo().homedir, '.cocoon-market', `gateway-${port}.token`);
            expect(statSync(file).mode & 0o777).toBe(0o600);
        });

        it('have their token sent to no other machine, which its own message may name', () => {
            const { port } = new URL(bench.gateway.url);

            expect(adminHeaders(`http://10.0.0.2:${port}`)).toEqual({});
            expect(Object.keys(adminHeaders(`http://localhost:${port}/`))).toEqual([ADMIN_HEADER]);
        });

        it('change nothing by GET', async () => {
            expect((await admin('/jobs/0/leave')).statusCode).toBe(404);
        });

        it('refuse a page in a browser and another host name', async () => {
            const json = { 'content-type': 'application/json' };
            const page = { method: 'POST' as const, body: '{}', headers: { ...json, origin: 'http://evil.example' } };
            const rebound = { method: 'POST' as const, body: '{}', headers: { ...json, host: 'evil.example' } };
            const plain = { method: 'POST' as const, body: '{}', headers: { 'content-type': 'text/plain' } };
            expect((await admin('/jobs/0/leave', page)).statusCode).toBe(403);
            expect((await admin('/jobs/0/leave', rebound)).statusCode).toBe(403);
            expect((await admin('/jobs/0/leave', plain)).statusCode).toBe(400);
        });

        it('list jobs and the state of escrow and nodes', async () => {
            const jobs = await (await admin('/jobs')).body.json();
            expect(jobs).toMatchObject([{ job: 0, tier: 'open' }]);
            const status = await (await admin('/status')).body.json();
            expect(status).toMatchObject({ escrow: expect.any(String), models: [{ model: ask.model }] });
        });
    });
});
