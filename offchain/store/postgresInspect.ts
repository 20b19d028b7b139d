/** Looks into a worker's PostgreSQL database without changing it. */
import { StoreInUse } from './database';
import { assertDurable, connectionOf, openPool } from './postgresEngine';
import { postgresWorkerTables } from './postgresTables';
import { databaseName } from '../process/storeAddress';
import type { Signing, StoreView } from './signingGuard';

/** The state of the store. Throws if a process uses it that does not share it, or commits would not reach the disk. */
export async function inspectPostgres(url: string, isShared: boolean): Promise<StoreView> {
    const { schema, scripts } = postgresWorkerTables;
    const pool = openPool({ ...connectionOf(url, schema), max: 1 });
    const name = databaseName(url);
    const first = async <Row extends object>(text: string) => (await pool.query<Row>(text)).rows[0] as Row | undefined;
    try {
        await assertDurable(pool, name);
        const tables = await first<{ exists: boolean }>("SELECT to_regclass('version') IS NOT NULL AS exists");
        if (!tables!.exists) {
            return { exists: false };
        }
        const lease = await first<{ holder: string; identity: string | undefined; isGuarded: boolean }>(
            `SELECT holder, member->>'identity' AS identity, member ? 'guarded' AS "isGuarded" FROM leases
            WHERE member IS NOT NULL AND until > clock_timestamp() ORDER BY 3 DESC`,
        );
        if (lease !== undefined && !(isShared && lease.identity)) {
            throw new StoreInUse(`${name} is in use by ${lease.holder}`);
        }
        const version = (await first<{ version: number }>('SELECT version FROM version'))?.version ?? 0;
        if (version > scripts.length) {
            throw new Error(`${name} was written by a newer version (schema ${version})`);
        }
        const signing =
            version === 0 ? undefined : await first<Pick<Signing, 'store' | 'receiptKey'>>('SELECT * FROM signing');
        const retired = await (signing && pool.query<{ receiptKey: Buffer }>('SELECT "receiptKey" FROM retired'));
        const keys = retired?.rows.map(({ receiptKey }) => receiptKey) ?? [];
        const rows = await (signing && pool.query<{ member: number; sequence: number }>('SELECT * FROM sequences'));
        const sequences = new Map(rows?.rows.map(({ member, sequence }) => [member, sequence]));
        return {
            exists: true,
            signing: signing && { ...signing, sequences, retired: keys },
            isShared: lease?.isGuarded === true,
        };
    } finally {
        await pool.end();
    }
}
