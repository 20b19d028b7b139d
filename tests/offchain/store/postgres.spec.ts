/** Both stores in PostgreSQL, and what only PostgreSQL has. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { inspectStore } from '../../../offchain/store/inspect';
import { openGatewayStore, openWorkerStore } from '../../../offchain/store/open';
import { connectionOf } from '../../../offchain/store/postgresEngine';
import type { WorkerStore } from '../../../offchain/store/worker';
import { until } from '../support/until';
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

    it('says what to do where the server has no such database', async () => {
        const opening = openWorkerStore(server.url('absent'));

        await expect(opening).rejects.toMatchObject({
            message: expect.stringContaining('database "absent" does not exist'),
            remedy: 'make it with CREATE DATABASE, or correct the address of the store',
        });
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
        await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit'); // it tries again for seconds
        await server.run();
        await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit');
        expect(broken).toHaveLength(1);
        await store.close();

        const again = await openWorkerStore(server.url());
        expect((await again.jobs.get(job.job))!.channel).toEqual(job.channel);
        expect((await again.totals()).jobs.open).toBe(1);
        await again.close();
    });

    describe('whose writes an error of the database undoes', () => {
        const broken: Error[] = [];
        let store: WorkerStore;

        beforeEach(async () => {
            broken.length = 0;
            store = await openWorkerStore(server.url(), { onBroken: (error) => broken.push(error) });
        });
        afterEach(() => store.close());

        /** The first INSERTs of jobs raise this SQLSTATE. */
        const raise = (state: string, times: number) =>
            server.query(`CREATE SEQUENCE cocoon_worker.tries;
                CREATE FUNCTION cocoon_worker.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF nextval('cocoon_worker.tries') <= ${times} THEN
                        RAISE EXCEPTION 'no' USING ERRCODE = '${state}';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON cocoon_worker.jobs
                    FOR EACH ROW EXECUTE FUNCTION cocoon_worker.refuse()`);

        it.each(['53100', '57014', '40001'])(
            'runs them again after SQLSTATE %s, alone or in a group',
            async (state) => {
                await raise(state, 3);
                await store.jobs.add(newJob());
                await Promise.all([store.jobs.add(newJob()), store.jobs.add(newJob())]);
                expect([(await store.totals()).jobs.open, broken]).toEqual([3, []]);
            },
        );

        it('rejects the one that a constraint refuses, and no other', async () => {
            const job = newJob();
            await store.jobs.add(job);
            const outcomes = await Promise.allSettled([store.jobs.add(job), store.jobs.add(newJob())]);
            expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
            expect([(await store.totals()).jobs.open, broken]).toEqual([2, []]);
        });

        it('runs them again after their connection was cut in the middle', async () => {
            await server.query(`CREATE FUNCTION cocoon_worker.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    PERFORM pg_sleep(1);
                    RETURN NEW;
                END $$;
                CREATE TRIGGER slow BEFORE INSERT ON cocoon_worker.jobs
                    FOR EACH ROW EXECUTE FUNCTION cocoon_worker.slow()`);
            const adding = store.jobs.add(newJob());
            const cut = `SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity
                WHERE state = 'active' AND wait_event = 'PgSleep'`;
            await until(async () => (await server.query(cut)).length === 1);
            await adding;
            expect([(await store.totals()).jobs.open, broken]).toEqual([1, []]);
        });

        it('is broken when the error does not pass', async () => {
            await raise('53100', 1e9);
            await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit');
            expect(broken).toHaveLength(1);
        }, 20_000);

        it('keeps no write waiting behind readings', async () => {
            await store.jobs.add(newJob());
            const readings = Array.from({ length: 5000 }, () => store.jobs.get(Buffer.alloc(32)));
            let isRead = false;
            const read = Promise.all(readings).then(() => (isRead = true));
            await store.jobs.add(newJob());
            expect(isRead).toBe(false);
            await read;
        });
    });

    it('has the settings of its session whatever the user and the database set', async () => {
        const settings = {
            default_transaction_isolation: 'serializable',
            lock_timeout: '1ms',
            statement_timeout: '1ms',
        };
        for (const [name, value] of Object.entries(settings)) {
            await server.query(`ALTER ROLE cocoon SET ${name} = '${value}'`);
        }
        const client = new Client(connectionOf(server.url(), 'cocoon_worker'));
        await client.connect();
        for (const [name, value] of Object.entries({ transaction_isolation: 'read committed', lock_timeout: '0' })) {
            expect((await client.query(`SHOW ${name}`)).rows).toEqual([{ [name]: value }]);
        }
        await client.end();
        const reset = new Client(connectionOf(server.url(), 'public'));
        await reset.connect();
        await reset.query('ALTER ROLE cocoon RESET ALL');
        await reset.end();
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
