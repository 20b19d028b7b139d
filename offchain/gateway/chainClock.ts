/** How far this machine's clock is from the chain's. Nobody is blamed for a time before the two were compared. */

import type { ClockReading } from '../payer/check';

const FRESH_SECONDS = 600; // an older comparison says nothing

export class ChainClock {
    private comparison: { offset: number; at: number } | undefined;

    /** `now`: unix seconds of this machine; `tolerance`: seconds that a node's times may be off. */
    constructor(
        private readonly now: () => number,
        private readonly tolerance: number,
    ) {}

    /** What the times of nodes are compared with. */
    read(): ClockReading {
        return { now: this.now(), tolerance: this.tolerance, offset: this.offset };
    }

    /** Compares with the chain's time (unix seconds) in an answer that just came. */
    compare(at: number): void {
        const now = this.now();
        this.comparison = { offset: at - now, at: now };
    }

    /** Seconds by which the chain's clock is ahead of this machine's; undefined if that was not compared lately. */
    get offset(): number | undefined {
        const { comparison } = this;
        return comparison === undefined || Math.abs(this.now() - comparison.at) > FRESH_SECONDS
            ? undefined
            : comparison.offset;
    }
}
