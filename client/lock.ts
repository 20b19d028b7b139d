/** Takes a folder for one program of Node.js. */
import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^lock-(\d+)-(\d+)-[0-9a-f]+$/; // process, its start in unix seconds
const SAME_START = 2; // seconds

// Names of this program's locks, whichever copy of this package it has.
const own = ((globalThis as Record<symbol, unknown>)[Symbol.for('cocoon-market.locks')] ??= new Set()) as Set<string>;

/**
 * Takes a folder; resolves with what gives it back, or with undefined if another program has it. Each taker makes a
 * file of its own and then looks for others, so that no two ever have the folder, also if both find the lock of a
 * program that was killed.
 */
export async function lockFolder(folder: string): Promise<(() => Promise<void>) | undefined> {
    const name = `lock-${process.pid}-${startedAt()}-${randomBytes(8).toString('hex')}`;
    const path = join(folder, name);
    own.add(name);
    const release = async () => {
        await rm(path, { force: true });
        own.delete(name);
    };
    await writeFile(path, '', { flag: 'wx', mode: 0o600 });
    for (const other of await readdir(folder)) {
        if (other === name || !NAME.test(other)) {
            continue;
        }
        if (isAlive(other)) {
            await release();
            return undefined;
        }
        await rm(join(folder, other), { force: true });
    }
    return release;
}

const startedAt = (): number => Math.round(Date.now() / 1000 - process.uptime());

/** True while the program that has a lock runs. In a container, the next program often has the same process id. */
function isAlive(name: string): boolean {
    const [, pid, start] = NAME.exec(name)!.map(Number);
    if (pid === process.pid) {
        return own.has(name) || Math.abs(start - startedAt()) <= SAME_START;
    }
    try {
        return process.kill(pid, 0);
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
}
