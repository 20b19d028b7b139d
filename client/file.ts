/** A store in a folder, for programs of Node.js. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from './store';

const LOCK = 'lock';

/** A store with one file for each value. The folder holds keys of jobs, so only its owner may read it. */
export function fileStore(folder: string): Store {
    const made = mkdir(folder, { recursive: true, mode: 0o700 });
    const pathOf = (key: string) => join(folder, createHash('sha256').update(key).digest('hex'));
    return {
        async get(key) {
            return (await unlessMissing(readFile(pathOf(key), 'utf8'))) ?? undefined;
        },
        async put(key, value) {
            await made;
            const path = pathOf(key);
            const file = await open(`${path}.new`, 'w', 0o600);
            try {
                await file.writeFile(value);
                await file.sync();
            } finally {
                await file.close();
            }
            await rename(`${path}.new`, path);
            const directory = await open(folder, 'r');
            await directory.sync().finally(() => directory.close());
        },
        async lock() {
            await made;
            const path = join(folder, LOCK);
            if (!(await take(path)) && (await isAlive(path))) {
                return undefined;
            }
            await writeFile(path, `${process.pid}`, { mode: 0o600 });
            return () => rm(path, { force: true });
        },
    };
}

async function unlessMissing<T>(value: Promise<T>): Promise<T | undefined> {
    return value.catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') {
            throw error;
        }
        return undefined;
    });
}

async function take(path: string): Promise<boolean> {
    try {
        await writeFile(path, `${process.pid}`, { flag: 'wx', mode: 0o600 });
        return true;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
            throw error;
        }
        return false;
    }
}

/** True while the process that took a lock runs; false after it was killed. */
async function isAlive(path: string): Promise<boolean> {
    const pid = Number(await unlessMissing(readFile(path, 'utf8')));
    try {
        return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
}
