import { Finish } from '@cocoon-market/wrappers';
import { OpenAiBackend } from '../../../offchain/backend';
import { Frame, FrameKind, PieceReader, WholeAnswer, WholeChoice } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { chunk, ModelServer } from '../support/modelServer';
import { type Fixture, startFixture } from '../support/worker';

/** The choices of an answer as a client puts them together. */
function wholeOf(frames: Frame[]): WholeChoice[] {
    const [reader, whole] = [new PieceReader(), new WholeAnswer()];
    [...frames.flatMap((frame) => reader.push(frame)), ...reader.end()].forEach((piece) => whole.add(piece));
    return whole.choices;
}

/** A delta as a message: indexes of calls are for streams only. */
function withoutIndexes({ tool_calls: calls, ...others }: { tool_calls?: object[] }): object {
    const whole = calls?.map((call) => Object.fromEntries(Object.entries(call).filter(([name]) => name !== 'index')));
    return whole === undefined ? others : { ...others, tool_calls: whole };
}

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

    // A backend that fails query after query would not be asked any more.
    afterEach(async () => {
        expect((await ask(chunk({ content: 'a' }, 'stop'))).complete).toBe(true);
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

    it.each(['tool_calls', 'function_call', 'repetition', 'new'])(
        'that finishes with %s is whole, and the word arrives as it is',
        async (reason) => {
            const { complete, frames, result } = await ask(chunk({ content: 'a' }), chunk({}, reason));

            expect(complete).toBe(true);
            expect(result).toMatchObject({ finish: Finish.Stop, completion: 1 });
            expect(wholeOf(frames)).toEqual([{ index: 0, message: { content: 'a' }, note: { finish_reason: reason } }]);
        },
    );

    it.each(['error', 'abort', 'aborted', 'cancelled', 'insufficient_system_resource'])(
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

    it.each<[string, object]>([
        ['a tool call', { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }],
        ['a function call', { function_call: { name: 'f', arguments: '{}' } }],
        ['a refusal', { refusal: 'I will not' }],
        ['audio', { audio: { id: 'x', data: 'AAAA' } }],
        ['annotations', { annotations: [{ type: 'url_citation' }] }],
        ['content that is no text', { content: [{ type: 'text', text: 'a' }] }],
    ])('that holds %s arrives as it is, and is billed at most by its bytes', async (_, delta) => {
        const { frames, result } = await ask(chunk(delta), chunk({}, 'stop'));
        const [{ message }] = wholeOf(frames);

        expect(message).toEqual(withoutIndexes(delta));
        expect(result!.completion).toBeGreaterThan(0);
        expect(result!.completion).toBeLessThanOrEqual(JSON.stringify(delta).length);
    });

    it('with a tool call of 100 KB in one piece arrives whole, over many frames', async () => {
        const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: 'ü'.repeat(50_000) } };
        server.events(chunk({ tool_calls: [call] }), chunk({}, 'tool_calls'));
        const { frames } = await client.ask(++number, 'hi', { ceiling: 500_000_000n, maxTokens: 200_000 });

        expect(frames.filter(({ more }) => more).length).toBeGreaterThan(5);
        expect(wholeOf(frames)[0].message).toEqual(withoutIndexes({ tool_calls: [call] }));
    });

    it.each<[string, object[][], object[]]>([
        [
            'pieces by their index',
            [
                [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }],
                [{ index: 0, function: { arguments: '{"x"' } }],
                [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }],
                [{ index: 0, function: { arguments: ':1}' } }],
            ],
            [
                { id: 'a', function: { name: 'f', arguments: '{"x":1}' } },
                { id: 'b', function: { name: 'g', arguments: '{}' } },
            ],
        ],
        [
            'whole calls that all have index 0',
            [
                [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }],
                [{ index: 0, id: 'b', function: { name: 'f', arguments: '[]' } }],
            ],
            [
                { id: 'a', function: { name: 'f', arguments: '{}' } },
                { id: 'b', function: { name: 'f', arguments: '[]' } },
            ],
        ],
        [
            'whole calls without an id',
            [
                [{ index: 0, function: { name: 'f', arguments: '{}' } }],
                [{ index: 1, function: { name: 'g', arguments: '[' } }],
                [{ index: 1, function: { arguments: ']' } }],
            ],
            [{ function: { name: 'f', arguments: '{}' } }, { function: { name: 'g', arguments: '[]' } }],
        ],
        [
            'whole calls without an index',
            [
                [
                    { id: 'a', function: { name: 'f' } },
                    { id: 'b', function: { name: 'g' } },
                ],
            ],
            [
                { id: 'a', function: { name: 'f' } },
                { id: 'b', function: { name: 'g' } },
            ],
        ],
    ])('with %s keeps each call apart', async (_, deltas, calls) => {
        const { frames } = await ask(...deltas.map((one) => chunk({ tool_calls: one })), chunk({}, 'tool_calls'));

        expect(wholeOf(frames)[0].message).toEqual({ tool_calls: calls });
    });

    it('with logprobs of a token without text keeps them with those of the next', async () => {
        const of = (token: string) => ({ content: [{ token, logprob: -1, bytes: [1], top_logprobs: [] }] });
        const event = (token: string, content: string) => ({
            choices: [{ index: 0, delta: { content }, logprobs: of(token), finish_reason: null }],
        });
        const { frames } = await ask(event('half', ''), event('rest', 'a'), chunk({}, 'stop'));

        expect(wholeOf(frames)[0].note).toEqual({
            logprobs: { content: [...of('half').content, ...of('rest').content] },
        });
    });

    it('with logprobs keeps them beside their text, and bills none of them', async () => {
        const logprobs = { content: [{ token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [] }] };
        const event = { choices: [{ index: 0, delta: { content: 'a' }, logprobs, finish_reason: null }] };
        const { frames, result } = await ask(event, chunk({}, 'stop'));

        expect(wholeOf(frames)).toEqual([{ index: 0, message: { content: 'a' }, note: { logprobs } }]);
        expect(result).toMatchObject({ completion: 1 });
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
