/** How much one model is used, so that the next job is opened before it is needed. Pure: times are given in seconds. */

const AVERAGED = 120; // seconds over which use is averaged
/** Part of the slots that are taken on average, above which there are too few. */
export const BUSY = 0.75;

/** What the open jobs of a model can still take. */
export interface Room {
    available: bigint; // nanoTON that new queries may be promised
    slots: number; // queries at once
}

export class ModelUsage {
    private rate = 0; // nanoTON a second, as it was at `spentAt`
    private spentAt = 0;
    private average = 0; // of queries at once, as it was at `changedAt`
    private current = 0; // queries at once
    private changedAt: number | undefined;

    /** Counts what queries cost, nanoTON. */
    addCost(amount: bigint, now: number): void {
        this.rate = this.rateAt(now) + Number(amount) / AVERAGED;
        this.spentAt = now;
    }

    /** So many queries run, or wait for a job, from now on. */
    setCurrent(count: number, now: number): void {
        this.average = this.averageAt(now);
        this.changedAt = now;
        this.current = count;
    }

    /** nanoTON a second. */
    rateAt(now: number): number {
        return this.rate * Math.exp(-(now - this.spentAt) / AVERAGED);
    }

    /** Queries at once, on average. */
    averageAt(now: number): number {
        const remaining = Math.exp(-(now - (this.changedAt ?? now)) / AVERAGED);
        return this.average * remaining + this.current * (1 - remaining);
    }

    /** Why the open jobs will not be enough for so many seconds of the same use; undefined if they will. */
    shortage({ available, slots }: Room, seconds: number, now: number): 'money' | 'slots' | undefined {
        if (this.rateAt(now) * seconds > Number(available)) {
            return 'money';
        }
        return this.averageAt(now) > BUSY * slots ? 'slots' : undefined;
    }
}
