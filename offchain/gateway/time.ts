/** How far this machine's clock is from the chain's. Nobody is blamed for a time before the two were compared. */

const FRESH_SECONDS = 600; // a comparison is as good as its age

export class ChainClock {
    private seen: { offset: number; at: number } | undefined;

    /** `now`: unix seconds of this machine. */
    constructor(private readonly now: () => number) {}

    /** Notes the chain's time (unix seconds) as an answer of the API just told it. */
    saw(at: number): void {
        const now = this.now();
        this.seen = { offset: at - now, at: now };
    }

    /** Seconds by which the chain's clock is ahead of this machine's; undefined when that was not compared lately. */
    get offset(): number | undefined {
        const { seen } = this;
        return seen === undefined || Math.abs(this.now() - seen.at) > FRESH_SECONDS ? undefined : seen.offset;
    }
}
