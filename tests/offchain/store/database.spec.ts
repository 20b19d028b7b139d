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
import { HotRows } from '../../../offchain/store/hotRows';

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

    it.each(['hot', 'other'])('takes no more writes after the disk was full for one of its %s writes', async (kind) => {
        const db = await open();
        const failures: Error[] = [];
        const writes = new GroupCommit(db, (error) => failures.push(error));
        const add = (id: number, text: string) =>
            kind === 'hot'
                ? writes.runHot(() => db.file.prepare('INSERT INTO notes (id, text) VALUES (?, ?)').run(id, text))
                : writes.run((t) =>
                      t
                          .insertInto('notes')
                          .values({ ...note(id), text })
                          .execute(),
                  );
        await add(1, 'x');
        db.file.pragma(`max_page_count = ${String(db.file.pragma('page_count', { simple: true }))}`);
        const outcomes = await Promise.allSettled([add(2, 'x'), add(3, 'x'.repeat(1 << 20)), add(4, 'x')]);
        expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
        await expect(add(5, 'x')).rejects.toThrow('could not commit');
        expect([failures.length, await db.selectFrom('notes').select('id').execute()]).toEqual([1, [{ id: 1 }]]);
    });

    describe('of hot writes', () => {
        interface Count {
            id: number;
            count: number;
        }

        /** Notes as hot writes add them, and a count of them that the end of a group writes. */
        async function openHot(onBroken?: (error: Error) => void) {
            const db = await open();
            const writes = new GroupCommit(db, onBroken);
            const { file } = db;
            const insert = file.prepare('INSERT INTO notes (id, text) VALUES (?, ?)');
            const read = file.prepare<[], { text: string }>('SELECT text FROM notes WHERE id = 0');
            const write = file.prepare('REPLACE INTO notes (id, text) VALUES (0, ?)');
            let written = 0;
            const rows = new HotRows<Count>(({ count }) => {
                written++;
                write.run(String(count));
            });
            writes.defer(rows);
            const increase = () => {
                const row = rows.get('', () => ({ id: 0, count: Number(read.get()?.text ?? 0) }));
                row.count++;
                rows.mark(row);
            };
            const add = (id: number) =>
                writes.runHot(() => {
                    increase();
                    insert.run(id, 'x');
                    return id;
                });
            const ids = () => writes.read(() => file.prepare('SELECT id FROM notes WHERE id > 0').pluck().all());
            const count = () => writes.read(() => Number(read.get()?.text ?? 0));
            return { db, writes, increase, add, ids, count, written: () => written };
        }

        it('writes a row that all of them change once', async () => {
            const { add, ids, count, written } = await openHot();
            expect(await Promise.all([1, 2, 3].map(add))).toEqual([1, 2, 3]);
            expect(written()).toBe(1);
            await add(4);
            expect(written()).toBe(2);
            expect([await ids(), await count()]).toEqual([[1, 2, 3, 4], 4]);
        });

        it('undoes one that throws, with what it changed in memory, and keeps its neighbours', async () => {
            const { add, ids, count } = await openHot();
            await add(1);
            const group = [add(2), add(1), add(3)];
            await expect(group[1]).rejects.toHaveProperty('message', 'UNIQUE constraint failed: notes.id');
            expect(await Promise.all([group[0], group[2]])).toEqual([2, 3]);
            await add(4);
            expect([await ids(), await count()]).toEqual([[1, 2, 3, 4], 4]);
        });

        it('keeps the order among other writes, and each sees what the one before has changed', async () => {
            const { writes, add, ids, count, increase } = await openHot();
            const seen = (id: number) =>
                writes.run(async (t) => {
                    const [row] = await t.selectFrom('notes').select('text').where('id', '=', 0).execute();
                    await t.updateTable('notes').set({ text: '10' }).where('id', '=', 0).execute();
                    await t.insertInto('notes').values(note(id)).execute();
                    increase();
                    return row.text;
                });
            expect(await Promise.all([add(1), seen(2), add(3), seen(4)])).toEqual([1, '1', 3, '12']);
            expect([await ids(), await count()]).toEqual([[1, 2, 3, 4], 11]);
        });

        it('shows a reader nothing of a transaction that is open', async () => {
            const { writes, ids } = await openHot();
            let release = () => {};
            const gate = new Promise<void>((resolve) => (release = resolve));
            const inside = new Promise<void>((resolve) => {
                void writes
                    .run(async (t) => {
                        await t.insertInto('notes').values(note(1)).execute();
                        resolve();
                        await gate;
                        throw new Error('changed my mind');
                    })
                    .catch(() => undefined);
            });
            await inside;
            const read = ids();
            release();
            expect(await read).toEqual([]);
        });

        it('takes no more of them after a commit failed', async () => {
            const failures: Error[] = [];
            const { db, add } = await openHot((error) => failures.push(error));
            await db.destroy();
            await expect(add(1)).rejects.toThrow('could not commit');
            await expect(add(2)).rejects.toThrow('could not commit');
            expect(failures).toHaveLength(1);
        });
    });

    it('is idle when every write is done', async () => {
        const db = await open();
        const writes = new GroupCommit(db);
        void writes.run((transaction) => transaction.insertInto('notes').values(note(1)).execute());
        await writes.idle();
        expect(await db.selectFrom('notes').selectAll().execute()).toHaveLength(1);
    });
});
