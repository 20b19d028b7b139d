/** The writes of which those of the store are made. */
import { sql, type Transaction } from 'kysely';
import type { TransactionId } from '../chain';
import { amountFromBytes, amountToBytes } from '../store/database';
import { type Log, logOf } from './logRows';
import { kindIn } from './named';
import type { IndexSchema } from './tables';
import type { ProvedTransaction } from './transaction';
import type { Fact } from './facts';

export type IndexWrite = Transaction<IndexSchema>;

/** A transaction with its facts. */
export interface ReadTransaction extends Omit<ProvedTransaction, 'content'> {
    facts: readonly Fact[];
}

/** The mark that facts were undone, and accounts that they named may still be followed. */
export const UNDONE = 'undone';

export async function loggedAs(write: IndexWrite, name: string): Promise<Log> {
    return logOf(await write.selectFrom('logs').selectAll().where('log', '=', name).executeTakeFirstOrThrow());
}

/** Removes what a log has after a transaction, or everything; returns how many transactions that were. */
export async function removeAbove(
    write: IndexWrite,
    { log: name, role, account }: Log,
    lt: bigint | undefined,
): Promise<number> {
    await markUndone(write);
    const above = lt === undefined ? Buffer.alloc(0) : amountToBytes(lt);
    await write.deleteFrom('facts').where('log', '=', name).where('lt', '>', above).execute();
    if (role === 'payout') {
        await write.deleteFrom('senders').where('payout', '=', account).where('lt', '>', above).execute();
    }
    const removed = await write
        .deleteFrom('transactions')
        .where('log', '=', name)
        .where('lt', '>', above)
        .executeTakeFirst();
    return Number(removed.numDeletedRows);
}

/** The newest transaction of a log before this lt. */
export async function newestBelow(write: IndexWrite, log: string, lt: Buffer): Promise<TransactionId | undefined> {
    const row = await write
        .selectFrom('transactions')
        .select(['lt', 'hash'])
        .where('log', '=', log)
        .where('lt', '<', lt)
        .orderBy('lt', 'desc')
        .limit(1)
        .executeTakeFirst();
    return row && { lt: amountFromBytes(row.lt), hash: row.hash };
}

export async function markUndone(write: IndexWrite): Promise<void> {
    await write
        .insertInto('marks')
        .values({ name: UNDONE, value: '' })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
}

export async function insert(write: IndexWrite, log: string, transactions: readonly ReadTransaction[]): Promise<void> {
    if (transactions.length === 0) {
        return;
    }
    const rows = transactions.map(({ lt, hash, previous, at }) => ({
        ...{ log, lt: amountToBytes(lt), hash, at },
        ...{ previousLt: amountToBytes(previous.lt), previousHash: previous.hash },
    }));
    await write.insertInto('transactions').values(rows).execute();
    const facts = transactions.flatMap(({ lt, at, facts }) =>
        facts.map(({ kind, subject, object, body }, n) => ({
            ...{ log, lt: amountToBytes(lt), n, kind, subject, object, at, body: JSON.stringify(body) },
        })),
    );
    if (facts.length > 0) {
        await write.insertInto('facts').values(facts).execute();
    }
}

/** Asks when the channel of a log ended. */
export const endOfChannel = (log: string) =>
    sql<{ at: number | null }>`
        SELECT min(at) AS at FROM facts WHERE log = ${log} AND ${sql.raw(kindIn('facts'))} = 'ended'`;

/** When a channel ended, by the facts that are stored now. */
export async function endOf(
    write: IndexWrite,
    log: Log,
    stored: readonly ReadTransaction[],
    undone: number,
): Promise<number | null> {
    const hasNews = undone > 0 || stored.some(({ facts }) => facts.some(({ kind }) => kind === 'ended'));
    if (log.role !== 'channel' || !hasNews) {
        return log.endedAt;
    }
    const { rows } = await endOfChannel(log.log).execute(write);
    return rows[0].at;
}
