/** What the queries of one job, or of all jobs of a client, leave unpaid. Amounts are nanoTON. */
import { larger } from '@cocoon-market/wrappers';
import type { Origin } from './origins';

const STEP_MS = 600_000; // after which a step of dropped work is forgiven

/** Unpaid work of queries that ran or run. */
export class Work {
    open = 0n; // steps of the queries that run
    /** What the prompts of dropped queries may have cost, by job. The oldest is forgiven first. */
    private readonly dropped = new Map<string, bigint>();
    private forgivenAt = performance.now();

    end(step: bigint, dropped: bigint, job: string): void {
        this.open = larger(0n, this.open - step);
        if (dropped > 0n) {
            this.dropped.set(job, this.droppedBy(job) + dropped);
        }
    }

    /** Takes out the work of a job: `open`, and what it has dropped. */
    takeOut(open: bigint, job: string): void {
        this.open = larger(0n, this.open - open);
        this.dropped.delete(job);
    }

    /** What a job has dropped. It is forgiven only when {@link droppedNow} is asked. */
    droppedBy(job: string): bigint {
        return this.dropped.get(job) ?? 0n;
    }

    /** The dropped work that is not forgiven yet. */
    droppedNow(step: bigint): bigint {
        const now = performance.now();
        let forgiven = (step * BigInt(Math.floor(now - this.forgivenAt))) / BigInt(STEP_MS);
        this.forgivenAt = now;
        let sum = 0n;
        for (const [job, dropped] of this.dropped) {
            if (dropped <= forgiven) {
                this.dropped.delete(job);
                forgiven -= dropped;
                continue;
            }
            this.dropped.set(job, dropped - forgiven);
            sum += dropped - forgiven;
            forgiven = 0n;
        }
        return sum;
    }

    /** True if `credit` covers one more step besides what was dropped. */
    isWithin(step: bigint, credit: bigint, maxDropped: bigint): boolean {
        const dropped = this.droppedNow(step);
        return dropped + step <= credit && dropped <= maxDropped * step;
    }

    /** True when one more step leaves no more unpaid than `credit`, with what is `owed`. */
    mayGrow(step: bigint, { owed, credit, maxDropped }: { owed: bigint; credit: bigint; maxDropped: bigint }): boolean {
        const dropped = this.droppedNow(step);
        return owed + this.open + dropped + step <= credit && dropped <= maxDropped * step;
    }
}

/** One job in the account of its client. */
export class JobCredit {
    paid = 0n; // the promise of its newest voucher
    owed = 0n; // prices of results above it
    readonly work = new Work();
    origin: Origin | undefined; // once it is known
    reads = 0; // of its origin
    readAt = 0; // of performance.now(): from when on its origin may be read

    get isStranger(): boolean {
        return this.origin === 'stranger';
    }
}
