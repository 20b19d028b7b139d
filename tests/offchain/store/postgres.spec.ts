/** Both stores in PostgreSQL, and what only PostgreSQL has. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { inspectStore } from '../../../offchain/store/inspect';
import { openGatewayStore, openWorkerStore } from '../../../offchain/store/open';
import type { WorkerStore } from '../../../offchain/store/worker';
import { PostgresServer } from '../support/postgres';
import { describeWorkerStore, newJob } from './conformance';
import { describeGatewayStore } from './gatewayConformance';

let server: PostgresServer;

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);

afterAll(() => server.remove());

beforeEach(() => server.query('DROP SCHEMA IF EXISTS cocoon_worker, cocoon_gateway CASCADE'));

describeWorkerStore('a worker store in PostgreSQL', () => openWorkerStore(server.url()));
describe('with another process on the database', () => {
    let other: WorkerStore | undefined;
    const join = () => openWorkerStore(server.url(), { member: { identity: 'one' } });

    afterEach(async () => {
        await other!.close();
        other = undefined;
    });

    describeWorkerStore('a worker store in PostgreSQL', async () => {
        other ??= await join();
        const store = await join();
        expect([other.cluster.number, store.cluster.number]).toEqual([1, 2]);
        return store;
    });
});

describeGatewayStore('a gateway store in PostgreSQL', () => openGatewayStore(server.url()));

describe('a store in PostgreSQL', () => {
    it('is beside the store of the other kind in one database', async () => {
        const [worker, gateway] = [await openWorkerStore(server.url()), await openGatewayStore(server.url())];
        await worker.jobs.add(newJob());
        expect(await gateway.jobs()).toEqual([]);
        await Promise.all([worker.close(), gateway.close()]);
    });

    it('refuses an address with a password, and says where passwords come from', async () => {
        const [before, after] = server.url().split('@');
        const opening = openWorkerStore(`${before}:secret@${after}`);
        await expect(opening).rejects.toThrow('PGPASSWORD');
        await expect(opening).rejects.not.toThrow('secret');
        await expect(openWorkerStore(`${server.url()}&password=secret`)).rejects.toThrow('PGPASSWORD');
    });

    it('takes the password from the environment or from a file, and says so where both are missing', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-pass-'));
        await server.query("CREATE ROLE bob LOGIN SUPERUSER PASSWORD 'p:w'");
        await server.demandPassword('bob');
        const open = async () => (await openWorkerStore(server.url('postgres', 'bob'))).close();
        const environment = { ...process.env };
        await expect(open()).rejects.toThrow('PGPASSFILE');
        process.env.PGPASSFILE = join(folder, 'pass');
        writeFileSync(process.env.PGPASSFILE, 'other:*:*:bob:x\n*:*:postgres:bob:p\\:w\n', { mode: 0o600 });
        await open();
        process.env.PGPASSWORD = 'wrong';
        await expect(open()).rejects.toThrow('refused the user');
        process.env.PGPASSWORD = 'p:w';
        await open();
        process.env = environment;
        rmSync(folder, { recursive: true });
    });

    it('refuses tables of a newer version, and leaves them to others', async () => {
        await (await openWorkerStore(server.url())).close();
        await server.query('UPDATE cocoon_worker.version SET version = version + 1');
        await expect(openWorkerStore(server.url())).rejects.toThrow('newer version');
        await server.query('UPDATE cocoon_worker.version SET version = version - 1');
        await (await openWorkerStore(server.url())).close();
    });

    it('commits to the disk whatever the database sets', async () => {
        await server.query("ALTER DATABASE postgres SET synchronous_commit = 'off'");
        await (await openWorkerStore(server.url())).close();
        await server.query('ALTER DATABASE postgres RESET synchronous_commit');
    });

    it('refuses a server that would lose commits at a power cut', async () => {
        for (const setting of ['fsync', 'full_page_writes']) {
            await server.end();
            await server.run({ [setting]: 'off' });
            await expect(openWorkerStore(server.url())).rejects.toThrow(
                `${setting}${setting === 'fsync' ? ' is' : ''} off`,
            );
        }
        await server.end();
        await server.run();
    });

    it('is broken once the server has gone, and nothing that it acknowledged is lost', async () => {
        const broken: Error[] = [];
        const store = await openWorkerStore(server.url(), { onBroken: (error) => broken.push(error) });
        const job = newJob();
        await store.jobs.add(job);
        await server.end('SIGQUIT');
        await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit');
        await server.run();
        await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit');
        expect(broken).toHaveLength(1);
        await store.close();

        const again = await openWorkerStore(server.url());
        expect((await again.jobs.get(job.job))!.channel).toEqual(job.channel);
        expect((await again.totals()).jobs.open).toBe(1);
        await again.close();
    });

    it('is looked into without a change, and not while a process uses it', async () => {
        expect(await inspectStore(server.url())).toEqual({ exists: false });
        const store = await openWorkerStore(server.url());
        await expect(inspectStore(server.url())).rejects.toThrow('in use by');
        await store.close();
        const signing = { receiptKey: null, sequences: new Map(), retired: [] };
        expect(await inspectStore(server.url())).toMatchObject({ exists: true, signing });
    });

    it('refuses a user who may not make its tables', async () => {
        await server.query('CREATE ROLE guest LOGIN');
        await expect(openWorkerStore(server.url('postgres', 'guest'))).rejects.toThrow('permission denied');
    });

    it('gives back no number that JavaScript cannot have exactly', async () => {
        const store = await openWorkerStore(server.url());
        await server.query(`INSERT INTO cocoon_worker.sequences VALUES (1, ${2 ** 53})`);
        await expect(store.guard(Buffer.alloc(32), '/nowhere/mark')).rejects.toThrow('no exact number');
        await store.close();
    });

    it('keeps no connection once it is closed', async () => {
        await (await openWorkerStore(server.url())).close();
        const client = new Client({ connectionString: server.url() });
        await client.connect();
        const others = await client.query("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'cocoon%'");
        expect(others.rows).toEqual([]);
        await client.end();
    });
});
