/** The answers that run in this gateway: how many, and how they end when it stops. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from './errors';

/** Why an answer was given up before its end. */
export type Gone = 'client' | 'stopping';

const LOOK_MS = 20;
const LAST_WORDS_MS = 2_000; // for what was cut to say so

export class Answers {
    private readonly running = new Set<AbortController>();
    private stopping = false;

    /** How many run. */
    get count(): number {
        return this.running.size;
    }

    /** A signal for a new answer, and how to say that it ended. Throws 503 while the gateway stops. */
    begin(): { abort: AbortController; end: () => void } {
        if (this.stopping) {
            throw stoppingError();
        }
        const abort = new AbortController();
        this.running.add(abort);
        return { abort, end: () => void this.running.delete(abort) };
    }

    /** Lets nothing begin, waits so many seconds for what runs, then cuts it; resolves when all have ended, or soon after. */
    async stop(seconds: number): Promise<void> {
        this.stopping = true;
        await this.ended(seconds * 1000);
        for (const abort of this.running) {
            abort.abort('stopping' satisfies Gone);
        }
        await this.ended(LAST_WORDS_MS);
    }

    private async ended(ms: number): Promise<void> {
        const until = performance.now() + ms;
        while (this.running.size > 0 && performance.now() < until) {
            await sleep(LOOK_MS);
        }
    }
}

/** The gateway stops, and nothing was delivered. */
export function stoppingError(): GatewayError {
    return new GatewayError(503, 'stopping', 'The gateway is stopping: ask again in a moment');
}
