/** The answers that run in this gateway: how many, and how they end when it stops. */
import { waitUntil } from '../process/tasks';
import { GatewayError } from './errors';

/** Why an answer was cut before its end. */
export type CutReason = 'client' | 'stopping';

const CUT_MS = 2_000; // for a cut answer to tell its client so

export class Answers {
    private readonly running = new Map<AbortController, string>(); // to the name of the key that pays
    private stopping = false;

    /** How many run. */
    get count(): number {
        return this.running.size;
    }

    /** How many run for one key. */
    countOf(key: string): number {
        return [...this.running.values()].filter((name) => name === key).length;
    }

    /**
     * A signal for a new answer, and the function to call at its end. `key`: name of the key that pays. Throws 503
     * while the gateway stops.
     */
    begin(key = ''): { abort: AbortController; end: () => void } {
        if (this.stopping) {
            throw stoppingError();
        }
        const abort = new AbortController();
        this.running.set(abort, key);
        return { abort, end: () => void this.running.delete(abort) };
    }

    /** Lets no answer begin, waits so many seconds for those that run, then cuts them. Resolves soon after. */
    async stop(seconds: number): Promise<void> {
        this.stopping = true;
        await this.untilIdle(seconds * 1000);
        for (const abort of this.running.keys()) {
            abort.abort('stopping' satisfies CutReason);
        }
        await this.untilIdle(CUT_MS);
    }

    // Nobody waits for an answer whose client has gone.
    private untilIdle(maxMs: number): Promise<boolean> {
        const hasGone = ({ signal }: AbortController) => signal.reason === ('client' satisfies CutReason);
        return waitUntil(() => [...this.running.keys()].every(hasGone), { maxMs });
    }
}

/** The gateway stops, and nothing was delivered. */
export function stoppingError(): GatewayError {
    return new GatewayError(503, 'stopping', 'The gateway is stopping: ask again in a moment');
}
