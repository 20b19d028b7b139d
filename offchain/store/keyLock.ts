/**
 * One writer for each receipt key: two would sign the same numbers. Locks are on files that only this user may open, so no
 * other user's process can hold one. They are the kernel's, so they end with the process however it ends, and a restart
 * after a crash waits for nothing.
 */
import Sqlite from 'better-sqlite3';
import { chmodSync, closeSync, openSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { privateFolder } from './privateFolder';

/** Held until it is released or the process ends. */
export interface KeyLock {
    release(): void;
}

/**
 * Locks the key for this process: beside its file, for whoever sees that file, and in the user's home (`home`), for copies
 * of the file that this user has. A home that cannot be used, as in some containers, is left out.
 *
 * @throws if another process holds it, or nothing can be written beside the file
 */
export function lockKey(publicKey: Buffer, keyFile: string, home = userInfo().homedir): KeyLock {
    const locks = [lockFile(`${keyFile}.lock`)];
    try {
        const folder = privateFolder(home);
        if (folder !== undefined) {
            locks.push(lockFile(join(folder, `${publicKey.toString('hex')}.lock`)));
        }
    } catch (error) {
        locks.forEach((lock) => lock.close());
        throw error;
    }
    return { release: () => locks.forEach((lock) => lock.close()) };
}

function lockFile(path: string): Sqlite.Database {
    let file: Sqlite.Database | undefined;
    try {
        closeSync(openSync(path, 'a', 0o600));
        chmodSync(path, 0o600); // whoever may read a file may lock it
        file = new Sqlite(path, { timeout: 0 });
        file.exec('BEGIN EXCLUSIVE'); // a transaction without a change, as long as the process lives
        return file;
    } catch (error) {
        file?.close();
        const code = (error as { code?: string }).code ?? '';
        if (code.startsWith('SQLITE_BUSY')) {
            const message = 'Another process signs with this receipt key: only one may. Stop the other one first';
            throw new Error(message, { cause: error });
        }
        // cspell:ignore CANTOPEN
        const unwritable = ['EACCES', 'EPERM', 'EROFS', 'SQLITE_CANTOPEN', 'SQLITE_READONLY'].includes(code);
        const remedy = unwritable ? ': keep the key file where the worker may write' : '';
        throw new Error(`${path} cannot be locked${remedy}`, { cause: error });
    }
}
