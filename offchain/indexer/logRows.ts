/** Logs as the tables have them. */
import type { TransactionId } from '../chain';
import { amountFromBytes, amountToBytes } from '../store/database';
import type { LogRole } from './facts';
import type { LogTable } from './tables';

/** A followed account, as far as it was read. */
export interface Log {
    log: string;
    role: LogRole;
    account: string; // raw address
    floor: bigint; // lt
    size: number;
    busy: boolean;
    endedAt: number | null;
    done: TransactionId | undefined; // everything up to it is stored
    walk: { top: TransactionId; next: TransactionId } | undefined; // stored from top down to before next
    confirmed: Buffer | null; // hash of the newest transaction that every endpoint has
}

/** The name of a transaction alone. */
export const nameOf = ({ lt, hash }: TransactionId): TransactionId => ({ lt, hash });

const idOf = (lt: Buffer | null, hash: Buffer | null): TransactionId | undefined =>
    lt === null || hash === null ? undefined : { lt: amountFromBytes(lt), hash };

export function logOf(row: LogTable): Log {
    const [top, next] = [idOf(row.topLt, row.topHash), idOf(row.nextLt, row.nextHash)];
    return {
        ...{ log: row.log, role: row.role as LogRole, account: row.account, floor: amountFromBytes(row.floor) },
        ...{ size: row.size, busy: row.busy === 1, endedAt: row.endedAt, done: idOf(row.doneLt, row.doneHash) },
        walk: top && next && { top, next },
        confirmed: row.confirmed,
    };
}

export function columnsOf({ size, endedAt, done, walk }: Log) {
    const columns = (id: TransactionId | undefined) => [
        id === undefined ? null : amountToBytes(id.lt),
        id?.hash ?? null,
    ];
    const [[doneLt, doneHash], [topLt, topHash], [nextLt, nextHash]] = [done, walk?.top, walk?.next].map(columns);
    return { size, endedAt, doneLt, doneHash, topLt, topHash, nextLt, nextHash };
}
