const MAX = 64; // signed at once
const REFILL_MS = 600_000; // for one more: some 13,000 or 3 MB in the longest job

/** How many receipts that bring nothing a job may have signed: each stays on the disk as long as the job. */
export class Allowance {
    private remaining = MAX; // at `countedAt`
    private countedAt = performance.now();

    get isEmpty(): boolean {
        return this.now() < 1;
    }

    spend(): void {
        this.set(this.now() - (this.isEmpty ? 0 : 1));
    }

    /** Allows one more receipt. */
    earn(): void {
        this.set(this.now() + 1);
    }

    private set(remaining: number): void {
        this.remaining = remaining;
        this.countedAt = performance.now();
    }

    private now(): number {
        return Math.min(MAX, this.remaining + (performance.now() - this.countedAt) / REFILL_MS);
    }
}
