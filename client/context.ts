/** What all parts of a client work with. */
import type { Actor, SigningKey } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { NodeReader } from './chain';
import type { Records } from './records';
import type { ChainAccess, ClientLimits, Fetch, TokenCounters } from './types';

export interface ClientContext {
    network: number;
    market: NodeReader;
    chain: ChainAccess;
    escrow: Address;
    wallet: Actor | undefined; // of the escrow's owner
    spendKey: SigningKey | undefined; // signs orders in the wallet's place
    records: Records;
    limits: ClientLimits;
    counters: TokenCounters;
    fetch: Fetch;
    now: () => number; // unix seconds
    allowPrivate: boolean; // also workers at private addresses
    pollMs: number; // between two readings of the chain
    halted: AbortSignal; // once it begins to close: what runs is cut, and nothing new begins
    /** Runs a task after those before it: an order takes the escrow's next number, so one is under way at a time. */
    turn: <T>(task: () => Promise<T>) => Promise<T>;
    /** Throws once the client is closed: nothing leaves any more. */
    requireOpen: () => void;
}

/** What runs tasks one after another. */
export function turns(): ClientContext['turn'] {
    let last: Promise<unknown> = Promise.resolve();
    return (task) => {
        const done = last.then(task);
        last = done.catch(() => undefined);
        return done;
    };
}
