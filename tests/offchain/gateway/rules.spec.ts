import type { NodeInfo } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, type FakeWorker, MODEL, RATES, startBench, testMeasurement, until } from './support';

const text = (amount: bigint) => amount.toString();
const exactly = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, text(rate)])) as Record<
    keyof typeof RATES,
    string
>;

/** Half a step pays for the prompt, which a tokenizer bounds by some 300 tokens. */
const STEP_FOR_PROMPTS = {
    deposit: '1000000000',
    step: '100000',
    notice: 3600,
    lifetime: 86400,
    maxParallel: 4,
};

describe("An open job under today's rules", () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const job = (number = 0) => bench.gateway.book.get(number)!;
    const model = (maxPrice: object, more: object = {}) => ({ models: { [MODEL]: { maxPrice, ...more } } }) as never;
    const prompts = (worker: FakeWorker) => worker.wire.filter(({ path }) => path === '/v1/query').length;
    const later = async (overrides: object) => {
        await bench.restart(overrides);
        await bench.gateway.recovery.recovered;
    };
    /** The worker that has the only job, and the other. */
    const pair = () => {
        const first = bench.workers.find(({ jobs }) => jobs.size > 0)!;
        return { first, second: bench.workers.find((one) => one !== first)! };
    };

    afterEach(() => bench.close());

    it('gets no prompt when its worker is not in the configuration any more, and is settled', async () => {
        await start({ workers: 2 });
        await bench.post(ask);
        const { first, second } = pair();
        await later({ workers: [second.url] });

        expect((await bench.post(ask)).status).toBe(200);
        expect([prompts(first), prompts(second)]).toEqual([1, 1]);
        await until(() => first.only.ended);
        expect(job().stored.note).toContain('not in the configuration');
    });

    it("gets no prompt when its worker is none of the model's any more, and is settled", async () => {
        await start({ workers: 2 });
        await bench.post(ask);
        const { first, second } = pair();
        await later(model(exactly, { workers: [second.url] }));

        expect((await bench.post(ask)).status).toBe(200);
        expect([prompts(first), prompts(second)]).toEqual([1, 1]);
        await until(() => first.only.ended);
    });

    it.each(['prompt', 'cached', 'completion', 'reasoning'] as const)(
        'gets no prompt when it is dearer than maxPrice for %s tokens, and is settled',
        async (kind) => {
            await start();
            await bench.post(ask);
            await later(model({ ...exactly, [kind]: text(RATES[kind] - 1n) }));

            expect((await bench.post(ask)).status).toBe(503);
            expect(prompts(bench.worker)).toBe(1);
            await until(() => bench.worker.only.ended);
            expect(job().stored.note).toContain('maxPrice');
        },
    );

    it('goes on when its prices are exactly maxPrice and its step exactly job.step', async () => {
        await start();
        await bench.post(ask);
        await later(model(exactly));

        expect((await bench.post(ask)).status).toBe(200);
        expect(prompts(bench.worker)).toBe(2);
        expect(job().phase).toBe('open');
    });

    it('gets no prompt when its step is above job.step, and is settled', async () => {
        await start();
        await bench.post(ask);
        await later({ job: { deposit: '1000000000', step: '39999', notice: 3600, lifetime: 86400, maxParallel: 4 } });

        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
        await until(() => [...bench.worker.jobs.values()][0].ended);
        expect(job().stored.note).toContain('job.step');
    });

    it('gets no prompt when nodes that attest nothing are not allowed any more, and is settled', async () => {
        await start();
        await bench.post(ask);
        await later({ attestation: {} });

        expect((await bench.post(ask)).status).toBe(503);
        expect(prompts(bench.worker)).toBe(1);
        await until(() => bench.worker.only.ended);
        expect(job().stored.note).toMatch(/"open"|tier is open/);
    });

    it('gets no prompt when its worker counts it by another tokenizer than the node listed, and is settled', async () => {
        const listed = ({ worker }: Bench) => {
            let shown = () => 'qwen';
            worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], tokenizer: shown() }] });
            return (tokenizer: () => string) => (shown = tokenizer);
        };
        await start({ config: { job: STEP_FOR_PROMPTS }, before: (one) => void listed(one) });
        await bench.post(ask);
        expect(job().tokenizer).toBe('qwen');
        const list = listed(bench);
        list(() => (bench.worker.wire.at(-1)!.path === '/v1/jobs' ? 'bytes' : 'qwen'));
        await bench.gateway.closing.settle(job()).catch(() => undefined);

        expect((await bench.post(ask)).status).toBe(503);
        expect(prompts(bench.worker)).toBe(1);
        await until(() => job(4).phase !== 'open');
        expect(job(4).stored.note).toContain('counts the job by another tokenizer');
    });

    it('gets no prompt when its worker counts it by another tokenizer after the gateway began again', async () => {
        let tokenizer = 'qwen';
        const list = (info: NodeInfo) => ({ ...info, offers: [{ ...info.offers[0], tokenizer }] });
        await start({
            config: { job: STEP_FOR_PROMPTS },
            before: async ({ worker }) => void (worker.info = list),
        });
        await bench.post(ask);
        tokenizer = bench.worker.only.tokenizer = 'bytes';
        await later({});

        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
        await until(() => job().phase !== 'open');
        expect(job().stored.note).toContain('counts the job by another tokenizer');
    });

    it('gets no prompt when its node attests less than when it was opened, and is settled', async () => {
        const { policy, attest } = testMeasurement();
        await start({ config: { attestation: { ...policy, allowOpen: true } } });
        attest(bench.worker, market().now + 999);
        const denying = { ...ask, provider: { data_collection: 'deny' } };
        expect((await bench.post(denying)).headers['x-cocoon-tier']).toBe('testca');
        bench.worker.attestation = { tier: 'open' };
        bench.worker.only.sessions.clear();

        expect((await bench.post(denying)).status).toBe(503);
        expect(bench.worker.asked).toHaveLength(1);
        expect(job().stored.note).toContain('attests "open"');
        expect((await bench.post(ask)).headers).toMatchObject({ 'x-cocoon-job': '4', 'x-cocoon-tier': 'open' });
    });

    describe('whose measurement is not allowed', () => {
        const [allowed, other] = [5, 6].map((byte) => testMeasurement(byte));
        const spoiled = async () => (await bench.admin('status')).spoiled.today;

        beforeEach(async () => {
            await start({ config: { attestation: allowed.policy } });
            market().blockchain.now = market().now + 1;
            allowed.attest(bench.worker, market().now + 999);
            expect((await bench.post(ask)).status).toBe(200);
        });

        it('does not count as spoiled by its node if the rules of the gateway changed', async () => {
            market().blockchain.now = market().now + 1;
            await later({ attestation: other.policy });

            await until(() => bench.worker.only.ended);
            expect(job().stored.note).toContain('measurement');
            expect(await spoiled()).toBe(0);
        });

        it('counts as spoiled by its node if they did not', async () => {
            other.attest(bench.worker, market().now + 999);
            bench.worker.only.sessions.clear();

            expect((await bench.post(ask)).status).toBe(503);
            expect(job().stored.note).toContain('measurement');
            expect(await spoiled()).toBe(1);
        });
    });

    it('is settled when its model is not in the configuration any more, though nobody asks for it', async () => {
        await start();
        await bench.post(ask);
        await later({ models: { other: { maxPrice: exactly } } });
        await bench.gateway.sweep();

        await until(() => bench.worker.only.ended);
        expect(job().stored.note).toContain(MODEL);
    });

    it('that is not ended by its worker in a quarter of an hour is left, and refunded', async () => {
        await start();
        await bench.post(ask);
        await later(model({ ...exactly, prompt: '1' }));
        await bench.gateway.sweep();
        await until(() => bench.worker.only.ended);
        market().blockchain.now = market().now + 899;
        await bench.gateway.sweep();
        expect(job().phase).toBe('settling');
        market().blockchain.now = market().now + 1;
        await bench.gateway.sweep();
        expect(job().phase).toBe('leaving');
        market().blockchain.now = market().now + 3600;
        await bench.gateway.sweep();

        expect(await market().isGone({ address: job().channel })).toBe(true);
    });
});
