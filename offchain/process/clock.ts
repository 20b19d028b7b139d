/** The two clocks of a process. */

/** Unix seconds by the clock of this machine, which somebody may set. */
export const unixSeconds = (): number => Math.floor(Date.now() / 1000);

/** Seconds by a clock that nobody sets: it measures how long something lasted. */
export const steadySeconds = (): number => performance.now() / 1000;
