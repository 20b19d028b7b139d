/** A SQLite file as the stores use it. */
import { type Database, freeBytesIn, type Migration, openDatabase, type SharedFile, truncateLog } from './database';
import { OneMember } from './cluster';
import type { Engine } from './engine';
import { GroupCommit } from './groupCommit';
import type { StoreEvents } from './writeQueue';

export interface SqliteEngine<Schema> extends Engine<Schema> {
    readonly db: Database<Schema>;
    readonly writes: GroupCommit<Schema>;
}

/** Opens or creates the file. Throws if another process has it. */
export async function openSqlite<Schema>(
    path: string,
    migrations: readonly Migration[],
    { onBroken, onCommit, ...options }: StoreEvents & SharedFile,
): Promise<SqliteEngine<Schema>> {
    const db = await openDatabase<Schema>(path, migrations, options);
    const writes = new GroupCommit(db, onBroken, onCommit);
    return {
        ...{ db, writes, cluster: new OneMember() },
        scrub: () => truncateLog(db),
        reusableBytes: () => freeBytesIn(db.file),
        close: () => db.destroy(),
    };
}
