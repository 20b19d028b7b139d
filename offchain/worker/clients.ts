/**
 * The credit of clients over all their jobs; a client is an escrow. Credit starts small: a client that has paid nothing
 * gets `startSteps` steps of unpaid work, and more only as its vouchers come. Anyone can deploy a channel that names
 * the escrow of another, so what a job has paid itself is always credit for it, whatever other jobs of the escrow owe.
 * See docs/protocol.md. Amounts are nanoTON.
 */
import { larger } from '@cocoon-market/wrappers';
import { Allowances, NoteAllowance } from './allowance';

const MAX_CLIENTS = 10_000; // in memory; each has paid for an escrow
const MAX_JOBS = 1000; // of a client in memory, and more only while they owe
const MAX_DROPPED_STEPS = 8n; // of work that a client may drop before its answer, whatever it has paid
const STEP_MS = 600_000; // after which a step of dropped work is forgiven
const POLL_MS = 500;
const NO_JOB: Buffer = Buffer.alloc(0); // of a query that counts for no job

interface JobCredit {
    paid: bigint; // the promise of its newest voucher
    owed: bigint; // prices of results above it
    readonly work: Work;
}

/** Unpaid work of queries that ran or run. */
class Work {
    open = 0n; // steps of the queries that run
    private dropped = 0n; // what the prompts of dropped queries may have cost
    private forgivenAt = performance.now();

    end(step: bigint, dropped: bigint): void {
        this.open = larger(0n, this.open - step);
        this.dropped += dropped;
    }

    /** The dropped work that is not forgiven yet. */
    droppedNow(step: bigint): bigint {
        const now = performance.now();
        const forgiven = (step * BigInt(Math.floor(now - this.forgivenAt))) / BigInt(STEP_MS);
        this.dropped = forgiven > this.dropped ? 0n : this.dropped - forgiven;
        this.forgivenAt = now;
        return this.dropped;
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

interface Waiting {
    step: bigint;
    job: string;
    mayRun: () => boolean; // by the credit of its job
    patienceMs: number;
    deadline: number; // of performance.now()
    end: (started: boolean) => void;
}

export class ClientAccount {
    readonly notes = new NoteAllowance();
    private readonly jobs = new Map<string, JobCredit>();
    private paid = 0n; // by all these jobs
    private owed = 0n;
    private readonly work = new Work();
    private readonly waiting = new Set<Waiting>(); // in the order in which they came
    private timer: NodeJS.Timeout | undefined; // while queries wait

    /** `startSteps`: of unpaid work for a client that has paid nothing. */
    constructor(private readonly startSteps: number) {}

    get isIdle(): boolean {
        return this.work.open === 0n && this.waiting.size === 0;
    }

    /** Notes the promise of a job's vouchers and the price of its results. */
    noteJob(job: Buffer, { promised: paid, cumulative }: { promised: bigint; cumulative: bigint }): void {
        const name = job.toString('hex');
        const work = this.jobs.get(name)?.work ?? new Work();
        this.setJob(name, { paid, owed: cumulative > paid ? cumulative - paid : 0n, work });
        if (this.jobs.size > MAX_JOBS) {
            const [first, oldest] = this.jobs.entries().next().value!;
            this.setJob(first, oldest.owed > 0n ? oldest : undefined);
        }
        this.startWaiting();
    }

    /** Puts a job at the end, or takes it out. */
    private setJob(name: string, job: JobCredit | undefined): void {
        const previous = this.jobs.get(name);
        this.paid += (job?.paid ?? 0n) - (previous?.paid ?? 0n);
        this.owed += (job?.owed ?? 0n) - (previous?.owed ?? 0n);
        this.jobs.delete(name);
        if (job !== undefined) {
            this.jobs.set(name, job);
        }
    }

    /** True when there is credit for another query of a job, which may leave a step unpaid. */
    mayStart(step: bigint, job = NO_JOB): boolean {
        return this.mayAll(step) || this.mayAlone(step, job.toString('hex'));
    }

    private mayAll(step: bigint): boolean {
        const credit = BigInt(this.startSteps) * step + this.paid;
        return this.work.mayGrow(step, { owed: this.owed, credit, maxDropped: MAX_DROPPED_STEPS });
    }

    /** By what the job has paid itself. */
    private mayAlone(step: bigint, job: string): boolean {
        const own = this.jobs.get(job);
        return own?.work.mayGrow(step, { owed: own.owed, credit: own.paid, maxDropped: 1n }) === true;
    }

    /** True while what was dropped alone keeps the queries of a job from running. */
    hasDroppedTooMuch(step: bigint, job = NO_JOB): boolean {
        const own = this.jobs.get(job.toString('hex'));
        const credit = BigInt(this.startSteps) * step + this.paid;
        return !this.work.isWithin(step, credit, MAX_DROPPED_STEPS) && own?.work.isWithin(step, own.paid, 1n) !== true;
    }

    /** Ends a query that was started. `dropped`: the cost of its prompt if the client left it unpaid, else 0. */
    endQuery(step: bigint, dropped: bigint, job = NO_JOB): void {
        this.work.end(step, dropped);
        this.jobs.get(job.toString('hex'))?.work.end(step, dropped);
        this.startWaiting();
    }

    /** True when {@link startNow} would start a query. */
    canStart(step: bigint, mayRun: () => boolean, job = NO_JOB): boolean {
        return this.waiting.size === 0 && this.mayStart(step, job) && mayRun();
    }

    /**
     * Starts a query if there is credit and no other waits for it. Returns whether it did. `mayRun`: whether its job
     * has credit for it.
     */
    startNow(step: bigint, mayRun: () => boolean = () => true, job = NO_JOB): boolean {
        const starts = this.canStart(step, mayRun, job);
        if (starts) {
            this.addOpen(step, job.toString('hex'));
        }
        return starts;
    }

    private addOpen(step: bigint, job: string): void {
        this.work.open += step;
        const own = this.jobs.get(job);
        if (own !== undefined) {
            own.work.open += step;
        }
    }

    /**
     * Starts a query as soon as there is credit, after those that wait already. Resolves with false once `signal` is
     * aborted, or when no query of this client ran and no credit came for `seconds`.
     */
    async startInTime(
        step: bigint,
        seconds: number,
        signal: AbortSignal,
        mayRun: () => boolean = () => true,
        job = NO_JOB,
    ): Promise<boolean> {
        if (signal.aborted || this.startNow(step, mayRun, job)) {
            return !signal.aborted;
        }
        return new Promise((resolve) => {
            const patienceMs = seconds * 1000;
            const leave = () => waiting.end(false);
            const waiting: Waiting = {
                step,
                job: job.toString('hex'),
                mayRun,
                patienceMs,
                deadline: performance.now() + patienceMs,
                end: (started) => {
                    signal.removeEventListener('abort', leave);
                    this.waiting.delete(waiting);
                    if (this.waiting.size === 0) {
                        clearInterval(this.timer);
                        this.timer = undefined;
                    }
                    resolve(started);
                },
            };
            signal.addEventListener('abort', leave);
            this.waiting.add(waiting);
            this.timer ??= setInterval(() => this.checkWaiting(), POLL_MS);
            this.startWaiting(); // those that came before may wait for the credit of another job
        });
    }

    /** Starts those that wait, the oldest first, as far as credit goes. It may go further for a larger step. */
    private startWaiting(): void {
        let tooSmall = 0n; // steps up to this
        for (const waiting of this.waiting) {
            const { step, job, mayRun } = waiting;
            if (!this.mayAlone(step, job)) {
                if (step <= tooSmall) {
                    continue;
                }
                if (!this.mayAll(step)) {
                    tooSmall = step;
                    continue;
                }
            }
            if (mayRun()) {
                this.addOpen(step, job);
                waiting.end(true);
            }
        }
    }

    /** Dropped work is forgiven as time passes, and no query waits for ever. */
    private checkWaiting(): void {
        this.startWaiting();
        const now = performance.now();
        for (const waiting of this.waiting) {
            if (this.work.open > 0n) {
                waiting.deadline = now + waiting.patienceMs; // running queries are about to be paid
            } else if (now > waiting.deadline) {
                waiting.end(false);
            }
        }
    }
}

/** The clients of one worker. A restart forgets them, and reads again what their jobs have paid. */
export class Clients {
    readonly allowances = new Allowances();
    private readonly clients = new Map<string, ClientAccount>();

    constructor(private readonly startSteps: number) {}

    /** The account of a client, or the one that it has for queries of a `kind`. */
    of(escrow: Buffer, kind = ''): ClientAccount {
        const key = escrow.toString('hex') + kind;
        const client = this.clients.get(key) ?? new ClientAccount(this.startSteps);
        this.clients.delete(key); // and in again at the end, so that the map is in the order of use
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
