/** Deletes the whole queries that a gateway no longer keeps, some in each transaction. */
import { type Kysely, sql } from 'kysely';
import { setImmediate } from 'node:timers/promises';
import { ofQuery } from './database';
import type { GatewaySchema } from './gatewayTables';
import type { Writes } from './writeQueue';

const READ_AT_ONCE = 1000; // rows, without what they keep

// Of one transaction, so that no voucher waits long, and PostgreSQL answers in time. SQLite writes zeros over what is
// deleted, through its log, for which a disk that is nearly full has little room.
const DELETED_AT_ONCE = 20; // queries
const DELETED_BYTES = 4 << 20; // of queries, or one query

interface KeptRow {
    job: number;
    number: number;
    bytes: number;
    askedAt: number | null; // unix seconds; null while the query has no ending
}

/** Deletes the whole queries that have an ending and were asked before `cutoff` (unix seconds). */
export async function forgetWhole(
    db: Kysely<GatewaySchema>,
    writes: Writes<GatewaySchema>,
    cutoff: number,
): Promise<void> {
    let last = { job: -1, number: 0 };
    for (;;) {
        const rows = await keptAfter(db, last);
        // An ended query is never open again, so what was read before a transaction holds in it.
        const over = rows.filter(({ askedAt }) => askedAt !== null && askedAt < cutoff);
        for (const some of portions(over)) {
            await writes.run(async (t) => {
                for (const row of some) {
                    await t.deleteFrom('whole').where(ofQuery(row)).execute();
                }
            });
        }
        if (rows.length < READ_AT_ONCE) {
            return;
        }
        last = rows[rows.length - 1];
        await setImmediate(); // a million rows take SQLite seconds, and requests wait meanwhile
    }
}

async function keptAfter(db: Kysely<GatewaySchema>, { job, number }: { job: number; number: number }) {
    const { rows } = await sql<KeptRow>`SELECT job, number, length(sealed) + coalesce(length(answer), 0) AS bytes,
            (SELECT "askedAt" FROM query
                WHERE query.job = whole.job AND query.number = whole.number AND phase <> 'open') AS "askedAt"
        FROM whole WHERE (job, number) > (${job}, ${number}) ORDER BY job, number LIMIT ${READ_AT_ONCE}`.execute(db);
    return rows;
}

/** The rows in their order, as many together as one transaction deletes. */
function* portions(rows: readonly KeptRow[]): Generator<KeptRow[]> {
    let some: KeptRow[] = [];
    let bytes = 0;
    for (const row of rows) {
        if (some.length === DELETED_AT_ONCE || (some.length > 0 && bytes + row.bytes > DELETED_BYTES)) {
            yield some;
            [some, bytes] = [[], 0];
        }
        some.push(row);
        bytes += row.bytes;
    }
    if (some.length > 0) {
        yield some;
    }
}
