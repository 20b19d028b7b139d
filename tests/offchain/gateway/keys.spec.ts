// Longer than 350 lines because its cases share one set-up.
/** API keys, budgets and what else a request to the gateway meets before it is answered, over HTTP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { main } from '../../../offchain/cli';
import { Recording } from '../../../offchain/gateway/idempotency';
import { NodeStats } from '../../../offchain/gateway/nodeStats';
import { JobPool } from '../../../offchain/gateway/pool';
import { Reason } from '@cocoon-market/wrappers';
import { useMarket } from '../../support/market';
import { ask, Bench, MODEL, newGate, RATES, startBench, until } from './support';

const market = useMarket();
let bench: Bench;

beforeEach(async () => {
    bench = await startBench(market(), { config: { metrics: { port: 0 } } });
});
afterEach(() => bench.close());

/** Posts to an admin path, as the command line does. */
const admin = (path: string, body: object) => bench.admin(path, body);

const JOB = { deposit: '1000000000', step: '40000', notice: 3600, lifetime: 86400, maxParallel: 4 };

/** A cheap node and a dear one, and two keys. */
async function twoNodes(job: typeof JOB & { maxOpen?: number } = JOB) {
    await bench.close();
    bench = await startBench(market(), { workers: 2, config: { job } });
    const [cheap, dear] = bench.workers;
    const rates = { ...RATES, prompt: 1n, completion: 1n };
    cheap.info = (info) => ({ ...info, offers: [{ ...info.offers[0], rates }] });
    return { cheap, dear, bob: await admin('keys', { name: 'bob' }), eve: await admin('keys', { name: 'eve' }) };
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

describe('A gateway with API keys', () => {
    it('answers who has one that may use the model, and books the answer on it', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        const other = await admin('keys', { name: 'eve', models: ['other'] });
        const models = (headers = {}) => request(`${bench.gateway.url}/v1/models`, { headers });

        expect(await bench.post(ask)).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
        expect((await models()).statusCode).toBe(401);
        expect((await models(bearer(secret))).statusCode).toBe(200);
        expect((await models({ 'x-api-key': secret })).statusCode).toBe(200); // as Anthropic's SDK sends it
        expect((await models({ 'x-api-key': 'sk-cocoon-x' })).statusCode).toBe(401);
        expect(await bench.post(ask, bearer(other.secret))).toMatchObject({
            ...{ status: 403, body: { error: { code: 'model_not_allowed', param: 'model' } } },
        });
        expect(bench.worker.only?.queries ?? []).toEqual([]);

        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
        expect(await bench.admin('usage?by=key,model,worker')).toEqual([
            {
                ...{ key: 'bob', model: MODEL, worker: bench.worker.url, queries: 1, cost: '3020' },
                ...{ prompt: 10, cached: 2, completion: 2, reasoning: 0 },
            },
        ]);
        expect(bench.log.join('\n')).not.toContain(secret);
    });

    it('gives one of several keys half of the queries that may run at once', async () => {
        await bench.restart({ maxQueries: 4 });
        const { secret } = await admin('keys', { name: 'bob' });
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push(...Array(4).fill({ wait: () => gate }));
        const running = Array.from({ length: 3 }, () => bench.post(ask, bearer(secret))); // nobody else has one yet
        await until(() => bench.worker.asked.length === 3);
        const other = await admin('keys', { name: 'eve' });

        const { status, body } = await bench.post(ask, bearer(secret));
        expect([status, body.error.code]).toEqual([429, 'too_many_queries']);
        expect(body.error.message).toContain('This key has 2 queries running');
        running.push(bench.post(ask, bearer(other.secret)));
        await until(() => bench.worker.asked.length === 4);
        go();
        expect((await Promise.all(running)).map((one) => one.status)).toEqual([200, 200, 200, 200]);
    });

    it('leaves the last free place of all jobs to others, if one of several keys has half of them', async () => {
        await bench.close();
        bench = await startBench(market(), { config: { job: { ...JOB, maxOpen: 2 } } });
        const [bob, eve] = [await admin('keys', { name: 'bob' }), await admin('keys', { name: 'eve' })];
        const { gate, go } = newGate();
        bench.worker.scripts.push(...Array(8).fill({ wait: () => gate }));
        const all = Array.from({ length: 8 }, () => bench.post(ask, bearer(eve.secret)));
        await until(() => bench.worker.asked.length >= 7, 30_000);
        bench.worker.scripts.splice(0);

        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(bench.worker.asked).toHaveLength(8);
        expect(bench.gateway.book.open()).toHaveLength(2);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(8).fill(200));
    });

    it('leaves the last free place at nodes that answer to others, whatever is free at one that answers nothing', async () => {
        const { cheap, dear, bob, eve } = await twoNodes({ ...JOB, maxOpen: 2 });
        for (const { url } of [cheap, dear]) {
            expect((await bench.post({ ...ask, provider: { only: [url] } }, bearer(eve.secret))).status).toBe(200);
        }
        const answersNone = jest.spyOn(NodeStats.prototype, 'isPassedOver');
        answersNone.mockImplementation((url) => url === cheap.url);
        const { gate, go } = newGate();
        dear.scripts.push(...Array(8).fill({ wait: () => gate }));
        const all = Array.from({ length: 8 }, () => bench.post(ask, bearer(eve.secret)));
        await until(() => dear.asked.length >= 1 + 7, 30_000);
        dear.scripts.splice(0);

        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect([cheap.asked.length, dear.asked.length]).toEqual([1, 1 + 8]);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(8).fill(200));
        answersNone.mockRestore();
    }, 60_000);

    it('leaves the money of the last job to others, if one of several keys reserves half of all', async () => {
        await bench.close();
        bench = await startBench(market(), { config: { job: { ...JOB, maxOpen: 2 } } });
        const [bob, eve] = [await admin('keys', { name: 'bob' }), await admin('keys', { name: 'eve' })];
        const { gate, go } = newGate();
        const large = { ...ask, max_tokens: 1_000_000 };
        const isLarge = () => bench.worker.asked.at(-1)?.maxTokens === large.max_tokens;
        bench.worker.scripts.push(...Array(4).fill({ wait: () => (isLarge() ? gate : Promise.resolve()) }));
        const all = [1, 2].map(() => bench.post(large, bearer(eve.secret)));
        await until(() => bench.worker.asked.length >= 1 && bench.gateway.book.open().length === 2, 30_000);

        expect((await bench.post(ask, bearer(eve.secret))).status).toBe(200);
        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(bench.worker.asked).toHaveLength(3);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200]);
    });

    it('leaves the money of the last job at nodes that answer to others, whatever one has that answers nothing', async () => {
        const { cheap, dear, bob, eve } = await twoNodes({ ...JOB, maxOpen: 3 });
        for (const { url } of [cheap, dear]) {
            expect((await bench.post({ ...ask, provider: { only: [url] } }, bearer(eve.secret))).status).toBe(200);
        }
        const answersNone = jest.spyOn(NodeStats.prototype, 'isPassedOver');
        answersNone.mockImplementation((url) => url === cheap.url);
        cheap.scripts.push(...Array(1000).fill({ refuse: 'shutting_down' }));
        const { gate, go } = newGate();
        const large = { ...ask, max_tokens: 1_000_000 };
        const isLarge = () => dear.asked.at(-1)?.maxTokens === large.max_tokens;
        dear.scripts.push(...Array(4).fill({ wait: () => (isLarge() ? gate : Promise.resolve()) }));
        const all = [1, 2, 3].map(() => bench.post(large, bearer(eve.secret)));
        await until(() => dear.asked.length >= 1 + 2 && bench.gateway.book.open().length === 4, 30_000);

        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(dear.asked).toHaveLength(1 + 3);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200]);
        answersNone.mockRestore();
    }, 60_000);

    it('looks at all jobs as often for a question, however many have a free place', async () => {
        await bench.close();
        bench = await startBench(market(), { config: { job: { ...JOB, maxOpen: 5 } } });
        const keys = [await admin('keys', { name: 'bob' }), await admin('keys', { name: 'eve' })];
        const { gate, go } = newGate();
        bench.worker.scripts.push(...Array(5).fill({ wait: () => gate }));
        const large = { ...ask, max_tokens: 1_000_000 };
        const all = Array.from({ length: 5 }, (_, i) => bench.post(large, bearer(keys[i % 2].secret)));
        await until(() => bench.gateway.book.open().length === 5, 30_000);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(5).fill(200));

        const looks = jest.spyOn(JobPool.prototype as unknown as { inUse(): unknown }, 'inUse');
        expect((await bench.post(ask, bearer(keys[0].secret))).status).toBe(200);
        expect(looks.mock.calls.length).toBeLessThan(5);
        looks.mockRestore();
    });

    it('gives one of several keys half of the memory for long requests that wait or are answered', async () => {
        await bench.restart({}, { longBytes: 1 << 20 });
        const { secret } = await admin('keys', { name: 'bob' });
        const other = await admin('keys', { name: 'eve' });
        const long = { ...ask, messages: [{ role: 'user', content: 'x '.repeat(150_000) }] };
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push({ wait: () => gate }, {}, { wait: () => gate });
        const running = [bench.post(long, bearer(secret))];
        await until(() => bench.worker.asked.length === 1);

        const { status, body } = await bench.post(long, bearer(secret));
        expect([status, body.error.code]).toEqual([503, 'too_busy']);
        expect(bench.log.join('\n')).not.toContain('a request failed'); // many of these would fill a disk
        expect((await bench.post(ask, bearer(secret))).status).toBe(200); // a short one is not counted
        running.push(bench.post(long, bearer(other.secret)));
        await until(() => bench.worker.asked.length === 3);
        go();
        expect((await Promise.all(running)).map((one) => one.status)).toEqual([200, 200]);
        expect((await bench.post(long, bearer(secret))).status).toBe(200);
    });

    it('counts a short request of many values, each of which takes far more memory than its text, as a long one', async () => {
        await bench.restart({}, { longBytes: 1 << 20 });
        const { secret } = await admin('keys', { name: 'bob' });
        await admin('keys', { name: 'eve' });
        const many = { ...ask, metadata: { list: Array(3000).fill({ '9': 1 }) } }; // 27 kB
        const { gate, go } = newGate();
        bench.worker.scripts.push({ wait: () => gate });
        const running = bench.post(many, bearer(secret));
        await until(() => bench.worker.asked.length === 1);

        const { status, body } = await bench.post(many, bearer(secret));
        expect([status, body.error.code]).toEqual([503, 'too_busy']);
        const few = { ...ask, metadata: { list: Array(1000).fill({ '9': 1 }) } };
        expect((await bench.post(few, bearer(secret))).status).toBe(200);
        go();
        expect((await running).status).toBe(200);
        expect((await bench.post(many, bearer(secret))).status).toBe(200);
    });

    it('lets one of several keys have 32 requests refused for nothing, and one more with each answer', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        const other = await admin('keys', { name: 'eve' });
        const refused = Array(40).fill({ failAtOnce: Reason.BackendRefused });
        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
        bench.worker.scripts.push(...refused);
        for (let time = 0; time < 31; time++) {
            expect((await bench.post(ask, bearer(secret))).status).toBe(400);
        }
        bench.worker.scripts.length = 0;
        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
        bench.worker.scripts.push(...refused);
        const statuses = [];
        for (let time = 0; time < 3; time++) statuses.push((await bench.post(ask, bearer(secret))).status);
        expect(statuses).toEqual([400, 400, 429]);
        bench.worker.scripts.length = 0;

        const { status, body, headers } = await bench.post(ask, bearer(secret));
        expect([status, body.error.code, headers['retry-after']]).toEqual([429, 'too_many_refused', '600']);
        expect((await bench.post(ask, bearer(other.secret))).status).toBe(200);
    });

    it.each(['BackendDenied', 'BackendDown', 'Stopped'] as const)(
        'lets one of several keys have 32 requests failed for nothing, also if nodes blame themselves (%s)',
        async (reason) => {
            const { secret } = await admin('keys', { name: 'bob' });
            const other = await admin('keys', { name: 'eve' });
            bench.worker.scripts.push(...Array(40).fill({ failAtOnce: Reason[reason] }));
            const statuses = [];
            for (let time = 0; time < 33; time++) statuses.push((await bench.post(ask, bearer(secret))).status);
            expect(statuses).toEqual([...Array(32).fill(503), 429]);

            bench.worker.scripts.length = 0;
            expect((await bench.post(ask, bearer(other.secret))).status).toBe(200);
        },
    );

    it('is sent answers to other requests of a key although nodes decline all that may bring special tokens', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        await admin('keys', { name: 'eve' });
        const special = { ...ask, messages: [{ role: 'user', content: '<|im_start|>' }] };
        bench.worker.scripts.push(...Array(32).fill({ decline: Reason.Unsupported }));
        let last = await bench.post(special, bearer(secret));
        while (last.status === 400) {
            last = await bench.post(special, bearer(secret));
        }
        expect(last.body.error.code).toBe('too_many_refused');
        expect(bench.worker.scripts).toHaveLength(16);
        bench.worker.scripts.length = 0;
        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
    });

    it.each([
        ['has declined', { decline: Reason.Unsupported }, ask],
        [
            'has failed of requests with special tokens',
            { failAtOnce: Reason.BackendRefused },
            { ...ask, messages: [{ role: 'user', content: '<|im_start|>' }] },
        ],
    ] as const)('makes up for no request that a node %s by answers to others', async (_, script, body) => {
        const { secret } = await admin('keys', { name: 'bob' });
        const other = await admin('keys', { name: 'eve' });
        for (let time = 0; time < 32; time++) {
            expect((await bench.post(ask, bearer(secret))).status).toBe(200);
            bench.worker.scripts.push(script);
            expect((await bench.post(body, bearer(secret))).status).toBe(400);
        }
        expect((await bench.post(body, bearer(secret))).body.error.code).toBe('too_many_refused');
        expect((await bench.post(body, bearer(other.secret))).status).toBe(200);
    });

    it.each(['qwen', 'bytes'])(
        'sends no node a prompt that costs more than half a step, which it would decline (%s)',
        async (tokenizer) => {
            await bench.restart({ job: { ...JOB, step: '100000' } }); // half of it pays for 500 tokens
            bench.worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], tokenizer }] });
            const ofTokens = (count: number) => ({ ...ask, messages: [{ role: 'user', content: '1'.repeat(count) }] });

            expect((await bench.post(ofTokens(20))).status).toBe(200);
            const { status, body } = await bench.post(ofTokens(250));
            expect([status, body.error.code]).toEqual([400, 'prompt_too_dear']);
            expect(bench.worker.asked).toHaveLength(1);
            expect((await bench.post(ofTokens(20))).status).toBe(200);
        },
    );

    it('counts no request that a node fails because its model server is busy, if it says until when', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        await admin('keys', { name: 'eve' });
        bench.worker.scripts.push(...Array(40).fill({ failAtOnce: Reason.BackendBusy, retryAfter: 7 }));
        const codes = [];
        for (let time = 0; time < 40; time++) codes.push((await bench.post(ask, bearer(secret))).body.error.code);

        expect(codes).toEqual(Array(40).fill('node_busy'));
        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
    });

    it('counts a request that one node fails, though another answers it', async () => {
        const { cheap, bob, eve } = await twoNodes();
        cheap.scripts.push(...Array(40).fill({ failAtOnce: Reason.BackendRefused }));
        const statuses = [];
        for (let time = 0; time < 33; time++) {
            statuses.push((await bench.post({ ...ask, provider: { order: [cheap.url] } }, bearer(eve.secret))).status);
        }
        expect(statuses).toEqual(Array(33).fill(200));
        expect(cheap.asked).toHaveLength(32);

        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(33);
    });

    it.each([
        ['fails', { failAtOnce: Reason.BackendDown }],
        ['calls wrong', { decline: Reason.BackendRefused }],
    ] as const)('answers a key by another node, however many of its requests one %s at once', async (_, script) => {
        const { cheap, dear, bob } = await twoNodes({ ...JOB, maxParallel: 33 });
        for (const node of [cheap, dear]) {
            const { info } = node;
            node.info = (said) => info({ ...said, limits: { ...said.limits, maxParallel: 33 } });
        }
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        cheap.scripts.push(...Array(33).fill({ ...script, wait: () => gate }));
        const all = Array.from({ length: 33 }, () => bench.post(ask, bearer(bob.secret)));
        await until(() => cheap.asked.length === 33);
        go();
        expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(33).fill(200));

        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect([cheap.asked.length, dear.asked.length]).toEqual([33, 34]);
    });

    it('counts a request once that two nodes refuse, so that they block no key twice as fast', async () => {
        await bench.close();
        bench = await startBench(market(), { workers: 2 });
        const { secret } = await admin('keys', { name: 'bob' });
        await admin('keys', { name: 'eve' });
        bench.workers.forEach(({ scripts }) => scripts.push(...Array(40).fill({ decline: Reason.BackendRefused })));
        const statuses = [];
        for (let time = 0; time < 32; time++) statuses.push((await bench.post(ask, bearer(secret))).status);

        expect(statuses).toEqual(Array(32).fill(400));
        expect((await bench.post(ask, bearer(secret))).status).toBe(429);
        expect(bench.workers.map(({ scripts }) => 40 - scripts.length)).toEqual([32, 32]);
    });

    it.each([
        ['longer than a node takes', { refuse: 'too_large' }],
        ['wrong for its model server', { decline: Reason.BackendRefused }],
    ] as const)('keeps asking a node for one key, though another sends it what is %s', async (_, script) => {
        const { cheap, dear, bob, eve } = await twoNodes();
        const only = ({ url }: { url: string }) => ({ ...ask, provider: { only: [url] } });
        expect((await bench.post(only(dear), bearer(bob.secret))).status).toBe(200);
        cheap.scripts.push(...Array(9).fill(script));
        for (let time = 0; time < 9; time++) await bench.post(only(cheap), bearer(eve.secret));
        expect(cheap.scripts).toHaveLength(0);
        const before = cheap.asked.length;

        for (let time = 0; time < 3; time++) expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 3);
        expect(dear.asked).toHaveLength(1);
    });

    it('keeps the job in which one key is answered, though a proxy of its node refuses what another sends', async () => {
        const [bob, eve] = [await admin('keys', { name: 'bob' }), await admin('keys', { name: 'eve' })];
        const { gate, go } = newGate();
        bench.worker.scripts.push({ wait: () => gate });
        const running = bench.post(ask, bearer(bob.secret));
        await until(() => bench.worker.asked.length === 1);
        bench.worker.longest = 4096;
        const long = { ...ask, messages: [{ role: 'user', content: 'x '.repeat(4096) }] };
        const answers = [];
        for (let time = 0; time < 5; time++) answers.push(await bench.post(long, bearer(eve.secret)));
        go();

        expect((await running).body.choices?.[0].message.content).toBe('Hello world');
        expect(answers.map(({ status, body }) => [status, body.error.code])).toEqual(Array(5).fill([413, 'too_large']));
        expect(bench.gateway.book.all.map(({ phase }) => phase)).toEqual(['open']);
        expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
    });

    it('sends short questions of one key to a node that refused a long answer of another', async () => {
        const { cheap, dear, bob, eve } = await twoNodes();
        cheap.scripts.push({ decline: Reason.ContextExceeded });
        expect((await bench.post({ ...ask, provider: { only: [dear.url] } }, bearer(bob.secret))).status).toBe(200);
        expect((await bench.post({ ...ask, provider: { only: [cheap.url] } }, bearer(eve.secret))).status).toBe(400);
        cheap.scripts.push({ decline: Reason.ContextExceeded });
        expect((await bench.post({ ...ask, max_tokens: 2000 }, bearer(eve.secret))).status).toBe(200);
        const before = cheap.asked.length;

        for (let time = 0; time < 3; time++) expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect((await bench.post(ask, bearer(eve.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 4);
        expect((await bench.post({ ...ask, max_tokens: 2000 }, bearer(eve.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 4);
    });

    it.each([
        ['too long once', { decline: Reason.ContextExceeded }, 1],
        ['too large once', { refuse: 'too_large' }, 1],
        ['wrong three times', { decline: Reason.BackendRefused }, 3],
    ] as const)('keeps asking a node for one key that called a request of another %s', async (_, script, times) => {
        const { cheap, dear, bob, eve } = await twoNodes();
        expect((await bench.post({ ...ask, provider: { only: [dear.url] } }, bearer(bob.secret))).status).toBe(200);
        const preferred = { ...ask, messages: [{ role: 'user', content: 'x' }], provider: { order: [cheap.url] } };
        cheap.scripts.push(...Array(times).fill(script));
        for (let time = 0; time < times; time++) {
            expect((await bench.post(preferred, bearer(eve.secret))).status).toBe(200);
        }
        expect([cheap.scripts.length, dear.asked.length]).toEqual([0, times + 1]); // which did what the first refused
        const before = cheap.asked.length;

        for (let time = 0; time < 3; time++) expect((await bench.post(ask, bearer(bob.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 3);
        expect((await bench.post(ask, bearer(eve.secret))).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 3);
    });

    it('has hardly more refused for nothing of one that sends all its requests at once', async () => {
        await bench.restart({ job: { deposit: '1000000000', step: '40000', maxParallel: 4, maxOpen: 1 } });
        const { secret } = await admin('keys', { name: 'bob' });
        await admin('keys', { name: 'eve' });
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push(...Array(100).fill({ failAtOnce: Reason.BackendRefused, wait: () => gate }));
        const asked = Array.from({ length: 100 }, () => bench.post(ask, bearer(secret)));
        await until(async () => {
            const text = await (await request(bench.gateway.metricsUrl!)).body.text();
            return text.includes('cocoon_gateway_running_queries 100') && bench.worker.asked.length === 4;
        });
        go();

        const statuses = (await Promise.all(asked)).map(({ status }) => status);
        const refused = statuses.filter((status) => status === 400).length;
        expect(bench.worker.asked).toHaveLength(refused);
        expect(refused).toBeGreaterThanOrEqual(32);
        expect(refused).toBeLessThan(32 + 4);
        expect(statuses.filter((status) => status === 429)).toHaveLength(100 - refused);
    });

    it('opens no job for requests that a budget cannot pay, however many come at once', async () => {
        const { secret } = await admin('keys', { name: 'bob', daily: '1' });
        const answers = await Promise.all(Array.from({ length: 20 }, () => bench.post(ask, bearer(secret))));

        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([402]));
        expect(bench.gateway.book.all).toEqual([]);
        expect((await bench.admin('keys'))[0].daily).toMatchObject({ spent: '0', reserved: '0' });
    });

    it('charges a key what was paid for text, also if the node then signs that it failed', async () => {
        await bench.restart({ job: { step: '40000' } });
        const { secret } = await admin('keys', { name: 'bob', daily: '1000000' });
        bench.worker.scripts.push({ frames: Array(60).fill('word '), failAtEnd: Reason.BackendDown });
        await bench.post({ ...ask, max_tokens: 80, stream: true }, bearer(secret));

        const [job] = bench.gateway.book.all;
        await until(() => job.running === 0);
        const paid = job.ledger.voucher.cumulative;
        expect(paid).toBeGreaterThan(0n);
        expect((await bench.admin('keys'))[0].daily).toMatchObject({ spent: String(paid), reserved: '0' });
    });

    it('gets back what a query reserved once the job has ended, also if its node never answers again', async () => {
        const { secret } = await admin('keys', { name: 'bob', monthly: '1000000000' });
        bench.worker.scripts.push({ cut: 'before accept' }, { cut: 'before accept' });
        await bench.post(ask, bearer(secret));
        await bench.worker.stop();
        const monthly = async () => (await bench.admin('keys'))[0].monthly as { spent: string; reserved: string };
        expect(BigInt((await monthly()).reserved)).toBeGreaterThan(0n);

        for (const job of bench.gateway.book.all) await job.change({ phase: 'ended' });
        expect(await monthly()).toMatchObject({ spent: '0', reserved: '0' });
        await bench.restart();
        expect(await monthly()).toMatchObject({ spent: '0', reserved: '0' });
    });

    it('keeps no place for a client that has gone while it waited', async () => {
        await bench.restart({ job: { maxParallel: 1, maxOpen: 1 } });
        let free: (() => void) | undefined;
        bench.worker.scripts.push({ wait: () => new Promise<void>((resolve) => (free = resolve)), frames: ['a'] });
        const first = bench.post(ask);
        await until(() => free !== undefined);
        const signal = AbortSignal.timeout(100);
        const body = JSON.stringify(ask);
        const headers = { 'content-type': 'application/json' };
        const gone = request(`${bench.gateway.url}/v1/chat/completions`, { method: 'POST', body, headers, signal });
        await expect(gone).rejects.toThrow();
        await new Promise((resolve) => setTimeout(resolve, 100)); // for the gateway to see it
        free!();

        expect((await first).headers['x-cocoon-query']).toBe('1');
        expect((await bench.post(ask)).headers['x-cocoon-query']).toBe('2'); // no number went to the one that left
    });

    it('gives a new key of an old name no answer of the old one', async () => {
        const first = await admin('keys', { name: 'bob' });
        const repeated = { 'idempotency-key': '1' };
        await bench.post(ask, { ...bearer(first.secret), ...repeated });
        await admin('keys/bob/revoke', {});
        const second = await admin('keys', { name: 'bob' });

        const { headers } = await bench.post(ask, { ...bearer(second.secret), ...repeated });
        expect(headers['idempotent-replayed']).toBeUndefined();
    });

    it('spends no more than a budget allows, to the nanoTON, with 64 requests at once', async () => {
        const { secret } = await admin('keys', { name: 'bob', daily: '1' });
        const short = { ...ask, max_tokens: 8 };
        const refused = await bench.post(short, bearer(secret));
        expect(refused).toMatchObject({ status: 402, body: { error: { code: 'budget_exceeded' } } });
        const ceiling = BigInt(refused.body.error.metadata.ceiling as string);
        const limit = ceiling + 20n * 3020n; // 21 answers at most
        await admin('keys/bob/limit', { daily: limit.toString() });

        const answers = await Promise.all(Array.from({ length: 64 }, () => bench.post(short, bearer(secret))));

        const statuses = answers.map(({ status }) => status);
        expect([...new Set(statuses)].sort()).toEqual([200, 402]);
        const paid = statuses.filter((status) => status === 200).length;
        const [{ daily }] = await bench.admin('keys');
        expect(daily).toMatchObject({ limit: limit.toString(), spent: String(3020 * paid), reserved: '0' });
        expect(paid).toBeLessThanOrEqual(21);
        expect(await bench.admin('usage')).toMatchObject([{ key: 'bob', queries: paid, cost: String(3020 * paid) }]);
    });
});

describe('A request with an Idempotency-Key', () => {
    const key = { 'idempotency-key': 'once' };
    const stream = { ...ask, stream: true };
    const asked = () => bench.worker.asked.length;

    it('gets the answer of the first one, which is paid once, and is refused with another body', async () => {
        const first = await bench.post(ask, key);
        const second = await bench.post(ask, key);

        expect(first.status).toBe(200);
        expect(second).toMatchObject({ status: 200, body: first.body, headers: { 'idempotent-replayed': 'true' } });
        expect(second.headers['x-cocoon-query']).toBe(first.headers['x-cocoon-query']);
        expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
        expect(await bench.post({ ...ask, max_tokens: 7 }, key)).toMatchObject({
            ...{ status: 422, body: { error: { code: 'idempotency_key_reused' } } },
        });
        expect(asked()).toBe(1);
        expect(await bench.admin('usage?by=model')).toMatchObject([{ queries: 1, cost: '3020' }]);
    });

    it('waits without its body for an answer that still runs, because many may wait', async () => {
        let goOn!: () => void;
        const gate = new Promise<void>((resolve) => (goOn = resolve));
        bench.worker.scripts.push({ wait: () => gate });
        const first = bench.post(ask, key);
        await until(() => asked() === 1);
        const replay = jest.spyOn(Recording.prototype, 'replay');
        const second = bench.post(ask, key);
        await until(() => replay.mock.calls.length === 1);
        const [[waiting]] = replay.mock.calls;
        replay.mockRestore();
        const { body } = waiting.request;
        goOn();

        expect(body).toBeUndefined();
        expect((await second).body).toEqual((await first).body);
    });

    it('follows a stream that still runs, and gets it whole when the first connection ends', async () => {
        let goOn!: () => void;
        const gate = new Promise<void>((resolve) => (goOn = resolve));
        bench.worker.scripts.push({ wait: (frame) => (frame === 0 ? Promise.resolve() : gate) });
        const cut = new AbortController();
        const first = await request(`${bench.gateway.url}/v1/chat/completions`, {
            ...{ method: 'POST', headers: { 'content-type': 'application/json', ...key }, signal: cut.signal },
            body: JSON.stringify(stream),
        });
        first.body.on('error', () => undefined);
        const second = bench.post(stream, key);
        await new Promise((resolve) => first.body.once('data', resolve));
        cut.abort();
        await new Promise((resolve) => setTimeout(resolve, 50));
        goOn();

        const { status, body } = await second;
        expect(status).toBe(200);
        expect(body).toContain('Hello');
        expect(body).toContain('[DONE]');
        expect((await bench.post(stream, key)).body).toBe(body);
        expect(asked()).toBe(1);
        expect(bench.log.join('')).not.toContain('Hello');
    });

    it('is tried again after an error that cost nothing', async () => {
        bench.worker.scripts.push({ failAtOnce: Reason.BackendRefused });
        expect((await bench.post(ask, key)).status).toBeGreaterThanOrEqual(400);
        expect((await bench.post(ask, key)).status).toBe(200);
    });
});

describe('The request log', () => {
    const isRequest = ({ level, msg, path }: Record<string, unknown>) =>
        Number(level) >= 30 && msg === 'request' && path === '/v1/chat/completions';
    const lines = () => bench.log.map((line) => JSON.parse(line) as Record<string, unknown>).filter(isRequest);

    it('has no line of requests without a key, which strangers may send as often as they like', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        expect((await bench.post(ask)).status).toBe(401);
        expect((await bench.post(ask, bearer('wrong'))).status).toBe(401);
        expect((await bench.post(ask, { 'content-encoding': 'gzip' })).status).toBe(400);
        await bench.post(ask, bearer(secret));

        await until(() => lines().some(({ status }) => status === 200));
        expect(lines()).toHaveLength(1);
    });

    it('says who asked what, which query answered and what it cost, without a word of it', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        const { headers } = await bench.post(ask, bearer(secret));
        await bench.post({ ...ask, model: 'nope' }, bearer(secret));

        await until(() => lines().length === 2);
        expect(lines()).toMatchObject([
            {
                ...{ requestId: headers['x-request-id'], keyName: 'bob', status: 200, model: MODEL, nanoton: '3020' },
                ...{ job: Number(headers['x-cocoon-job']), query: Number(headers['x-cocoon-query']) },
                ...{ worker: bench.worker.url, promptTokens: 10, cachedTokens: 2, completionTokens: 2 },
            },
            { status: 404, code: 'model_not_found', keyName: 'bob' },
        ]);
        expect(bench.log.join('')).not.toMatch(/Hello|Say hello/);
        expect(bench.log.join('')).not.toContain(secret);
    });
});

describe('The state of a gateway', () => {
    it('is ready once it can answer, and status says where the money is', async () => {
        const ready = await request(`${bench.gateway.url}/readyz`);
        expect([ready.statusCode, await ready.body.json()]).toEqual([200, { ready: true, reasons: [] }]);
        await bench.post(ask);
        await until(async () => (await bench.admin('status')).money.paid === '3020');

        const { money, dayRemaining, balance, available } = await bench.admin('status');
        const spent = BigInt(money.dayLimit as string) - BigInt(dayRemaining as string);
        expect(money).toEqual({
            ...{
                paid: '3020',
                inJobs: String(bench.gateway.book.all[0].stored.funds - 3020n),
                returning: '0',
                daySpent: String(spent),
            },
            reserve: String(BigInt(balance as string) - BigInt(available as string)),
            dayLimit: expect.stringMatching(/^\d+$/) as unknown,
            dayResetsAt: (Math.floor(market().now / 86_400) + 1) * 86_400,
        });
        expect(spent).toBeGreaterThan(1_000_000_000n); // the whole deposit and fees
    });
});

describe('The metrics of a gateway', () => {
    it('count requests, tokens, TON and errors, and say what jobs, nodes, escrow and keys are like', async () => {
        const { secret } = await admin('keys', { name: 'bob', daily: '2000000000' });
        await bench.post(ask, bearer(secret));
        await bench.post(ask);
        const metrics = async () => (await request(bench.gateway.metricsUrl!)).body.text();
        await until(async () => (await metrics()).includes('errors_total{code="invalid_api_key"} 1'));

        const lines = (await metrics()).split('\n').filter((line) => line.startsWith('cocoon_gateway_'));
        const path = 'path="/v1/chat/completions"';
        expect(lines).toEqual(
            expect.arrayContaining([
                `cocoon_gateway_requests_total{${path},status="200"} 1`,
                `cocoon_gateway_requests_total{${path},status="401"} 1`,
                `cocoon_gateway_queries_total{model="${MODEL}"} 1`,
                `cocoon_gateway_tokens_total{model="${MODEL}",kind="completion"} 2`,
                `cocoon_gateway_spent_ton_total{model="${MODEL}"} 0.00000302`,
                `cocoon_gateway_first_token_seconds_count{model="${MODEL}"} 1`,
                `cocoon_gateway_jobs{phase="open"} 1`,
                `cocoon_gateway_nodes{model="${MODEL}",state="ok"} 1`,
                `cocoon_gateway_nodes{model="${MODEL}",state="cooling"} 0`,
                `cocoon_gateway_nodes{model="${MODEL}",state="banned"} 0`,
                `cocoon_gateway_nodes{model="${MODEL}",state="unfit"} 0`,
                'cocoon_gateway_key_spent_ton{key="bob",period="daily"} 0.00000302',
                'cocoon_gateway_key_limit_ton{key="bob",period="daily"} 2',
                'cocoon_gateway_running_queries 0',
                'cocoon_gateway_ready 1',
                expect.stringMatching(/^cocoon_gateway_escrow_available_ton \d/),
                expect.stringMatching(/^cocoon_gateway_store_commit_seconds_count [1-9]/),
            ]),
        );
    });
});

describe('The metrics of a gateway on loopback', () => {
    it('answer to no other name, so that a page cannot read what is spent by DNS rebinding', async () => {
        const at = (host?: string) =>
            request(bench.gateway.metricsUrl!, { headers: host === undefined ? {} : { host } });
        expect((await at('evil.example')).statusCode).toBe(403);
        expect((await at()).statusCode).toBe(200);
    });
});

describe('The command line beside a running gateway', () => {
    const run = async (...args: string[]) => {
        const lines: string[] = [];
        const spies = (['log', 'error'] as const).map((name) =>
            jest.spyOn(console, name).mockImplementation((...parts: unknown[]) => void lines.push(parts.join(' '))),
        );
        await main(['node', 'cocoon', ...args]);
        spies.forEach((spy) => spy.mockRestore());
        return lines.join('\n');
    };

    it('asks the gateway, which has the store, and its answers hold at once', async () => {
        const port = Number(new URL(bench.gateway.url).port);
        const path = join(bench.folder, 'gateway.json');
        writeFileSync(path, JSON.stringify(bench.config({ keyFile: 'unused', listen: { port } })));
        const made = JSON.parse(
            await run('keys', 'create', '--name', 'bob', '--daily', '1', '--json', '--config', path),
        );
        const { secret } = made as { secret: string };

        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
        expect(await run('keys', 'list', '--config', path)).toBe(
            'bob  today 0.00000302 TON of 1 TON  this month 0.00000302 TON of any amount  all models',
        );
        expect(await run('gateway', 'usage', '--by', 'key,model', '--url', bench.gateway.url)).toBe(
            `bob  ${MODEL}  1 answers  10 prompt tokens, 2 cached, 2 completion, 0 reasoning  0.00000302 TON`,
        );
        expect(await run('gateway', 'usage', '--by', 'colour', '--url', bench.gateway.url)).toContain('by.0');
        expect(await run('gateway', 'status', '--url', bench.gateway.url)).toMatch(
            /in jobs .*\nday limit .* used until/,
        );

        await run('keys', 'revoke', 'bob', '--config', path);
        expect((await bench.post(ask, bearer(secret))).status).toBe(401);
        process.exitCode = 0;
    });
});
