/**
 * Keeps new work out before the disk of the store is full. Then the worker could store no end of what it has accepted,
 * and a node that does not answer a demand loses stake. What an answer has beside its text, such as vectors and log
 * probabilities, is stored and not billed by its size, so clients could fill a disk for little money.
 */
import { dirname } from 'node:path';
import { isPostgres } from '../process/storeAddress';
import type { WorkerConfig } from './config';
import { MIN_FREE } from './doctor/machine';
import type { Obstacle } from './intake';

/** Why a worker without room on its disk takes no new work. */
export const NO_ROOM = 'its disk is nearly full';

const READ_SECONDS = 1; // between two readings

type Settings = Pick<WorkerConfig, 'backends' | 'limits' | 'offers' | 'queue' | 'store'>;

/**
 * Bytes that remain free on this machine: for what may be accepted at once, each with the largest answer, unless a
 * database on another machine has the answers; and for everything else.
 */
export function reservedBytes({ backends, limits, offers, queue, store }: Settings): number {
    if (isPostgres(store)) {
        return MIN_FREE;
    }
    const running = backends.reduce((sum, { maxParallel }) => sum + maxParallel, 0);
    return MIN_FREE + (running + queue.max * offers.length) * limits.maxAnswer;
}

/**
 * An obstacle while less than {@link reservedBytes} are free. A database on another machine watches its own disk.
 * `freeBytes`: of the disk of a folder; `steady`: seconds of a clock that nobody sets.
 */
export function diskObstacle(
    settings: Settings,
    freeBytes: (folder: string) => number,
    steady: () => number,
): Obstacle {
    if (isPostgres(settings.store)) {
        return () => undefined;
    }
    const folder = dirname(settings.store);
    const reserved = reservedBytes(settings);
    let readAt = -Infinity;
    let reason: string | undefined;
    return () => {
        if (steady() - readAt >= READ_SECONDS) {
            readAt = steady();
            reason = freeBytes(folder) < reserved ? NO_ROOM : undefined;
        }
        return reason;
    };
}
