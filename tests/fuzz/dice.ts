/** Turns an action's numbers, each below 2^32, into choices. */
export class Dice {
    private place = 0;

    constructor(private readonly numbers: readonly number[]) {}

    below(limit: number): number {
        // Another number each time the list begins anew, so that no two choices are always the same.
        const number =
            this.numbers[this.place % this.numbers.length] + 7919 * Math.floor(this.place / this.numbers.length);
        this.place += 1;
        return number % limit;
    }

    of<T>(list: readonly T[]): T {
        return list[this.below(list.length)];
    }

    /** True once in so many times. */
    once(times: number): boolean {
        return this.below(times) === 0;
    }
}

/** Numbers below 2^32 that look random, by shifts; the same for the same seed. */
export function numbersFrom(seed: number): () => number {
    let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    return () => {
        state ^= state << 13;
        state >>>= 0;
        state ^= state >>> 17;
        state ^= state << 5;
        state >>>= 0;
        return state;
    };
}
