/**
 * Makes sure that one process uses a key. Two workers of one receipt key would sign the same numbers, and two gateways
 * of one spend key would settle each other's jobs. The locks are on files that
 * only this user may open, so that no process of another user can take them. The kernel releases them when the process
 * ends, also after a crash.
 */
import Sqlite from 'better-sqlite3';
import { chmodSync, closeSync, openSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { privateFolder } from './privateFolder';

const KEY_BUSY = 'Another process signs with this receipt key, and only one may: stop the other one first';

/** A lock that lasts until it is released or the process ends. */
export interface KeyLock {
    release(): void;
}

/**
 * Locks the key for this process: beside its file, for every process that sees that file, and in the user's home
 * (`home`), for copies of the file. A home that cannot be used, as in some containers, is left out. `isShared`: other
 * processes that say so may have the lock, too.
 *
 * @throws if another process has the lock, or no file can be written beside the key file
 */
export function lockKey(
    publicKey: Buffer,
    keyFile: string,
    home = userInfo().homedir,
    busy = KEY_BUSY,
    isShared = false,
): KeyLock {
    const locks = [lockFile(`${keyFile}.lock`, busy, isShared)];
    try {
        const folder = privateFolder(home);
        if (folder !== undefined) {
            locks.push(lockFile(join(folder, `${publicKey.toString('hex')}.lock`), busy, isShared));
        }
    } catch (error) {
        locks.forEach((lock) => lock.close());
        throw error;
    }
    return { release: () => locks.forEach((lock) => lock.close()) };
}

/**
 * Locks a file that only this user may open. Throws with `busy` if another process has the lock, unless both share it.
 */
export function lockFile(path: string, busy = KEY_BUSY, isShared = false): Sqlite.Database {
    let file: Sqlite.Database | undefined;
    try {
        closeSync(openSync(path, 'a', 0o600));
        chmodSync(path, 0o600); // a user who may read a file may lock it
        file = new Sqlite(path, { timeout: 0 });
        // A transaction that changes nothing and lasts as long as the process.
        file.exec(isShared ? 'BEGIN; SELECT count(*) FROM sqlite_master' : 'BEGIN EXCLUSIVE');
        return file;
    } catch (error) {
        file?.close();
        const code = (error as { code?: string }).code ?? '';
        if (code.startsWith('SQLITE_BUSY')) {
            throw new Error(busy, { cause: error });
        }
        // cspell:ignore CANTOPEN
        const unwritable = ['EACCES', 'EPERM', 'EROFS', 'SQLITE_CANTOPEN', 'SQLITE_READONLY'].includes(code);
        const remedy = unwritable ? ': put that file where this process may write' : '';
        throw new Error(`${path} cannot be locked${remedy}`, { cause: error });
    }
}
