/** The members of a cluster in PostgreSQL: who may join, who takes over, and who may do what one does at a time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import { OneMember } from '../../../offchain/store/cluster';
import { openPostgres, type PostgresEngine, type PostgresOptions } from '../../../offchain/store/postgresEngine';
import { until } from '../support/until';
import { PostgresServer } from '../support/postgres';

const SHORT = 0.8; // seconds of a lease that a test waits for
const LONG = 60; // seconds of a lease that no busy machine loses

interface Schema {
    thing: { member: number };
}

interface Opened {
    engine: PostgresEngine<Schema>;
    cluster: PostgresEngine<Schema>['cluster'];
    broken: Error[];
    close: () => Promise<void>;
}

let server: PostgresServer;
let url: string;
let opened: Opened[];

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);

afterAll(() => server.remove());

beforeEach(async () => {
    url = await server.database();
    opened = [];
});

afterEach(async () => {
    await Promise.all(opened.map(({ close }) => close()));
});

const tables = { schema: 'things', scripts: ['CREATE TABLE thing (member bigint NOT NULL)'] };

async function open(member?: PostgresOptions['member'], leaseSeconds = LONG) {
    const broken: Error[] = [];
    const onBroken = (error: Error) => broken.push(error);
    const engine = await openPostgres<Schema>(url, tables, { member, leaseSeconds, onBroken });
    let closed: Promise<void> | undefined;
    const one = { engine, broken, ...engine, close: () => (closed ??= engine.close()) };
    opened.push(one);
    return one;
}

const join = (address?: string) => open({ identity: 'one', url: address });

const joinBriefly = () => open({ identity: 'one' }, SHORT);

const add = ({ engine: { writes, cluster } }: { engine: PostgresEngine<Schema> }) =>
    writes.run((t) => t.insertInto('thing').values({ member: cluster.number }).execute());

const move = ({ engine: { writes, cluster } }: { engine: PostgresEngine<Schema> }, member: number) =>
    writes.run(async (t) => {
        if (!(await cluster.takeOver(t as never, member))) {
            return false;
        }
        await t.updateTable('thing').set({ member: cluster.number }).where('member', '=', member).execute();
        return true;
    });

const owners = async () =>
    (await server.query('SELECT member::int FROM things.thing ORDER BY 1', url)).map(({ member }) => member);

/** Ends the renewals of a member, as a process that sleeps does. */
async function lapse(member: number): Promise<void> {
    await server.query(`UPDATE things.leases SET until = now() WHERE name = 'member:${member}'`, url);
}

describe('A member of a cluster', () => {
    it('has the smallest number that is free, and is known to the others with its URL', async () => {
        const [first, second] = [await join('http://one'), await join()];
        const third = await join('http://three');
        expect([first, second, third].map(({ cluster }) => cluster.number)).toEqual([1, 2, 3]);
        expect((await second.cluster.members()).map((one) => one.url)).toEqual([
            'http://one',
            undefined,
            'http://three',
        ]);
        expect((await second.cluster.members())[0].holder).toContain(`process ${process.pid}`);
        await second.close();
        expect((await first.cluster.members()).map(({ number }) => number)).toEqual([1, 3]);
        expect((await join()).cluster.number).toBe(2);
    });

    it('gets the number of one that stopped, with its rows, before a smaller one', async () => {
        const [first, second] = [await join(), await join()];
        await first.close();
        await second.close();
        expect(await move(await join(), 2)).toBe(true); // number 1 again, and 2 is taken over
        expect((await join()).cluster.number).toBe(2);
        await opened.at(-1)!.close();
        await opened.at(-2)!.close();
        expect((await join()).cluster.number).toBe(1);
        expect((await opened.at(-1)!.cluster.lapsed()).map(({ number }) => number)).toEqual([2]);
    });

    it('never has a number at the same time as another', async () => {
        const members = await Promise.all(Array.from({ length: 5 }, () => join()));
        expect(members.map(({ cluster }) => cluster.number).sort()).toEqual([1, 2, 3, 4, 5]);
    });

    it('is refused with another identity than the others, and taken once they have stopped', async () => {
        const first = await joinBriefly();
        await expect(open({ identity: 'two' }, SHORT)).rejects.toThrow('has other keys');
        await first.close();
        expect((await open({ identity: 'two' }, SHORT)).cluster.number).toBe(1);
    });

    it('is refused beside a process that has the store alone, which is refused beside a member', async () => {
        const alone = await open(undefined, SHORT);
        expect(alone.cluster.isShared).toBe(false);
        await expect(joinBriefly()).rejects.toThrow('make both members of one cluster');
        await expect(open(undefined, SHORT)).rejects.toThrow('Stop the other one first');
        await alone.close();
        const member = await joinBriefly();
        expect(member.cluster.isShared).toBe(true);
        await expect(open(undefined, SHORT)).rejects.toThrow(/in use by process \d+ of .*: only one may hold its keys/);
    });
});

describe('A takeover', () => {
    it('moves the rows of a member that stopped, and leaves a live one alone', async () => {
        const [first, second] = [await join(), await join()];
        await add(first);
        await add(second);
        expect(await move(second, 1)).toBe(false);
        expect(await owners()).toEqual([1, 2]);
        await first.close();
        expect((await second.cluster.lapsed()).map(({ number }) => number)).toEqual([1]);
        expect(await move(second, 1)).toBe(true);
        expect(await owners()).toEqual([2, 2]);
        expect(await second.cluster.lapsed()).toEqual([]);
        expect(await move(second, 1)).toBe(false);
    });

    it('has one winner of many', async () => {
        const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => join()));
        await add(first);
        await first.close();
        const wins = await Promise.all(others.map((one) => move(one, first.cluster.number)));
        expect(wins.filter(Boolean)).toHaveLength(1);
        expect(await owners()).toEqual([others[wins.indexOf(true)].cluster.number]);
    });

    it('lets the member that it took from commit nothing more, and that one is broken', async () => {
        const [first, second] = [await join(), await join()];
        await add(first);
        await lapse(1);
        expect(await move(second, 1)).toBe(true);
        await expect(add(first)).rejects.toThrow('could not commit');
        expect(first.broken).toHaveLength(1);
        expect(await owners()).toEqual([2]);
        expect(second.broken).toEqual([]);
    });

    it('passes a member by whose transaction is about to end, until it has ended', async () => {
        const [first, second] = [await join(), await join()];
        let end!: () => void;
        const ending = new Promise<void>((resolve) => (end = resolve));
        await lapse(1);
        let transaction!: Promise<void>;
        await new Promise<void>((locked) => {
            transaction = first.db.transaction().execute(async (t) => {
                await sql`SELECT 1 FROM things.leases WHERE name = 'member:1' FOR SHARE`.execute(t); // as its check does
                locked();
                await ending;
            });
        });
        expect(await move(second, 1)).toBe(false);
        end();
        await transaction;
        await lapse(1);
        expect(await move(second, 1)).toBe(true);
    });

    it('undoes nothing and takes nothing when its own member lost its lease', async () => {
        const [first, second] = [await join(), await join()];
        await add(first);
        await first.close();
        await server.query(`UPDATE things.leases SET token = token + 1 WHERE name = 'member:2'`, url);
        await expect(move(second, 1)).rejects.toThrow('could not commit');
        expect(await owners()).toEqual([1]);
        expect((await join()).cluster.number).toBe(1); // with its rows
    });

    it('gives a number again under a higher token, so the sleeper stays locked out', async () => {
        const [first, second] = [await join(), await join()];
        await lapse(1);
        await move(second, 1);
        expect((await join()).cluster.number).toBe(1);
        await expect(add(first)).rejects.toThrow('could not commit');
    });

    it('takes from a process that sleeps or was killed within 10 s', async () => {
        const second = await join();
        for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
            const other = await startMember();
            process.kill(other.child.pid!, signal);
            const stopped = Date.now();
            const taken = async () => {
                const [dead] = await second.cluster.lapsed();
                return dead !== undefined && (await move(second, dead.number));
            };
            await until(taken, 10_000);
            expect(Date.now() - stopped).toBeLessThan(10_000);
            if (signal === 'SIGSTOP') {
                const [{ count }] = await server.query('SELECT count(*)::int FROM things.thing', url);
                process.kill(other.child.pid!, 'SIGCONT');
                expect(await other.ended).toBe('SIGKILL'); // by itself
                expect(await server.query('SELECT count(*)::int FROM things.thing', url)).toEqual([{ count }]);
            }
        }
    }, 40_000);

    /** Another process that joins, and adds rows as long as it may. */
    async function startMember(): Promise<{ child: ChildProcess; ended: Promise<unknown> }> {
        const script = require.resolve('../support/memberProcess.ts');
        const child = spawn(process.execPath, ['-r', './tooling/typescript.js', script, url], {
            stdio: ['ignore', 'pipe', 'inherit'],
        });
        let rows = 0;
        createInterface({ input: child.stdout }).on('line', () => rows++);
        const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
        await until(() => rows > 2, 20_000);
        return { child, ended };
    }
});

describe('What one member does at a time', () => {
    it.each([
        ['in PostgreSQL', async () => [(await join()).cluster, (await join()).cluster]],
        ['of one process', async () => [new OneMember()]],
    ])('runs one action of a name after another, and those of other names meanwhile: %s', async (_, clusters) => {
        const members = await clusters();
        const log: string[] = [];
        let running = 0;
        const action = (name: string, member: number) =>
            members[member % members.length].exclusive(name, async (lease) => {
                expect(lease.isHeld).toBe(true);
                expect(++running).toBe(1);
                await new Promise((resolve) => setTimeout(resolve, 5));
                running--;
                log.push(name);
            });
        let free!: () => void;
        const other = members[0].exclusive('other', () => new Promise<void>((resolve) => (free = resolve)));
        await Promise.all([0, 1, 0, 1, 0].map((member) => action('wallet', member)));
        expect(log).toHaveLength(5);
        free();
        await other;
        await expect(members[0].exclusive('wallet', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
        await action('wallet', 1);
    });

    it('lasts longer than a lease, which is renewed', async () => {
        const [first, second] = [await joinBriefly(), await joinBriefly()];
        const order: string[] = [];
        const long = first.cluster.exclusive('wallet', async (lease) => {
            await new Promise((resolve) => setTimeout(resolve, SHORT * 2500));
            expect(lease.isHeld).toBe(true);
            order.push('first');
        });
        await until(
            async () => (await server.query(`SELECT 1 FROM things.leases WHERE name = 'wallet'`, url)).length > 0,
        );
        await second.cluster.exclusive('wallet', async () => order.push('second'));
        await long;
        expect(order).toEqual(['first', 'second']);
    });

    it('writes nothing once another member has its lease, and the rest of the process goes on', async () => {
        const first = await joinBriefly();
        await first.cluster.exclusive('wallet', async (lease) => {
            await server.query(`UPDATE things.leases SET token = token + 1 WHERE name = 'wallet'`, url);
            const write = first.writes.run(async (t) => {
                await t.insertInto('thing').values({ member: 9 }).execute();
                await lease.assertHeld(t as never);
            });
            await expect(write).rejects.toThrow('another process may have it');
            await until(() => !lease.isHeld);
        });
        await add(first);
        expect(await owners()).toEqual([1]);
    });

    it('goes to the next some seconds after its process died', async () => {
        const [first, second] = [await joinBriefly(), await joinBriefly()];
        void first.cluster.exclusive('wallet', () => new Promise<never>(() => undefined));
        const isTaken = async () =>
            (await server.query(`SELECT 1 FROM things.leases WHERE name = 'wallet'`, url)).length > 0;
        await until(isTaken);
        await server.query(`UPDATE things.leases SET until = now(), token = token + 1 WHERE name = 'wallet'`, url);
        expect(await second.cluster.exclusive('wallet', async (lease) => lease.isHeld)).toBe(true);
    });
});
