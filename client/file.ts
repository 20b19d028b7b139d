/** A store in a folder, for programs of Node.js. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from './lock';
import type { Store } from './store';

/** A store with one file for each value. The folder holds keys of jobs, so only its owner may read it. */
export function fileStore(folder: string): Store {
    let making: Promise<unknown> | undefined;
    const made = () => (making ??= mkdir(folder, { recursive: true, mode: 0o700 }));
    const pathOf = (key: string) => join(folder, createHash('sha256').update(key).digest('hex'));
    return {
        async get(key) {
            return (await unlessMissing(readFile(pathOf(key), 'utf8'))) ?? undefined;
        },
        async put(key, value) {
            await made();
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
            await made();
            return lockFolder(folder);
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
