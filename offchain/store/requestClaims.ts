/**
 * Requests with an Idempotency-Key in a PostgreSQL database that several processes share: one process answers each. The
 * answers themselves are in the memory of that process.
 */
import { type Kysely, sql } from 'kysely';
import type { ProcessLease } from './leases';

/** A request that another process answers or has answered, or that this one did in an earlier run. */
export interface ClaimedRequest {
    body: Buffer; // hash of its body
    isRunning: boolean; // false: it is over, or its process ended
}

export class RequestClaims {
    private readonly releases = new Map<string, Promise<unknown>>(); // under way, by id

    constructor(
        private readonly db: Kysely<never>,
        private readonly member: Pick<ProcessLease, 'name' | 'token'>,
    ) {}

    /**
     * Makes this process the one that answers a request; resolves with undefined then. Otherwise with who answered it
     * in the last `seconds`. Each statement is a transaction of its own, so that no two wait for each other.
     */
    async claim(id: Buffer, body: Buffer, seconds: number): Promise<ClaimedRequest | undefined> {
        await this.releases.get(id.toString('hex'));
        for (;;) {
            const claimed = await sql`
                INSERT INTO request (id, body, member, token)
                VALUES (${id}, ${body}, ${this.member.name}, ${this.member.token})
                ON CONFLICT (id) DO UPDATE SET body = excluded.body, member = excluded.member, token = excluded.token,
                    at = excluded.at, "isOver" = false
                WHERE ${isForgotten(seconds)}
                RETURNING 1`.execute(this.db);
            if (claimed.rows.length === 1) {
                return undefined;
            }
            const { rows } = await sql<ClaimedRequest>`
                SELECT body, NOT "isOver" AND ${isLive} AS "isRunning" FROM request WHERE id = ${id}`.execute(this.db);
            if (rows.length === 1) {
                return rows[0];
            }
        }
    }

    /** The request cost nothing: whoever gets it again answers it. */
    async release(id: Buffer): Promise<void> {
        const key = id.toString('hex');
        const release = sql`DELETE FROM request WHERE id = ${id} AND ${this.isOwn}`.execute(this.db);
        this.releases.set(
            key,
            release.catch(() => undefined),
        );
        await release.finally(() => this.releases.delete(key));
    }

    /** The request was answered and cost something. */
    async complete(id: Buffer): Promise<void> {
        await sql`UPDATE request SET "isOver" = true WHERE id = ${id} AND ${this.isOwn}`.execute(this.db);
    }

    /** Deletes the requests that began more than `seconds` ago and are over. */
    async forget(seconds: number): Promise<void> {
        await sql`DELETE FROM request WHERE ${isForgotten(seconds)}`.execute(this.db);
    }

    private get isOwn() {
        return sql`request.member = ${this.member.name} AND request.token = ${this.member.token}`;
    }
}

const isLive = sql`EXISTS (SELECT 1 FROM leases WHERE leases.name = request.member AND leases.token = request.token
    AND leases.until > clock_timestamp())`;

const isForgotten = (seconds: number) => sql`request.at <= clock_timestamp() - ${seconds}::float8 * interval '1 second'
    AND (request."isOver" OR NOT ${isLive})`;
