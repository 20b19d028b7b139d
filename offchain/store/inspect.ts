/**
 * Looks into a worker's store without changing it: for checks before a worker starts. A file is opened read-only
 * through a second name in a folder of its own, with a copy of its log, so that SQLite writes nothing beside the store.
 */
import Sqlite from 'better-sqlite3';
import { copyFileSync, existsSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { APPLICATION } from './database';
import { isPostgres } from '../process/storeAddress';
import type { Signing, StoreView } from './signingGuard';
import { workerTables } from './workerTables';

/** {@link inspectFile}, or the same of a PostgreSQL database. `isShared`: other processes may use that. */
export async function inspectStore(store: string, isShared = false): Promise<StoreView> {
    if (!isPostgres(store)) {
        return inspectFile(store);
    }
    const { inspectPostgres } = await import('./postgresInspect');
    return inspectPostgres(store, isShared);
}

/**
 * The state of the store at `path`. Must not be called in a process that has the store open, because closing the file
 * would release that process's lock.
 *
 * @throws if another process has it open, it is damaged, or it is not a store that this version reads
 */
function inspectFile(path: string): StoreView {
    if (!existsSync(path)) {
        return { exists: false };
    }
    const folder = mkdtempSync(join(dirname(path), '.doctor-'));
    const name = join(folder, basename(path));
    try {
        try {
            linkSync(path, name);
        } catch {
            copyFileSync(path, name); // a file system without links
        }
        if (existsSync(`${path}-wal`)) {
            copyFileSync(`${path}-wal`, `${name}-wal`);
        }
        const file = new Sqlite(name, { readonly: true, timeout: 0 });
        try {
            return { exists: true, signing: signingOf(file, path) };
        } finally {
            file.close();
        }
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

function signingOf(file: Sqlite.Database, path: string): Signing | undefined {
    const application = file.pragma('application_id', { simple: true });
    if (application !== 0 && application !== APPLICATION) {
        throw new Error(`${path} belongs to another program`);
    }
    const version = file.pragma('user_version', { simple: true }) as number;
    if (version > workerTables.length) {
        throw new Error(
            `${path} was written by a newer version (schema ${version}, this one knows ${workerTables.length})`,
        );
    }
    const hasTable = (name: string) =>
        file.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined;
    if (!hasTable('signing') || !hasTable('retired')) {
        return undefined;
    }
    const row = file.prepare('SELECT store, receiptKey FROM signing').get() as Pick<Signing, 'store' | 'receiptKey'>;
    const sequences = file.prepare('SELECT member, sequence FROM sequences').raw().all() as [number, number][];
    const retired = file.prepare('SELECT receiptKey FROM retired').pluck().all() as Buffer[];
    return { ...row, sequences: new Map(sequences), retired };
}
