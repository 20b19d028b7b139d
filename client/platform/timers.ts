/** What long computations in pieces take of node:timers. The build for browsers has this file in its place. */

/** Runs `work` in a later turn of the event loop. */
export function setImmediate(work: () => void): void {
    setTimeout(work, 0);
}
