/** A gateway and a worker whose stores are in PostgreSQL, and what an operator does with them. */
import { join } from 'node:path';
import { askWorker, readKeys, restoreStore, serveAdmin, startWorker, writeKeys } from '../../../offchain/worker';
import { storeChecks } from '../../../offchain/worker/doctor/machine';
import { useMarket } from '../../support/market';
import { ask, startBench } from '../gateway/support';
import { TestClient } from '../support/client';
import { PostgresServer } from '../support/postgres';
import { configFor, type Fixture, SEEDS, startFixture } from '../support/worker';

const market = useMarket();
let server: PostgresServer;

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);

afterAll(() => server.remove());

it('a gateway answers, goes on after a restart, and finds every receipt', async () => {
    const bench = await startBench(market(), { config: { store: await server.database() } });
    expect((await bench.post(ask)).status).toBe(200);
    const [job] = await bench.gateway.store.jobs();
    await bench.restart();
    expect((await bench.post(ask)).status).toBe(200);
    const { store } = bench.gateway;
    expect((await store.jobs()).map(({ number }) => number)).toEqual([job.number]);
    expect((await store.receipts(job.number)).map(({ phase }) => phase)).toEqual(['result', 'result']);
    await bench.close();
});

describe('a worker', () => {
    let fixture: Fixture;
    let store: string;
    let client: TestClient;

    beforeEach(async () => {
        store = await server.database();
        fixture = await startFixture({ store });
        client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        expect((await client.ask(1, 'one')).result).toBeDefined();
    });

    afterEach(() => fixture.stop());

    it('goes on after a restart, and no second one of its store starts', async () => {
        const { folder, chain, backend, wallet } = fixture;
        const seeds = {
            receiptKey: Buffer.alloc(32, 9),
            encryptionKey: Buffer.alloc(32, 8),
            wallet: Buffer.alloc(32, 7),
        };
        const second = startWorker(configFor(folder, { store }), { chain, backend, wallet, seeds });
        await expect(second).rejects.toThrow('in use by process');

        client.url = (await fixture.restart()).url;
        expect((await client.state()).results.index).toBe(1);
    });

    it('answers the commands of its operator', async () => {
        expect(await askWorker({ store }, 'GET', '/status')).toBeUndefined();
        const admin = await serveAdmin({ store }, fixture.worker, async () => undefined);
        expect(await askWorker({ store }, 'GET', '/status')).toMatchObject({ results: 1 });
        await new Promise((resolve) => admin!.close(resolve));
        expect(await askWorker({ store }, 'GET', '/status')).toBeUndefined();
    });

    it('is examined, and restored with a new key once its database is an older one', async () => {
        const config = configFor(fixture.folder, { store });
        writeKeys(config.keyFile, SEEDS);
        const seeds = readKeys(config.keyFile);
        const [check] = storeChecks(config, seeds, false);
        await expect((async () => check.run())()).rejects.toThrow('in use by process');
        await fixture.worker.close();
        const [, mark] = storeChecks(config, seeds, false);
        expect(await mark.run()).toContain('the newest of this key');

        const keyFile = join(fixture.folder, 'new.json');
        const file = { backup: 'worker.backup.sqlite', keyFile };
        await expect(restoreStore(config, file)).rejects.toThrow('with the tools of PostgreSQL');
        const restored = await restoreStore(config, { backup: undefined, keyFile });
        expect(restored).toMatchObject({ results: 1, keyFile, replaced: undefined });
        expect(readKeys(keyFile).wallet).toEqual(seeds.wallet);
        await expect((async () => mark.run())()).rejects.toThrow('was retired');
        await expect(fixture.restart()).rejects.toThrow('was retired');
    });
});
