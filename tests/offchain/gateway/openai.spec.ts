import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

describe('OpenAI client against the gateway', () => {
    const market = useMarket();
    let bench: Bench;

    beforeEach(async () => {
        bench = await startBench(market());
    });
    afterEach(() => bench.close());

    it('answers without streaming', async () => {
        const answer = await bench.openai.chat.completions.create(ask);

        expect(answer.choices[0].message.content).toBe('Hello world');
        expect(answer.choices[0].finish_reason).toBe('stop');
        expect(answer.usage).toEqual({
            prompt_tokens: 12,
            completion_tokens: 2,
            total_tokens: 14,
            prompt_tokens_details: { cached_tokens: 2 },
            completion_tokens_details: { reasoning_tokens: 0 },
            cost_nanoton: '3020',
            job_balance_nanoton: String(bench.gateway.book.all[0].balance),
            node: expect.stringMatching(/^[\w-]{48}$/),
            tier: 'open',
            receipt: `${bench.gateway.book.all[0].number}-1`,
        });
        expect(bench.gateway.book.all[0].balance).toBe(bench.gateway.book.all[0].stored.funds - 3020n);
    });

    it('streams, with usage at the end when it is asked for', async () => {
        const stream = await bench.openai.chat.completions.create({
            ...ask,
            stream: true,
            stream_options: { include_usage: true },
        });
        const chunks = [];
        for await (const chunk of stream) chunks.push(chunk);

        expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Hello world');
        expect(chunks.at(-2)!.choices[0].finish_reason).toBe('stop');
        expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 14, cost_nanoton: '3020' } });
    });

    it('pays what it was answered', async () => {
        await bench.openai.chat.completions.create(ask);
        await bench.openai.chat.completions.create(ask);

        await until(() => bench.worker.only.vouchers.at(-1)?.count === 2);
        expect(bench.worker.only.vouchers.at(-1)!.cumulative).toBe(6040n);
    });
});
