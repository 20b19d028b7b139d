import { Reason } from '@cocoon-market/wrappers';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OpenAiBackend } from '../../offchain/backend';
import { useMarket } from '../support/market';
import { ask, MODEL, startBench } from './gateway/support';
import { ECHO } from './support/backend';
import { TestClient } from './support/client';
import { chunk, ModelServer } from './support/modelServer';
import { configFor, startFixture } from './support/worker';

/** 60 KB of English, and the prices and the step of docs/gateway.md. */
const prose = ['protocol', 'gateway', 'worker', 'trust']
    .map((name) => readFileSync(join(__dirname, '../../docs', `${name}.md`), 'utf8'))
    .join('')
    .slice(0, 60 * 1024);
const rates = { prompt: 200_000_000n, cached: 100_000_000n, completion: 800_000_000n, reasoning: 800_000_000n };
const prices = Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, String(rate)])) as Record<
    keyof typeof rates,
    string
>;
const STEP = 10_000_000n;
const MOST = Number((STEP / 2n) * 1_000_000n) / 200_000_000; // tokens that half a step pays

describe('a prompt of 60 KB at the prices of the guide', () => {
    const market = useMarket();

    it.each([
        ['qwen', undefined],
        ['bytes', Reason.StepTooSmall],
    ] as const)('at a node that lists the tokenizer %s: refused for %s', async (tokenizer, reason) => {
        const server = await new ModelServer().start();
        const offers = [{ model: ECHO, rates: prices, tokenizer }];
        const fixture = await startFixture({ offers }, { backend: new OpenAiBackend({ url: server.url }) });
        try {
            const usage = { prompt_tokens: 14_000, completion_tokens: 1, total_tokens: 14_001 };
            server.events(chunk({ content: 'yes' }, 'stop'), { choices: [], usage });
            const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { rates, step: STEP });
            const answer = await client.ask(1, prose, { ceiling: 20_000_000n, maxTokens: 100 });

            expect(answer.decline?.reason).toBe(reason);
            expect(answer.result?.prompt).toBe(reason === undefined ? 14_000 : undefined);
        } finally {
            await fixture.stop();
            await server.stop();
        }
    });

    it('is counted as its job was taken, also after a reload and a restart with another tokenizer', async () => {
        const server = await new ModelServer().start();
        const offering = (tokenizer: 'qwen' | 'bytes') => ({ offers: [{ model: ECHO, rates: prices, tokenizer }] });
        const parts = { backend: new OpenAiBackend({ url: server.url }) };
        const fixture = await startFixture(offering('qwen'), parts);
        try {
            const usage = { prompt_tokens: 14_000, completion_tokens: 1, total_tokens: 14_001 };
            server.events(chunk({ content: 'yes' }, 'stop'), { choices: [], usage });
            const jobOf = () => TestClient.withJob(fixture.worker.url, fixture.chain, { rates, step: STEP });
            const ask = (client: TestClient, number: number) =>
                client.ask(number, prose, { ceiling: 20_000_000n, maxTokens: 100 });
            const client = await jobOf();
            await fixture.worker.reload(configFor(fixture.folder, offering('bytes')));

            expect(fixture.worker.nodeInfo.offers[0].tokenizer).toBe('bytes');
            expect((await ask(client, 1)).result?.prompt).toBe(14_000);
            expect((await ask(await jobOf(), 1)).decline?.reason).toBe(Reason.StepTooSmall);

            parts.backend = new OpenAiBackend({ url: server.url });
            await fixture.restart(offering('bytes'));
            client.url = fixture.worker.url;
            expect((await client.register()).body).toMatchObject({ tokenizer: 'qwen' });
            expect((await ask(client, 2)).result?.prompt).toBe(14_000);
        } finally {
            await fixture.stop();
            await server.stop();
        }
    });

    it('is reserved by the gateway as the tokens of the tokenizer that the node lists', async () => {
        const models = { [MODEL]: { maxPrice: prices } };
        const job = { deposit: '1000000000', step: String(STEP), notice: 3600, lifetime: 86400, maxParallel: 4 };
        const bench = await startBench(market(), { config: { models, job } });
        try {
            bench.worker.info = (info) => ({
                ...info,
                offers: info.offers.map((offer) => ({ ...offer, rates, tokenizer: 'qwen' })),
                limits: { ...info.limits, maxStep: STEP },
            });
            const { status, body } = await bench.post({
                ...ask,
                max_tokens: 100,
                messages: [{ role: 'user', content: prose }],
            });

            expect([status, body.error]).toEqual([200, undefined]);
            const [{ number }] = await bench.gateway.store.jobs();
            const stored = await bench.gateway.store.storedAnswer(number, 1);
            expect(stored).toMatchObject({ tokenizer: 'qwen' });
            expect(stored!.promptBound).toBeLessThan(MOST);
            expect(stored!.promptBound).toBeGreaterThan(prose.length / 5);
            expect(body.usage.receipt).toBe(`${number}-1`);

            // The node lists another tokenizer now, and its sessions are new: this job keeps its own.
            bench.worker.info = (info) => ({ ...info, offers: info.offers.map((offer) => ({ ...offer, rates })) });
            bench.worker.boot = Buffer.alloc(16, 8);
            expect((await bench.post({ ...ask, max_tokens: 100 })).status).toBe(200);
            expect(bench.worker.jobs.size).toBe(1);
            expect(await bench.gateway.store.storedAnswer(number, 2)).toMatchObject({ tokenizer: 'qwen' });
        } finally {
            await bench.close();
        }
    });
});
