// Longer than 350 lines because its cases share one model server.
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Reason } from '@cocoon-market/wrappers';
import { OpenAiBackend, createBackend } from '../../../offchain/backend';
import { modelList } from '../../../offchain/backend/servers';
import { until } from '../support/until';
import { ask, collect, endOf, textOf } from './collect';

const secret = 'SECRET PROMPT';

const delta = (fields: object, finish: string | null = null) => ({
    choices: [{ delta: fields, finish_reason: finish }],
});

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

describe('URL backend', () => {
    let server: Server;
    let backend: OpenAiBackend;
    let stop = async () => {}; // a test that needs no server may run alone

    /** Starts a model server that answers with a handler, and a backend on it. */
    async function serve(handler: Handler, fields: { apiKey?: string; path?: string } = {}): Promise<void> {
        server = createServer((request, response) => {
            let body = '';
            request.on('data', (bytes) => (body += bytes));
            request.on('end', () => handler(request, response, body));
        });
        await once(server.listen(0, '127.0.0.1'), 'listening');
        const { port } = server.address() as AddressInfo;
        backend = new OpenAiBackend({ url: `http://127.0.0.1:${port}${fields.path ?? '/v1'}`, apiKey: fields.apiKey });
        stop = async () => {
            await backend.close();
            server.closeAllConnections();
            server.close();
        };
    }

    /** Serves one stream of events. */
    const serveEvents = (...events: unknown[]) =>
        serve((_, response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
            response.end('data: [DONE]\n\n');
        });

    const serveStatus = (status: number) =>
        serve((_, response, body) => response.writeHead(status).end(JSON.stringify({ error: { message: body } })));

    afterEach(() => stop());

    describe('asking', () => {
        it('sends the request as a stream with usage and the API key', async () => {
            let seen: unknown;
            let key: string | undefined;
            let path: string | undefined;
            await serve(
                (request, response, body) => {
                    seen = JSON.parse(body);
                    key = request.headers.authorization;
                    path = request.url;
                    response.end(`data: ${JSON.stringify(delta({ content: 'a' }, 'stop'))}\n\n`);
                },
                { apiKey: 'key', path: '/' },
            );

            await collect(backend, ask('hi', { model: 'm', maxTokens: 9, top_p: 0.5, seed: 3, stop: ['.'] }));

            expect(path).toBe('/v1/chat/completions');
            expect(key).toBe('Bearer key');
            expect(seen).toEqual({
                model: 'm',
                messages: [{ role: 'user', content: 'hi' }],
                max_tokens: 9,
                temperature: 0,
                top_p: 0.5,
                seed: 3,
                stop: ['.'],
                stream: true,
                stream_options: { include_usage: true },
            });
        });

        it('lists the models of the server', async () => {
            await serve((request, response) =>
                response.end(request.url === '/v1/models' ? '{"data":[{"id":"a"},{"id":"b"}]}' : ''),
            );

            expect(await backend.models()).toEqual(['a', 'b']);
        });

        it('says so when the list of models is none', async () => {
            await serve((_, response) => response.end('<html>'));

            await expect(backend.models()).rejects.toThrow('did not answer with a list of models');
        });

        it('refuses a list of wrong models at the first of them', () => {
            expect(modelList.safeParse({ data: [1, 2, 3] }).error?.issues).toHaveLength(1);
        });

        it('gives up a list of models that drips in', async () => {
            const timeout = AbortSignal.timeout.bind(AbortSignal);
            const limits: number[] = [];
            jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
                limits.push(ms);
                return timeout(100);
            });
            await serve((_, response) => {
                response.writeHead(200);
                const drip = setInterval(() => response.write(' '), 10);
                response.on('close', () => clearInterval(drip));
            });

            await expect(backend.models()).rejects.toMatchObject({ reason: Reason.BackendSlow });
            expect(limits).toEqual([30_000]);
            jest.restoreAllMocks();
        });

        it('gives up a list of models without an end', async () => {
            let closed = false;
            await serve((_, response) => {
                response.on('close', () => (closed = true));
                const send = () => {
                    while (!closed && response.write(Buffer.alloc(1 << 20, ' ')));
                    response.once('drain', send);
                };
                send();
            });

            await expect(backend.models()).rejects.toThrow('did not answer with a list of models');
            await until(() => closed);
        });
    });

    describe('answers', () => {
        it('passes on content and reasoning without token counts', async () => {
            await serveEvents(
                delta({ role: 'assistant', content: '' }),
                delta({ reasoning_content: 'hm' }),
                delta({ reasoning: 'so' }),
                delta({ content: 'yes' }),
                delta({}, 'length'),
            );

            expect(await collect(backend, ask('hi'))).toEqual([
                { type: 'delta', reasoning: 'hm' },
                { type: 'delta', reasoning: 'so' },
                { type: 'delta', content: 'yes' },
                { type: 'end', finish: 'length' },
            ]);
        });

        it('joins events and characters that arrive in pieces', async () => {
            await serve(async (_, response) => {
                const bytes = Buffer.from(`data: ${JSON.stringify(delta({ content: 'é👋' }, 'stop'))}\n\n`);
                for (const byte of bytes) {
                    response.write(Uint8Array.of(byte));
                    await new Promise(setImmediate);
                }
                response.end();
            });

            expect(textOf(await collect(backend, ask('hi')))).toBe('é👋');
        });
    });

    it.each([
        ['keeps the stream open', ''],
        ['goes on', `data: ${JSON.stringify(delta({ content: 'b' }))}\n\n`],
    ])('ends an answer of which the server says that it is over, and %s', async (_, more) => {
        await serve((_, response) => {
            response.write(`data: ${JSON.stringify(delta({ content: 'a' }, 'stop'))}\n\ndata: [DONE]\n\n`);
            const writing = setInterval(() => response.write(more));
            response.once('close', () => clearInterval(writing));
        });

        expect(await collect(backend, ask('hi'))).toEqual([
            { type: 'delta', content: 'a' },
            { type: 'end', finish: 'stop' },
        ]);
    });

    describe('usage', () => {
        const answer = delta({ content: 'a' }, 'stop');

        it('takes cached out of prompt and reasoning out of completion', async () => {
            await serveEvents(answer, {
                choices: [],
                usage: {
                    prompt_tokens: 100,
                    completion_tokens: 50,
                    prompt_tokens_details: { cached_tokens: 30 },
                    completion_tokens_details: { reasoning_tokens: 20 },
                },
            });

            const { usage } = endOf(await collect(backend, ask('hi')));

            expect(usage).toEqual({ prompt: 70, cached: 30, completion: 30, reasoning: 20 });
        });

        it.each([
            [
                'leaves reasoning out',
                { prompt_tokens: 3, completion_tokens: 1 },
                { prompt: 3, cached: 0, completion: 1 },
            ],
            [
                'counts 0 for the answer',
                { prompt_tokens: 3, completion_tokens: 0 },
                { prompt: 3, cached: 0, completion: 0 },
            ],
            ['counts 0 for the prompt', { prompt_tokens: 0, completion_tokens: 5 }, { completion: 5 }],
            ['counts the prompt alone', { prompt_tokens: 3 }, { prompt: 3, cached: 0 }],
            ['counts the answer alone', { completion_tokens: 5 }, { completion: 5 }],
            [
                'has more cached tokens than prompt',
                { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } },
                { prompt: 0, cached: 3, completion: 1 },
            ],
            ['has a count that is not whole', { prompt_tokens: 3.5, completion_tokens: 1 }, { completion: 1 }],
        ])('says what a report says that %s', async (_, usage, expected) => {
            await serveEvents(answer, { choices: [], usage });

            expect(endOf(await collect(backend, ask('hi'))).usage).toEqual(expected);
        });

        it.each([
            ['is missing', undefined],
            ['is null', null],
            ['is all zeros', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
            ['holds no number', { prompt_tokens: '3', completion_tokens: -1 }],
        ])('is left out when it %s', async (_, usage) => {
            await serveEvents(answer, { choices: [], usage });

            expect(endOf(await collect(backend, ask('hi'))).usage).toBeUndefined();
        });
    });

    describe('errors', () => {
        it.each([
            [400, 'see its own log'],
            [401, 'API key'],
            [404, "check the model's name"],
            [429, 'lower the number of parallel queries'],
            [500, 'see its own log'],
            [503, 'wait until it has loaded'],
        ])('turns HTTP %i into advice that never repeats the prompt', async (status, advice) => {
            await serveStatus(status);

            const refused = collect(backend, ask(secret));

            await expect(refused).rejects.toMatchObject({ name: 'BackendError', status });
            await expect(refused).rejects.toThrow(advice);
            await expect(refused).rejects.not.toThrow(secret);
        });

        it('passes on the status of an error in the middle of a stream, without its words', async () => {
            await serveEvents(delta({ content: 'a' }), { error: { code: 507, message: secret } });

            const refused = collect(backend, ask(secret));

            await expect(refused).rejects.toMatchObject({ name: 'BackendError', status: 507 });
            await expect(refused).rejects.not.toThrow(secret);
        });

        it.each([
            ['a choice that is a text', { choices: [secret] }],
            ['a delta that is a text', { choices: [{ delta: secret }] }],
            ['a tool call that is a text', delta({ tool_calls: [secret] })],
            ['a hundred thousand fields', delta(Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [i, 1])))],
        ])('refuses an event with %s, which would be millions of fields', async (_, event) => {
            await serveEvents(event, delta({ content: 'a' }, 'stop'));

            const refused = collect(backend, ask(secret));

            await expect(refused).rejects.toMatchObject({ name: 'BackendError' });
            await expect(refused).rejects.not.toThrow(secret);
        });

        it('refuses a stream that ends before the answer does', async () => {
            await serveEvents(delta({ content: 'a' }));

            await expect(collect(backend, ask('hi'))).rejects.toThrow('ended before the answer did');
        });

        it('refuses a stream that breaks off', async () => {
            await serve((_, response) => {
                response.write(`data: ${JSON.stringify(delta({ content: 'a' }))}\n\n`, () => response.destroy());
            });

            await expect(collect(backend, ask('hi'))).rejects.toThrow('broke off');
        });

        it('refuses an answer that is not a stream', async () => {
            await serve((_, response) => response.end(JSON.stringify({ choices: [{ message: { content: 'a' } }] })));

            await expect(collect(backend, ask('hi'))).rejects.toMatchObject({ name: 'BackendError' });
        });

        it('refuses an answer that the server aborted', async () => {
            await serveEvents(delta({ content: 'a' }, 'abort'));

            await expect(collect(backend, ask('hi'))).rejects.toThrow('stopped the answer by itself');
        });

        it('says that nothing listens when the connection is refused', async () => {
            await serveEvents();
            server.close();
            await once(server, 'close');

            await expect(collect(backend, ask('hi'))).rejects.toThrow('nothing listens at http://127.0.0.1');
        });
    });

    describe('aborting', () => {
        /** Serves an answer that never ends; the emitter says `close` when its connection is gone. */
        async function serveEndless(): Promise<EventEmitter> {
            const connection = new EventEmitter();
            await serve((_, response) => {
                response.write(`data: ${JSON.stringify(delta({ content: 'a' }))}\n\n`);
                response.on('close', () => connection.emit('close'));
            });
            return connection;
        }

        it('closes the connection to the server and returns without an end', async () => {
            const closed = once(await serveEndless(), 'close');
            const abort = new AbortController();

            const events = [];
            for await (const event of backend.stream(ask('hi'), abort.signal)) {
                events.push(event);
                abort.abort();
            }

            await closed;
            expect(events).toEqual([{ type: 'delta', content: 'a' }]);
        });

        it('closes the connection when the reader leaves', async () => {
            const closed = once(await serveEndless(), 'close');

            for await (const _ of backend.stream(ask('hi'), new AbortController().signal)) break;

            await closed;
        });

        it('returns when aborted before the server answers', async () => {
            const abort = new AbortController();
            await serve(() => abort.abort());

            expect(await collect(backend, ask('hi'), abort.signal)).toEqual([]);
        });
    });
});

describe('createBackend', () => {
    it.each([
        [{ kind: 'embedded' } as const, 'embedded'],
        [{ kind: 'openai', url: 'http://127.0.0.1:1/v1' } as const, 'openai'],
    ])('makes what %j names', async (config, name) => {
        const backend = createBackend(config);

        expect(backend.name).toBe(name);
        await backend.close();
    });
});
