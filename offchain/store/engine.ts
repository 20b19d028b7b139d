import type { Kysely, QueryExecutorProvider } from 'kysely';
import type { Cluster } from './cluster';
import type { Writes } from './writeQueue';

/**
 * Keeps a key of at least four bytes until the end of a transaction, `alone` or with others that have it `shared`.
 * What the transaction reads after that has all that those before it have written.
 */
export type KeepKey = (t: QueryExecutorProvider, key: Buffer, how: 'alone' | 'shared') => Promise<void>;

/** A database as the stores use it. */
export interface Engine<Schema> {
    readonly db: Kysely<Schema>;
    readonly writes: Writes<Schema>;
    readonly cluster: Cluster;
    /** Left out: one transaction writes at a time. */
    readonly keepKey?: KeepKey;
    /** Removes what was deleted from wherever the database still has it, as far as it can. */
    scrub(): Promise<void>;
    /** Bytes of deleted content on this machine's disk that new content takes before it needs more of the disk. */
    reusableBytes(): number;
    /** Call it when no write waits. */
    close(): Promise<void>;
}
