/**
 * Keeps new work out before the disk of the store is full. Then the worker could store no end of what it has accepted,
 * and a node that does not answer a demand loses stake. Notes of answers, such as vectors and log probabilities, are
 * stored and not billed by their size. So queries that ask for them are refused earlier, and cannot take the room of
 * text.
 */
import { dirname } from 'node:path';
import { isPostgres } from '../process/storeAddress';
import type { WorkerStore } from '../store/worker';
import type { WorkerConfig } from './config';
import { type Disk, MIN_FREE } from './doctor/machine';

/** Why a worker without room on its disk takes no new work. */
export const NO_ROOM = 'its disk is nearly full';

const READ_SECONDS = 1; // between two readings
const TEXT_PART = 10; // of the disk: one tenth more is kept from notes

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

/** The room on the disk of the store. A database on another machine watches its own disk. */
export class DiskRoom {
    private readAt = -Infinity; // steady seconds
    private free = Infinity; // bytes
    private reusable = 0; // bytes
    private total = 0; // bytes

    /** `steady`: seconds of a clock that nobody sets. */
    constructor(
        private readonly settings: Settings,
        private readonly disk: Disk,
        private readonly store: Pick<WorkerStore, 'reusableBytes'>,
        private readonly steady: () => number,
    ) {}

    /** True while {@link reservedBytes} are free, on the disk or in the file of the store. */
    get hasRoom(): boolean {
        this.read();
        return this.hasFree(reservedBytes(this.settings));
    }

    /** True while a tenth of the disk is free besides. */
    get hasRoomForNotes(): boolean {
        this.read();
        return this.hasFree(reservedBytes(this.settings) + this.total / TEXT_PART);
    }

    // A file of the store does not shrink. Its log and the rest of the machine have no use of what is free in it.
    private hasFree(bytes: number): boolean {
        return this.free >= MIN_FREE && this.free + this.reusable >= bytes;
    }

    private read(): void {
        const { store } = this.settings;
        if (isPostgres(store) || this.steady() - this.readAt < READ_SECONDS) {
            return;
        }
        this.readAt = this.steady();
        const folder = dirname(store);
        this.free = this.disk.freeBytes(folder);
        this.total = this.disk.totalBytes(folder);
        this.reusable = this.store.reusableBytes();
    }
}
