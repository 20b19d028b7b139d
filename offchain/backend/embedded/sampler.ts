import { randomInt } from 'node:crypto';

/** Chooses the next token. Every stream has its own sampler, so that parallel streams do not affect each other. */
export class Sampler {
    private state: number;

    /**
     * @param temperature 0 always takes the best token, the first of equals
     * @param topP chooses among the fewest best tokens whose probabilities reach it
     * @param seed the same seed gives the same choices; default: random
     */
    constructor(
        private readonly temperature: number,
        private readonly topP: number,
        seed = randomInt(2 ** 32),
    ) {
        this.state = seed | 0;
    }

    pick(logits: Float32Array): number {
        let best = 0;
        for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
        if (this.temperature === 0) return best;

        const weights = Array.from(logits, (score) => Math.exp((score - logits[best]) / this.temperature));
        const order = weights.map((_, token) => token).sort((a, b) => weights[b] - weights[a]);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        let size = 0;
        let mass = 0;
        do mass += weights[order[size++]];
        while (size < order.length && mass < this.topP * total);

        let rest = this.random() * mass;
        for (let i = 0; i < size; i++) {
            rest -= weights[order[i]];
            if (rest < 0) return order[i];
        }
        return order[0]; // only by rounding of the sums
    }

    /** Mulberry32: 32 bits of state are enough for a choice among a thousand tokens, and it is the same everywhere. */
    private random(): number {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    }
}
