/** The data of Providers, each as its last transaction left it. */
import { parseProviderData } from '@cocoon-market/wrappers';
import { Address, type Cell } from '@ton/core';
import { sql } from 'kysely';
import { amountFromBytes, amountToBytes } from '../store/database';
import { inParallel } from '../process/parallel';
import type { IndexerParts } from './parts';
import type { IndexStore } from './store';
import { HistoryError, isSame } from './transaction';

/** Reads the data of each Provider as its last transaction left it. */
export async function readProviders({ store, source, witnesses = [] }: IndexerParts): Promise<void> {
    const { rows } = await sql<{ log: string; account: string; lt: Buffer; hash: Buffer }>`
        SELECT l.log AS log, l.account AS account, l."doneLt" AS lt, l."doneHash" AS hash FROM logs l
        LEFT JOIN readings r ON r.log = l.log
        WHERE l.role = 'provider' AND l."doneLt" IS NOT NULL AND l."nextLt" IS NULL
        AND (r.log IS NULL OR r.lt <> l."doneLt" OR r.hash <> l."doneHash")`.execute(store.db);
    await inParallel(rows, async ({ log, account, lt, hash }) => {
        const address = Address.parseRaw(account);
        const done = { lt: amountFromBytes(Buffer.from(lt)), hash: Buffer.from(hash) };
        const states = await Promise.all([source, ...witnesses].map((each) => each.state(address)));
        if (states.some(({ last }) => last === undefined || !isSame(last, done))) {
            return; // it has moved on: the next pass reads it
        }
        const [{ data }] = states;
        if (data === undefined && states.every((state) => state.data === undefined)) {
            // Frozen, or ended: of two Joins the Registry may have refused the first and announced the second.
            await store.run((write) => write.deleteFrom('readings').where('log', '=', log).execute());
            return;
        }
        if (states.some((state) => !state.data || !data || !state.data.equals(data))) {
            throw new HistoryError(`The endpoints give different data of ${log} after lt ${done.lt}`);
        }
        const body = JSON.stringify(await readingOf(store, log, data!), (_, value: unknown) =>
            typeof value === 'bigint' ? `${value}` : value instanceof Address ? value.toRawString() : value,
        );
        await store.run((write) =>
            write
                .insertInto('readings')
                .values({ log, lt: amountToBytes(done.lt), hash: done.hash, body })
                .onConflict((conflict) =>
                    conflict.column('log').doUpdateSet({ lt: amountToBytes(done.lt), hash: done.hash, body }),
                )
                .execute(),
        );
    });
}

/** What the data says; it must fit the history, which counts cases, too. */
async function readingOf({ db }: IndexStore, log: string, data: Cell) {
    const account = parseProviderData(data);
    const { cases } = await db
        .selectFrom('facts')
        .select(sql<number>`count(*)`.as('cases'))
        .where('log', '=', log)
        .where('kind', '=', 'case')
        .executeTakeFirstOrThrow();
    if (account.opened !== Number(cases)) {
        throw new HistoryError(
            `The data of ${log} counts ${account.opened} cases, and its history has ${Number(cases)}`,
        );
    }
    return account;
}
