/**
 * How many requests of one API key for a model a node may refuse or fail for nothing. A node answers a job no more
 * after 64 queries that brought it nothing, whichever app asked them. So one of several keys must not use that up
 * alone. Each node is counted alone: one that fails whatever it gets, by intent or not, keeps a key from no other.
 */
import { steadySeconds } from '../process/clock';
import { GatewayError } from './errors';

const MAX = 32; // at once
const REFILL_SECONDS = 600; // for one more

interface Remaining {
    remaining: number; // at `at`
    at: number; // seconds
}

/** No node is left that may answer a key. */
export const tooManyRefused = (): GatewayError =>
    new GatewayError(
        429,
        'too_many_refused',
        `Nodes of this model refused or failed ${MAX} requests of this key more than they answered, and no other may ` +
            'answer now: correct them. One more is sent in 10 minutes, and one with each answer that is paid',
        { retryAfter: REFILL_SECONDS },
    );

export class VainRequests {
    private readonly byKey = new Map<string, Map<string, Remaining>>(); // and model; then by URL of the worker

    /** In all that follows, `key` names an API key and a model. */
    constructor(private readonly now: () => number = steadySeconds) {}

    /** True if a worker refused or failed too many requests of a key lately. */
    isUsedUp(key: string, worker: string): boolean {
        return this.remaining(key, worker) < 1;
    }

    /** The workers (URL) that refused or failed too many requests of a key lately. */
    usedUp(key: string): string[] {
        return [...(this.byKey.get(key)?.keys() ?? [])].filter((worker) => this.isUsedUp(key, worker));
    }

    /** A worker refused or failed a request of a key, and nothing was paid. */
    add(key: string, worker: string): void {
        this.set(key, worker, this.remaining(key, worker) - 1);
    }

    /** A worker answered a request of a key, and was paid. */
    notePaid(key: string, worker: string): void {
        this.set(key, worker, this.remaining(key, worker) + 1);
    }

    private remaining(key: string, worker: string): number {
        const { remaining, at } = this.byKey.get(key)?.get(worker) ?? { remaining: MAX, at: this.now() };
        return Math.min(MAX, remaining + (this.now() - at) / REFILL_SECONDS);
    }

    private set(key: string, worker: string, remaining: number): void {
        const workers = this.byKey.get(key) ?? new Map<string, Remaining>();
        if (remaining < MAX) {
            workers.set(worker, { remaining: Math.max(0, remaining), at: this.now() });
            this.byKey.set(key, workers);
        } else {
            workers.delete(worker);
        }
        if (workers.size === 0) {
            this.byKey.delete(key);
        }
    }
}
