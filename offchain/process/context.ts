import type { Logger } from 'pino';

/** What every part of a process shares, whichever process it is. */
export interface ProcessContext<Settings, Store> {
    readonly config: Settings;
    readonly store: Store;
    readonly log: Logger;
    /** Unix seconds. */
    now(): number;
}
