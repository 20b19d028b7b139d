import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type Kysely, sql } from 'kysely';
import {
    amountFromBytes,
    amountToBytes,
    type Database,
    freeBytesIn,
    type Migration,
    openDatabase,
    readDatabase,
    type SharedFile,
    StoreInUse,
    truncateLog,
} from '../../../offchain/store/database';

interface Schema {
    notes: { id: number; text: string; amount: Buffer };
}

const first: Migration = async (db) => {
    await sql`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT`.execute(db);
};
const second: Migration = async (db) => {
    await sql`ALTER TABLE notes ADD COLUMN amount BLOB NOT NULL DEFAULT x'0000000000000000'`.execute(db);
};
const migrations = [first, second];

let folder: string;
let path: string;
const opened: Database<Schema>[] = [];

async function open(steps = migrations, shared?: SharedFile): Promise<Database<Schema>> {
    const db = await openDatabase<Schema>(path, steps, shared);
    opened.push(db);
    return db;
}

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
    path = join(folder, 'test.db');
});

afterEach(async () => {
    await Promise.all(opened.splice(0).map((db) => db.destroy()));
    rmSync(folder, { recursive: true });
});

async function pragma(db: Kysely<Schema>, name: string): Promise<unknown> {
    const { rows } = await sql.raw<Record<string, unknown>>(`PRAGMA ${name}`).execute(db);
    return Object.values(rows[0])[0];
}

/** Writes while another connection reads in a transaction; resolves with that connection. */
async function writtenWhileRead(db: Kysely<Schema>): Promise<Database<Schema>> {
    const reader = readDatabase<Schema>(path, migrations);
    opened.push(reader);
    reader.file.exec('BEGIN');
    reader.file.prepare('SELECT * FROM notes').all();
    await db
        .insertInto('notes')
        .values({ id: 1, text: 'x', amount: amountToBytes(0n) })
        .execute();
    return reader;
}

describe('a database', () => {
    it('syncs every commit to the disk, on the first open and on every other', async () => {
        for (let open_ = 0; open_ < 2; open_++) {
            const db = await open();
            await db
                .insertInto('notes')
                .values({ id: open_, text: 'x', amount: amountToBytes(0n) })
                .execute();
            expect(await pragma(db, 'synchronous')).toBe(2);
            expect(await pragma(db, 'journal_mode')).toBe('wal');
            expect(await pragma(db, 'foreign_keys')).toBe(1);
            await db.destroy();
        }
    });

    it('refuses a second opening of the same file in this process', async () => {
        await open();
        await expect(open()).rejects.toThrow('in use by another process');
        await expect(open()).rejects.toBeInstanceOf(StoreInUse);
    });

    it('is a file of its own kind, which only its user can read', async () => {
        const db = await open();
        expect(await pragma(db, 'application_id')).toBe(0x636f636f);
        expect(statSync(path).mode & 0o777).toBe(0o600);
        expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
    });

    it('keeps no deleted content, and no page outside of its file and its memory', async () => {
        const db = await open();
        expect(await pragma(db, 'secure_delete')).toBe(1);
        expect(await pragma(db, 'temp_store')).toBe(2); // memory
        expect(await pragma(db, 'page_size')).toBe(4096);
        expect(await pragma(db, 'cache_size')).toBe(-32 * 1024); // KiB
        expect(await pragma(db, 'locking_mode')).toBe('exclusive');
    });

    it('counts as free what deleted content took', async () => {
        const db = await open();
        expect(freeBytesIn(db.file)).toBe(0);
        const text = 'x'.repeat(400_000);
        await db
            .insertInto('notes')
            .values({ id: 1, text, amount: amountToBytes(1n) })
            .execute();
        expect(freeBytesIn(db.file)).toBe(0);
        await db.deleteFrom('notes').execute();

        expect(freeBytesIn(db.file)).toBe(Math.floor(400_000 / 4096) * 4096); // whole pages
    });

    it('refuses a place where no file can be', async () => {
        path = join(folder, 'absent', 'test.db');
        await expect(open()).rejects.toHaveProperty('code', 'ENOENT');
        path = join(folder, 'folder');
        mkdirSync(path);
        await expect(open()).rejects.toHaveProperty('code', 'SQLITE_CANTOPEN');
    });

    it('can be of memory alone', async () => {
        const before = process.cwd();
        process.chdir(folder); // where a file of that name would be
        try {
            path = ':memory:';
            const [one, other] = [await open(), await open()];
            await one
                .insertInto('notes')
                .values({ id: 1, text: 'x', amount: amountToBytes(0n) })
                .execute();
            expect(await other.selectFrom('notes').selectAll().execute()).toEqual([]);
            expect(readdirSync(folder)).toEqual([]);
        } finally {
            process.chdir(before);
        }
    });

    it('refuses a file that is no database', async () => {
        writeFileSync(path, 'text '.repeat(1000));
        await expect(open()).rejects.toHaveProperty('code', 'SQLITE_NOTADB');
    });

    it('is in use while another process recovers it', async () => {
        const busy = new Sqlite.SqliteError('busy', 'SQLITE_BUSY_RECOVERY');
        const spy = jest.spyOn(Sqlite.prototype, 'pragma').mockImplementation(() => {
            throw busy;
        });
        await expect(open()).rejects.toBeInstanceOf(StoreInUse);
        spy.mockRestore();
    });

    it('waits for nobody, but for readers where there may be some', async () => {
        expect(await pragma(await open(), 'busy_timeout')).toBe(0);
        path = join(folder, 'shared.db');
        expect(await pragma(await open(migrations, { readers: true }), 'busy_timeout')).toBe(5000); // ms
    });

    it('is opened while others read it, if it has no secrets', async () => {
        const db = await open(migrations, { readers: true });
        await writtenWhileRead(db);
        await db.destroy();
        const again = await open(migrations, { readers: true });
        expect(await again.selectFrom('notes').select('id').execute()).toEqual([{ id: 1 }]);
    });

    it('prepares a statement once, of the first five hundred', async () => {
        const db = await open([]); // which has run one
        const prepare = jest.spyOn(db.file, 'prepare');
        const runAll = async () => {
            prepare.mockClear();
            for (let i = 0; i < 500; i++) {
                await sql.raw(`SELECT ${i}`).execute(db);
            }
            return prepare.mock.calls.map(([text]) => text);
        };
        expect(await runAll()).toHaveLength(500);
        expect(await runAll()).toEqual(['SELECT 499']);
    });

    it.each([
        ['journal_mode', 'delete', 'does not support WAL mode'],
        ['synchronous', 1, 'would lose commits'],
        ['foreign_keys', 0, 'would not check its references'],
        ['secure_delete', 0, 'would keep deleted content'],
        ['page_size', 1024, 'would keep copies of deleted content'],
    ])('refuses a SQLite whose %s is %s', async (name, value, reason) => {
        const { pragma: real } = Sqlite.prototype;
        const spy = jest.spyOn(Sqlite.prototype, 'pragma').mockImplementation(function (
            this: Sqlite.Database,
            ...args
        ) {
            return args[0] === name ? value : real.apply(this, args);
        });
        await expect(open()).rejects.toThrow(reason);
        spy.mockRestore();
        await expect(open()).resolves.toBeDefined();
    });

    it('can be read by others meanwhile, if it has no secrets', async () => {
        const db = await open(migrations, { readers: true });
        const note = { id: 1, text: 'x', amount: amountToBytes(5n) };
        await db.insertInto('notes').values(note).execute();
        const reader = readDatabase<Schema>(path, migrations);
        opened.push(reader);
        expect(await reader.selectFrom('notes').selectAll().execute()).toEqual([note]);
        await expect(reader.deleteFrom('notes').execute()).rejects.toHaveProperty('code', 'SQLITE_READONLY');
        expect(await pragma(reader, 'temp_store')).toBe(2);
        expect(await pragma(reader, 'cache_size')).toBe(-32 * 1024);
    });

    it('that is missing, or of another version or program, is not read', async () => {
        expect(() => readDatabase(path, migrations)).toThrow(expect.objectContaining({ code: 'SQLITE_CANTOPEN' }));
        await (await open([first])).destroy();
        expect(() => readDatabase(path, migrations)).toThrow('has the schema 1, and this version reads 2');
        const other = new Sqlite(join(folder, 'other.db'));
        other.pragma('user_version = 2');
        other.close();
        expect(() => readDatabase(join(folder, 'other.db'), migrations)).toThrow('has the schema 2');
    });

    it('says that its log holds deleted content while another connection reads', async () => {
        const db = await open(migrations, { readers: true });
        const reader = await writtenWhileRead(db);
        db.file.pragma('busy_timeout = 0');
        await expect(truncateLog<Schema>(db)).rejects.toThrow('cannot be emptied');
        reader.file.exec('COMMIT');
        await truncateLog<Schema>(db);
        expect(statSync(`${path}-wal`).size).toBe(0);
    });

    it('begins with an empty log, whatever a killed process left there', async () => {
        const db = await open();
        await db
            .insertInto('notes')
            .values({ id: 1, text: 'x', amount: amountToBytes(0n) })
            .execute();
        const copy = join(folder, 'copy.db');
        for (const part of ['', '-wal']) {
            execFileSync('cp', [path + part, copy + part]);
        }
        expect(statSync(`${copy}-wal`).size).toBeGreaterThan(0);
        path = copy;
        await open();
        expect(statSync(`${copy}-wal`).size).toBe(0);
    });

    it('adds and subtracts stored amounts and decimal sums of any size', async () => {
        const { file } = await open();
        const max = (1n << 64n) - 1n;
        const result = (call: string, ...values: unknown[]) =>
            file
                .prepare(`SELECT ${call}`)
                .pluck()
                .get(...values);
        expect(result('nano_add(?, ?)', amountToBytes(max), String(max))).toBe(String(2n * max));
        expect(result('nano_sub(?, ?)', '5', amountToBytes(max))).toBe(String(5n - max));
        expect(() => result('nano_add(?, ?)', Buffer.alloc(7), '5')).toThrow('has 8 bytes, this one has 7');
    });

    it('refuses a second process, reader or writer', async () => {
        await open();
        const script = `const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 0 }); db.prepare('SELECT * FROM notes').all()`;
        const run = () => execFileSync(process.execPath, ['-e', script, path], { cwd: process.cwd(), stdio: 'pipe' });
        expect(run).toThrow('database is locked');
    });

    it('opens again once the first has closed', async () => {
        await (await open()).destroy();
        await expect(open()).resolves.toBeDefined();
    });

    it('runs each migration once, in order', async () => {
        const old = await open([first]);
        await sql`INSERT INTO notes (id, text) VALUES (1, 'kept')`.execute(old);
        await old.destroy();
        const db = await open();
        expect(await db.selectFrom('notes').selectAll().execute()).toEqual([
            { id: 1, text: 'kept', amount: amountToBytes(0n) },
        ]);
    });

    it('undoes a migration that fails', async () => {
        const broken: Migration = async (db) => {
            await second(db);
            throw new Error('half way');
        };
        await expect(open([first, broken])).rejects.toThrow('half way');
        await expect(open()).resolves.toBeDefined();
    });

    it('refuses a file of a newer version', async () => {
        await (await open()).destroy();
        await expect(open([first])).rejects.toThrow('newer version');
    });

    it('refuses a file of another program', async () => {
        const other = new Sqlite(path);
        other.pragma('application_id = 7');
        other.close();
        await expect(open()).rejects.toThrow('another program');
    });

    it('sorts amounts above 2^63 as numbers', async () => {
        const db = await open();
        const amounts = [1n << 63n, 0n, (1n << 64n) - 1n, 255n, 256n];
        await db
            .insertInto('notes')
            .values(amounts.map((amount, id) => ({ id, text: '', amount: amountToBytes(amount) })))
            .execute();
        const rows = await db.selectFrom('notes').select('amount').orderBy('amount').execute();
        expect(rows.map(({ amount }) => amountFromBytes(amount))).toEqual([
            0n,
            255n,
            256n,
            1n << 63n,
            (1n << 64n) - 1n,
        ]);
        expect(() => amountToBytes(1n << 64n)).toThrow('out of range');
        expect(() => amountToBytes(-1n)).toThrow('out of range');
        expect(() => amountFromBytes(null)).toThrow('this one has none');
        expect(() => amountFromBytes(Buffer.alloc(9))).toThrow('this one has 9');
    });
});
