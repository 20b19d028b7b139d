import type { Kysely } from 'kysely';
import type { Cluster } from './cluster';
import type { Writes } from './writeQueue';

/** A database as the stores use it. */
export interface Engine<Schema> {
    readonly db: Kysely<Schema>;
    readonly writes: Writes<Schema>;
    readonly cluster: Cluster;
    /** Removes what was deleted from wherever the database still has it, as far as it can. */
    scrub(): Promise<void>;
    /** Bytes of deleted content on this machine's disk that new content takes before it needs more of the disk. */
    reusableBytes(): number;
    /** Call it when no write waits. */
    close(): Promise<void>;
}
