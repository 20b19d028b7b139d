/** Two gateway processes with one PostgreSQL database: what they share, and what is of each. */
import pino from 'pino';
import { request } from 'undici';
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { clientKeys, type Gateway, gatewayConfig, startGateway } from '../../../offchain/gateway';
import type { StoredJob } from '../../../offchain/store/gateway';
import { useMarket } from '../../support/market';
import { PostgresServer } from '../support/postgres';
import { ask, type Bench, type Answer, SEED, startBench, until } from './support';

const market = useMarket();
let server: PostgresServer;
let bench: Bench;
let second: Gateway;

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);
afterAll(() => server.remove());

beforeEach(async () => {
    bench = await startBench(market(), { config: { store: await server.database(), cluster: {} } });
    second = await startSecond();
});
afterEach(async () => {
    await second.close();
    await bench.close();
});

const startSecond = (seed = SEED, overrides = {}) =>
    startGateway(gatewayConfig.parse(bench.config(overrides)), {
        ...{ chain: bench.chain, keys: clientKeys(seed), now: () => market().now, sweepMs: 3_600_000 },
        log: pino({ level: 'debug' }, { write: (line: string) => void bench.log.push(line) }),
    });

/** Ends the first gateway. */
async function end(): Promise<void> {
    await bench.gateway.close();
    bench.gateway = { ...bench.gateway, close: () => Promise.resolve() };
}

async function post(
    { url }: Gateway,
    body: object = ask,
    headers: Record<string, string> = {},
): Promise<{ status: number; job: unknown; retryAfter: unknown; body: Answer }> {
    const response = await request(`${url}/v1/chat/completions`, {
        ...{ method: 'POST', body: JSON.stringify(body) },
        headers: { 'content-type': 'application/json', ...headers },
    });
    const { statusCode: status, headers: own } = response;
    return { status, job: own['x-cocoon-job'], retryAfter: own['retry-after'], body: await response.body.json() };
}

async function admin({ url }: Gateway, path: string, body?: object): Promise<Answer> {
    const headers = { ...adminHeaders(url), 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const response = await request(`${url}/admin/${path}`, {
        ...{ method, headers },
        ...(body && { body: JSON.stringify(body) }),
    });
    return response.body.json();
}

const createKey = (gateway: Gateway, name: string, limits = {}) => admin(gateway, 'keys', { name, ...limits });
const withKey = (secret: string) => ({ authorization: `Bearer ${secret}` });

describe('Two gateways with one database', () => {
    it('answer at once, each in jobs of its own whose numbers no other has', async () => {
        const answers = await Promise.all([bench.gateway, second].map((gateway) => post(gateway)));
        expect(answers.map(({ status }) => status)).toEqual([200, 200]);
        const jobs = await second.store.jobs();
        expect(jobs.map(({ number, phase }) => [number, phase])).toEqual([
            [0, 'open'],
            [4, 'open'],
        ]);
        expect(jobs.map(({ member }) => member).sort()).toEqual([1, 2]);
        expect([bench.gateway, second].map(({ book }) => book.all.length)).toEqual([1, 1]);
        expect(bench.chain.sent).toBe(2);
    });

    it('tell a question that waits for the orders of the other one to ask again', async () => {
        await bench.restart({}, { turnMs: 100 });
        const name = `escrow:${market().escrow.address.toRawString()}`;
        await second.store.cluster.exclusive(name, async () => {
            const { status, retryAfter, body } = await post(bench.gateway);
            expect([status, retryAfter, body.error.code]).toEqual([503, '5', 'orders_busy']);
        });
        await until(async () => (await post(bench.gateway)).status === 200);
        expect(bench.chain.sent).toBe(1);
    });

    it('show their own jobs and the money of all, and name the process of another job', async () => {
        await post(bench.gateway);
        await post(second);
        const [first] = bench.gateway.book.all;
        const status = await admin(second, 'status');
        expect(status.jobs).toEqual({ open: 1 });
        expect(status.processes.map(({ jobs }: Answer) => jobs)).toEqual([1, 1]);
        expect(status.process).toBe(second.store.cluster.number);
        const own = await admin(second, 'jobs');
        expect(own).toHaveLength(1);
        expect(BigInt(status.money.inJobs)).toBeGreaterThan(BigInt(own[0].deposit));

        const refused = await admin(second, `jobs/${first.number}/leave`, {});
        expect(refused.error.code).toBe('other_process');
        expect(refused.error.message).toContain(`process ${process.pid}`);
    });

    it('let in a key that the other one made, and no longer one that it revoked', async () => {
        const { secret } = await createKey(bench.gateway, 'bob');
        await until(async () => (await post(second)).status === 401);
        expect((await post(second, ask, withKey(secret))).status).toBe(200);
        expect(await createKey(second, 'bob')).toMatchObject({ error: { code: 'key_exists' } });

        await admin(second, 'keys/bob/revoke', {});
        // The other process has not read it yet, and must not write the old key over it.
        expect(await admin(bench.gateway, 'keys/bob/limit', { daily: '5' })).toMatchObject({
            error: { code: 'key_revoked' },
        });
        await until(async () => (await post(bench.gateway, ask, withKey(secret))).status === 401);
    });

    it('hold a key to its limit and its revocation from the moment when the other one sets them', async () => {
        const { secret } = await createKey(bench.gateway, 'bob');
        await until(async () => (await post(second)).status === 401);
        const unread = jest.spyOn(bench.gateway.store, 'apiKeys');
        unread.mockResolvedValue(await second.store.apiKeys());
        const asked = bench.worker.asked.length;

        await admin(second, 'keys/bob/limit', { daily: '1' });
        expect(await post(bench.gateway, ask, withKey(secret))).toMatchObject({
            ...{ status: 402, body: { error: { code: 'budget_exceeded' } } },
        });
        await admin(second, 'keys/bob/limit', { daily: null });
        expect((await post(bench.gateway, ask, withKey(secret))).status).toBe(200);
        await admin(second, 'keys/bob/revoke', {});
        expect((await post(bench.gateway, ask, withKey(secret))).status).toBe(401);
        expect(bench.worker.asked.length - asked).toBe(1);
        unread.mockRestore();
    });

    it('together spend no more than the budget of a key, and nearly all of it', async () => {
        const { secret } = await createKey(bench.gateway, 'bob');
        await until(async () => (await post(second, ask, withKey(secret))).status === 200);
        const small = { ...ask, max_tokens: 16 };
        const ceiling = (await spent()) + 200_000n;
        await admin(second, 'keys/bob/limit', { daily: String(ceiling) });
        await until(() => second.store.apiKeys().then(([key]) => key.daily === ceiling));

        const asked = bench.worker.asked.length;
        const answers: Answer[] = [];
        const spend = async (gateway: Gateway) => {
            for (let i = 0; i < 60; i++) {
                answers.push(await post(gateway, small, withKey(secret)));
            }
        };
        await Promise.all([bench.gateway, second, bench.gateway, second].map(spend));
        // Of two that compete for the rest both may be refused. Whoever asks alone gets it.
        do {
            answers.push(await post(second, small, withKey(secret)));
        } while (answers.at(-1)!.status === 200);
        const count = (status: number) => answers.filter((answer) => answer.status === status).length;
        expect(count(402)).toBeGreaterThan(0);
        expect(count(200) + count(402)).toBe(answers.length);
        expect(await spent()).toBeLessThanOrEqual(ceiling);
        expect(await spent()).toBeGreaterThan(ceiling - 100_000n);
        expect(bench.worker.asked.length - asked).toBe(count(200));
        await until(async () => (await admin(bench.gateway, 'keys'))[0].daily.limit !== null);
        const [atFirst, atSecond] = await Promise.all([bench.gateway, second].map((one) => admin(one, 'keys')));
        expect(atFirst).toEqual(atSecond);
        expect(atFirst[0].daily).toMatchObject({ spent: String(await spent()), reserved: '0' });
    }, 60_000);

    it('let a key spend again what a query of the other one had reserved', async () => {
        const { secret } = await createKey(bench.gateway, 'bob');
        await until(async () => (await post(second)).status === 401);
        let answer = () => {};
        bench.worker.scripts.push({ wait: () => new Promise<void>((resolve) => (answer = resolve)), frames: ['one'] });
        const running = post(bench.gateway, ask, withKey(secret));
        const reserved = () => second.store.openCosts('bob');
        await until(async () => (await reserved()).length === 1);
        const [{ ceiling }] = await reserved();
        await admin(second, 'keys/bob/limit', { daily: String(2n * ceiling) });
        expect((await post(second, ask, withKey(secret))).status).toBe(200);
        expect((await post(second, ask, withKey(secret))).status).toBe(402);

        answer();
        expect((await running).status).toBe(200);
        expect((await post(second, ask, withKey(secret))).status).toBe(200);
    });

    it('answer a request of one Idempotency-Key once', async () => {
        const key = { 'idempotency-key': 'one' };
        bench.worker.scripts.push({ wait: () => new Promise((resolve) => setTimeout(resolve, 100)) });
        const answers = await Promise.all([bench.gateway, second].map((gateway) => post(gateway, ask, key)));
        expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
        const loser = answers[0].status === 409 ? bench.gateway : second;
        const winner = loser === second ? bench.gateway : second;
        const refused = answers.find(({ status }) => status === 409)!;
        expect(refused.body.error.code).toBe('idempotency_running_elsewhere');

        await until(async () => (await post(loser, ask, key)).body.error.code === 'idempotency_answered_elsewhere');
        expect((await post(winner, ask, key)).status).toBe(200);
        expect((await post(loser, { ...ask, n: 2 }, key)).body.error.code).toBe('idempotency_key_reused');
        expect(bench.worker.asked).toHaveLength(1);
    });

    it('let a request that cost nothing be tried again at either', async () => {
        const key = { 'idempotency-key': 'one' };
        const wrong = { ...ask, model: 'no such model' };
        expect((await post(bench.gateway, wrong, key)).status).toBe(404);
        await until(async () => (await post(second, wrong, key)).status === 404);
    });

    it('count the jobs that nodes spoiled together', async () => {
        const { setbacks } = second.book['context'];
        await post(bench.gateway);
        const [job] = bench.gateway.book.all;
        await bench.gateway.book['context'].setbacks.add(job, 'silent');
        await until(() => setbacks.count === 1);
    });

    it('refuse a process with another key, and one that wants the database alone', async () => {
        await expect(startSecond(Buffer.alloc(32, 9))).rejects.toThrow('which has other keys or another account');
        await expect(startSecond(SEED, { cluster: undefined })).rejects.toThrow('only one may hold its keys');
        expect(() => gatewayConfig.parse(bench.config({ store: 'gateway.sqlite' }))).toThrow('not a file');
    });
});

describe('The jobs of a gateway that ended', () => {
    it('are used by the other one within seconds, and nothing is signed twice', async () => {
        const own = await post(bench.gateway);
        await end();
        await until(() => second.book.open().some((job) => job.session !== undefined));
        expect(await post(second)).toMatchObject({ status: 200, job: own.job });
        expect(bench.chain.sent).toBe(1);
        await until(() => bench.worker.only.vouchers.at(-1)?.count === 2);
        expect(bench.worker.only.queries.size).toBe(2);
        await bench.restart();
        expect(bench.gateway.book.all).toEqual([]);
    });

    it('wait for the outcome of an order that was on its way', async () => {
        let release!: () => void;
        const held = new Promise<void>((resolve) => (release = resolve));
        bench.chain.beforeSend = () => held.then(() => Promise.reject(new Error('the API is away')));
        const waiting = post(bench.gateway).catch(() => undefined);
        await until(async () => (await second.store.jobs()).length === 1);
        const closing = end();
        bench.chain.beforeSend = () => undefined;
        release();
        await Promise.all([closing, waiting]);

        expect(await post(second)).toMatchObject({ status: 200 });
        const { cluster } = second.store;
        const isTaken = ({ phase, member }: StoredJob) => phase === 'open' && member === cluster.number;
        await until(async () => (await second.store.jobs()).every(isTaken));
        const jobs = await second.store.jobs();
        expect(new Set(jobs.map(({ number }) => number)).size).toBe(jobs.length);
        expect(bench.chain.sent).toBe(jobs.length);
        await bench.restart();
    }, 30_000);
});

/** nanoTON that the only key has spent. */
async function spent(): Promise<bigint> {
    return (await second.store.usage(0, 'bob')).reduce((sum, { cost }) => sum + cost, 0n);
}
