/**
 * Leases in a PostgreSQL database: who may do what only one process may do. A holder that stops loses its lease after a
 * few seconds, by the clock of the database. Every change of the holder raises the token of the lease, and a holder
 * writes only where the token is still its own. So a process that slept through the end of its lease writes nothing.
 */
import { CompiledQuery, type Kysely } from 'kysely';
import { hostname } from 'node:os';
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

/** This process no longer has the lease. */
export class LeaseLost extends Error {}

const OWN = 'SELECT 1 FROM leases WHERE name = $1 AND token = $2 AND until > clock_timestamp() FOR SHARE';

export interface LeaseParts {
    /** Runs renewals: nothing else may keep them waiting, and each fails within a third of the lease. */
    renew: LeaseQuery;
    name: string;
    token: number;
    seconds: number;
    /** Called once, when this process can no longer be sure of the lease: it should end. */
    onLost: (error: LeaseLost) => void;
    /** Steady seconds when the lease was asked for. */
    sentAt: number;
}

/** A lease that this process has, until it releases or loses it. */
export class ProcessLease {
    readonly name: string;
    readonly token: number;
    private renewedAt: number; // steady seconds when the last renewal that succeeded was sent
    private isOver = false;
    private end: NodeJS.Timeout | undefined;
    private readonly renewals: NodeJS.Timeout;

    constructor(private readonly parts: LeaseParts) {
        this.name = parts.name;
        this.token = parts.token;
        this.renewedAt = parts.sentAt;
        this.endLater();
        // Whatever became of the last one: an answer that is lost must not delay the next renewal.
        this.renewals = setInterval(() => void this.renew(), (parts.seconds * 1000) / RENEWALS).unref();
    }

    /**
     * The last statement of a transaction that this lease covers. Throws unless this process still has the lease; until
     * the transaction ends, no other process gets it.
     */
    async assertHeld(transaction: Kysely<never>): Promise<void> {
        await this.assertHeldBy((text, values) => transaction.executeQuery(CompiledQuery.raw(text, [...values])));
    }

    /** {@link assertHeld} of a transaction of the driver. */
    async assertHeldBy(query: (...statement: Parameters<LeaseQuery>) => Promise<{ rows: unknown[] }>): Promise<void> {
        if ((await query(OWN, [this.name, this.token])).rows.length === 0) {
            throw this.lost();
        }
    }

    /** Another process may have the lease at once. */
    async release(): Promise<void> {
        this.stop();
        await this.parts.renew('UPDATE leases SET until = clock_timestamp() WHERE name = $1 AND token = $2', [
            this.name,
            this.token,
        ]);
    }

    /** False once this process cannot be sure of the lease. Then it may do nothing that it cannot undo. */
    get isHeld(): boolean {
        return !this.isOver && steadySeconds() - this.renewedAt < this.parts.seconds;
    }

    private stop(): void {
        this.isOver = true;
        clearInterval(this.renewals);
        clearTimeout(this.end);
    }

    // After a long turn of the event loop timers run before answers are read, so those that wait are read first.
    private endLater(): void {
        clearTimeout(this.end);
        const seconds = this.renewedAt + this.parts.seconds - steadySeconds();
        const endOrGoOn = () => (this.isHeld ? this.endLater() : this.lose());
        this.end = setTimeout(() => setImmediate(endOrGoOn), Math.max(0, seconds * 1000)).unref();
    }

    // A lease that has ended is not renewed, even if nobody took it: another process may have relied on its end.
    private async renew(): Promise<void> {
        const sentAt = steadySeconds();
        const renewal = this.parts.renew(
            `UPDATE leases SET until = clock_timestamp() + $3::float8 * interval '1 second'
            WHERE name = $1 AND token = $2 AND until > clock_timestamp()`,
            [this.name, this.token, this.parts.seconds],
        );
        const rowCount = await renewal.then(
            (answer) => answer.rowCount,
            () => undefined, // the next renewal may succeed
        );
        if (this.isOver || rowCount === undefined) {
            return;
        }
        if (rowCount === 0) {
            this.lose();
        } else if (sentAt > this.renewedAt) {
            this.renewedAt = sentAt;
            this.endLater();
        }
    }

    private lose(): void {
        if (!this.isOver) {
            this.stop();
            this.parts.onLost(this.lost());
        }
    }

    private lost(): LeaseLost {
        return new LeaseLost(
            `The lease "${this.name}" was not renewed for ${this.parts.seconds} s, so another process may have it`,
        );
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
