import { counterOf, type PromptCounts } from '../../../offchain/tokens';
import { useMarket } from '../../support/market';
import { ask, type Bench, MODEL, startBench } from './support';

const words = (count: number) => 'word'.concat(' word'.repeat(count - 1)); // as many tokens

describe('a request that is longer than a context', () => {
    const market = useMarket();
    let bench: Bench;

    afterEach(() => bench.close());

    async function start(contexts: (number | undefined)[], tokenizer = 'qwen') {
        // Half a step pays for the longest of these prompts.
        const job = { deposit: '1000000000', step: '20000000', notice: 3600, lifetime: 86400, maxParallel: 4 };
        bench = await startBench(market(), { workers: contexts.length, config: { job } });
        bench.workers.forEach((worker, i) => {
            worker.info = (info) => ({
                ...info,
                offers: info.offers.map((offer) => ({ ...offer, tokenizer, context: contexts[i] })),
            });
        });
    }
    const post = (tokens: number, limit?: number) =>
        bench.post({ ...ask, max_tokens: limit, messages: [{ role: 'user', content: words(tokens) }] });

    it.each([
        ['fits', 20, 200],
        ['does not fit', 21, 400],
    ])('by prompt and max_tokens: %s', async (_, limit, status) => {
        await start([120]);
        const answer = await post(100, limit);
        expect(answer.status).toBe(status);
        if (status === 400) {
            expect(answer.body.error).toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
            expect(answer.body.error.message).toContain(`The longest context of ${MODEL} has 120 tokens`);
            expect(answer.body.error.message).toContain('at least 121');
            expect(await bench.gateway.store.jobs()).toEqual([]);
        }
    });

    it('counts only the prompt if the app sets no limit', async () => {
        await start([120]);
        expect((await post(120)).status).toBe(200);
        expect((await post(121)).status).toBe(400);
    });

    it('goes to a node whose context is long enough', async () => {
        await start([100, 1000]);
        const { status } = await post(500, 10);
        expect([status, bench.workers.map(({ jobs }) => jobs.size)]).toEqual([200, [0, 1]]);
    });

    it.each([
        ['lists no context', [undefined], 'qwen'],
        ['counts by bytes', [120], 'bytes'],
    ] as const)('is left to a node that %s', async (_, contexts, tokenizer) => {
        await start([...contexts], tokenizer);
        expect((await post(500, 10)).status).toBe(200);
    });

    /** Has a long request answered. `calls`: its status, and how often its prompt was counted at once, and in turns. */
    async function postLong() {
        const counter = counterOf('qwen');
        const atOnce = jest.spyOn(counter, 'text');
        const bound = jest.spyOn(counter, 'promptBound');
        const inTurns = jest.spyOn(counter, 'countPrompt');
        const { status } = await post(60_000, 10);
        const counts = await (inTurns.mock.results[0]?.value as Promise<PromptCounts>);
        const counted = {
            calls: [status, bound.mock.calls.length, inTurns.mock.calls.length],
            longest: Math.max(0, ...atOnce.mock.calls.map(([text]) => text.length)), // characters
        };
        jest.restoreAllMocks();
        return { ...counted, counts, counter };
    }

    it('is counted in several turns of the event loop, and not at once', async () => {
        await start([70_000]);
        await post(9, 10);
        const { calls, longest, counts, counter } = await postLong();
        const [request] = bench.worker.asked.slice(-1);

        expect(calls).toEqual([200, 0, 1]);
        expect(longest).toBeLessThan(1000);
        expect(counts.bound).toBe(counter.promptBound(request));
        expect((await post(71_000, 10)).body.error.code).toBe('context_length_exceeded');
    });

    it('is counted in several turns, too, if nodes are asked for the first time what they are', async () => {
        await start([70_000, 80_000]);
        const { calls, longest } = await postLong();

        expect(calls).toEqual([200, 0, 1]);
        expect(longest).toBeLessThan(1000);
    });
});
