/** Where a store is: a file, or a PostgreSQL database. */

/** Whether a setting names a PostgreSQL database and no file. */
export const isPostgres = (store: string): boolean => /^postgres(ql)?:\/\//.test(store);

/** The name of a database for messages. */
export function databaseName(url: string): string {
    const { host, pathname } = new URL(url);
    return `postgres://${host}${pathname}`;
}
