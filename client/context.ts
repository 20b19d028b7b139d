/** What all parts of a client work with. */
import type { Actor, SigningKey } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { ChainAccess } from './chain';
import type { TokenCounters } from './counting';
import type { Records } from './records';
import type { Fetch } from './worker';

/** The most that a client signs for, nanoTON. */
export interface ClientLimits {
    /** Of a job: its deposit, and so the sum of its vouchers. */
    job: bigint;
    /** Of one query. */
    query: bigint;
}

export interface ClientContext {
    network: number;
    registry: Address;
    chain: ChainAccess;
    escrow: Address;
    wallet: Actor | undefined; // of the escrow's owner
    spendKey: SigningKey | undefined; // signs orders in the wallet's place
    records: Records;
    limits: ClientLimits;
    counters: TokenCounters;
    fetch: Fetch;
    now: () => number; // unix seconds
    pollMs: number; // between two readings of the chain
    /** Throws once the client is closed: nothing leaves any more. */
    requireOpen: () => void;
}
