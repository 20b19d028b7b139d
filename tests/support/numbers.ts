/** Whole numbers below `max`, the same for a seed (mulberry32). */
export function numbers(seed: number): (max: number) => number {
    let state = seed;
    return (max) => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) % max;
    };
}

/** So many bytes of {@link numbers}. */
export function bytesFrom(below: (max: number) => number, length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => below(256)));
}
