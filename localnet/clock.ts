/** The network's time. It never goes back, because no account accepts a transaction older than its last. */

/** 'wall' follows real time plus whatever was advanced; 'manual' stands still until advanced. */
export type ClockMode = 'wall' | 'manual';

export class NetworkClock {
    /** Called after the time was moved. */
    onMove: () => void = () => undefined;
    private offset = 0;
    private latest = 0;

    /** @param start unix seconds to begin at; real time if left out */
    constructor(
        readonly mode: ClockMode,
        start?: number,
    ) {
        if (mode === 'manual') {
            this.latest = start ?? realTime();
        } else if (start !== undefined) {
            this.offset = start - realTime();
        }
    }

    /** Unix seconds. */
    now(): number {
        if (this.mode === 'wall') {
            // The machine's own clock may be set back under us.
            this.latest = Math.max(this.latest, realTime() + this.offset);
        }
        return this.latest;
    }

    /** Moves time forward to unix second `time`; refuses to go back. */
    set(time: number): void {
        const now = this.now();
        if (!Number.isSafeInteger(time) || time < now || time >= 2 ** 32) {
            throw new RangeError(`time only goes forward: it is ${now}, asked for ${time}`);
        }
        this.offset += time - now;
        this.latest = time;
        this.onMove();
    }

    /** Sets the time to any unix second, also an earlier one. The network's accounts must go back with it. */
    restore(time: number): void {
        this.offset = time - realTime();
        this.latest = time;
    }

    /** Moves time forward by whole seconds. */
    advance(seconds: number): void {
        this.set(this.now() + seconds);
    }
}

function realTime(): number {
    return Math.floor(Date.now() / 1000);
}
