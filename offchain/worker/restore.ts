/**
 * Restores a store from a backup. The node may have signed since the backup, so its receipt key is retired in the
 * restored store before anything can use it, and the node needs a new one. The backup of a database is restored by the
 * tools of the database before.
 */
import { signingKey } from '@cocoon-market/wrappers';
import { closeSync, copyFileSync, existsSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { lockKey } from '../store/keyLock';
import { openWorkerStore } from '../store/open';
import { isPostgres } from '../process/storeAddress';
import { SqliteWorkerStore } from '../store/sqliteWorker';
import type { WorkerTotals } from '../store/worker';
import { Remedied } from '../process/errors';
import { readKeys, type WorkerConfig, type WorkerSeeds, writeKeys } from './config';

/** The restored store and its new key. */
export interface Restored extends WorkerTotals {
    receiptKey: Buffer; // the new one, Ed25519
    keyFile: string; // the new one
    replaced: string | undefined; // where the replaced store lies now
}

const HEADER = Buffer.from('SQLite format 3\0');
const LOG = '-wal'; // SQLite's log, part of a store that was copied while it was open

/**
 * Puts the backup, or an empty store if there is none, in the place of the config's store; a database stays as it is.
 * Writes a key file with a new receipt key and the other two seeds.
 *
 * @throws if a worker runs, the backup is not an intact store, or the new key file exists already; then nothing has
 * changed
 */
export async function restoreStore(
    config: WorkerConfig,
    { backup, keyFile }: { backup: string | undefined; keyFile: string },
): Promise<Restored> {
    const seeds = readKeys(config.keyFile);
    const old = signingKey(seeds.receiptKey).publicKey;
    if (existsSync(keyFile)) {
        throw new Error(`${keyFile} exists already: name a new file for the new keys`);
    }
    const lock = lockKey(old, config.keyFile);
    if (isPostgres(config.store)) {
        try {
            return await restoreDatabase(config.store, seeds, { backup, keyFile });
        } finally {
            lock.release();
        }
    }
    const fresh = `${config.store}.restoring`;
    try {
        remove(fresh);
        if (backup !== undefined) {
            copy(backup, fresh);
        }
        const store = await SqliteWorkerStore.open(fresh);
        let totals: WorkerTotals;
        try {
            await store.assertIntact();
            await store.retire(old);
            totals = await store.totals();
        } finally {
            await store.close();
        }
        const { receiptKey } = writeKeys(keyFile, { encryptionKey: seeds.encryptionKey, wallet: seeds.wallet });
        const replaced = moveAside(config.store);
        renameSync(fresh, config.store);
        return { ...totals, receiptKey: signingKey(receiptKey).publicKey, keyFile, replaced };
    } finally {
        remove(fresh);
        lock.release();
    }
}

async function restoreDatabase(
    url: string,
    { receiptKey: retired, ...seeds }: WorkerSeeds,
    { backup, keyFile }: { backup: string | undefined; keyFile: string },
): Promise<Restored> {
    if (backup !== undefined) {
        throw new Remedied('The backup of a database is no file for this command', {
            remedy: 'restore it with the tools of PostgreSQL, then run this command without --backup',
        });
    }
    const store = await openWorkerStore(url);
    try {
        await store.retire(signingKey(retired).publicKey);
        const { receiptKey } = writeKeys(keyFile, seeds);
        const totals = await store.totals();
        return { ...totals, receiptKey: signingKey(receiptKey).publicKey, keyFile, replaced: undefined };
    } finally {
        await store.close();
    }
}

function copy(from: string, to: string): void {
    // SQLite treats a short file as an empty database.
    if (!startOf(from).equals(HEADER)) {
        throw new Error(`${from} is not a store`);
    }
    copyFileSync(from, to);
    if (existsSync(from + LOG)) {
        copyFileSync(from + LOG, to + LOG);
    }
}

/** As many bytes of a file as a header has: the whole of a store may be longer than a process can read at once. */
function startOf(path: string): Buffer {
    const file = openSync(path, 'r');
    try {
        const start = Buffer.alloc(HEADER.length);
        return start.subarray(0, readSync(file, start));
    } finally {
        closeSync(file);
    }
}

function remove(store: string): void {
    for (const end of ['', LOG, '-shm']) {
        rmSync(store + end, { force: true });
    }
}

// Not deleted, because it may hold vouchers that the backup does not.
function moveAside(store: string): string | undefined {
    if (!existsSync(store)) {
        return undefined;
    }
    const aside = `${store}.replaced-${Date.now()}`;
    renameSync(store, aside);
    if (existsSync(store + LOG)) {
        renameSync(store + LOG, aside + LOG);
    }
    return aside;
}
