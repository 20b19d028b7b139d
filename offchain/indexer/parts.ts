/** What an indexer is made of. */
import type { Address } from '@ton/core';
import type { Source } from './source';
import type { IndexStore } from './store';

/** Limits of following. */
export interface FollowLimits {
    maxUndoSeconds: number; // older transactions are never undone
    maxSize: number; // transactions; an account that anyone may fill is not followed if it has more
    finalSeconds: number; // after its end a channel is looked at no more
    slowSeconds: number; // of a pass, after which an account that anyone may fill is read on with the next one
    lagSeconds: number; // by which an endpoint may be behind another one
    maxUnused: number; // escrows without a transaction that one pass asks for again: anyone may announce demand
    confirmAfter: number; // transactions of one reading, after which the other endpoints are asked for the newest
}

export interface IndexerParts {
    source: Source;
    /** The same endpoints one by one, where there are several: they must have the same histories. */
    witnesses?: readonly Source[];
    store: IndexStore;
    registry: Address;
    network: number;
    limits?: Partial<FollowLimits>;
    /** Unix seconds; by default the clock of this machine. */
    now?: () => number;
    /** Called with a sentence about what the endpoint did wrong, or what was undone. */
    onNotice?: (sentence: string) => void;
}
