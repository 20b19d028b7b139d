/**
 * What clients owe over all their jobs, a client being an escrow. Credit grows from little: who has paid nothing gets a
 * step of work at a time, and more at once only as vouchers come. See rule 5 in docs/protocol.md. Amounts are nanoTON.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const MAX_CLIENTS = 10_000; // kept in memory; each has paid for an escrow
const DROPPED_STEPS = 8n; // of work that a client may drop before its answer, whatever it has paid
const STEP_MS = 600_000; // after which a step of dropped work is forgiven
const LOOK_MS = 500;

/** One client. */
export class Client {
    private readonly jobs = new Map<string, { paid: bigint; owed: bigint }>();
    private open = 0n; // steps of the queries that run
    private dropped = 0n; // what the prompts of dropped queries may have cost
    private droppedAt = performance.now();
    private readonly waiting = new Set<() => void>();

    /** `steps`: of unpaid work for a client that has paid nothing. */
    constructor(private readonly steps: number) {}

    get isIdle(): boolean {
        return this.open === 0n && this.waiting.size === 0;
    }

    /** Notes what a job's vouchers promise and its results cost. */
    note(job: Buffer, { paid, cumulative }: { paid: bigint; cumulative: bigint }): void {
        this.jobs.set(job.toString('hex'), { paid, owed: cumulative > paid ? cumulative - paid : 0n });
        this.wake();
    }

    /** True when there is credit for one more query that may leave a step unpaid. */
    mayStart(step: bigint): boolean {
        this.forgive(step);
        const { paid, owed } = [...this.jobs.values()].reduce(
            (sum, job) => ({ paid: sum.paid + job.paid, owed: sum.owed + job.owed }),
            { paid: 0n, owed: 0n },
        );
        const unpaid = owed + this.open + this.dropped + step;
        return unpaid <= BigInt(this.steps) * step + paid && this.dropped <= DROPPED_STEPS * step;
    }

    /** A query ended that had started; `dropped`: what its prompt may have cost, when its client left it unpaid. */
    end(step: bigint, dropped: bigint): void {
        this.open -= step;
        this.dropped += dropped;
        this.wake();
    }

    /**
     * Starts a query as soon as there is credit; false once `signal` is aborted, or when for `seconds` nothing of this client
     * ran and there was none.
     */
    async startInTime(step: bigint, seconds: number, signal: AbortSignal): Promise<boolean> {
        let patience = performance.now() + seconds * 1000;
        while (!signal.aborted) {
            if (this.mayStart(step)) {
                this.open += step;
                return true;
            }
            if (this.open > 0n) {
                patience = performance.now() + seconds * 1000; // what runs is about to be paid
            } else if (performance.now() > patience) {
                return false;
            }
            await this.change(signal);
        }
        return false;
    }

    private async change(signal: AbortSignal): Promise<void> {
        let resolve!: () => void;
        const changed = new Promise<void>((done) => (resolve = done));
        this.waiting.add(resolve);
        const over = new AbortController();
        const pause = sleep(LOOK_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(
            () => undefined,
        );
        await Promise.race([changed, pause]);
        over.abort();
        this.waiting.delete(resolve);
    }

    private wake(): void {
        this.waiting.forEach((resolve) => resolve());
    }

    private forgive(step: bigint): void {
        const now = performance.now();
        const forgiven = (step * BigInt(Math.floor(now - this.droppedAt))) / BigInt(STEP_MS);
        this.dropped = forgiven > this.dropped ? 0n : this.dropped - forgiven;
        this.droppedAt = now;
    }
}

/** The clients of one worker; a restart forgets them, and finds what their jobs have paid again. */
export class Clients {
    private readonly clients = new Map<string, Client>();

    constructor(private readonly steps: number) {}

    of(escrow: Buffer): Client {
        const key = escrow.toString('hex');
        const client = this.clients.get(key) ?? new Client(this.steps);
        this.clients.delete(key); // and in again at the end, so that the map's order is that of use
        this.clients.set(key, client);
        for (const [name, { isIdle }] of this.clients) {
            if (this.clients.size <= MAX_CLIENTS) {
                break;
            }
            if (isIdle && name !== key) {
                this.clients.delete(name);
            }
        }
        return client;
    }
}
