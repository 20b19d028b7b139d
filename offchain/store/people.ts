/** What the gateway stores about the people who use it: their API keys, and what each key used on each day (UTC). */
import type { TokenCounts } from '@cocoon-market/wrappers';
import type { Cluster } from './cluster';

/** One API key. Only its hash is stored. */
export interface StoredApiKey {
    name: string;
    hash: Buffer; // SHA-256 of the key
    daily: bigint | null; // nanoTON that it may spend in a day (UTC); null: no limit
    monthly: bigint | null; // nanoTON that it may spend in a month (UTC)
    models: string[] | null; // that it may use; null: all
    createdAt: number; // unix seconds
    expiresAt: number | null; // unix seconds
    revokedAt: number | null; // unix seconds
}

/** What a usage row is about. `apiKey` is the name of the key, '' for queries without one; `worker` is a URL. */
export interface UsageSlot {
    day: number; // days since 1970 (UTC) of the moment when the queries were asked
    apiKey: string;
    model: string;
    worker: string;
}

/** Answered queries of one slot. */
export interface StoredUsage extends UsageSlot, TokenCounts {
    queries: number;
    cost: bigint; // nanoTON
}

/** What one ended query adds to the usage. */
export interface UsedQuery {
    model: string;
    worker: string; // URL
    cost: bigint; // nanoTON
    tokens?: TokenCounts; // as its result says; absent if there is none
}

/** What a query without an ending may still cost. */
export interface OpenCost {
    member: number | null; // that has its job; null if no job is stored
    job: number;
    number: number;
    apiKey: string; // name
    askedAt: number; // unix seconds
    ceiling: bigint; // nanoTON
}

/** The part of the gateway's store that is about people. Promises of writes resolve after their COMMIT. */
export interface PeopleStore {
    /** This process among those that share the store. */
    readonly cluster: Cluster;
    /** All keys, also revoked ones, by name. Another process may have changed them. */
    apiKeys(): Promise<StoredApiKey[]>;
    /** The key of a name, also a revoked one; undefined if there is none. */
    apiKey(name: string): Promise<StoredApiKey | undefined>;
    /** Stores a key in the place of another of its name. */
    saveApiKey(key: StoredApiKey): Promise<void>;
    /** The usage of a day (days since 1970) and of all days after it, of all keys or of one, by all processes. */
    usage(sinceDay: number, apiKey?: string): Promise<StoredUsage[]>;
    /** The queries with a key, or of one key, that have no ending, of all processes. */
    openCosts(apiKey?: string): Promise<OpenCost[]>;
}

const DAY = 86_400; // seconds

/** The day (days since 1970, UTC) of a moment in unix seconds. */
export const dayOf = (seconds: number): number => Math.floor(seconds / DAY);

/** The date of a day, such as 2026-11-29. */
export const dateOf = (day: number): string => new Date(day * DAY * 1000).toISOString().slice(0, 10);
