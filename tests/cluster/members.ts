/** Which process has which jobs, as the database says. */
import { Client } from 'pg';
import { connectionOf } from '../../offchain/store/postgresEngine';

/** The tables of worker or gateway: what says which member has an open job. */
const OPEN_JOBS = {
    cocoon_worker: `SELECT encode(job, 'hex') AS id, member FROM jobs WHERE state = 'open'`,
    cocoon_gateway: `SELECT number::text AS id, member FROM job WHERE phase = 'open'`,
};

export type Tables = keyof typeof OPEN_JOBS;

/** The open jobs by the process that has them. */
export interface Ownership {
    /** Process ids of live members. */
    live: Set<number>;
    /** Process id by job: of a worker its hex, of a gateway its number. The process may have ended. */
    ownerOf: Map<string, number>;
}

/** Reads who has what. Rejects while the database is away. */
export async function readOwnership(store: string, tables: Tables): Promise<Ownership> {
    const client = new Client({ ...(connectionOf(store, tables) as object), connectionTimeoutMillis: 1000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
        const members = await client.query<{ number: number; pid: number; isLive: boolean }>(
            `SELECT split_part(name, ':', 2)::int AS number, substring(holder FROM 'process (\\d+)')::int AS pid,
                until > clock_timestamp() AS "isLive"
            FROM leases WHERE name LIKE 'member:%'`,
        );
        const jobs = await client.query<{ id: string; member: number }>(OPEN_JOBS[tables]);
        const pids = new Map(members.rows.map(({ number, pid }) => [number, pid]));
        return {
            live: new Set(members.rows.filter(({ isLive }) => isLive).map(({ pid }) => pid)),
            ownerOf: new Map(jobs.rows.map(({ id, member }) => [id, pids.get(Number(member)) ?? 0])),
        };
    } finally {
        await client.end().catch(() => undefined);
    }
}
