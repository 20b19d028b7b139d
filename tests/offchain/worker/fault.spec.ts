import { Reason } from '@cocoon-market/wrappers';
import { OpenAiBackend } from '../../../offchain/backend';
import { RecordType } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { chunk, ModelServer } from '../support/modelServer';
import { type Fixture, startFixture } from '../support/worker';

const secret = 'SECRET PROMPT';
const openai = (fields: object) => ({ error: { message: `wrong: ${secret}`, ...fields } });

describe('whose fault the worker says it is when its model server answers', () => {
    let server: ModelServer;
    let fixture: Fixture;
    let client: TestClient;
    let number = 0;

    beforeAll(async () => {
        server = await new ModelServer().start();
        fixture = await startFixture({}, { backend: new OpenAiBackend({ url: server.url }) });
        client = await TestClient.withJob(fixture.worker.url, fixture.chain);
    });
    afterAll(async () => {
        await fixture.stop();
        await server.stop();
    });

    // A backend that fails query after query would not be asked any more.
    afterEach(async () => {
        server.events(chunk({ content: 'a' }, 'stop'));
        expect((await client.ask(++number, 'well')).result).toBeDefined();
    });

    const reason = async () => Reason[(await client.ask(++number, secret)).fail!.reason];

    it.each<[string, number, unknown, keyof typeof Reason]>([
        ['400 without a body', 400, '', 'BackendDown'],
        ['400 with a page of a proxy', 400, '<html>Bad Request</html>', 'BackendDown'],
        ['400 that names a wrong field', 400, openai({ type: 'invalid_request_error' }), 'BackendRefused'],
        [
            '400 of vLLM, longer than the context',
            400,
            {
                object: 'error',
                message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
                type: 'BadRequestError',
                code: 400,
            },
            'ContextExceeded',
        ],
        ['400 of OpenAI, longer than the context', 400, openai({ code: 'context_length_exceeded' }), 'ContextExceeded'],
        [
            '400 of llama.cpp, longer than the context',
            400,
            openai({ code: 400, type: 'exceed_context_size_error', n_ctx: 8192 }),
            'ContextExceeded',
        ],
        [
            '422 of TGI, longer than the context',
            422,
            {
                error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048',
                error_type: 'validation',
            },
            'ContextExceeded',
        ],
        ['422 of FastAPI', 422, { detail: [{ loc: ['body'], msg: secret, type: 'missing' }] }, 'BackendRefused'],
        ['400 for a wrong API key', 400, openai({ message: 'API key not valid', code: 400 }), 'BackendDenied'],
        ['400 of LM Studio without a model', 400, { error: 'No models loaded. Please load a model' }, 'BackendModel'],
        ['400 for a model it does not have', 400, openai({ code: 'model_not_found' }), 'BackendModel'],
        ['400 that says something else', 400, openai({}), 'BackendRefused'],
        ['413 of a proxy', 413, '<html>413 Request Entity Too Large</html>', 'BackendDown'],
        ['413 that says so', 413, openai({ type: 'invalid_request_error' }), 'BackendRefused'],
        ['401', 401, openai({ type: 'invalid_request_error' }), 'BackendDenied'],
        ['402', 402, '', 'BackendDenied'],
        ['403', 403, '', 'BackendDenied'],
        ['404', 404, openai({ type: 'invalid_request_error' }), 'BackendModel'],
        ['405', 405, '', 'BackendModel'],
        ['408', 408, '', 'BackendSlow'],
        ['409', 409, openai({ type: 'invalid_request_error' }), 'BackendDown'],
        ['429', 429, openai({ type: 'invalid_request_error' }), 'BackendBusy'],
        ['499', 499, '', 'BackendDown'],
        ['500 that names the context', 500, openai({ type: 'exceed_context_size_error' }), 'BackendDown'],
        ['502', 502, '', 'BackendDown'],
        ['503', 503, '', 'BackendDown'],
        ['504', 504, '', 'BackendSlow'],
        ['301', 301, '', 'BackendDown'],
    ])('%s', async (_, status, body, expected) => {
        server.status(status, body);

        expect(await reason()).toBe(expected);
    });

    it.each<[string, object, keyof typeof Reason]>([
        ['with its status', openai({ code: 429 }), 'BackendBusy'],
        [
            'with words alone',
            { error: 'Input validation error: `inputs` tokens', error_type: 'validation' },
            'BackendRefused',
        ],
        [
            'of the old vLLM',
            { object: 'error', message: 'maximum context length is 4096', code: 400 },
            'ContextExceeded',
        ],
        ['that says nothing', openai({}), 'BackendDown'],
    ])('200 and an error in the stream %s', async (_, event, expected) => {
        server.events(event);

        expect(await reason()).toBe(expected);
    });

    it('an error after the first text cuts the answer and is no fail', async () => {
        server.events(chunk({ content: 'a' }), openai({ code: 400, type: 'invalid_request_error' }));

        expect((await client.ask(++number, secret)).fail).toBeUndefined();
    });

    it.each([
        ['seconds', '7', 7],
        ['a part of a second', '0.5', 1],
        ['a time that is over', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
        ['longer than an hour', '100000', 3600],
    ])('passes on a Retry-After of %s', async (_, header, expected) => {
        server.status(429, '', { 'retry-after': header });
        const { receipts } = await client.ask(++number, secret);

        expect(receipts.get(RecordType.RetryAfter)!.readUInt32BE()).toBe(expected);
    });

    it('passes on no Retry-After where there is none, or no time', async () => {
        server.status(429);
        expect((await client.ask(++number, secret)).receipts.has(RecordType.RetryAfter)).toBe(false);
        server.status(429, '', { 'retry-after': 'soon' });
        expect((await client.ask(++number, secret)).receipts.has(RecordType.RetryAfter)).toBe(false);
    });
});
