/**
 * How many requests of one API key nodes may refuse or fail for nothing. A node answers a job no more after 64 queries
 * that brought it nothing, whichever app asked them. So one of several keys must not use that up alone.
 */
import { steadySeconds } from '../process/clock';
import { GatewayError } from './errors';

const MAX = 32; // at once
const REFILL_SECONDS = 600; // for one more

export class VainRequests {
    private readonly byKey = new Map<string, { remaining: number; at: number }>();

    constructor(private readonly now: () => number = steadySeconds) {}

    /** Throws 429 if too many requests of a key were refused or failed lately. */
    require(key: string): void {
        if (this.remaining(key) < 1) {
            throw new GatewayError(
                429,
                'too_many_refused',
                `The nodes refused or failed ${MAX} requests of this key more than they answered: correct them. One more ` +
                    'is sent in 10 minutes, and one with each answer that is paid',
                { retryAfter: REFILL_SECONDS },
            );
        }
    }

    /** A node refused or failed a request of a key, and nothing was paid. */
    add(key: string): void {
        this.set(key, this.remaining(key) - 1);
    }

    /** A request of a key was answered and paid, by the first node that was asked. */
    notePaid(key: string): void {
        this.set(key, this.remaining(key) + 1);
    }

    private remaining(key: string): number {
        const { remaining, at } = this.byKey.get(key) ?? { remaining: MAX, at: this.now() };
        return Math.min(MAX, remaining + (this.now() - at) / REFILL_SECONDS);
    }

    private set(key: string, remaining: number): void {
        if (remaining < MAX) {
            this.byKey.set(key, { remaining: Math.max(0, remaining), at: this.now() });
        } else {
            this.byKey.delete(key);
        }
    }
}
