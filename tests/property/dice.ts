/** Turns an action's numbers, each below 2^32, into choices. */
export class Dice {
    private at = 0;

    constructor(private readonly numbers: number[]) {}

    below(limit: number): number {
        return this.numbers[this.at++ % this.numbers.length] % limit;
    }

    of<T>(list: readonly T[]): T {
        return list[this.below(list.length)];
    }
}
