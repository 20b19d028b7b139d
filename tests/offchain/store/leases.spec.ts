/** Who may write to a store in PostgreSQL: one process at a time, and no process that lost its lease. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { Pool } from 'pg';
import { acquireLease, LEASE_TABLE, LeaseHeld } from '../../../offchain/store/leases';
import { openWorkerStore } from '../../../offchain/store/open';
import { until } from '../gateway/support';
import { PostgresServer } from '../support/postgres';
import { newJob } from './conformance';

const SHORT = 0.3; // seconds of a lease

let server: PostgresServer;
let pool: Pool;

beforeAll(async () => {
    server = await PostgresServer.start();
    await server.query(LEASE_TABLE);
    pool = new Pool({ connectionString: server.url() });
}, 30_000);

afterAll(async () => {
    await pool.end();
    await server.remove();
});

const query = (text: string, values: readonly unknown[]) => pool.query(text, [...values]);
const never = () => {
    throw new Error('a lease was lost');
};
const acquire = (name: string, onLost: () => void = never) => acquireLease(query, name, { seconds: SHORT, onLost });

describe('A lease', () => {
    it('has one holder when many want it', async () => {
        const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire('race')));
        const leases = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
        const refusals = outcomes.flatMap((outcome) =>
            outcome.status === 'rejected' ? [outcome.reason as Error] : [],
        );
        expect(leases).toHaveLength(1);
        expect(refusals.every((error) => error instanceof LeaseHeld)).toBe(true);
        expect(refusals[0].message).toContain(`process ${process.pid}`);
        await leases[0].release();
    });

    it('goes to the next at once when it is released, with a higher token', async () => {
        const first = await acquire('released');
        await first.release();
        const second = await acquire('released');
        expect(second.token).toBe(first.token + 1);
        await second.release();
        await first.release(); // changes nothing of the second one
        const third = await acquire('released');
        expect(third.token).toBe(second.token + 1);
        await third.release();
    });

    it('lasts as long as it is renewed, and no longer', async () => {
        let lost = 0;
        let isCut = false;
        const cut: typeof query = (text, values) =>
            isCut ? Promise.reject(new Error('no connection')) : query(text, values);
        await acquireLease(cut, 'renewed', { seconds: SHORT, onLost: () => lost++ });
        await new Promise((resolve) => setTimeout(resolve, SHORT * 1000 * 2));
        await expect(acquire('renewed')).rejects.toThrow('has the lease');
        expect(lost).toBe(0);

        isCut = true;
        const next = await acquire('renewed');
        await until(() => lost === 1);
        expect(next.token).toBe(2);
        await next.release();
    });

    it('is kept through a short cut of the connection', async () => {
        let failures = 0;
        const shaky: typeof query = (text, values) =>
            text.includes('UPDATE leases') && failures++ === 0
                ? Promise.reject(new Error('no connection'))
                : query(text, values);
        const lease = await acquireLease(shaky, 'shaky', { seconds: SHORT, onLost: never });
        await until(() => failures > 2);
        await lease.release();
    });

    it('is told to be lost to a holder that finds another token', async () => {
        let lost = 0;
        await acquire('taken', () => lost++);
        await server.query(`UPDATE leases SET token = token + 1 WHERE name = 'taken'`);
        await until(() => lost === 1);
    });
});

describe('The store of a process', () => {
    interface Other {
        child: ChildProcess;
        lines: Interface;
        acknowledged: string[]; // hashes of jobs
        ended: Promise<unknown>;
    }

    /** Another process that adds jobs to the store, one after another, and says which are on the disk. */
    async function startOther(): Promise<Other> {
        const script = require.resolve('../support/addingWorker.ts');
        const flags = ['-r', './tooling/typescript.js', script, server.url()];
        const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
        const lines = createInterface({ input: child.stdout });
        const other: Other = {
            ...{ child, lines, acknowledged: [] },
            ended: new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code))),
        };
        lines.on('line', (line) => other.acknowledged.push(line));
        await until(() => other.acknowledged.length > 2, 20_000);
        return other;
    }

    it(`is another's within 10 s after the process stopped, and takes nothing from it once it goes on`, async () => {
        const other = await startOther();
        await expect(openWorkerStore(server.url())).rejects.toThrow(`in use by process ${other.child.pid}`);

        other.child.kill('SIGSTOP');
        const stopped = Date.now();
        const store = await openWorkerStore(server.url());
        expect(Date.now() - stopped).toBeLessThan(10_000);
        await store.jobs.add(newJob()); // no lock of the stopped process is in the way
        const jobs = (await store.totals()).jobs.open;
        const { length } = other.acknowledged;
        expect(jobs - 1 - length).toBeLessThanOrEqual(1); // one more may be stored than it could tell
        expect(jobs - 1 - length).toBeGreaterThanOrEqual(0);

        other.child.kill('SIGCONT');
        expect(await other.ended).toBe('SIGKILL');
        expect((await store.totals()).jobs.open).toBe(jobs);
        for (const job of other.acknowledged) {
            expect(await store.jobs.get(Buffer.from(job, 'hex'))).toBeDefined();
        }
        await store.close();
    }, 60_000);
});

it('writes nothing under a lease that another took, in the middle of a transaction too', async () => {
    const url = await server.database();
    const broken: Error[] = [];
    const store = await openWorkerStore(url, { onBroken: (error) => broken.push(error) });
    await store.jobs.add(newJob());
    await server.query('UPDATE cocoon_worker.leases SET token = token + 1', url);
    await expect(store.jobs.add(newJob())).rejects.toThrow('could not commit');
    await expect(store.setIntake('paused')).rejects.toThrow('could not commit');
    expect(broken).toHaveLength(1);
    expect((await store.totals()).jobs.open).toBe(1);
    await store.close();
});
