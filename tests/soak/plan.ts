/** What a soak does and when: it follows from the seed, so that a run can be repeated. */

/** Numbers from 0 to 1, the same for each run with one seed (mulberry32). */
export type Random = () => number;

export function randomOf(seed: number): Random {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

export const victims = ['worker-1', 'worker-2', 'gateway', 'endpoint', 'backend'] as const;
export type Victim = (typeof victims)[number];

/** They are spared in the second half, because memory and handles say something over a long life only. */
export const survivors: readonly Victim[] = ['worker-2', 'gateway'];

/** One SIGKILL. */
export interface Kill {
    at: number; // milliseconds after the start of the load
    victim: Victim;
    downMs: number; // until it is started again
}

/** The part of a run after which nothing is killed, so that it ends with everything running. */
export const LAST_KILL = 0.9;

const MAX_DOWN_MS = 4000;

/**
 * The kills of a run of `durationMs`, about one in `everyMs`. Each round kills every victim once, in random
 * order.
 */
export function killsOf(random: Random, durationMs: number, everyMs: number): Kill[] {
    const kills: Kill[] = [];
    let round: Victim[] = [];
    for (let at = everyMs; at < LAST_KILL * durationMs; at += everyMs * (0.5 + random())) {
        const allowed = at < durationMs / 2 ? victims : victims.filter((one) => !survivors.includes(one));
        round = round.filter((one) => allowed.includes(one));
        round = round.length > 0 ? round : shuffled(random, allowed);
        kills.push({ at: Math.round(at), victim: round.pop()!, downMs: Math.round(random() * MAX_DOWN_MS) });
    }
    return kills;
}

/** The items in random order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
    const rest = [...items];
    return items.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0]);
}
