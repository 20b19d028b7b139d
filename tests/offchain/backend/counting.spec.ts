import { type BackendEvent, OpenAiBackend } from '../../../offchain/backend';
import type { ModelRequest } from '../../../offchain/link';
import { chunk, ModelServer } from '../support/modelServer';

/** The owner that each kind of server names in its list of models, by the sources of these servers. */
const owners = { vllm: 'vllm', sglang: 'sglang', llamacpp: 'llamacpp', ollama: 'library', unknown: 'somebody' };

const request = (more: object = {}): ModelRequest => ({
    endpoint: 'chat',
    maxTokens: 100,
    body: { model: 'echo', messages: [{ role: 'user', content: 'hello' }], ...more },
});

const usage = (prompt: number, made: number) => ({
    usage: { prompt_tokens: prompt, completion_tokens: made, total_tokens: prompt + made },
});

describe('a model server', () => {
    const server = new ModelServer();
    let backend: OpenAiBackend;

    beforeAll(() => server.start());
    afterAll(() => server.stop());
    afterEach(() => backend.close());

    async function answer(owner: string, events: unknown[], more: object = {}, config: object = {}, atOnce = false) {
        server.owner = owner;
        backend = new OpenAiBackend({ url: server.url, ...config });
        await backend.models();
        if (atOnce) {
            server.eventsAtOnce(...events);
        } else {
            server.events(...events);
        }
        const received: BackendEvent[] = [];
        for await (const event of backend.stream(request(more), AbortSignal.timeout(5000))) {
            received.push(event);
        }
        const tokens = received.filter((event) => event.type === 'delta').map((event) => event.tokens);
        const end = received.at(-1) as Extract<BackendEvent, { type: 'end' }>;
        return {
            received,
            tokens,
            usage: end.usage,
            sent: JSON.parse(server.bodies.at(-1)!) as Record<string, unknown>,
        };
    }

    it.each(['vllm', 'sglang'] as const)(
        '%s is asked for counts in every event, and each event adds its own',
        async (kind) => {
            const {
                tokens,
                usage: report,
                sent,
            } = await answer(owners[kind], [
                chunk({ role: 'assistant', content: '' }, null, usage(7, 0)),
                chunk({ content: 'three tokens at once' }, null, usage(7, 3)),
                chunk({ content: 'one' }, null, usage(7, 4)),
                chunk({}, 'stop', usage(7, 5)),
                { choices: [], ...usage(7, 5) },
            ]);
            expect(sent.stream_options).toEqual({ include_usage: true, continuous_usage_stats: true });
            expect(tokens).toEqual([3, 1]);
            expect(report).toEqual({ prompt: 7, cached: 0, completion: 5 });
        },
    );

    it.each([
        ['vllm', false],
        ['sglang', false],
        ['llamacpp', false],
        ['ollama', true],
        ['unknown', true],
    ] as const)('%s counts at the end only: %s', async (kind, atEnd) => {
        await answer(owners[kind], [chunk({ content: 'a' }), chunk({}, 'stop')]);
        expect(backend.countsAtEnd).toBe(atEnd);
    });

    describe('whose events arrive together', () => {
        const together = async (...events: unknown[]) => {
            const { received } = await answer('vllm', [...events, chunk({}, 'stop')], {}, {}, true);
            return received.filter((event) => event.type === 'delta');
        };

        it('has counted texts of one kind joined, with the sum of their tokens', async () => {
            const deltas = await together(
                chunk({ reasoning: 'a' }, null, usage(7, 1)),
                chunk({ reasoning: 'b' }, null, usage(7, 2)),
                chunk({ content: 'c' }, null, usage(7, 3)),
                chunk({ content: 'd' }, null, usage(7, 5)),
            );
            expect(deltas).toEqual([
                { type: 'delta', reasoning: 'ab', tokens: 2 },
                { type: 'delta', content: 'cd', tokens: 3 },
            ]);
        });

        it('has uncounted texts, and texts with a note, one by one', async () => {
            const logprobs = { content: [{ token: 'b' }] };
            const deltas = await together(
                chunk({ content: 'a' }),
                chunk({ content: 'b' }),
                { choices: [{ index: 0, delta: { content: 'c' }, logprobs }], ...usage(7, 3) },
                chunk({ content: 'd' }, null, usage(7, 4)),
            );
            expect(deltas.map((delta) => delta.type === 'delta' && delta.content)).toEqual(['a', 'b', 'c', 'd']);
        });

        it('has the text before an error in the same bytes delivered first', async () => {
            server.owner = 'vllm';
            backend = new OpenAiBackend({ url: server.url });
            await backend.models();
            server.eventsAtOnce(
                chunk({ content: 'a' }, null, usage(7, 1)),
                chunk({ content: 'b' }, null, usage(7, 2)),
                { error: { message: 'out of memory' } },
            );
            const received: BackendEvent[] = [];
            const reading = (async () => {
                for await (const event of backend.stream(request(), AbortSignal.timeout(5000))) {
                    received.push(event);
                }
            })();
            await expect(reading).rejects.toThrow('in the middle of an answer');
            expect(received).toEqual([{ type: 'delta', content: 'ab', tokens: 2 }]);
        });
    });

    it('vllm says how many tokens it makes without text, and a later text brings them', async () => {
        const { received } = await answer('vllm', [
            chunk({ content: 'a' }, null, usage(7, 1)),
            chunk({ content: '' }, null, usage(7, 4)),
            chunk({}, null, usage(7, 6)),
            chunk({ content: 'b' }, null, usage(7, 8)),
            chunk({ content: 'c' }, 'stop', usage(7, 9)),
        ]);
        expect(received.slice(0, -1)).toEqual([
            { type: 'delta', content: 'a', tokens: 1 },
            { type: 'work', tokens: 3 },
            { type: 'work', tokens: 5 },
            { type: 'delta', content: 'b', tokens: 7 },
            { type: 'delta', content: 'c', tokens: 1 },
        ]);
    });

    it('vllm makes tokens without text in several choices, and their sum is told', async () => {
        const empty = (index: number, made: number) => ({
            choices: [{ index, delta: { content: '' }, finish_reason: null }],
            ...usage(7, made),
        });
        const done = (index: number, made: number) => ({
            choices: [{ index, delta: {}, finish_reason: 'length' }],
            ...usage(7, made),
        });
        const events = [empty(0, 5), empty(1, 3), empty(0, 6), done(0, 6), done(1, 3)];
        const { received } = await answer('vllm', events, { n: 2 }, {}, true);
        expect(received.filter(({ type }) => type === 'work')).toEqual([{ type: 'work', tokens: 9 }]);
    });

    it('vllm counts each choice apart, and the whole only in its last event', async () => {
        const of = (index: number, content: string, made: number) => ({
            choices: [{ index, delta: { content }, finish_reason: null }],
            ...usage(7, made),
        });
        const done = (index: number, made: number) => ({
            choices: [{ index, delta: {}, finish_reason: 'stop' }],
            ...usage(7, made),
        });
        const events = [of(0, 'a', 1), of(1, 'b c', 2), of(0, 'd', 2), done(0, 3), done(1, 3)];
        const whole = await answer('vllm', [...events, { choices: [], ...usage(7, 6) }], { n: 2 });
        expect(whole.tokens.filter((count) => count !== 0)).toEqual([1, 2, 1]);
        expect(whole.usage).toMatchObject({ prompt: 7, completion: 6 });
        await backend.close();

        const cut = await answer('vllm', events, { n: 2 });
        expect(cut.usage).toBeUndefined();
    });

    it('llamacpp is asked for timings, which count prompt, cache and answer', async () => {
        const timings = (made: number) => ({ timings: { prompt_n: 4, cache_n: 6, predicted_n: made } });
        const {
            received,
            tokens,
            usage: report,
            sent,
        } = await answer('llamacpp', [
            chunk({ content: 'two tokens' }, null, timings(2)),
            chunk({ content: 'one' }, null, timings(3)),
            chunk({}, 'stop', timings(4)),
        ]);
        expect(sent.timings_per_token).toBe(true);
        expect(received[0]).toEqual({ type: 'prompt', prompt: 4, cached: 6 });
        expect(tokens).toEqual([2, 1]);
        expect(report).toEqual({ prompt: 4, cached: 6, completion: 4 });
    });

    it.each(['ollama', 'unknown'] as const)('%s is asked for nothing that it may refuse', async (kind) => {
        const {
            tokens,
            usage: report,
            sent,
        } = await answer(owners[kind], [
            chunk({ content: 'three tokens at once' }, null, usage(7, 3)),
            chunk({}, 'stop', usage(7, 5)),
        ]);
        expect(sent.stream_options).toEqual({ include_usage: true });
        expect(sent).not.toHaveProperty('timings_per_token');
        expect(tokens).toEqual([undefined]);
        expect(report).toMatchObject({ prompt: 7, completion: 5 });
    });

    it('that the config names is not recognized by its list', async () => {
        const { sent } = await answer('somebody', [chunk({ content: 'x' }, 'stop')], {}, { server: 'vllm' });
        expect(sent.stream_options).toMatchObject({ continuous_usage_stats: true });
        await backend.close();
        const other = await answer('vllm', [chunk({ content: 'x' }, 'stop')], {}, { server: 'other' });
        expect(other.sent.stream_options).toEqual({ include_usage: true });
    });

    it('whose sums fall or are no numbers adds nothing, and breaks nothing', async () => {
        const { tokens } = await answer('vllm', [
            chunk({ content: 'a' }, null, usage(7, 5)),
            chunk({ content: 'b' }, null, usage(7, 2)),
            chunk({ content: 'c' }, null, { usage: { completion_tokens: 'six' } }),
            chunk({ content: 'd' }, 'stop', usage(7, 6)),
        ]);
        expect(tokens).toEqual([5, 0, undefined, 1]);
    });

    it('that lists token ids or log probabilities counts by them', async () => {
        const withMore = (more: object, content: string) => ({
            choices: [{ index: 0, delta: { content }, finish_reason: null, ...more }],
        });
        const { tokens } = await answer('somebody', [
            withMore({ token_ids: [1, 2, 3] }, 'three'),
            withMore({ logprobs: { content: [{ token: 'x' }, { token: 'y' }] } }, 'two'),
            chunk({ content: 'unknown' }, 'stop'),
        ]);
        expect(tokens).toEqual([3, 2, undefined]);
    });
});
