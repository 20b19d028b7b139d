import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteError } from 'better-sqlite3';
import { SqliteDriver, sql } from 'kysely';
import { amountToBytes, type Database, openDatabase } from '../../../offchain/store/database';
import { GroupCommit } from '../../../offchain/store/groupCommit';
import { HotRows } from '../../../offchain/store/hotRows';
import { runEach } from '../../../offchain/store/writeQueue';

interface Schema {
    notes: { id: number; text: string; amount: Buffer };
}

let folder: string;
let db: Database<Schema>;

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
    db = await openDatabase<Schema>(join(folder, 'test.db'), [
        async (tables) => {
            const amount = sql.raw(`BLOB NOT NULL DEFAULT x'${amountToBytes(0n).toString('hex')}'`);
            await sql`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, amount ${amount}) STRICT`.execute(
                tables,
            );
        },
    ]);
});

afterEach(async () => {
    await db.destroy();
    rmSync(folder, { recursive: true });
});

describe('a group commit', () => {
    const note = (id: number) => ({ id, text: 'x', amount: amountToBytes(0n) });

    it('puts the writes of one turn into one transaction', async () => {
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

    it('has at most a thousand writes, and says how long each took', async () => {
        const took: number[] = [];
        const writes = new GroupCommit(db, undefined, (seconds) => took.push(seconds));
        const transactions = new Set<unknown>();
        const before = performance.now();
        await Promise.all(
            Array.from({ length: 1001 }, () => writes.run(async (transaction) => transactions.add(transaction))),
        );
        const elapsed = (performance.now() - before) / 1000;
        expect([transactions.size, took.length]).toEqual([2, 2]);
        expect(Math.min(...took)).toBeGreaterThanOrEqual(0);
        expect(took[0] + took[1]).toBeLessThanOrEqual(elapsed);
    });

    it('undoes a write that throws and keeps its neighbours', async () => {
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
        const failures: Error[] = [];
        const writes = new GroupCommit(db, (error) => failures.push(error));
        await db.destroy();
        await expect(writes.run(async () => 1)).rejects.toThrow('could not commit');
        await expect(writes.run(async () => 2)).rejects.toThrow('could not commit');
        expect(failures).toHaveLength(1);
    });

    it.each(['hot', 'other'])('takes no more writes after the disk was full for one of its %s writes', async (kind) => {
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

    it('says why it takes no more writes where SQLite has undone all by itself, as on a full disk', async () => {
        const causeOf = async (write: () => Promise<void>) => {
            const failures: Error[] = [];
            const failed = new GroupCommit(db, (error) => failures.push(error)).run(write);
            await expect(failed).rejects.toThrow('could not commit');
            return failures.map(({ cause }) => (cause as Error).message);
        };
        const undo = () => db.file.exec('ROLLBACK');
        const during = await causeOf(async () => {
            undo();
            throw new SqliteError('database or disk is full', 'SQLITE_FULL');
        });
        expect(during).toEqual(['database or disk is full']);
        expect(db.file.inTransaction).toBe(false);
        jest.spyOn(SqliteDriver.prototype, 'commitTransaction').mockImplementationOnce(async () => {
            undo();
            throw new SqliteError('database or disk is full', 'SQLITE_FULL');
        });
        expect(await causeOf(async () => undefined)).toEqual(['database or disk is full']);
        expect(await db.selectFrom('notes').selectAll().execute()).toEqual([]);
    });

    describe('of hot writes', () => {
        interface Count {
            id: number;
            count: number;
        }

        /** Notes as hot writes add them, and a count of them that the end of a group writes. */
        async function openHot(onBroken?: (error: Error) => void) {
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
            return { writes, increase, add, ids, count, written: () => written };
        }

        it('writes a row that all of them change once', async () => {
            const { add, ids, count, written } = await openHot();
            expect(await Promise.all([1, 2, 3].map(add))).toEqual([1, 2, 3]);
            expect(written()).toBe(1);
            await add(4);
            expect(written()).toBe(2);
            expect([await ids(), await count()]).toEqual([[1, 2, 3, 4], 4]);
        });

        it('says that all is on the disk before it says so to any of them', async () => {
            const { writes, add } = await openHot();
            const events: string[] = [];
            const event = (name: string) => () => void events.push(name);
            const inTransaction = () => void events.push(db.file.inTransaction ? 'flush' : 'late flush');
            writes.defer({ flush: inTransaction, forget: event('forget'), committed: event('committed') });
            await Promise.all([add(1).then(event('1')), add(2).then(event('2'))]);
            expect(events).toEqual(['flush', 'committed', '1', '2']);
            await expect(add(2)).rejects.toHaveProperty('message');
            expect(events.slice(4)).toEqual(['forget', 'forget', 'committed']);
        });

        it('is read once for several groups', async () => {
            const { add, count } = await openHot();
            await add(1);
            db.file.prepare('UPDATE notes SET text = ? WHERE id = 0').run('90'); // behind the back of the only writer
            await add(2);
            expect(await count()).toBe(2);
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
            const { add } = await openHot((error) => failures.push(error));
            await db.destroy();
            await expect(add(1)).rejects.toThrow('could not commit');
            await expect(add(2)).rejects.toThrow('could not commit');
            expect(failures).toHaveLength(1);
        });
    });

    it('waits for the end of a turn, whatever else runs in it', async () => {
        const writes = new GroupCommit(db);
        const transactions = new Set<unknown>();
        const add = () => writes.run(async (transaction) => transactions.add(transaction));
        const first = add();
        for (let i = 0; i < 20; i++) {
            await Promise.resolve();
        }
        await Promise.all([first, add()]);
        expect(transactions.size).toBe(1);
    });

    it('fails as a whole where nobody is told', async () => {
        const writes = new GroupCommit(db);
        await db.destroy();
        await expect(writes.run(async () => 1)).rejects.toThrow('could not commit');
    });

    it.each(['hot', 'other'])(
        'takes no more writes once one of its %s writes finds damage, and runs it once',
        async (kind) => {
            const failures: Error[] = [];
            const writes = new GroupCommit(db, (error) => failures.push(error));
            const damage = new SqliteError('damaged', 'SQLITE_CORRUPT');
            let runs = 0;
            const find = () => {
                runs++;
                throw damage;
            };
            const outcomes = await Promise.allSettled(
                kind === 'hot'
                    ? [writes.runHot(find), writes.runHot(() => 1)]
                    : [writes.run(async () => find()), writes.run(async () => 1)],
            );
            expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
            expect([runs, failures.length]).toEqual([1, 1]);
            const { cause } = failures[0];
            expect(kind === 'hot' ? (cause as Error).cause : cause).toBe(damage);
        },
    );

    it('runs a hot write once where another write is not', async () => {
        const writes = new GroupCommit(db);
        let runs = 0;
        await Promise.all([writes.runHot(() => ++runs), writes.run(async () => 1)]);
        expect(runs).toBe(1);
    });

    it('may have nothing in memory to undo', async () => {
        const transaction = { executeQuery: async () => ({ rows: [] }) } as never;
        const error = new Error('no');
        const run = () => Promise.reject(error);
        expect(await runEach(transaction, [1], { run, isOwn: () => true })).toEqual([{ ok: false, error }]);
    });

    it('takes writes that come while it is at work, and is idle after them', async () => {
        const writes = new GroupCommit(db);
        const insert = (id: number) => writes.run((t) => t.insertInto('notes').values(note(id)).execute());
        void insert(1).then(() => void insert(2).then(() => void insert(3)));
        await writes.idle();
        expect(await db.selectFrom('notes').selectAll().execute()).toHaveLength(3);
        await writes.idle();
    });

    it('is idle when every write is done', async () => {
        const writes = new GroupCommit(db);
        void writes.run((transaction) => transaction.insertInto('notes').values(note(1)).execute());
        await writes.idle();
        expect(await db.selectFrom('notes').selectAll().execute()).toHaveLength(1);
    });
});
