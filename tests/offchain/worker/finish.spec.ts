import { Finish, Reason } from '../../../wrappers';
import { OpenAiBackend } from '../../../offchain/backend';
import { FrameKind } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { chunk, ModelServer } from '../support/modelServer';
import { type Fixture, startFixture } from '../support/worker';

describe('an answer of a model server', () => {
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

    const ask = (...events: unknown[]) => {
        server.events(...events);
        return client.ask(++number, 'hi');
    };

    it.each([
        ['stop', Finish.Stop],
        ['eos_token', Finish.Stop],
        ['stop_sequence', Finish.Stop],
        ['length', Finish.Length],
        ['content_filter', Finish.ContentFilter],
    ])('that finishes with %s is whole', async (reason, finish) => {
        const answer = await ask(chunk({ content: 'a' }), chunk({}, reason));

        expect(answer).toMatchObject({ complete: true, text: 'a' });
        expect(answer.result).toMatchObject({ finish });
    });

    it.each(['error', 'abort', 'tool_calls', 'function_call', 'insufficient_system_resource', 'repetition', 'new'])(
        'that finishes with %s is cut by the backend, and what arrived is billed by the meter',
        async (reason) => {
            const answer = await ask(chunk({ content: 'a' }), chunk({}, reason), {
                choices: [],
                usage: { prompt_tokens: 5, completion_tokens: 900 },
            });

            expect(answer.complete).toBe(false);
            expect(answer.result).toMatchObject({ finish: Finish.CutByBackend, completion: 1 });
        },
    );

    it.each([
        ['a tool call', { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' } }] }],
        ['a function call', { function_call: { name: 'f' } }],
        ['a refusal', { refusal: 'I will not' }],
        ['audio', { audio: { data: 'x' } }],
        ['content that is no text', { content: [{ type: 'text', text: 'a' }] }],
    ])('that holds %s, which nobody could deliver, is none', async (_, delta) => {
        expect((await ask(chunk(delta), chunk({}, 'stop'))).fail).toMatchObject({ reason: Reason.BackendDown });
    });

    it('that says nothing of what it may say is taken', async () => {
        const nothing = {
            role: 'assistant',
            content: 'a',
            tool_calls: [],
            function_call: null,
            refusal: null,
            audio: null,
        };

        expect((await ask(chunk(nothing), chunk({}, 'stop'))).text).toBe('a');
    });

    it('whose reasoning stands under the second of two names arrives', async () => {
        const { text } = await ask(chunk({ reasoning_content: '', reasoning: 'hm' }), chunk({}, 'stop'));

        expect(text).toBe('hm');
    });

    it('with an emoji split over two pieces arrives whole', async () => {
        const { text, result } = await ask(
            chunk({ content: 'a\ud83d' }),
            chunk({ content: '\udc4b' }),
            chunk({ content: '\ud83d' }),
            chunk({ content: '\udc4bb' }),
            chunk({}, 'stop'),
        );

        expect(text).toBe('a👋👋b');
        expect(result).toMatchObject({ finish: Finish.Stop });
    });

    it('with half an emoji of reasoning before one of content mixes nothing', async () => {
        const { frames } = await ask(
            chunk({ reasoning_content: '\ud83d' }),
            chunk({ content: '\ud83d' }),
            chunk({ reasoning_content: '\udc4b' }),
            chunk({ content: '\ude00' }),
            chunk({}, 'stop'),
        );
        const of = (kind: FrameKind) => frames.filter((frame) => frame.kind === kind).map(({ text }) => text);

        expect(of(FrameKind.Reasoning).join('')).toBe('👋');
        expect(of(FrameKind.Content).join('')).toBe('😀');
    });

    it('whose last half never comes ends with the mark of a lost character', async () => {
        expect((await ask(chunk({ content: 'a\ud83d' }), chunk({}, 'stop'))).text).toBe('a\ufffd');
    });

    it('whose bytes are split within a character arrives whole', async () => {
        server.answer = async (response) => {
            const bytes = Buffer.from(
                `data: ${JSON.stringify(chunk({ content: 'é👋' }))}\n\ndata: ${JSON.stringify(chunk({}, 'stop'))}\n\n`,
            );
            for (const byte of bytes) {
                response.write(Uint8Array.of(byte));
                await new Promise(setImmediate);
            }
            response.end();
        };

        expect((await client.ask(++number, 'hi')).text).toBe('é👋');
    });
});
