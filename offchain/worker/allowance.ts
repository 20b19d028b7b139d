const MAX = 64; // at once
const REFILL_MS = 600_000; // for one more: some 13,000 receipts or 3 MB in the longest job

/**
 * How often something may be done that brings nothing, such as to sign a receipt: that stays on the disk as long as its
 * job.
 */
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

const NOTE_BYTES = 64_000_000; // at once
const NOTE_REFILL_MS = 86_400_000; // for as much again
const NOTE_BYTES_PER_NANO = 64n; // 64 GB for a TON: about what a disk costs for a month

/**
 * How many bytes of notes may be stored for a client and are not paid for, such as vectors: their size has no price.
 * Below nothing it is as far as the answers went that ran when it was used up.
 */
export class NoteAllowance {
    private remaining = NOTE_BYTES; // at `countedAt`
    private countedAt = performance.now();

    get isEmpty(): boolean {
        return this.now() <= 0;
    }

    spend(bytes: number): void {
        this.set(this.now() - bytes);
    }

    /** A job has paid for so many bytes that it had used of these. */
    giveBack(bytes: number): void {
        this.set(this.now() + bytes);
    }

    private set(remaining: number): void {
        this.remaining = remaining;
        this.countedAt = performance.now();
    }

    private now(): number {
        const { remaining } = this;
        const refilled = remaining + ((performance.now() - this.countedAt) * NOTE_BYTES) / NOTE_REFILL_MS;
        return Math.max(remaining, Math.min(NOTE_BYTES, refilled));
    }
}

/**
 * How many bytes of notes may be stored for one job. What its own vouchers have earned is for it alone: anyone can
 * deploy a channel that names the escrow of a client, and use up what that one may have.
 */
export class JobNotes {
    /** `own`: bytes that its vouchers have earned and it has not used; below nothing, what it has of its client's. */
    constructor(
        private readonly client: NoteAllowance,
        private readonly own: { bytes: number },
    ) {}

    /** A job that has had no more than it has paid for may go below that with the answers that run. */
    get isEmpty(): boolean {
        return this.own.bytes < 0 && this.client.isEmpty;
    }

    spend(bytes: number): void {
        this.client.spend(bytes - Math.min(bytes, Math.max(0, this.own.bytes)));
        this.own.bytes -= bytes;
    }

    /** `paid`: nanoTON that a newer voucher promises more. */
    earn(paid: bigint): void {
        const bytes = Number(paid * NOTE_BYTES_PER_NANO);
        this.client.giveBack(Math.min(bytes, Math.max(0, -this.own.bytes)));
        this.own.bytes += bytes;
    }
}

/** The allowances of one job. */
export interface JobAllowances {
    readonly ownNotes: { bytes: number }; // see JobNotes
    /** nanoTON of vouchers that came while the channel could pay them; undefined before the job was in memory. */
    readonly settled: { amount: bigint | undefined };
    /** Until when (of performance.now()) its queries come after others, for one has let its place stand idle. */
    readonly last: { until: number };
    readonly unpaid: Allowance; // of declines, and fails of queries that never ran
    readonly fails: Allowance; // of other queries that ran; a paid answer to one earns one
    readonly specialFails: Allowance; // of queries that may bring special tokens, and ran; a paid answer to one earns one
}

const MAX_JOBS = 20_000; // whose allowances are remembered; each job has paid for a channel

/** The allowances of jobs, also of those that are not in memory now. */
export class Allowances {
    private readonly jobs = new Map<string, JobAllowances>(); // in the order of use

    of(job: Buffer): JobAllowances {
        const name = job.toString('hex');
        const allowances = this.jobs.get(name) ?? {
            ownNotes: { bytes: 0 },
            settled: { amount: undefined },
            last: { until: -Infinity },
            unpaid: new Allowance(),
            fails: new Allowance(),
            specialFails: new Allowance(),
        };
        this.jobs.delete(name);
        this.jobs.set(name, allowances);
        if (this.jobs.size > MAX_JOBS) {
            this.jobs.delete(this.jobs.keys().next().value!);
        }
        return allowances;
    }
}
