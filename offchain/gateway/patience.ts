import { ClientGone } from './errors';

const all = new WeakMap<Promise<unknown>, Set<() => void>>();

/**
 * What a promise gives, but no later than its client goes away. A promise that outlives many clients keeps nothing of
 * those who have gone.
 *
 * @throws ClientGone once `signal` is aborted
 */
export async function whileThere<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    const waiting = waitingFor(promise);
    requireThere(signal);
    let end!: () => void;
    await new Promise<void>((resolve) => {
        end = resolve;
        waiting.add(end);
        signal.addEventListener('abort', end);
    });
    waiting.delete(end);
    signal.removeEventListener('abort', end);
    requireThere(signal);
    return promise;
}

/** Throws {@link ClientGone} once `signal` is aborted. */
export function requireThere(signal: AbortSignal): void {
    if (signal.aborted) {
        throw new ClientGone('the client went away');
    }
}

// One reaction of the promise for all who wait for it, which also takes its error when they have gone.
function waitingFor(promise: Promise<unknown>): Set<() => void> {
    const existing = all.get(promise);
    if (existing !== undefined) {
        return existing;
    }
    const waiting = new Set<() => void>();
    const end = () => {
        all.delete(promise);
        waiting.forEach((resolve) => resolve());
    };
    all.set(promise, waiting);
    promise.then(end, end);
    return waiting;
}
