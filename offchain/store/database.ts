/**
 * A SQLite file, durable at every commit, in which gateway and worker store everything. Only one process can open it,
 * because a second one would sign with the same keys.
 */
import Sqlite from 'better-sqlite3';
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely';
import { closeSync, openSync } from 'node:fs';

/** One step of a schema. A released step never changes; a new one follows it. */
export type Migration = (db: Kysely<unknown>) => Promise<void>;

/** Another process has the file open. */
export class StoreInUse extends Error {}

const FULL = 2; // fsync at every commit, which better-sqlite3 leaves out in WAL mode by default
export const APPLICATION = parseInt('636f636f', 16); // 'coco', in the header of every file of this program

const PAGE = 4096; // bytes
const CACHE = 32 << 20; // bytes of pages in memory, at most: the upper levels of an index over a million jobs

/**
 * Zeros in the first column after the key of a table WITHOUT ROWID, so that its other columns leave no copies once they
 * are deleted. SQLite moves the content of a page when a table grows or shrinks, and leaves copies: at most 1002 bytes
 * of a row. The rest of a row is in pages of its own, which are never copied, and zeroed when deleted.
 */
export const MARGIN = sql.raw('margin BLOB NOT NULL DEFAULT (zeroblob(1024))');

/** A file through Kysely, and the file itself for the statements that every query runs. */
export class Database<Schema> extends Kysely<Schema> {
    constructor(readonly file: Sqlite.Database) {
        super({ dialect: new SqliteDialect({ database: preparing(file) }) });
    }
}

/** Whether a file is shared. */
export interface SharedFile {
    /** Other processes may read it meanwhile. For a file without secrets: its log may hold what was deleted. */
    readers?: boolean;
}

/**
 * Opens or creates the file at `path` and brings its schema up to date.
 *
 * @throws if another process has it open, commits would not reach the disk, or a newer version wrote it
 */
export async function openDatabase<Schema>(
    path: string,
    migrations: readonly Migration[],
    { readers = false }: SharedFile = {},
): Promise<Database<Schema>> {
    const file = openFile(path, readers);
    const db = new Database<Schema>(file);
    try {
        await migrate(db as never, file, migrations, path);
        if (!readers) {
            await truncateLog(db); // of a killed process, it may hold content that was to be deleted
        }
    } catch (error) {
        await db.destroy();
        file.close(); // a Kysely that never ran a query has not opened it, so would not close it
        throw error;
    }
    return db;
}

/**
 * Opens an existing file of this program to read it, while another process may write it.
 *
 * @throws if there is none, or another version of this program wrote it
 */
export function readDatabase<Schema>(path: string, migrations: readonly Migration[]): Database<Schema> {
    const file = new Sqlite(path, { timeout: READERS_MS, readonly: true, fileMustExist: true });
    try {
        const version = file.pragma('user_version', { simple: true });
        if (file.pragma('application_id', { simple: true }) !== APPLICATION || version !== migrations.length) {
            throw new Error(`${path} has the schema ${String(version)}, and this version reads ${migrations.length}`);
        }
        file.pragma('temp_store = MEMORY');
        file.pragma(`cache_size = -${CACHE >> 10}`); // in KiB
        return new Database<Schema>(file);
    } catch (error) {
        file.close();
        throw error;
    }
}

const READERS_MS = 5000; // a reader that opens or closes the file locks it for a moment

function openFile(path: string, readers: boolean): Sqlite.Database {
    createPrivate(path);
    const file = new Sqlite(path, { timeout: readers ? READERS_MS : 0 });
    try {
        file.pragma(`page_size = ${PAGE}`); // of a new file
        // Before WAL mode begins, so that SQLite holds the file's lock from the first write to the end of the process.
        file.pragma(`locking_mode = ${readers ? 'NORMAL' : 'EXCLUSIVE'}`);
        file.pragma('journal_mode = WAL');
        file.pragma('synchronous = FULL');
        file.pragma('foreign_keys = ON');
        file.pragma('secure_delete = ON'); // deleted and replaced content is overwritten with zeros
        file.pragma('temp_store = MEMORY'); // no page reaches a temporary file
        file.pragma(`cache_size = -${CACHE >> 10}`); // in KiB
        const application = file.pragma('application_id', { simple: true });
        if (application !== 0 && application !== APPLICATION) {
            throw new Error(`${path} belongs to another program`);
        }
        file.pragma(`application_id = ${APPLICATION}`); // a write, so that the lock is taken now
        assertDurable(file, path);
        file.function('nano_add', { deterministic: true }, (a, b) => String(nanoOf(a) + nanoOf(b)));
        file.function('nano_sub', { deterministic: true }, (a, b) => String(nanoOf(a) - nanoOf(b)));
        return file;
    } catch (error) {
        file.close();
        throw (error as { code?: string }).code?.startsWith('SQLITE_BUSY') === true
            ? new StoreInUse(
                  `${path} is in use by another process: only one may hold its keys. Stop the other one first`,
              )
            : error;
    }
}

const MAX_STATEMENTS = 500; // a program has about a hundred, and lists of values make some more

/** The file as Kysely uses it, with statements that are prepared once: to prepare one takes longer than to run it. */
function preparing(file: Sqlite.Database): SqliteDatabase {
    const statements = new Map<string, Sqlite.Statement>();
    return {
        close: () => void file.close(),
        prepare(text) {
            const prepared = statements.get(text);
            if (prepared !== undefined && !prepared.busy) {
                return prepared;
            }
            const statement = file.prepare(text);
            if (prepared === undefined && statements.size < MAX_STATEMENTS) {
                statements.set(text, statement);
            }
            return statement;
        },
    };
}

// SQLite gives its log the same mode. An existing file is not opened, because closing it would drop this process's
// locks on it.
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
        throw new Error(`${path} does not support WAL mode: put it on a local disk`);
    }
    if (file.pragma('synchronous', { simple: true }) !== FULL) {
        throw new Error(`${path} would lose commits at a power cut: SQLite did not accept synchronous=FULL`);
    }
    if (file.pragma('foreign_keys', { simple: true }) !== 1) {
        throw new Error(`${path} would not check its references: SQLite did not accept foreign_keys=ON`);
    }
    if (file.pragma('secure_delete', { simple: true }) !== 1) {
        throw new Error(`${path} would keep deleted content: SQLite did not accept secure_delete=ON`);
    }
    if (file.pragma('page_size', { simple: true }) !== PAGE) {
        throw new Error(`${path} would keep copies of deleted content: its pages do not have ${PAGE} bytes`);
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
}

/**
 * Moves the content of the log to the file and empties the log, so that it holds nothing deleted.
 *
 * @throws if another connection reads the file, or the disk is full
 */
export async function truncateLog<Schema>(db: Kysely<Schema>): Promise<void> {
    const { rows } = await sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
    if (rows[0]?.busy !== 0) {
        throw new Error('The log of the store cannot be emptied: it still holds deleted content');
    }
}

/** Bytes of the pages of a file that hold nothing. */
export const freeBytesIn = (file: Sqlite.Database): number =>
    (file.pragma('freelist_count', { simple: true }) as number) * PAGE;

/** The condition that a row is of one query. */
export const ofQuery = ({ job, number }: { job: Buffer | number; number: number }) =>
    sql<boolean>`job = ${job} AND number = ${number}`;

const AMOUNT_BYTES = 8;

/**
 * An amount (0 to 2^64 - 1) as it is stored: 8 bytes, big-endian, so that SQL compares and sorts it; SQLite's own
 * integers end at 2^63.
 */
export function amountToBytes(amount: bigint): Buffer {
    const bytes = Buffer.allocUnsafe(AMOUNT_BYTES);
    bytes.writeBigUInt64BE(amount);
    return bytes;
}

/** The amount that {@link amountToBytes} stored. Throws if it is none: then the store is damaged. */
export function amountFromBytes(bytes: Buffer | null): bigint {
    if (bytes?.length !== AMOUNT_BYTES) {
        throw new Error(`A stored amount has ${AMOUNT_BYTES} bytes, this one has ${bytes?.length ?? 'none'}`);
    }
    return bytes.readBigUInt64BE();
}

/** An amount as {@link amountToBytes} stored it, or as the decimal text of a sum, which may exceed 64 bits. */
function nanoOf(stored: unknown): bigint {
    return Buffer.isBuffer(stored) ? amountFromBytes(stored) : BigInt(stored as string);
}
