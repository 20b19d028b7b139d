import { freePort } from '../../../demo/ports';
import { Reason } from '@cocoon-market/wrappers';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorker } from '../../../offchain/worker';
import { until } from '../support/until';
import { ECHO, ScriptedBackend } from '../support/backend';
import { FakeChain, FakeWallet } from '../support/chain';
import { TestClient } from '../support/client';
import { chunk, ModelServer } from '../support/modelServer';
import { account, configFor, type Fixture, type Overrides, RATES, SEEDS, startFixture } from '../support/worker';

const offer = (model: string) => ({ model, rates: RATES });

describe('the backends of a configuration', () => {
    const parse = (backends: object[], models = ['a']) =>
        configFor('/tmp', { backends: backends as never, offers: models.map(offer) }).backends;
    const url = 'http://127.0.0.1:8000/v1';

    it('serve all offers under their own names, and are called by their host, unless they say more', () => {
        expect(parse([{ kind: 'openai', url }], ['a', 'b'])).toEqual([
            { kind: 'openai', url, name: '127.0.0.1:8000', maxParallel: 64 },
        ]);
    });

    it('have different names', () => {
        const other = { kind: 'openai', url: `${url}/other` };
        expect(() => parse([{ kind: 'openai', url }, other])).toThrow('two backends are called 127.0.0.1:8000');
        expect(
            parse([
                { kind: 'openai', url },
                { ...other, name: 'second' },
            ]),
        ).toHaveLength(2);
    });

    it.each([
        [{ kind: 'openai', url: 'vllm' }, 'URL'],
        [{ kind: 'openai', url, maxParallel: 0 }, 'maxParallel'],
        [{ kind: 'openai', url, model: 'a' }, 'Unrecognized key'],
        [{ kind: 'openai', url, name: 'a b' }, 'expected letters'],
        [{ kind: 'vllm', url }, 'kind'],
    ])('%j is refused by name', (backend, message) => {
        expect(() => parse([backend])).toThrow(message);
    });
});

describe('a worker with two backends', () => {
    let servers: ModelServer[];
    let fixture: Fixture;

    beforeEach(async () => {
        servers = await Promise.all([new ModelServer().start(), new ModelServer().start()]);
        servers[0].models = ['qwen3:32b'];
        servers[1].models = ['other'];
    });
    afterEach(async () => {
        await fixture?.stop();
        await Promise.all(servers.map((server) => server.stop().catch(() => undefined)));
    });

    const start = async (models: string[], overrides: Overrides = {}) => {
        const [first, second] = servers.map(({ url }) => ({ kind: 'openai' as const, url }));
        fixture = await startFixture(
            {
                backends: [
                    { ...first, models: { 'Qwen/Qwen3-32B': 'qwen3:32b' } },
                    { ...second, models: { other: 'other' } },
                ],
                offers: models.map(offer),
                ...overrides,
            },
            { backend: undefined },
        );
    };

    it('asks the backend that has the model, under the name that the model has there', async () => {
        await start(['Qwen/Qwen3-32B', 'other']);
        servers.forEach((server) => server.events(chunk({ content: 'a' }, 'stop')));
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one', { model: 'Qwen/Qwen3-32B' });

        expect(servers.map(({ bodies }) => bodies.length)).toEqual([1, 0]);
        expect(JSON.parse(servers[0].bodies[0])).toMatchObject({ model: 'qwen3:32b' });
    });

    it.each([
        { what: 'the backend of an offered model has others', models: ['Qwen/Qwen3-32B'], list: ['qwen3:8b'] },
        { what: 'the backend of an offered model has none', models: ['Qwen/Qwen3-32B'], list: [] },
        { what: 'no backend is to serve an offered model', models: ['third'], list: ['qwen3:32b'] },
    ])('starts while $what, does not offer it, and raises an alert', async ({ models, list }) => {
        servers[0].models = list;
        await start(models, { alerts: { seconds: 0.02 } });
        expect(fixture.worker.nodeInfo.offers.map((one) => one.available)).toEqual([false]);

        const alerts = async () => (await fixture.worker.status()).alerts.map((one) => `${one.alert} ${one.subject}`);
        await until(async () => (await alerts()).length > 0);
        expect(await alerts()).toEqual([`backend ${models[0]}`]);
        expect((await fixture.worker.status()).readiness?.reasons).toEqual(['no backend serves an offered model']);
    });

    it('does not offer a model whose backend is down, declines its queries, and serves it again by itself', async () => {
        await start(['Qwen/Qwen3-32B', 'other'], { health: { seconds: 0.05, retrySeconds: 0.05 } });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const ask = (number: number) => client.ask(number, 'one', { model: 'Qwen/Qwen3-32B' });
        const available = () => fixture.worker.nodeInfo.offers.map((one) => one.available);
        expect(available()).toEqual([true, true]);

        await servers[0].stop();
        await until(() => available()[0] === false);
        expect(available()).toEqual([false, true]);
        expect((await ask(1)).decline).toMatchObject({ reason: Reason.BackendDown });

        await servers[0].start();
        await until(() => available()[0] === true);
        servers[0].events(chunk({ content: 'a' }, 'stop'));
        expect((await ask(2)).text).toBe('a');
    });

    it('starts while a backend is away, which serves once it answers', async () => {
        await servers[1].stop();
        await start(['Qwen/Qwen3-32B', 'other'], { health: { seconds: 0.05, retrySeconds: 0.05 } });
        expect(fixture.worker.nodeInfo.offers.map((one) => one.available)).toEqual([true, false]);
        await servers[1].start();
        await until(() => fixture.worker.nodeInfo.offers[1].available === true);
    });
});

it('a worker listens before its backend has said anything', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-worker-'));
    const chain = new FakeChain();
    const backend = new ScriptedBackend();
    let answer!: (models: string[]) => void;
    backend.models = () => new Promise((resolve) => (answer = resolve));
    const port = await freePort();
    const config = configFor(folder, { listen: { port } });
    const started = startWorker(config, { chain, backend, wallet: new FakeWallet(chain, account(0x33)), seeds: SEEDS });
    const isListening = () =>
        fetch(`http://127.0.0.1:${port}/healthz`).then(
            ({ ok }) => ok,
            () => false,
        );
    await until(isListening);
    answer([ECHO]);
    await (await started).close();
    rmSync(folder, { recursive: true });
});

it('a worker without room declines with a signed reason, and the client may ask again', async () => {
    const fixture = await startFixture({
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1', maxParallel: 1 }],
        queue: { max: 0 },
    });
    fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
    const [first, second] = [
        await TestClient.withJob(fixture.worker.url, fixture.chain),
        await TestClient.withJob(fixture.worker.url, fixture.chain),
    ];
    const running = first.ask(1, 'one');
    await fixture.backend.atPause();
    expect((await second.ask(1, 'one')).decline).toMatchObject({ reason: Reason.TooBusy });

    fixture.backend.go();
    await running;
    fixture.backend.script = () => [{ type: 'end', finish: 'stop' }];
    expect((await second.ask(2, 'one')).result).toBeDefined();
    await fixture.stop();
});
