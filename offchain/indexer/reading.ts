/** Reads what is stored in a fixed order, a part at a time, so that memory does not grow with the market. */
import { sql } from 'kysely';
import { setImmediate } from 'node:timers/promises';
import { amountFromBytes } from '../store/database';
import type { FactBody } from './facts';
import type { IndexData } from './store';

/** A stored fact. */
export interface StoredFact {
    log: string;
    lt: bigint;
    kind: string;
    subject: string;
    object: string;
    at: number; // unix seconds
    body: FactBody;
}

const ROWS = 2000; // in one query

interface FactRow extends Omit<StoredFact, 'lt' | 'body'> {
    lt: Buffer;
    n: number;
    body: string;
}

export const factOf = ({ n: _, ...row }: FactRow): StoredFact => ({
    ...row,
    lt: amountFromBytes(Buffer.from(row.lt)),
    body: JSON.parse(row.body) as FactBody,
});

/** The facts of all logs in a role: log by log, each from its first transaction on. */
export async function* factsInRole({ db }: IndexData, role: string): AsyncGenerator<StoredFact> {
    let [log, lt, n] = [`${role}/`, Buffer.alloc(0) as Buffer, -1];
    for (;;) {
        const { rows } = await sql<FactRow>`
            SELECT log, lt, n, kind, subject, object, at, body FROM facts
            WHERE (log, lt, n) > (${log}, ${lt}, ${n}) AND log < ${`${role}0`}
            ORDER BY log, lt, n LIMIT ${ROWS}`.execute(db);
        for (const row of rows) {
            yield factOf(row);
        }
        await setImmediate(); // a large market takes seconds, and requests wait meanwhile
        const last = rows.at(-1);
        if (last === undefined) {
            return;
        }
        [log, lt, n] = [last.log, Buffer.from(last.lt), last.n];
    }
}

/** The first facts of one log, from its first transaction on. */
export async function factsOfLog({ db }: IndexData, log: string, max: number): Promise<StoredFact[]> {
    const rows = await db
        .selectFrom('facts')
        .selectAll()
        .where('log', '=', log)
        .orderBy('lt')
        .orderBy('n')
        .limit(max)
        .execute();
    return rows.map(factOf);
}

/** The facts of a kind, by their subjects; those of one subject from the oldest on. */
export async function* factsOfKind({ db }: IndexData, kind: string): AsyncGenerator<StoredFact> {
    let [subject, lt, log, n] = ['', Buffer.alloc(0) as Buffer, '', -1];
    for (;;) {
        const { rows } = await sql<FactRow>`
            SELECT log, lt, n, kind, subject, object, at, body FROM facts
            WHERE kind = ${kind} AND (subject, lt, log, n) > (${subject}, ${lt}, ${log}, ${n})
            ORDER BY subject, lt, log, n LIMIT ${ROWS}`.execute(db);
        for (const row of rows) {
            yield factOf(row);
        }
        await setImmediate(); // a large market takes seconds, and requests wait meanwhile
        const last = rows.at(-1);
        if (last === undefined) {
            return;
        }
        [subject, lt, log, n] = [last.subject, Buffer.from(last.lt), last.log, last.n];
    }
}
