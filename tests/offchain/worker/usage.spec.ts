import { OpenAiBackend } from '../../../offchain/backend';
import { TestClient } from '../support/client';
import { chunk, ModelServer } from '../support/modelServer';
import { type Fixture, startFixture } from '../support/worker';

/** 300 pieces of reasoning and 300 of content, the bytes of both alike. */
const thinking = [
    ...Array.from({ length: 300 }, () => chunk({ reasoning_content: 'hmm ' })),
    ...Array.from({ length: 300 }, () => chunk({ content: 'word' })),
];
const plain = Array.from({ length: 300 }, () => chunk({ content: 'word' }));
const stop = chunk({}, 'stop');
const usage = (fields: object) => ({ choices: [], usage: fields });

/** What the prompt of 40 bytes counts when nobody counted it. */
const ESTIMATE = 10;

type Billed = [prompt: number, cached: number, completion: number, reasoning: number];

describe('what is billed of the usage of', () => {
    let server: ModelServer;
    let fixture: Fixture;
    let client: TestClient;
    let number = 0;

    beforeAll(async () => {
        server = await new ModelServer().start();
        fixture = await startFixture({}, { backend: new OpenAiBackend({ url: server.url }) });
        client = await TestClient.withJob(fixture.worker.url, fixture.chain, { maxAnswer: 1 << 20 });
    });
    afterAll(async () => {
        await fixture.stop();
        await server.stop();
    });

    async function billed(...events: unknown[]) {
        server.events(...events);
        const answer = await client.ask(++number, 'x'.repeat(40), { ceiling: 100_000_000n, maxTokens: 5000 });
        expect(answer).toMatchObject({ complete: true, broken: false });
        const { prompt, cached, completion, reasoning } = answer.result!;
        return [prompt, cached, completion, reasoning];
    }

    it.each<[string, object[], Billed]>([
        [
            'vLLM 0.6: no details',
            [...thinking, stop, usage({ prompt_tokens: 72, total_tokens: 672, completion_tokens: 600 })],
            [72, 0, 300, 300],
        ],
        [
            'vLLM 0.10: details are null',
            [
                ...thinking,
                stop,
                usage({ prompt_tokens: 72, total_tokens: 672, completion_tokens: 600, prompt_tokens_details: null }),
            ],
            [72, 0, 300, 300],
        ],
        [
            'vLLM 0.25: cached tokens and no reasoning',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    total_tokens: 672,
                    completion_tokens: 600,
                    prompt_tokens_details: { cached_tokens: 64 },
                    completion_tokens_details: null,
                }),
            ],
            [8, 64, 300, 300],
        ],
        [
            'vLLM with reasoning counted',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    total_tokens: 692,
                    completion_tokens: 620,
                    prompt_tokens_details: { cached_tokens: 64 },
                    completion_tokens_details: { reasoning_tokens: 310 },
                }),
            ],
            [8, 64, 310, 310],
        ],
        [
            'vLLM whose parser counts 0 of the reasoning it sent',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    total_tokens: 672,
                    completion_tokens: 600,
                    completion_tokens_details: { reasoning_tokens: 0 },
                }),
            ],
            [72, 0, 300, 300],
        ],
        [
            'vLLM with usage in every chunk',
            [
                ...plain.map((one, i) => ({
                    ...one,
                    usage: { prompt_tokens: 72, total_tokens: 73 + i, completion_tokens: i + 1 },
                })),
                stop,
                usage({ prompt_tokens: 72, total_tokens: 372, completion_tokens: 300 }),
            ],
            [72, 0, 300, 0],
        ],
        [
            'SGLang 0.5.6: reasoning_tokens 0 beside the totals',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    total_tokens: 672,
                    completion_tokens: 600,
                    prompt_tokens_details: null,
                    reasoning_tokens: 0,
                }),
            ],
            [72, 0, 300, 300],
        ],
        [
            'SGLang with reasoning_tokens beside the totals',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    total_tokens: 692,
                    completion_tokens: 620,
                    prompt_tokens_details: { cached_tokens: 64 },
                    reasoning_tokens: 305,
                }),
            ],
            [8, 64, 315, 305],
        ],
        [
            'llama.cpp of 2024: usage in the last chunk with a choice',
            [...plain, chunk({}, 'stop', { usage: { completion_tokens: 300, prompt_tokens: 72, total_tokens: 372 } })],
            [72, 0, 300, 0],
        ],
        [
            'llama.cpp: cached tokens, timings beside',
            [
                ...thinking,
                stop,
                {
                    choices: [],
                    usage: {
                        completion_tokens: 600,
                        prompt_tokens: 72,
                        total_tokens: 672,
                        prompt_tokens_details: { cached_tokens: 64 },
                    },
                    timings: { cache_n: 64, prompt_n: 8, predicted_n: 600 },
                },
            ],
            [8, 64, 300, 300],
        ],
        [
            'Ollama 0.2: a cached prompt counts 0',
            [...plain, stop, usage({ prompt_tokens: 0, completion_tokens: 300, total_tokens: 300 })],
            [ESTIMATE, 0, 300, 0],
        ],
        [
            'Ollama 0.30: only the part of the prompt that was not cached',
            [...plain, stop, usage({ prompt_tokens: 1, completion_tokens: 300, total_tokens: 301 })],
            [1, 0, 300, 0],
        ],
        [
            'Ollama: reasoning within the completion',
            [
                ...Array.from({ length: 300 }, () => chunk({ reasoning: 'hmm ' })),
                ...plain,
                stop,
                usage({ prompt_tokens: 72, completion_tokens: 600, total_tokens: 672 }),
            ],
            [72, 0, 300, 300],
        ],
        ['TGI 2.2: no usage', [...plain, stop], [ESTIMATE, 0, 300, 0]],
        [
            'TGI 3: usage',
            [...plain, stop, usage({ prompt_tokens: 72, completion_tokens: 300, total_tokens: 372 })],
            [72, 0, 300, 0],
        ],
        ['LM Studio 0.3: no usage', [...plain, stop], [ESTIMATE, 0, 300, 0]],
        [
            'LM Studio 0.4: reasoning counted, cached not',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    completion_tokens: 600,
                    total_tokens: 672,
                    completion_tokens_details: { reasoning_tokens: 299 },
                }),
            ],
            [72, 0, 300, 300], // every piece that arrived was at least one token
        ],
        [
            'a server whose completion leaves reasoning out',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    completion_tokens: 320,
                    total_tokens: 702,
                    completion_tokens_details: { reasoning_tokens: 310 },
                }),
            ],
            [72, 0, 320, 310],
        ],
        [
            'a server whose prompt leaves cached tokens out',
            [
                ...plain,
                stop,
                usage({
                    prompt_tokens: 8,
                    completion_tokens: 300,
                    total_tokens: 372,
                    prompt_tokens_details: { cached_tokens: 64 },
                }),
            ],
            [8, 64, 300, 0],
        ],
        [
            'a server with more cached tokens than its prompt has',
            [
                ...plain,
                stop,
                usage({ prompt_tokens: 8, completion_tokens: 300, prompt_tokens_details: { cached_tokens: 64 } }),
            ],
            [0, 8, 300, 0],
        ],
        [
            'a server with more reasoning than its completion has',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    completion_tokens: 600,
                    completion_tokens_details: { reasoning_tokens: 900 },
                }),
            ],
            [72, 0, 300, 300],
        ],
        [
            'a server that counts reasoning twice, and its total does not',
            [
                ...thinking,
                stop,
                usage({
                    prompt_tokens: 72,
                    completion_tokens: 900,
                    total_tokens: 672,
                    completion_tokens_details: { reasoning_tokens: 300 },
                }),
            ],
            [72, 0, 300, 300],
        ],
        [
            'a server that sends more pieces than it counts tokens',
            [...thinking, stop, usage({ prompt_tokens: 72, completion_tokens: 100, total_tokens: 172 })],
            [72, 0, 50, 50],
        ],
        ['a server that counts the prompt alone', [...plain, stop, usage({ prompt_tokens: 72 })], [72, 0, 300, 0]],
        [
            'a server that counts the answer alone',
            [...plain, stop, usage({ completion_tokens: 310 })],
            [ESTIMATE, 0, 310, 0],
        ],
        [
            'a server that counts the prompt and the total',
            [...plain, stop, usage({ prompt_tokens: 72, total_tokens: 382 })],
            [72, 0, 310, 0],
        ],
        [
            'a server that counts the answer and the total',
            [...plain, stop, usage({ completion_tokens: 310, total_tokens: 382 })],
            [72, 0, 310, 0],
        ],
        [
            'a server that counts nothing and sends zeros',
            [...plain, stop, usage({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })],
            [ESTIMATE, 0, 300, 0],
        ],
        [
            'a server that reports before the answer and not after',
            [usage({ prompt_tokens: 72, completion_tokens: 0, total_tokens: 72 }), ...plain, stop],
            [ESTIMATE, 0, 300, 0],
        ],
        [
            'a server that reports twice, the second time zeros',
            [
                ...plain,
                chunk({}, 'stop', { usage: { prompt_tokens: 72, completion_tokens: 310, total_tokens: 382 } }),
                usage({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }),
            ],
            [72, 0, 310, 0],
        ],
        [
            'a server whose counts are no whole numbers',
            [...plain, stop, usage({ prompt_tokens: '72', completion_tokens: -5, total_tokens: 1.5 })],
            [ESTIMATE, 0, 300, 0],
        ],
    ])('%s', async (_, events, expected) => {
        expect(await billed(...events)).toEqual(expected);
    });

    it('a server that reports less than its pieces leaves what their meter was paid as credit', async () => {
        const before = client.newest!.cumulative;
        const { cumulative } = (await client.state()).results;
        server.events(...thinking, stop, usage({ prompt_tokens: 72, completion_tokens: 100, total_tokens: 172 }));
        const answer = await client.ask(++number, 'x'.repeat(40), { ceiling: 100_000_000n, maxTokens: 5000 });

        expect(answer.result!.completion + answer.result!.reasoning).toBe(100);
        const meters = answer.frames.map(({ meter }) => meter.completion + meter.reasoning);
        expect(meters).toEqual([...meters].sort((a, b) => a - b));
        expect(meters.at(-1)).toBeGreaterThan(100);
        expect(answer.result!.cumulative).toBe(BigInt(cumulative) + answer.result!.price);
        expect(client.newest!.cumulative).toBeGreaterThan(before);
    });
});
