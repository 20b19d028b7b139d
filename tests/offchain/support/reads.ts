/** What SQLite reads. */
import Sqlite from 'better-sqlite3';

type Statement = Sqlite.Statement<unknown[]>;

// Stores prepare a statement once, so those of an earlier call count for the call that runs.
let seen = { rows: 0, scanned: new Set<string>() };

/** The rows that SQLite hands over while `action` runs, and the tables that it goes through from end to end. */
export async function readBy(action: () => Promise<unknown>): Promise<{ rows: number; scanned: string[] }> {
    const prepare = Reflect.get<Sqlite.Database, 'prepare'>(Sqlite.prototype, 'prepare');
    seen = { rows: 0, scanned: new Set<string>() };
    const spy = jest.spyOn(Sqlite.prototype, 'prepare').mockImplementation(function (this: Sqlite.Database, text) {
        const statement = prepare.call(this, text);
        for (const name of ['all', 'run'] as const) {
            const execute = statement[name].bind(statement) as (...values: unknown[]) => unknown;
            statement[name] = (...values: unknown[]): never => {
                const explained: Statement = prepare.call(this, `EXPLAIN QUERY PLAN ${text}`);
                const plan = explained.all(...values) as { detail: string }[];
                plan.filter(({ detail }) => detail.startsWith('SCAN')).forEach(({ detail }) =>
                    seen.scanned.add(detail),
                );
                const result = execute(...values);
                seen.rows += Array.isArray(result) ? result.length : 0;
                return result as never;
            };
        }
        return statement;
    });
    try {
        await action();
        return { rows: seen.rows, scanned: [...seen.scanned].sort() };
    } finally {
        spy.mockRestore();
    }
}
