import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type Kysely, sql } from 'kysely';
import {
    amountFromBytes,
    amountToBytes,
    type Database,
    type Migration,
    openDatabase,
} from '../../../offchain/store/database';
import { GroupCommit } from '../../../offchain/store/groupCommit';

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

async function open(steps = migrations): Promise<Database<Schema>> {
    const db = await openDatabase<Schema>(path, steps);
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
    });
});

describe('a group commit', () => {
    const note = (id: number) => ({ id, text: 'x', amount: amountToBytes(0n) });

    it('puts the writes of one turn into one transaction', async () => {
        const db = await open();
        const writes = new GroupCommit(db);
        const transactions = new Set<unknown>();
        const add = (id: number) =>
            writes.run(async (transaction) => {
                transactions.add(transaction);
                await transaction.insertInto('notes').values(note(id)).execute();
                return id;
            });
        expect(await Promise.all([1, 2, 3].map(add))).toEqual([1, 2, 3]);
        expect(transactions.size).toBe(1);
        expect(await add(4)).toBe(4);
        expect(transactions.size).toBe(2);
    });

    it('undoes a write that throws and keeps its neighbours', async () => {
        const db = await open();
        const writes = new GroupCommit(db);
        const failing = writes.run(async (transaction) => {
            await transaction.insertInto('notes').values(note(2)).execute();
            throw new Error('changed my mind');
        });
        const others = [1, 3].map((id) => writes.run((t) => t.insertInto('notes').values(note(id)).execute()));
        await expect(failing).rejects.toThrow('changed my mind');
        await Promise.all(others);
        expect((await db.selectFrom('notes').select('id').execute()).map(({ id }) => id)).toEqual([1, 3]);
    });

    it('takes no more writes after a commit failed', async () => {
        const db = await open();
        const failures: Error[] = [];
        const writes = new GroupCommit(db, (error) => failures.push(error));
        await db.destroy();
        await expect(writes.run(async () => 1)).rejects.toThrow('could not commit');
        await expect(writes.run(async () => 2)).rejects.toThrow('could not commit');
        expect(failures).toHaveLength(1);
    });

    it('is idle when every write is done', async () => {
        const db = await open();
        const writes = new GroupCommit(db);
        void writes.run((transaction) => transaction.insertInto('notes').values(note(1)).execute());
        await writes.idle();
        expect(await db.selectFrom('notes').selectAll().execute()).toHaveLength(1);
    });
});
