/**
 * One SQLite file of one process, durable at every commit: what gateway and worker keep lives in such a file. A second
 * process on the same file would sign with the same keys beside the first, so it does not get in.
 */
import Sqlite from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { closeSync, openSync } from 'node:fs';

/** One step of a schema; a step that has run on some file is never changed, only followed by another. */
export type Migration = (db: Kysely<unknown>) => Promise<void>;

const FULL = 2; // fsync at every commit; better-sqlite3 is compiled to leave it out in WAL mode
const APPLICATION = parseInt('636f636f', 16); // 'coco', marks the file as one of ours

const PAGE = 4096; // bytes

/**
 * The first column after the key of a table WITHOUT ROWID whose other columns are to be forgotten for good: zeros. SQLite
 * moves what lies inside a page when the table grows and shrinks, and leaves copies behind; of a row of such a table that
 * is 1002 bytes at most. What lies beyond them is in pages of its own, which are never copied, and zeroed once deleted.
 */
export const MARGIN = sql.raw('margin BLOB NOT NULL DEFAULT (zeroblob(1024))');

/**
 * Opens or creates the file at `path` and brings its schema up to date.
 *
 * @throws if another process has it open, commits would not reach the disk, or a newer version wrote it
 */
export async function openDatabase<Schema>(path: string, migrations: readonly Migration[]): Promise<Kysely<Schema>> {
    const file = openFile(path);
    const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: file }) });
    try {
        await migrate(db as Kysely<unknown>, file, migrations, path);
    } catch (error) {
        await db.destroy();
        file.close(); // a Kysely that never ran a query has not opened it, so would not close it
        throw error;
    }
    return db;
}

function openFile(path: string): Sqlite.Database {
    createPrivate(path);
    const file = new Sqlite(path, { timeout: 0 });
    try {
        file.pragma(`page_size = ${PAGE}`); // of a new file
        // Before WAL mode begins: then SQLite keeps the file's lock from the first write until the process ends.
        file.pragma('locking_mode = EXCLUSIVE');
        file.pragma('journal_mode = WAL');
        file.pragma('synchronous = FULL');
        file.pragma('foreign_keys = ON');
        file.pragma('secure_delete = ON'); // what is deleted or replaced is overwritten with zeros
        file.pragma('temp_store = MEMORY'); // pages that a statement may have to put back never reach another file
        const application = file.pragma('application_id', { simple: true });
        if (application !== 0 && application !== APPLICATION) {
            throw new Error(`${path} belongs to another program`);
        }
        file.pragma(`application_id = ${APPLICATION}`); // a write, so that the lock is taken now
        assertDurable(file, path);
        return file;
    } catch (error) {
        file.close();
        throw (error as { code?: string }).code?.startsWith('SQLITE_BUSY') === true
            ? new Error(`${path} is in use by another process: only one may hold its keys. Stop the other one first`)
            : error;
    }
}

// SQLite gives its log the same mode. Never opens a file that is there: closing it would drop this process's locks on it.
function createPrivate(path: string): void {
    if (path === ':memory:') {
        return;
    }
    try {
        closeSync(openSync(path, 'wx', 0o600));
    } catch (error) {
        if ((error as { code?: string }).code !== 'EEXIST') {
            throw error;
        }
    }
}

function assertDurable(file: Sqlite.Database, path: string): void {
    if (path !== ':memory:' && file.pragma('journal_mode', { simple: true }) !== 'wal') {
        throw new Error(`${path} cannot be kept in WAL mode: put it on a local disk`);
    }
    if (file.pragma('synchronous', { simple: true }) !== FULL) {
        throw new Error(`${path} would lose commits at a power cut: SQLite did not take synchronous=FULL`);
    }
    if (file.pragma('foreign_keys', { simple: true }) !== 1) {
        throw new Error(`${path} would not check its references: SQLite did not take foreign_keys=ON`);
    }
    if (file.pragma('secure_delete', { simple: true }) !== 1) {
        throw new Error(`${path} would keep what is deleted: SQLite did not take secure_delete=ON`);
    }
    if (file.pragma('page_size', { simple: true }) !== PAGE) {
        throw new Error(`${path} would keep copies of what is deleted: its pages do not have ${PAGE} bytes`);
    }
}

async function migrate(db: Kysely<unknown>, file: Sqlite.Database, migrations: readonly Migration[], path: string) {
    const done = file.pragma('user_version', { simple: true }) as number;
    if (done > migrations.length) {
        throw new Error(`${path} was written by a newer version (schema ${done}, this one knows ${migrations.length})`);
    }
    for (let version = done; version < migrations.length; version++) {
        await db.transaction().execute(async (transaction) => {
            await migrations[version](transaction);
            await sql.raw(`PRAGMA user_version = ${version + 1}`).execute(transaction);
        });
    }
    assertDurable(file, path);
    await truncateLog(db); // a killed process may have left in it what it was about to forget
}

/**
 * Moves what is in the log to the file and empties the log, so that nothing overwritten is left in it.
 *
 * @throws if somebody reads the file, or the disk takes no more
 */
export async function truncateLog<Schema>(db: Kysely<Schema>): Promise<void> {
    const { rows } = await sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
    if (rows[0]?.busy !== 0) {
        throw new Error('The log of the store cannot be emptied: what was forgotten is still in it');
    }
}

const AMOUNT_BYTES = 8;

/** An amount (0 to 2^64 - 1) as it is stored: 8 bytes, big-endian, so that SQL compares and sorts it; SQLite's own integers end at 2^63. */
export function amountToBytes(amount: bigint): Buffer {
    const bytes = Buffer.allocUnsafe(AMOUNT_BYTES);
    bytes.writeBigUInt64BE(amount);
    return bytes;
}

/** The amount that {@link amountToBytes} stored. */
export function amountFromBytes(bytes: Buffer): bigint {
    if (bytes.length !== AMOUNT_BYTES) {
        throw new Error(`A stored amount has ${AMOUNT_BYTES} bytes, this one has ${bytes.length}`);
    }
    return bytes.readBigUInt64BE();
}
