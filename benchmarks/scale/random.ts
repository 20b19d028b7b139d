/** Random numbers that follow from a seed, so that a run can be repeated. */

export class Random {
    private state: number;

    constructor(seed: number) {
        this.state = seed >>> 0;
    }

    /** From 0 up to, but not including, 1 (mulberry32). */
    next(): number {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let mixed = this.state;
        mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    }

    exponential(mean: number): number {
        return -mean * Math.log(1 - this.next());
    }

    /** The number of events where `mean` are expected. From 30 on it is drawn from the normal distribution. */
    poisson(mean: number): number {
        if (mean >= 30) {
            return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.normal()));
        }
        const limit = Math.exp(-mean);
        let count = 0;
        for (let product = this.next(); product > limit; product *= this.next()) {
            count++;
        }
        return count;
    }

    private normal(): number {
        return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    }
}
