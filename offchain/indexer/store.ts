/** What the indexer has stored, and the writes that keep it a possible history at every moment. */
import { type Kysely, sql } from 'kysely';
import { Remedied } from '../process/errors';
import { amountFromBytes, amountToBytes, type Database } from '../store/database';
import type { Engine } from '../store/engine';
import type { TransactionId } from '../chain';
import type { LogRole } from './facts';
import { columnsOf, type Log, logOf, nameOf } from './logRows';
import { NO_CHANNEL } from './named';
import type { IndexSchema } from './tables';
import { HistoryError, isSame } from './transaction';
import {
    endOf,
    insert,
    loggedAs,
    markUndone,
    newestBelow,
    type ReadTransaction,
    removeAbove,
    type IndexWrite,
} from './writes';

/** Which transactions another history may replace. */
export interface UndoRule {
    at: number; // unix seconds of the newest transaction that is stored: the other history may be dated back
    maxSeconds: number; // by which a replaced transaction is older than it, or than the newest of the other history
    refusal?: string | undefined; // why none may be replaced
    keepsEarlier?: boolean; // the account was gone between what is stored and the beginning of the page's history
}

/** What came of storing a page. */
export interface Stored {
    log: Log;
    undone: number; // transactions that another history replaced
}

/** What reading needs of an index. */
export type IndexData = Pick<IndexStore, 'db'>;

const LOGS_PER_QUERY = 500;

export class IndexStore {
    constructor(
        private readonly engine: Engine<IndexSchema>,
        private readonly lock?: Database<unknown>,
    ) {}

    get db(): Kysely<IndexSchema> {
        return this.engine.db;
    }

    close(): Promise<void> {
        return this.engine.writes
            .idle()
            .then(() => this.engine.close())
            .finally(() => this.lock?.destroy());
    }

    run<Result>(write: (transaction: IndexWrite) => Promise<Result>): Promise<Result> {
        return this.engine.writes.run(write);
    }

    /** Binds the index to a market, or checks that it is this one's. An index that has read nothing takes another. */
    async bind(market: string): Promise<void> {
        const bound = await this.mark('market');
        if (bound === market) {
            return;
        }
        if (bound !== undefined) {
            if ((await this.db.selectFrom('logs').select('log').limit(1).executeTakeFirst()) !== undefined) {
                throw new Remedied(`The index is of the market ${bound}, not of ${market}`, {
                    remedy: 'name another store, or the registry and the network of this one',
                });
            }
            await this.run((write) => write.deleteFrom('marks').execute());
        }
        await this.setMark('market', market);
    }

    async mark(name: string): Promise<string | undefined> {
        return (await this.db.selectFrom('marks').select('value').where('name', '=', name).executeTakeFirst())?.value;
    }

    async setMark(name: string, value: string): Promise<void> {
        await this.run((write) =>
            write
                .insertInto('marks')
                .values({ name, value })
                .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
                .execute(),
        );
    }

    async removeMark(name: string): Promise<void> {
        await this.run((write) => write.deleteFrom('marks').where('name', '=', name).execute());
    }

    async log(name: string): Promise<Log | undefined> {
        const row = await this.db.selectFrom('logs').selectAll().where('log', '=', name).executeTakeFirst();
        return row && logOf(row);
    }

    /**
     * The logs that may still grow: not those too busy to follow, nor channels that ended before `endedBefore`, nor
     * accounts that were read and turned out to be no channel of an escrow. With several endpoints also those that are
     * not confirmed yet: one alone may make an end up.
     */
    async *growing(endedBefore: number, { hasWitnesses = false } = {}): AsyncGenerator<Log[]> {
        const isOver = sql<boolean>`(("endedAt" IS NOT NULL AND "endedAt" < ${endedBefore}) OR ${sql.raw(NO_CHANNEL)})`;
        const isConfirmed = hasWitnesses ? sql<boolean>`confirmed IS NOT NULL AND confirmed = "doneHash"` : sql`1 = 1`;
        for (let last = ''; ;) {
            const rows = await this.db
                .selectFrom('logs')
                .selectAll()
                .where('log', '>', last)
                .where('busy', '=', 0)
                .where(sql<boolean>`("nextLt" IS NOT NULL OR NOT (${isConfirmed} AND ${isOver}))`)
                .orderBy('log')
                .limit(LOGS_PER_QUERY)
                .execute();
            if (rows.length === 0) {
                return;
            }
            yield rows.map(logOf);
            last = rows.at(-1)!.log;
        }
    }

    /** True if the log has this transaction. */
    async has(log: string, { lt, hash }: TransactionId): Promise<boolean> {
        const row = await this.db
            .selectFrom('transactions')
            .select('hash')
            .where('log', '=', log)
            .where('lt', '=', amountToBytes(lt))
            .executeTakeFirst();
        return row !== undefined && row.hash.equals(hash);
    }

    /**
     * Stores a page of a walk, newest first, each the one before the other. What another history replaces is undone.
     * The walk begins with the page unless one is under way.
     * @throws HistoryError if a transaction would be undone that may not be; then nothing changes
     */
    append(name: string, page: readonly ReadTransaction[], rule: UndoRule): Promise<Stored> {
        return this.run(async (write) => {
            const log = await loggedAs(write, name);
            const walk = log.walk ?? { top: nameOf(page[0]), next: nameOf(page[0]) };
            const { stored, undone, joined, next, done } = await this.join(write, log, page, rule);
            await insert(write, name, stored);
            const finished: Log = joined
                ? { ...log, done: walk.top, walk: undefined }
                : { ...log, done, walk: { top: walk.top, next } };
            finished.size = log.size + stored.length - undone;
            finished.endedAt = await endOf(write, log, stored, undone);
            await write.updateTable('logs').set(columnsOf(finished)).where('log', '=', name).execute();
            return { log: finished, undone };
        });
    }

    /** Follows a page down to what is stored, and undoes what is not in it. */
    private async join(write: IndexWrite, log: Log, page: readonly ReadTransaction[], rule: UndoRule) {
        const stored: ReadTransaction[] = [];
        let [done, undone, joined, next] = [log.done, 0, false, nameOf(page[0])];
        const undoTo = async (lt: bigint) => {
            while (done !== undefined && done.lt > lt) {
                done = await this.undo(write, log, done, { ...rule, at: Math.max(rule.at, page[0].at) });
                undone++;
            }
        };
        for (const transaction of page) {
            await undoTo(transaction.lt);
            if (done !== undefined && done.lt === transaction.lt) {
                if (isSame(done, transaction)) {
                    joined = true;
                    break;
                }
                await undoTo(transaction.lt - 1n);
            }
            stored.push(transaction);
            next = transaction.previous;
            if (next.lt <= log.floor) {
                await (rule.keepsEarlier !== true && undoTo(-1n));
                joined = true;
                break;
            }
            await undoTo(next.lt);
            if (done !== undefined && isSame(done, next)) {
                joined = true;
                break;
            }
        }
        return { stored, undone, joined, next, done };
    }

    /** Undoes what a log has after a transaction, or everything. */
    shorten(name: string, to: TransactionId | undefined, rule: UndoRule): Promise<Stored> {
        return this.run(async (write) => {
            const log = await loggedAs(write, name);
            let [done, undone] = [log.done, 0];
            while (done !== undefined && done.lt > (to?.lt ?? -1n)) {
                done = await this.undo(write, log, done, rule);
                undone++;
            }
            const shortened: Log = { ...log, done, size: log.size - undone };
            shortened.endedAt = await endOf(write, log, [], undone);
            await write.updateTable('logs').set(columnsOf(shortened)).where('log', '=', name).execute();
            return { log: shortened, undone };
        });
    }

    /** Removes the last transaction; returns the one before it. */
    private async undo(
        write: IndexWrite,
        log: Log,
        last: TransactionId,
        { at, maxSeconds, refusal }: UndoRule,
    ): Promise<TransactionId | undefined> {
        const lt = amountToBytes(last.lt);
        const row = await write
            .selectFrom('transactions')
            .selectAll()
            .where('log', '=', log.log)
            .where('lt', '=', lt)
            .executeTakeFirstOrThrow();
        if (refusal !== undefined || row.at < at - maxSeconds) {
            const when = new Date(row.at * 1000).toISOString();
            throw new HistoryError(
                `The endpoint no longer has the transaction of ${log.log} at lt ${last.lt} with the hash ` +
                    `${last.hash.toString('hex')}, of ${when}: ${refusal ?? 'it is too old to be replaced'}`,
            );
        }
        await markUndone(write);
        await write.deleteFrom('facts').where('log', '=', log.log).where('lt', '=', lt).execute();
        await write.deleteFrom('transactions').where('log', '=', log.log).where('lt', '=', lt).execute();
        await write.deleteFrom('senders').where('payout', '=', log.account).where('lt', '>=', lt).execute();
        const previous = amountFromBytes(row.previousLt);
        const rest =
            previous <= log.floor
                ? await newestBelow(write, log.log, lt) // of an account that had been gone
                : { lt: previous, hash: row.previousHash };
        if (log.confirmed?.equals(row.hash) === true) {
            log.confirmed = rest?.hash ?? null; // an endpoint that has a transaction has the one before
            await write.updateTable('logs').set({ confirmed: log.confirmed }).where('log', '=', log.log).execute();
        }
        return rest;
    }

    /** Undoes what a log has after the newest transaction that every endpoint has, however old it is. */
    dropUnconfirmed(name: string): Promise<Stored> {
        return this.run(async (write) => {
            const log = await loggedAs(write, name);
            const common =
                log.confirmed === null
                    ? undefined
                    : await write
                          .selectFrom('transactions')
                          .select(['lt', 'hash'])
                          .where('log', '=', name)
                          .where('hash', '=', log.confirmed)
                          .executeTakeFirst();
            const done = common && { lt: amountFromBytes(common.lt), hash: common.hash };
            const undone = await removeAbove(write, log, done?.lt);
            const rest: Log = { ...log, done, walk: undefined, size: log.size - undone };
            rest.endedAt = await endOf(write, log, [], undone);
            await write.updateTable('logs').set(columnsOf(rest)).where('log', '=', name).execute();
            return { log: rest, undone };
        });
    }

    /** Notes that every endpoint has the newest transaction of a log. */
    async confirm(name: string, { hash }: TransactionId): Promise<void> {
        await this.run((write) => write.updateTable('logs').set({ confirmed: hash }).where('log', '=', name).execute());
    }

    /** Gives up a walk, and removes what it stored. */
    async dropWalk(name: string): Promise<void> {
        await this.run(async (write) => {
            const log = await loggedAs(write, name);
            const size = log.size - (await removeAbove(write, log, log.done?.lt));
            const endedAt = await endOf(write, log, [], 1);
            const columns = columnsOf({ ...log, size, endedAt, walk: undefined });
            await write.updateTable('logs').set(columns).where('log', '=', name).execute();
        });
    }

    /**
     * Follows accounts; nothing happens to one that is followed already. One that is `busy` is a name, and never read.
     */
    async follow(role: LogRole, accounts: readonly string[], floor: bigint, { busy = false } = {}): Promise<void> {
        for (let first = 0; first < accounts.length; first += LOGS_PER_QUERY) {
            const rows = accounts.slice(first, first + LOGS_PER_QUERY).map((account) => ({
                ...{ log: `${role}/${account}`, role, account, floor: amountToBytes(floor) },
                busy: busy ? 1 : 0,
            }));
            await this.run((write) =>
                write
                    .insertInto('logs')
                    .values(rows as never)
                    .onConflict((conflict) => conflict.doNothing())
                    .execute(),
            );
        }
    }

    /** Forgets a log and all that it says; one that is `busy` stays as a name. */
    async forget(name: string, { busy = false } = {}): Promise<void> {
        await this.run(async (write) => {
            await markUndone(write);
            for (const table of ['facts', 'transactions', 'readings'] as const) {
                await write.deleteFrom(table).where('log', '=', name).execute();
            }
            const [role, account] = [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)];
            if (role === 'payout') {
                await write.deleteFrom('senders').where('payout', '=', account).execute();
            }
            if (!busy) {
                await write.deleteFrom('logs').where('log', '=', name).execute();
                return;
            }
            const nothing = { doneLt: null, doneHash: null, topLt: null, topHash: null, nextLt: null, nextHash: null };
            await write
                .updateTable('logs')
                .set({ ...nothing, busy: 1, size: 0 })
                .where('log', '=', name)
                .execute();
        });
    }
}
