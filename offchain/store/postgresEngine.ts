/**
 * A PostgreSQL database as the stores use it: durable at every commit, and written by one process at a time, or by the
 * members of a cluster. The tables are in a schema of their own.
 */
import { Kysely, PostgresDialect, type PostgresPool, type QueryExecutorProvider, sql } from 'kysely';
import { Client, DatabaseError, Pool, type PoolClient, type PoolConfig, types } from 'pg';
import { Remedied } from '../process/errors';
import { StoreInUse } from './database';
import type { Engine } from './engine';
import type { MemberOptions } from './cluster';
import { LEASE_TABLE, LEASE_SECONDS, type LeaseQuery, type ProcessLease } from './leases';
import { joinCluster, PostgresCluster, SeatHeld } from './members';
import { ConnectionFailed, PostgresCommit } from './postgresCommit';
import { passwordFor, refusalOf } from './postgresPassword';
import { databaseName } from '../process/storeAddress';
import type { StoreEvents } from './writeQueue';

const READERS = 3; // connections that read; one more writes
const CONNECT_MS = 10_000;
const STATEMENT_MS = 10_000; // a connection that does not answer for so long is given up
const KEEP_ALIVE_MS = 10_000; // without traffic, until TCP asks whether the other side is there
const MIN_VERSION = 15; // the oldest that is maintained: 14 was until 12 November 2026
const MAX_PREPARED = 500; // statements of a connection
/** For a process that sleeps in a transaction: it holds rows that its successor writes once the lease has ended. */
const IDLE_MS = (LEASE_SECONDS * 1000 * 2) / 3;
const INT8 = 20; // type of PostgreSQL

/** A store of one kind. */
export interface PostgresTables {
    schema: string; // of PostgreSQL, which has the tables
    /** One step of the tables each. A released step never changes; a new one follows it. */
    scripts: readonly string[];
}

export interface PostgresEngine<Schema> extends Engine<Schema> {
    readonly cluster: PostgresCluster;
}

export interface PostgresOptions extends StoreEvents {
    /** Makes this process a member of a cluster. Left out: it has the store alone. */
    member?: MemberOptions | undefined;
    leaseSeconds?: number;
}

/**
 * Opens the store in the database of `url`, makes its tables or brings them up to date, and becomes a member of its
 * cluster. Passwords come from PGPASSWORD or the file of PGPASSFILE, never from the URL.
 *
 * @throws if another process has the store and no cluster has both, commits would not reach the disk, or a newer
 * version wrote the tables
 */
export async function openPostgres<Schema>(
    url: string,
    { schema, scripts }: PostgresTables,
    { member, leaseSeconds = LEASE_SECONDS, ...events }: PostgresOptions,
): Promise<PostgresEngine<Schema>> {
    const config = connectionOf(url, schema);
    const third = (leaseSeconds * 1000) / 3;
    // Connections of their own, so that nothing keeps a renewal or a write waiting.
    const renewals = openPool({ ...config, max: 1, connectionTimeoutMillis: third });
    const control = openPool({ ...config, max: 1, query_timeout: STATEMENT_MS });
    const setUp = openPool({ ...config, max: 1 }); // changes of the tables may take long
    const writer = openPool({ ...config, max: 1, query_timeout: STATEMENT_MS });
    const readers = openPool({ ...config, max: READERS, query_timeout: 6 * STATEMENT_MS });
    const endAll = () => Promise.all([renewals, control, setUp, writer, readers].map((pool) => pool.end()));
    const database = <T>(pool: Pool) => new Kysely<T>({ dialect: new PostgresDialect({ pool: preparing(pool) }) });
    const db = database<Schema>(readers);
    try {
        await assertDurable(control, databaseName(url));
        await createSchema(setUp, schema);
        const cluster = await joinCluster({
            ...{ member, seconds: leaseSeconds },
            renew: patientQuery(renewals, third),
            query: queryOf(control),
            locked: (run) => transaction(control, (client) => run(queryOf(client))),
            onLost: (error) => writes.lose(error),
        });
        const { lease } = cluster;
        const writes = new PostgresCommit(database<Schema>(writer), lease, { retrySeconds: leaseSeconds, ...events });
        const close = async () => {
            await cluster.leave();
            await endAll();
        };
        await migrate(setUp, { scripts, lease, name: databaseName(url) }).catch(async (error: unknown) => {
            await cluster.leave();
            throw error;
        });
        // What was deleted stays on the disk until PostgreSQL reuses its place: docs/operations.md.
        return { db, writes, cluster, keepKey, close, scrub: () => Promise.resolve(), reusableBytes: () => 0 };
    } catch (error) {
        await endAll();
        throw error instanceof SeatHeld ? new StoreInUse(`${databaseName(url)} is in use by ${error.message}`) : error;
    }
}

/** How to connect to the tables of a store. Throws when the URL has a password. */
export function connectionOf(url: string, schema: string): PoolConfig {
    const { password, searchParams } = new URL(url);
    if (password !== '' || searchParams.has('password')) {
        throw new Remedied('The address of the store contains a password, which logs and messages would show', {
            remedy: 'leave it out of the address, and set PGPASSWORD, or PGPASSFILE to a file that only this user may read',
        });
    }
    const { host, port, user, database, ssl } = new Client({ connectionString: url });
    return {
        ...{ host, port, user, database, ssl },
        password: () => passwordFor({ host, port, user, database }),
        connectionTimeoutMillis: CONNECT_MS,
        idleTimeoutMillis: 0,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
        application_name: schema,
        idle_in_transaction_session_timeout: IDLE_MS,
        options: sessionOptions(schema),
        types: {
            getTypeParser: ((oid: number, format: never): unknown =>
                oid === INT8 ? integerOf : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
        },
    };
}

/** Settings of the session, so that those of the server, the database and the user do not reach it. */
function sessionOptions(schema: string): string {
    const settings = {
        search_path: schema,
        synchronous_commit: 'on',
        default_transaction_isolation: 'read\\ committed',
        default_transaction_read_only: 'off',
        statement_timeout: '0',
        lock_timeout: '0',
    };
    return Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' ');
}

const queryOf =
    (connection: Pool | PoolClient): LeaseQuery =>
    (text, values) =>
        connection.query(text, [...values]);

/**
 * Runs statements that fail without an answer within `ms`, but not before the answers that wait are read. After a long
 * turn of the event loop timers run before that, so a timeout of the driver would drop an answer that is there.
 */
export function patientQuery(pool: Pool, ms: number): LeaseQuery {
    return async (text, values) => {
        const client = await pool.connect();
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<never>((_, reject) => {
            const fail = () => reject(new Error(`The database does not answer within ${ms / 1000} s`));
            timer = setTimeout(() => setImmediate(fail), ms);
        });
        try {
            const answer = await Promise.race([client.query(text, [...values]), late]);
            client.release();
            return answer;
        } catch (error) {
            client.release(true); // the connection is closed
            throw error;
        } finally {
            clearTimeout(timer);
        }
    };
}

function integerOf(text: string): number {
    const value = Number(text);
    if (!Number.isSafeInteger(value)) {
        throw new Error(`The database has the integer ${text}, which is no exact number here`);
    }
    return value;
}

/** Connections whose errors are told by the statement that needs them. */
export function openPool(config: PoolConfig): Pool {
    const pool = new Pool(config);
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined)); // between two statements of a transaction
    return pool;
}

/** The pool, which prepares each statement with parameters once for each connection. */
function preparing(pool: Pool): PostgresPool {
    const names = new Map<string, string>();
    const nameFor = (text: string): string | undefined => {
        if (!names.has(text) && names.size < MAX_PREPARED) {
            names.set(text, `s${names.size}`);
        }
        return names.get(text);
    };
    const wrap = (client: PoolClient) => {
        let failed = false;
        return {
            query: async (text: string, values: readonly unknown[]) => {
                const query = values.length === 0 ? text : { name: nameFor(text), text, values: [...values] };
                return client.query(query as string).catch((error: Error) => {
                    if (error instanceof DatabaseError) {
                        throw error;
                    }
                    failed = true;
                    throw new ConnectionFailed(error.message, { cause: error });
                });
            },
            release: () => client.release(failed), // true: it is not used again
        };
    };
    return { connect: async () => wrap(await pool.connect()), end: () => Promise.resolve() } as unknown as PostgresPool;
}

/** Throws unless a COMMIT of this server is on its disk. */
export async function assertDurable(pool: Pool, name: string): Promise<void> {
    const settings = pool.query<Record<string, string>>(
        `SELECT current_setting('server_version_num') AS version, current_setting('fsync') AS fsync,
            current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commits,
            pg_is_in_recovery()::text AS standby`,
    );
    const { rows } = await settings.catch((error: unknown) => {
        throw refusalOf(error, name);
    });
    const { version, fsync, pages, commits, standby } = rows[0];
    if (Number(version) < MIN_VERSION * 10_000) {
        throw new Remedied(`${name} is PostgreSQL ${Math.floor(Number(version) / 10_000)}`, {
            remedy: `use PostgreSQL ${MIN_VERSION} or newer`,
        });
    }
    if (standby === 'true') {
        throw new Remedied(`${name} is a standby server, which takes no writes`, { remedy: 'name the primary server' });
    }
    if (fsync !== 'on' || pages !== 'on') {
        throw new Remedied(`${name} would lose commits at a power cut: fsync is ${fsync}, full_page_writes ${pages}`, {
            remedy: 'set both to on in postgresql.conf, and reload the server',
        });
    }
    if (commits !== 'on') {
        throw new Remedied(`${name} would lose commits at a power cut: synchronous_commit is ${commits}`, {
            remedy: 'connect to the server itself: a pooler between them drops the settings of the session',
        });
    }
}

const LOCK = 1_668_246_383; // any number; every version of this program locks the same one

const KEY_LOCK = 1; // any number, for keys alone: locks of two numbers are others than those of one

/** Keys with the same last four bytes are kept as one, which costs their transactions some waiting at most. */
async function keepKey(t: QueryExecutorProvider, key: Buffer, how: 'alone' | 'shared'): Promise<void> {
    const lock = sql.raw(how === 'alone' ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared');
    await sql`SELECT ${lock}(${KEY_LOCK}::int, ${key.readInt32BE(key.length - 4)}::int)`.execute(t);
}

// Several processes may start at once.
async function createSchema(pool: Pool, schema: string): Promise<void> {
    await transaction(pool, async (client) => {
        await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
        await client.query(LEASE_TABLE);
        await client.query('CREATE TABLE IF NOT EXISTS version (version bigint NOT NULL)');
    });
}

interface Migration {
    scripts: readonly string[];
    lease: ProcessLease;
    name: string; // of the database
}

async function migrate(pool: Pool, { scripts, lease, name }: Migration): Promise<void> {
    await transaction(pool, async (client) => {
        const { rows } = await client.query<{ version: number }>('SELECT version FROM version');
        const done = rows[0]?.version ?? 0;
        if (done > scripts.length) {
            throw new Error(
                `${name} was written by a newer version (schema ${done}, this one knows ${scripts.length})`,
            );
        }
        for (const script of scripts.slice(done)) {
            await client.query(script);
        }
        if (rows.length === 0) {
            await client.query('INSERT INTO version VALUES ($1)', [scripts.length]);
        } else {
            await client.query('UPDATE version SET version = $1', [scripts.length]);
        }
        await lease.assertHeldBy(queryOf(client));
    });
}

async function transaction<T>(pool: Pool, run: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    try {
        await client.query('BEGIN');
        await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
        const result = await run(client);
        await client.query('COMMIT');
        client.release();
        return result;
    } catch (error) {
        client.release(true); // the connection is closed, which undoes the transaction
        throw error;
    }
}
