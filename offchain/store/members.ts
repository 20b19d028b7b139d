/**
 * The members of a cluster in a PostgreSQL database. Each has a lease "member:<number>", which covers every transaction
 * of it. The row also has what the member says of itself, until another has taken its rows over.
 */
import { sql, type Transaction } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadySeconds } from '../process/clock';
import { type Cluster, type HeldLease, type Member, type MemberOptions, OneByOne } from './cluster';
import { type LeaseLost, type LeaseQuery, pauseMs, ProcessLease, takeLease } from './leases';

/** What a lease row has of a member. */
interface Seat {
    url?: string | undefined;
    identity?: string | undefined; // left out: the process has the store alone
    guarded?: boolean;
}

interface Row extends Omit<Member, 'isGuarded'> {
    seat: Seat | undefined; // undefined: another member has taken its rows over
    isLive: boolean;
    until: string;
}

/** A live process has the store, and this one may not join it. */
export class SeatHeld extends Error {}

export interface JoinOptions {
    /** Left out: no other process may have the store meanwhile. */
    member?: MemberOptions | undefined;
    seconds: number; // of a lease
    renew: LeaseQuery; // see LeaseParts
    query: LeaseQuery;
    /** Runs statements in a transaction while no other process does. */
    locked: <T>(run: (query: LeaseQuery) => Promise<T>) => Promise<T>;
    /** Called once, when this process can no longer be sure to be a member: it should end. */
    onLost: (error: LeaseLost) => void;
}

/**
 * Takes the smallest free number: one whose holder stopped and left its rows comes first.
 *
 * @throws {SeatHeld} if a process that may not share the store with this one renews its lease meanwhile
 */
export async function joinCluster({ member, seconds, locked, ...parts }: JoinOptions): Promise<PostgresCluster> {
    const own: Seat = { ...member };
    let last: Row | undefined;
    let since = 0; // steady seconds when `last` was read first
    for (;;) {
        const sentAt = steadySeconds();
        const seat = await locked((query) => takeSeat(query, own, seconds));
        if (seat !== undefined && 'token' in seat) {
            const { number, token } = seat;
            const lease = new ProcessLease({ ...parts, name: nameOf(number), token, seconds, sentAt });
            return new PostgresCluster(number, lease, { ...parts, seconds, isShared: member !== undefined });
        }
        if (seat !== undefined) {
            if (last?.number === seat.number && last.until !== seat.until) {
                throw new SeatHeld(`${seat.holder}${objectionTo(seat.seat!, own)!}`);
            }
            if (last?.number !== seat.number) {
                [last, since] = [seat, sentAt];
            } else if (sentAt - since > 2 * seconds) {
                throw new SeatHeld(
                    `${seat.holder}, whose lease lasts until ${seat.until} and is not renewed: the clock of the database ` +
                        'was set back. Wait until then, or delete the row of that process from the table "leases"',
                );
            }
        }
        await sleep(pauseMs(seconds));
    }
}

/** The number and token of this process; the live process that objects; or neither, when another was faster. */
async function takeSeat(
    query: LeaseQuery,
    own: Seat,
    seconds: number,
): Promise<{ number: number; token: number } | Row | undefined> {
    const rows = await readRows(query);
    const rival = rows.find((row) => row.isLive && objectionTo(row.seat!, own) !== undefined);
    if (rival !== undefined) {
        return rival;
    }
    const number = freeNumber(rows);
    const token = await takeLease(query, nameOf(number), seconds, own);
    return token === undefined ? undefined : { number, token };
}

/** Why two live processes may not share a store, as the end of a sentence. */
function objectionTo(other: Seat, own: Seat): string | undefined {
    if (other.identity === undefined || own.identity === undefined) {
        const isAlone = other.identity === own.identity;
        const remedy = isAlone ? '' : ', or make both members of one cluster (docs/operations.md)';
        return `: only one may hold its keys. Stop the other one first${remedy}`;
    }
    return other.identity === own.identity
        ? undefined
        : ', which has other keys or another account on chain: processes share a database only if both are the same';
}

function freeNumber(rows: readonly Row[]): number {
    const lapsed = rows.find((row) => !row.isLive && row.seat !== undefined);
    const inUse = new Set(rows.filter((row) => row.isLive).map((row) => row.number));
    let number = 1;
    while (inUse.has(number)) {
        number++;
    }
    return lapsed?.number ?? number;
}

const nameOf = (number: number) => `member:${number}`;

async function readRows(query: LeaseQuery): Promise<Row[]> {
    const { rows } = await query(
        `SELECT split_part(name, ':', 2)::int AS number, holder, member AS seat, until::text,
            until > clock_timestamp() AS "isLive"
        FROM leases WHERE name LIKE 'member:%' ORDER BY 1`,
        [],
    );
    return (rows as unknown as Row[]).map(({ seat, ...row }) => ({ ...row, url: seat?.url, seat: seat ?? undefined }));
}

const memberOf = ({ number, url, holder, seat }: Row): Member => ({
    ...{ number, url, holder },
    isGuarded: seat?.guarded === true,
});

export class PostgresCluster implements Cluster {
    readonly isShared: boolean;
    private readonly actions = new OneByOne();

    private readonly query: LeaseQuery;

    constructor(
        readonly number: number,
        readonly lease: ProcessLease,
        private readonly options: Pick<JoinOptions, 'renew' | 'query' | 'seconds'> & { isShared: boolean },
    ) {
        this.isShared = options.isShared;
        this.query = options.query;
    }

    get isHeld(): boolean {
        return this.lease.isHeld;
    }

    async members(): Promise<Member[]> {
        return (await readRows(this.query)).filter(({ isLive }) => isLive).map(memberOf);
    }

    async noteGuarded(): Promise<void> {
        const { name, token } = this.lease;
        await this.query(`UPDATE leases SET member = member || '{"guarded": true}' WHERE name = $1 AND token = $2`, [
            name,
            token,
        ]);
    }

    async lapsed(): Promise<Member[]> {
        return (await readRows(this.query)).filter(({ isLive, seat }) => !isLive && seat !== undefined).map(memberOf);
    }

    // A row that is locked belongs to a transaction of its member that is about to end.
    async takeOver(transaction: Transaction<never>, member: number): Promise<boolean> {
        const lease = sql`UPDATE leases SET token = token + 1, member = NULL WHERE name = (
            SELECT name FROM leases WHERE name = ${nameOf(member)} AND member IS NOT NULL AND until <= clock_timestamp()
            FOR UPDATE SKIP LOCKED
        )`;
        return (await lease.execute(transaction)).numAffectedRows === 1n;
    }

    async isVacant(transaction: Transaction<never>, member: number): Promise<boolean> {
        const seat = sql`SELECT 1 FROM leases WHERE name = ${nameOf(member)} AND member IS NULL FOR SHARE`;
        return (await seat.execute(transaction)).rows.length === 1;
    }

    exclusive<T>(name: string, action: (lease: HeldLease) => Promise<T>): Promise<T> {
        return this.actions.run(name, async () => {
            const lease = await this.wait(name);
            try {
                return await action(lease);
            } finally {
                await lease.release().catch(() => undefined); // it ends by itself
            }
        });
    }

    /** Another process may have this number at once. */
    async leave(): Promise<void> {
        await this.lease.release().catch(() => undefined); // it ends by itself
    }

    private async wait(name: string): Promise<ProcessLease> {
        const { seconds, renew } = this.options;
        for (;;) {
            const sentAt = steadySeconds();
            const token = await takeLease(this.query, name, seconds);
            if (token !== undefined) {
                return new ProcessLease({ renew, name, token, seconds, sentAt, onLost: () => undefined });
            }
            await sleep(pauseMs(seconds) * Math.random());
        }
    }
}
