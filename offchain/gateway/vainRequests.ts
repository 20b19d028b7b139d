/**
 * How many requests of one API key for a model a node may refuse or fail for nothing. A node answers a job no more
 * after 64 queries that brought it nothing, whichever app asked them. So one of several keys must not use that up
 * alone. Each node is counted alone: one that fails whatever it gets, by intent or not, keeps a key from no other.
 *
 * It is counted as nodes do: what they decline has a count of its own, for which no answer makes up, and what they fail
 * is made up for by paid answers to requests of the same kind ({@link mayWriteSpecialTokens}). Nodes decline all of the
 * kind that may bring special tokens once another key has brought them, so these use up half of what they may decline.
 */
import { mayWriteSpecialTokens, type ModelRequest } from '../link';
import { steadySeconds } from '../process/clock';
import { GatewayError } from './errors';

const MAX = 32; // at once
const REFILL_SECONDS = 600; // for one more
const SPECIAL_DECLINE = 2; // of MAX, for one decline in the count of requests with special tokens

/** The names of the counts to which a request belongs. */
export interface VainCounts {
    declined: string; // by nodes, of all requests of the key for the model
    specialDeclined?: string; // of those alone that may bring special tokens; left out for others
    failed: string; // by nodes; those that may bring special tokens have a count apart
}

/** The counts to which a request of a key belongs. */
export function vainCounts(key: string, request: ModelRequest): VainCounts {
    const of = `${key} ${request.body.model}`;
    const declined = `declined ${of}`;
    return mayWriteSpecialTokens(request)
        ? { declined, specialDeclined: `special declined ${of}`, failed: `special failed ${of}` }
        : { declined, failed: `failed ${of}` };
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
        `Nodes of this model refused ${MAX} requests of this key, or ${MAX / SPECIAL_DECLINE} with special tokens, or ` +
            `failed ${MAX} more than they answered, and no other may answer now: correct them. One more is sent in 10 ` +
            'minutes, and one with each answer that is paid after requests that failed',
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

    /** {@link usedUp} of each count to which a request belongs. */
    allUsedUp({ declined, specialDeclined = declined, failed }: VainCounts): string[] {
        return [...new Set([declined, specialDeclined, failed])].flatMap((name) => this.usedUp(name));
    }

    /** A worker declined a request. */
    addDeclined({ declined, specialDeclined }: VainCounts, worker: string): void {
        this.add(declined, worker);
        if (specialDeclined !== undefined) {
            this.add(specialDeclined, worker, SPECIAL_DECLINE);
        }
    }

    /** A worker refused or failed such a request, and nothing was paid. */
    add(name: string, worker: string, count = 1): void {
        this.set(name, worker, this.remaining(name, worker) - count);
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
