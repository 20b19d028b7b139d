/**
 * Leases in a PostgreSQL database: who may do what only one process may do. A holder that stops loses its lease after a
 * few seconds, by the clock of the database. Every change of the holder raises the token of the lease, and a holder
 * writes only where the token is still its own. So a process that slept through the end of its lease writes nothing.
 */
import { type Kysely, sql } from 'kysely';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadySeconds } from '../process/clock';

/** Runs one statement; fails after a while if the database does not answer. */
export type LeaseQuery = (
    text: string,
    values: readonly unknown[],
) => Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>;

/** The table, for the script that makes a store. */
export const LEASE_TABLE = `CREATE TABLE IF NOT EXISTS leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    until timestamptz NOT NULL,
    member jsonb -- see members.ts
)`;

/** Seconds after which a lease that is not renewed ends. A new holder is there within 10 s. */
export const LEASE_SECONDS = 6;

const RENEWALS = 3; // in the time of a lease

/** Another process has the lease, and renews it. */
export class LeaseHeld extends Error {
    constructor(readonly holder: string) {
        super(`${holder} has the lease`);
    }
}

/** This process no longer has the lease. */
export class LeaseLost extends Error {}

/** A lease that this process has, until it releases or loses it. */
export class ProcessLease {
    private timer: NodeJS.Timeout | undefined;
    private isOver = false;

    constructor(
        private readonly query: LeaseQuery,
        readonly name: string,
        readonly token: number,
        private readonly seconds: number,
        private readonly onLost: (error: LeaseLost) => void,
        private renewedAt: number, // steady seconds when the last renewal that succeeded was sent
    ) {
        this.renewLater();
    }

    /**
     * The last statement of a transaction that this lease covers. Throws unless this process still has the lease; until
     * the transaction ends, no other process gets it.
     */
    async assertHeld(transaction: Kysely<never>): Promise<void> {
        const own = sql`SELECT 1 FROM leases WHERE name = ${this.name} AND token = ${this.token} FOR SHARE`;
        if ((await own.execute(transaction)).rows.length === 0) {
            throw this.lost();
        }
    }

    /** Another process may have the lease at once. */
    async release(): Promise<void> {
        this.end();
        await this.query('UPDATE leases SET until = clock_timestamp() WHERE name = $1 AND token = $2', [
            this.name,
            this.token,
        ]);
    }

    /** False once this process cannot be sure of the lease. Then it may do nothing that it cannot undo. */
    get isHeld(): boolean {
        return !this.isOver && steadySeconds() - this.renewedAt < this.seconds;
    }

    private end(): void {
        this.isOver = true;
        clearTimeout(this.timer);
    }

    private renewLater(): void {
        this.timer = setTimeout(() => void this.renew(), (this.seconds * 1000) / RENEWALS);
        this.timer.unref();
    }

    private async renew(): Promise<void> {
        const sentAt = steadySeconds();
        let isHeld: boolean;
        try {
            const { rowCount } = await this.query(
                `UPDATE leases SET until = clock_timestamp() + $3::float8 * interval '1 second'
                WHERE name = $1 AND token = $2`,
                [this.name, this.token, this.seconds],
            );
            isHeld = rowCount === 1;
            this.renewedAt = isHeld ? sentAt : this.renewedAt;
        } catch {
            isHeld = steadySeconds() - this.renewedAt < this.seconds; // the next renewal may succeed
        }
        if (this.isOver) {
            return;
        }
        if (isHeld) {
            this.renewLater();
        } else {
            this.end();
            this.onLost(this.lost());
        }
    }

    private lost(): LeaseLost {
        return new LeaseLost(
            `The lease "${this.name}" was not renewed for ${this.seconds} s, so another process may have it`,
        );
    }
}

export interface LeaseOptions {
    seconds?: number;
    /** Called once, when this process can no longer be sure of the lease: it should end. */
    onLost: (error: LeaseLost) => void;
}

/**
 * Takes a lease as soon as nobody has it.
 *
 * @throws {LeaseHeld} if its holder renews it meanwhile
 */
export async function acquireLease(
    query: LeaseQuery,
    name: string,
    { seconds = LEASE_SECONDS, onLost }: LeaseOptions,
): Promise<ProcessLease> {
    let lastUntil: string | undefined;
    for (;;) {
        const sentAt = steadySeconds();
        const token = await takeLease(query, name, seconds);
        if (token !== undefined) {
            return new ProcessLease(query, name, token, seconds, onLost, sentAt);
        }
        const other = await query('SELECT holder, until::text FROM leases WHERE name = $1', [name]);
        const { holder: otherHolder, until } = other.rows[0] as { holder: string; until: string };
        if (lastUntil !== undefined && lastUntil !== until) {
            throw new LeaseHeld(otherHolder);
        }
        lastUntil = until;
        await sleep(pauseMs(seconds));
    }
}

/** Takes a lease unless another process has it; its new token. `member`: what the holder says of itself. */
export async function takeLease(
    query: LeaseQuery,
    name: string,
    seconds: number,
    member?: object,
): Promise<number | undefined> {
    const { rows } = await query(
        `INSERT INTO leases (name, holder, token, until, member)
        VALUES ($1, $2, 1, clock_timestamp() + $3::float8 * interval '1 second', $4::jsonb)
        ON CONFLICT (name) DO UPDATE SET
            holder = excluded.holder, token = leases.token + 1, until = excluded.until, member = excluded.member
        WHERE leases.until <= clock_timestamp()
        RETURNING token`,
        [
            name,
            `process ${process.pid} of ${hostname()}`,
            seconds,
            member === undefined ? null : JSON.stringify(member),
        ],
    );
    return rows.length === 0 ? undefined : Number(rows[0].token);
}

/** Milliseconds between two tries to take a lease that another process has. */
export const pauseMs = (seconds: number): number => (seconds * 1000) / RENEWALS / 4;
