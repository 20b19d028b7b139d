/**
 * How many requests of one API key for a model a node may refuse or fail for nothing. A node answers a job no more
 * after 64 queries that brought it nothing, whichever app asked them. So one of several keys must not use that up
 * alone. Each node is counted alone: one that fails whatever it gets, by intent or not, keeps a key from no other.
 *
 * It is counted as nodes do: what they decline has a count of its own, for which no answer makes up, and what they fail
 * is made up for by paid answers to requests of the same kind ({@link mayWriteSpecialTokens}).
 */
import { mayWriteSpecialTokens, type ModelRequest } from '../link';
import { steadySeconds } from '../process/clock';
import { GatewayError } from './errors';

const MAX = 32; // at once
const REFILL_SECONDS = 600; // for one more

/** What is counted of a request: what nodes decline, and what they fail. */
export interface VainCounts {
    declined: string;
    failed: string;
}

/** The names of what is counted of a request of a key. */
export function vainCounts(key: string, request: ModelRequest): VainCounts {
    const of = `${key} ${request.body.model}`;
    return { declined: `declined ${of}`, failed: `${mayWriteSpecialTokens(request) ? 'special' : 'failed'} ${of}` };
}

interface Remaining {
    remaining: number; // at `at`
    at: number; // seconds
}

/** No node is left that may answer a key. */
export const tooManyRefused = (): GatewayError =>
    new GatewayError(
        429,
        'too_many_refused',
        `Nodes of this model refused ${MAX} requests of this key, or failed ${MAX} more than they answered, and no other ` +
            'may answer now: correct them. One more is sent in 10 minutes, and one with each answer that is paid ' +
            'after requests that failed',
        { retryAfter: REFILL_SECONDS },
    );

export class VainRequests {
    private readonly counts = new Map<string, Map<string, Remaining>>(); // by name; then by URL of the worker

    /** In all that follows, `name` is one of {@link vainCounts}. */
    constructor(private readonly now: () => number = steadySeconds) {}

    /** True if a worker refused or failed too many such requests lately. */
    isUsedUp(name: string, worker: string): boolean {
        return this.remaining(name, worker) < 1;
    }

    /** The workers (URL) that refused or failed too many such requests lately. */
    usedUp(name: string): string[] {
        return [...(this.counts.get(name)?.keys() ?? [])].filter((worker) => this.isUsedUp(name, worker));
    }

    /** A worker refused or failed such a request, and nothing was paid. */
    add(name: string, worker: string): void {
        this.set(name, worker, this.remaining(name, worker) - 1);
    }

    /** A worker answered such a request, and was paid. */
    notePaid(name: string, worker: string): void {
        this.set(name, worker, this.remaining(name, worker) + 1);
    }

    private remaining(name: string, worker: string): number {
        const { remaining, at } = this.counts.get(name)?.get(worker) ?? { remaining: MAX, at: this.now() };
        return Math.min(MAX, remaining + (this.now() - at) / REFILL_SECONDS);
    }

    private set(name: string, worker: string, remaining: number): void {
        const workers = this.counts.get(name) ?? new Map<string, Remaining>();
        if (remaining < MAX) {
            workers.set(worker, { remaining: Math.max(0, remaining), at: this.now() });
            this.counts.set(name, workers);
        } else {
            workers.delete(worker);
        }
        if (workers.size === 0) {
            this.counts.delete(name);
        }
    }
}
