/** Checks of this machine: version of Node.js, key file, lock, store, mark, disk, ports, GPU. They change nothing. */
import { accessSync, constants, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { signingKey } from '@cocoon-market/wrappers';
import { engines } from '../../package.json';
import { assertFreePort } from '../../process/ports';
import { isOnThisMachine } from '../../process/publicAddress';
import { findGpus } from '../../setup/gpus';
import { inspectStore } from '../../store/inspect';
import { lockKey } from '../../store/keyLock';
import { readMark } from '../../store/mark';
import { isPostgres } from '../../process/storeAddress';
import { staleReason, type StoreView } from '../../store/signingGuard';
import type { WorkerConfig, WorkerSeeds } from '../config';
import { blocking, type Check, Failure, skipped, warning } from './finding';

// cspell:ignore bavail, ltnp, statfs
const MiB = 1 << 20;
/** Bytes of the disk below which a store may soon fail. */
export const MIN_FREE = 200 * MiB;
const LOW_FREE = 2048 * MiB;

/** Bytes of the disk of a folder: those that this user can still write, and all. */
export interface Disk {
    freeBytes(folder: string): number;
    totalBytes(folder: string): number;
}

/** What of this machine a test replaces. */
export interface Machine extends Disk {
    nodeVersion: string;
    /** Throws when this user cannot write in the folder. */
    assertWritable(folder: string): void;
}

export const thisMachine: Machine = {
    nodeVersion: process.versions.node,
    freeBytes(folder) {
        const { bavail, bsize } = statfsSync(folder);
        return bavail * bsize;
    },
    totalBytes(folder) {
        const { blocks, bsize } = statfsSync(folder);
        return blocks * bsize;
    },
    assertWritable: (folder) => accessSync(folder, constants.W_OK),
};

/** What to do if store, mark and key file do not belong together. */
export const RESTORE =
    'use the newest store and the mark beside the key file, or "cocoon worker restore" (docs/worker.md, After a disaster)';

/** The mark of a key file. */
export const markOf = (keyFile: string): string => `${keyFile}.mark`;

const numbersOf = (text: string): number[] => text.match(/\d+/g)!.map(Number);

/** The command itself refuses such a version at its start; a program that runs the checks by itself does not. */
export function nodeVersionCheck({ nodeVersion }: Machine): Check {
    return {
        name: 'node-version',
        remedy: `install Node.js ${engines.node}`,
        run: () => {
            const [major, minor] = numbersOf(nodeVersion);
            const ranges = engines.node.split('||').map(numbersOf);
            if (!ranges.some(([lowestMajor, lowestMinor]) => major === lowestMajor && minor >= lowestMinor)) {
                throw new Error(`Node.js ${nodeVersion} is not tried with this program`);
            }
            return `Node.js ${nodeVersion}`;
        },
    };
}

/** `isServing`: the worker of this configuration runs. */
export function processCheck(config: WorkerConfig, seeds: WorkerSeeds, isServing: boolean): Check {
    return {
        name: 'process',
        remedy: 'put the key file where this user may write',
        run: () => {
            if (isServing) {
                return 'this worker runs';
            }
            try {
                const isShared = config.cluster !== undefined;
                lockKey(
                    signingKey(seeds.receiptKey).publicKey,
                    config.keyFile,
                    undefined,
                    undefined,
                    isShared,
                ).release();
            } catch (error) {
                const remedy = 'stop the other process, or give this worker keys of its own';
                throw new Failure((error as Error).message, remedy, true);
            }
            return 'no other process signs with this receipt key';
        },
    };
}

export function storeChecks(config: WorkerConfig, seeds: WorkerSeeds | undefined, isServing: boolean): Check[] {
    const { store: path } = config;
    const damaged = isPostgres(path)
        ? 'start the database, or correct its address ("store") and PGPASSWORD or PGPASSFILE'
        : 'put the store on a local disk, or restore a backup: "cocoon worker restore"';
    const store: Check = {
        name: 'store',
        remedy: damaged,
        run: async () => {
            if (isServing) {
                return `${path} is open in the running worker`;
            }
            let view: StoreView;
            try {
                view = await inspectStore(path, config.cluster !== undefined);
            } catch (error) {
                throw blocking(error, damaged);
            }
            if (!view.exists) {
                return `${path} does not exist yet: the first start makes it`;
            }
            const key = seeds && signingKey(seeds.receiptKey).publicKey;
            const lastKey = view.signing?.receiptKey ?? undefined;
            if (key !== undefined && lastKey !== undefined && !lastKey.equals(key)) {
                if (!view.signing!.retired.some((one) => one.equals(lastKey))) {
                    throw new Failure(
                        `${path} is the store of another key: ${lastKey.toString('hex')} signed with it last`,
                        'name the store of this key in the configuration; ignore this if you changed the receipt key of the node',
                    );
                }
            }
            return `${path} can be read`;
        },
    };
    return [store, ...(seeds === undefined ? [] : [markCheck(config, seeds, isServing)])];
}

function markCheck({ store: path, keyFile, cluster }: WorkerConfig, seeds: WorkerSeeds, isServing: boolean): Check {
    const remedy = RESTORE;
    return {
        name: 'mark',
        remedy,
        run: async () => {
            const key = signingKey(seeds.receiptKey).publicKey;
            const markFile = markOf(keyFile);
            let mark: ReturnType<typeof readMark>;
            try {
                mark = readMark(markFile);
            } catch (error) {
                throw blocking(error, remedy);
            }
            if (isServing) {
                return 'the running worker keeps it';
            }
            let signing;
            try {
                const view = await inspectStore(path, cluster !== undefined);
                if (mark === undefined && view.exists && view.isShared) {
                    return 'there is no mark here yet, and other processes of this key use the store';
                }
                signing = view.exists ? view.signing : undefined;
            } catch {
                return skipped('the store cannot be read');
            }
            const empty = {
                store: Buffer.alloc(0),
                receiptKey: null,
                sequences: new Map<number, number>(),
                retired: [],
            };
            const reason = staleReason(signing ?? empty, key, mark, markFile);
            if (reason !== undefined) {
                throw new Failure(reason, remedy, true);
            }
            return mark === undefined
                ? 'there is no mark, so this must be a new key, or key file, mark and store were not moved together'
                : 'the store is the newest of this key';
        },
    };
}

/** `minFree`: bytes that must be free. */
export function diskCheck(
    { store, keyFile }: Pick<WorkerConfig, 'store' | 'keyFile'>,
    { freeBytes, assertWritable }: Machine,
    minFree = MIN_FREE,
): Check {
    const folders = [...new Set([...(isPostgres(store) ? [] : [dirname(store)]), dirname(keyFile)])];
    return {
        name: 'disk',
        remedy: 'put store and key file into folders that exist, on a local disk that this user may write',
        run: () => {
            for (const folder of folders) {
                try {
                    assertWritable(folder);
                } catch (error) {
                    const { code } = error as NodeJS.ErrnoException;
                    const why = { ENOENT: 'does not exist', ENOTDIR: 'is no folder', EROFS: 'is read-only' }[
                        code ?? ''
                    ];
                    const remedy = 'name a folder that exists and that this user may write for store and keyFile';
                    throw new Failure(`${folder} ${why ?? 'cannot be written by this user'}`, remedy, true);
                }
            }
            const free = Math.min(...folders.map(freeBytes));
            const text = `${Math.floor(free / MiB)} MiB are free`;
            const remedy = 'free space: when the disk is full the worker stops, and accepted queries go unanswered';
            if (free < minFree) {
                throw new Failure(`only ${text}`, remedy);
            }
            return free < LOW_FREE ? warning(`only ${text}`, remedy) : text;
        },
    };
}

/** `isServing`: the worker of this configuration runs, so its ports are its own. */
export function portCheck({ listen, metrics }: WorkerConfig, isServing: boolean): Check {
    return {
        name: 'port',
        remedy: 'name another port under "listen" or "metrics", or stop the program that has it',
        run: async () => {
            const doors = [{ name: 'listen', ...listen }, ...(metrics ? [{ name: 'metrics', ...metrics }] : [])];
            if (isServing) {
                return 'the running worker listens';
            }
            for (const { name, host, port } of doors) {
                await assertFreePort({ host, port }).catch((error: NodeJS.ErrnoException) => {
                    const text = `${host}:${port} ("${name}")`;
                    const remedy = `name another port under "${name}", or stop the program that has it (ss -ltnp)`;
                    if (error.code === 'EADDRINUSE') {
                        throw new Failure(`another program listens at ${text}`, remedy, true);
                    }
                    const why = `nothing can listen at ${text}: ${error.code ?? error.message}`;
                    throw new Failure(
                        why,
                        `name an address of this machine and a port of this user under "${name}"`,
                        true,
                    );
                });
            }
            return doors.map(({ host, port }) => `${host}:${port} is free`).join(', ');
        },
    };
}

/** `urls`: where the model servers are. */
export function gpuCheck(urls: readonly string[]): Check {
    const remedy = 'mend the driver until its tool lists the GPU; after an update of the driver restart the machine';
    return {
        name: 'gpu',
        remedy,
        seconds: 15,
        run: async () => {
            if (urls.length === 0) {
                return skipped('the embedded model needs no GPU');
            }
            if (!urls.some(isOnThisMachine)) {
                return skipped('the model server is on another machine');
            }
            const { found, problems } = await findGpus();
            if (problems.length > 0) {
                throw new Failure(problems.join('; '), remedy);
            }
            return found.length > 0
                ? found.map(({ model, gpus, vram }) => `${gpus} × ${model}, ${vram} GB`).join('; ')
                : warning(
                      'neither nvidia-smi nor amd-smi is installed here',
                      'install the tool of the GPU; ignore this if the model server runs in another container or on a CPU',
                  );
        },
    };
}
