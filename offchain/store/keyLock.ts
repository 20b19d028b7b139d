/**
 * One writer for each receipt key: two would sign the same numbers. Both locks are the kernel's, so they end with the
 * process however it ends, and a restart after a crash waits for nothing.
 */
import Sqlite from 'better-sqlite3';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Held until it is released or the process ends. */
export interface KeyLock {
    release(): void;
}

/**
 * Locks the key for this process: beside its file, for whoever sees that file, and on Linux by its name, for copies of the
 * file on this machine.
 *
 * @throws if another process holds it, or nothing can be written beside the file
 */
export async function lockKey(publicKey: Buffer, keyFile: string): Promise<KeyLock> {
    const file = lockFile(`${keyFile}.lock`);
    try {
        const name = process.platform === 'linux' ? await lockName(publicKey) : undefined;
        return {
            release: () => {
                name?.close();
                file.close();
            },
        };
    } catch (error) {
        file.close();
        throw error;
    }
}

function inUse(cause: unknown): Error {
    return new Error('Another process signs with this receipt key: only one may. Stop the other one first', { cause });
}

function lockFile(path: string): Sqlite.Database {
    let file: Sqlite.Database | undefined;
    try {
        file = new Sqlite(path, { timeout: 0 });
        file.exec('BEGIN EXCLUSIVE'); // a transaction without a change, as long as the process lives
        return file;
    } catch (error) {
        file?.close();
        throw (error as { code?: string }).code?.startsWith('SQLITE_BUSY') === true
            ? inUse(error)
            : new Error(`${path} cannot be locked: keep the key file where the worker may write`, { cause: error });
    }
}

function lockName(publicKey: Buffer): Promise<Server> {
    const server = createServer((socket) => socket.destroy()).unref();
    return new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) =>
            reject(error.code === 'EADDRINUSE' ? inUse(error) : error),
        );
        server.listen(`\0cocoon-market receipt key ${publicKey.toString('hex')}`, () => resolve(server)); // no file
    });
}
