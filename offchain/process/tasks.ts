/** Work that a process does in the background, and how it ends before the store is closed. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Tasks that may still write, and a signal that tells them to wait for nothing more. */
export class Tasks {
    private readonly stopping = new AbortController();
    private readonly running = new Set<Promise<unknown>>();

    constructor() {
        setMaxListeners(0, this.stopping.signal); // each task that waits adds one
    }

    get isStopping(): boolean {
        return this.stopping.signal.aborted;
    }

    /** Aborted by {@link close}. */
    get signal(): AbortSignal {
        return this.stopping.signal;
    }

    /** Counts a task among those that {@link close} waits for; the task itself handles its errors. */
    add<T>(task: Promise<T>): Promise<T> {
        const tracked = task.finally(() => this.running.delete(tracked));
        this.running.add(tracked);
        return tracked;
    }

    /** Waits so long, or until {@link close}. */
    async pause(ms: number): Promise<void> {
        await sleep(ms, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
    }

    /**
     * Polls, at least once, until `holds`; false if it did not in so many polls, within `maxMs` milliseconds, or before
     * {@link close}.
     */
    async until(
        holds: () => Promise<boolean>,
        { polls, ms, maxMs = Infinity }: { polls: number; ms: number; maxMs?: number },
    ): Promise<boolean> {
        const end = performance.now() + maxMs;
        for (let poll = 1; ; poll++) {
            if (await holds()) {
                return true;
            }
            if (poll === polls || this.isStopping || performance.now() > end) {
                return false;
            }
            await this.pause(ms);
        }
    }

    /**
     * Repeats a step until it is done, or until {@link close}, with growing pauses. A step that fails is reported. A
     * pause is over when the promise of `woken` resolves.
     */
    async retry(
        step: (attempt: number) => Promise<boolean>,
        pausesMs: readonly number[],
        onError: (error: unknown) => void,
        woken?: () => Promise<void>,
    ): Promise<void> {
        for (let attempt = 0; !this.isStopping; attempt++) {
            try {
                if (await step(attempt)) {
                    return;
                }
            } catch (error) {
                onError(error);
            }
            const pause = this.pause(pausesMs[Math.min(attempt, pausesMs.length - 1)]);
            await (woken === undefined ? pause : Promise.race([pause, woken()]));
        }
    }

    /** Ends all waiting; resolves when every task is over, also those that others began meanwhile. */
    async close(): Promise<void> {
        this.stopping.abort();
        while (this.running.size > 0) {
            await Promise.allSettled(this.running);
        }
    }
}

/** Runs an action once at a time for each key: whoever asks meanwhile gets the same promise. */
export class SingleFlight<Key, Result> {
    private readonly flights = new Map<Key, Promise<Result>>();

    run(key: Key, action: () => Promise<Result>): Promise<Result> {
        const flight = this.flights.get(key) ?? action().finally(() => this.flights.delete(key));
        this.flights.set(key, flight);
        return flight;
    }
}

/** True once a promise has resolved; false after `ms` milliseconds, while it goes on. Throws what it throws in time. */
export async function resolvesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(ms, false, { signal: over.signal, ref: false }).catch(() => false);
    try {
        return await Promise.race([promise.then(() => true), late]);
    } finally {
        over.abort();
        promise.catch(() => undefined); // nobody may wait for it any more
    }
}

/** Polls, at least once, until `holds`; false if it did not within `maxMs` milliseconds. Keeps the process alive. */
export async function waitUntil(
    holds: () => boolean | Promise<boolean>,
    { maxMs, pollMs = 20 }: { maxMs: number; pollMs?: number },
): Promise<boolean> {
    const end = performance.now() + maxMs;
    while (!(await holds())) {
        if (performance.now() >= end) {
            return false;
        }
        await sleep(pollMs);
    }
    return true;
}

/** Repeats a round with pauses between, one at a time. A round that fails is reported and the next one tries again. */
export class PollLoop {
    private isStopping = false;
    private woken = new AbortController();
    private running: Promise<void> | undefined;

    constructor(
        private readonly round: () => Promise<unknown>,
        private readonly pauseMs: number | (() => number),
        private readonly onError: (error: unknown) => void,
    ) {}

    /** Starts with a round. */
    start(): void {
        this.running = this.run();
    }

    /** Starts with a pause. */
    startLater(): void {
        this.running = this.pause().then(() => this.run());
    }

    /** The next round begins now, or as soon as the current one is over. */
    wake(): void {
        this.woken.abort();
    }

    /** Resolves when the current round is over; no other begins. */
    async stop(): Promise<void> {
        this.isStopping = true;
        this.woken.abort();
        await this.running;
    }

    private async run(): Promise<void> {
        while (!this.isStopping) {
            this.woken = new AbortController();
            try {
                await this.round();
            } catch (error) {
                this.onError(error);
            }
            await this.pause();
        }
    }

    private async pause(): Promise<void> {
        const ms = typeof this.pauseMs === 'number' ? this.pauseMs : this.pauseMs();
        // One signal of its own: those that AbortSignal.any makes of one that lasts would stay in memory.
        await sleep(ms, undefined, { signal: this.woken.signal }).catch(() => undefined);
    }
}
