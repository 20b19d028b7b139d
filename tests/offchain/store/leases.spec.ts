/** Who may write to a store in PostgreSQL: one process at a time, and no process that lost its lease. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { LEASE_TABLE, type LeaseParts, type LeaseQuery, ProcessLease, takeLease } from '../../../offchain/store/leases';
import { steadySeconds } from '../../../offchain/process/clock';
import { openWorkerStore } from '../../../offchain/store/open';
import { patientQuery } from '../../../offchain/store/postgresEngine';
import { until } from '../support/until';
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

const query: LeaseQuery = (text, values) => pool.query(text, [...values]);
const never = () => {
    throw new Error('a lease was lost');
};
const take = (name: string) => takeLease(query, name, SHORT);

/** A lease that is renewed until its release. */
async function hold(name: string, parts: Partial<LeaseParts> = {}): Promise<ProcessLease> {
    const { renew = query, onLost = never, seconds = SHORT } = parts;
    const sentAt = steadySeconds();
    const token = (await takeLease(query, name, seconds))!;
    return new ProcessLease({ renew, name, token, sentAt, onLost, seconds });
}

describe('A statement of a lease', () => {
    const MS = 200;
    const ask = (text: string) => patientQuery(pool, MS)(text, []);

    it('gets its answer, although the event loop was busy for longer than its time', async () => {
        await ask('SELECT 1'); // connects
        const answer = ask('SELECT 7 AS seven');
        setImmediate(() => {
            const end = steadySeconds() + (3 * MS) / 1000;
            while (steadySeconds() < end);
        });
        expect((await answer).rows).toEqual([{ seven: 7 }]);
    });

    it('fails when its time is over without an answer, and the next one has another connection', async () => {
        const pid = async () => (await ask('SELECT pg_backend_pid() AS pid')).rows[0].pid;
        const first = await pid();
        const begin = steadySeconds();
        await expect(ask('SELECT pg_sleep(20)')).rejects.toThrow('does not answer within 0.2 s');
        expect(steadySeconds() - begin).toBeLessThan(10);
        expect(await pid()).not.toBe(first);
    });
});

describe('A lease', () => {
    it('has one holder when many want it', async () => {
        // Long enough that none ends before the last has asked, however busy the machine.
        const tokens = await Promise.all(Array.from({ length: 8 }, () => takeLease(query, 'race', 60)));
        expect(tokens.filter((token) => token !== undefined)).toEqual([1]);
    });

    it('goes to the next at once when it is released, with a higher token', async () => {
        const first = await hold('released');
        await first.release();
        const second = await hold('released');
        expect(second.token).toBe(first.token + 1);
        await first.release(); // changes nothing of the second one
        expect(await take('released')).toBeUndefined();
        await second.release();
        expect(await take('released')).toBe(second.token + 1);
    });

    it('lasts as long as it is renewed, and no longer', async () => {
        let lost = 0;
        let isCut = false;
        const renew: LeaseQuery = (text, values) =>
            isCut ? Promise.reject(new Error('no connection')) : query(text, values);
        const lease = await hold('renewed', { renew, onLost: () => lost++ });
        await sleep(SHORT * 1000 * 2);
        expect([await take('renewed'), lost, lease.isHeld]).toEqual([undefined, 0, true]);

        isCut = true;
        await until(() => lost === 1);
        expect(lease.isHeld).toBe(false);
        await until(async () => (await take('renewed')) === 2);
    });

    it('is kept when one renewal gets no answer', async () => {
        let renewals = 0;
        const renew: LeaseQuery = (text, values) =>
            renewals++ === 0 ? new Promise(() => undefined) : query(text, values);
        const lease = await hold('silent', { renew });
        await sleep(SHORT * 1000 * 2);
        expect(lease.isHeld).toBe(true);
        await lease.release();
    });

    it('is lost when its seconds are over, although a renewal still waits for its answer', async () => {
        let lostAt = 0;
        const begin = steadySeconds();
        await hold('hanging', { renew: () => new Promise(() => undefined), onLost: () => (lostAt = steadySeconds()) });
        await until(() => lostAt > 0);
        expect(lostAt - begin).toBeGreaterThan(SHORT * 0.9); // timers may be a moment early
        expect(lostAt - begin).toBeLessThan(2 * SHORT);
    });

    it('is kept when the answer to a renewal waits behind a long turn of the event loop', async () => {
        let renewals = 0;
        const seconds = 2;
        const renew: LeaseQuery = (text, values) => {
            const answer = query(text, values);
            if (renewals++ === 1) {
                const end = steadySeconds() + 0.75 * seconds; // what the first renewal brought ends meanwhile
                setImmediate(() => {
                    while (steadySeconds() < end);
                });
            }
            return answer;
        };
        const lease = await hold('busy', { renew, seconds });
        await until(() => renewals === 3);
        expect(lease.isHeld).toBe(true);
        await lease.release();
    });

    it.each([
        ['another token', 'token = token + 1'],
        ['that it has ended, although nobody took it', 'until = clock_timestamp()'],
    ])('is lost for a holder that finds %s', async (_, change) => {
        let lost = 0;
        const lease = await hold('ended', { onLost: () => lost++ });
        await server.query(`UPDATE leases SET ${change} WHERE name = 'ended'`);
        await expect(lease.assertHeldBy(query)).rejects.toThrow('another process may have it');
        await until(() => lost === 1);
        await server.query(`DELETE FROM leases WHERE name = 'ended'`);
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
