/**
 * The credit of clients over all their jobs; a client is an escrow. Credit starts small: a client that has paid nothing
 * gets `startSteps` steps of unpaid work, and more only as its vouchers come. Anyone can deploy a channel that names
 * the escrow of another, so what a job has paid itself is always credit for it, whatever other jobs of the escrow owe.
 * Once queries wait for credit, or for places that several jobs of one client take, the worker reads who opened these
 * jobs: those of strangers count for themselves only. See docs/protocol.md. Amounts are nanoTON.
 */
import { larger } from '@cocoon-market/wrappers';
import { Allowances, NoteAllowance } from './allowance';
import type { WorkerContext } from './context';
import { type Origin, readOrigin } from './origins';
import { JobCredit, Work } from './work';

const MAX_CLIENTS = 10_000; // in memory; each has paid for an escrow
const MAX_JOBS = 1000; // of a client in memory, and more only while they owe
const MAX_DROPPED_STEPS = 8n; // of work that a client may drop before its answer, whatever it has paid
const POLL_MS = 500;
const NO_JOB: Buffer = Buffer.alloc(0); // of a query that counts for no job
const MAX_READS = 4; // origins of a client's jobs that are read at once
const READ_AGAIN_MS = 30_000; // after a reading that did not tell; twice as long after each further one

/** Reads who opened the channel of a job; undefined if nobody knows. */
type ReadOrigin = (job: Buffer) => Promise<Origin | undefined>;

const nobodyKnows: ReadOrigin = async () => undefined;

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
    private paid = 0n; // by all these jobs but those of strangers; so are `owed` and `work`
    private owed = 0n;
    private readonly work = new Work();
    private reading = 0; // origins
    private readonly waiting = new Set<Waiting>(); // in the order in which they came
    private timer: NodeJS.Timeout | undefined; // while queries wait

    /** `startSteps`: of unpaid work for a client that has paid nothing. */
    constructor(
        private readonly startSteps: number,
        private readonly readOrigin = nobodyKnows,
    ) {}

    get isIdle(): boolean {
        return this.work.open === 0n && this.waiting.size === 0;
    }

    /** Notes the promise of a job's vouchers and the price of its results. */
    noteJob(job: Buffer, { promised: paid, cumulative }: { promised: bigint; cumulative: bigint }): void {
        const name = job.toString('hex');
        this.setJob(name, this.jobOf(name), { paid, owed: larger(0n, cumulative - paid) });
        if (this.jobs.size > MAX_JOBS) {
            const [first, oldest] = this.jobs.entries().next().value!;
            if (oldest.owed > 0n || oldest.work.open > 0n) {
                this.setJob(first, oldest, oldest);
            } else {
                this.count(oldest, -1n);
                this.jobs.delete(first);
            }
        }
        this.startWaiting();
    }

    private jobOf(name: string): JobCredit {
        const job = this.jobs.get(name) ?? new JobCredit();
        this.jobs.set(name, job);
        return job;
    }

    /** Puts a job at the end. */
    private setJob(name: string, job: JobCredit, { paid, owed }: { paid: bigint; owed: bigint }): void {
        this.count(job, -1n);
        [job.paid, job.owed] = [paid, owed];
        this.count(job, 1n);
        this.jobs.delete(name);
        this.jobs.set(name, job);
    }

    private count({ paid, owed, isStranger }: JobCredit, sign: 1n | -1n): void {
        this.paid += isStranger ? 0n : sign * paid;
        this.owed += isStranger ? 0n : sign * owed;
    }

    /** True if it is known that another than its client has opened a job. */
    isStranger(job: Buffer): boolean {
        return this.jobs.get(job.toString('hex'))?.isStranger === true;
    }

    /** True when there is credit for another query of a job, which may leave a step unpaid. */
    mayStart(step: bigint, job = NO_JOB): boolean {
        return this.hasCredit(step, job.toString('hex'));
    }

    private hasCredit(step: bigint, job: string): boolean {
        return this.mayAlone(step, job) || (this.jobs.get(job)?.isStranger !== true && this.mayAll(step));
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

    /**
     * True while what was dropped alone keeps the queries of a job from running. False while it may be found out that a
     * stranger dropped it.
     */
    hasDroppedTooMuch(step: bigint, job = NO_JOB): boolean {
        const name = job.toString('hex');
        const own = this.jobs.get(name);
        if (own?.work.isWithin(step, own.paid, 1n) === true) {
            return false;
        }
        const credit = BigInt(this.startSteps) * step + this.paid;
        const mayShare = own?.isStranger !== true;
        return !(mayShare && (this.work.isWithin(step, credit, MAX_DROPPED_STEPS) || this.mayFindStranger(name)));
    }

    /** Ends a query that was started. `dropped`: the cost of its prompt if the client left it unpaid, else 0. */
    endQuery(step: bigint, dropped: bigint, job = NO_JOB): void {
        const name = job.toString('hex');
        const own = this.jobOf(name);
        own.work.end(step, dropped, name);
        if (!own.isStranger) {
            this.work.end(step, dropped, name);
        }
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
        const own = this.jobOf(job);
        own.work.open += step;
        this.work.open += own.isStranger ? 0n : step;
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
            this.readOrigins();
        });
    }

    /** Starts those that wait, the oldest first, as far as credit goes. It may go further for a larger step. */
    private startWaiting(): void {
        let tooSmall = 0n; // steps up to this
        for (const waiting of this.waiting) {
            const { step, job, mayRun } = waiting;
            if (!this.mayAlone(step, job)) {
                if (step <= tooSmall || this.jobs.get(job)?.isStranger === true) {
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
        this.readOrigins();
        const now = performance.now();
        for (const waiting of this.waiting) {
            const own = this.jobs.get(waiting.job);
            const { open } = own?.isStranger === true ? own.work : this.work;
            if (open > 0n) {
                waiting.deadline = now + waiting.patienceMs; // running queries are about to be paid
            } else if (now > waiting.deadline) {
                waiting.end(false);
            }
        }
    }

    /** Reads who opened the jobs that have queries wait for credit, those first that leave the most unpaid. */
    private readOrigins(): void {
        if (![...this.waiting].some(({ step, job }) => !this.hasCredit(step, job))) {
            return;
        }
        while (this.reading < MAX_READS) {
            const name = this.nextToRead();
            if (name === undefined) {
                return;
            }
            void this.noteOrigin(name, this.jobs.get(name)!);
        }
    }

    /** True if others than a job have dropped work, and it is not known yet who opened them. */
    private mayFindStranger(job: string): boolean {
        const now = performance.now();
        return [...this.jobs].some(
            ([name, { origin, readAt }]) =>
                name !== job &&
                origin === undefined &&
                (now >= readAt || readAt === Infinity) &&
                this.work.droppedBy(name) > 0n,
        );
    }

    /** A job whose origin may be read: it waits itself, or others wait for what it leaves unpaid. */
    private nextToRead(): string | undefined {
        const now = performance.now();
        const waiting = new Set([...this.waiting].map(({ job }) => job));
        let [next, maxUnpaid]: [string | undefined, bigint] = [undefined, 0n];
        for (const [name, job] of this.jobs) {
            if (job.origin !== undefined || now < job.readAt) {
                continue;
            }
            const dropped = this.work.droppedBy(name);
            const unpaid = larger(dropped, job.owed + job.work.open + dropped - job.paid);
            if (unpaid > maxUnpaid || (next === undefined && waiting.has(name))) {
                [next, maxUnpaid] = [name, unpaid];
            }
        }
        return next;
    }

    /** Reads who opened a job, unless that is known. Where many are read, a later call reads it. */
    findOrigin(job: Buffer): void {
        const name = job.toString('hex');
        const own = this.jobOf(name);
        if (own.origin === undefined && performance.now() >= own.readAt && this.reading < MAX_READS) {
            void this.noteOrigin(name, own);
        }
    }

    private async noteOrigin(name: string, job: JobCredit): Promise<void> {
        this.reading++;
        job.readAt = Infinity; // until this reading is over
        const origin = await this.readOrigin(Buffer.from(name, 'hex')).catch(() => undefined);
        this.reading--;
        job.readAt = performance.now() + READ_AGAIN_MS * 2 ** job.reads++;
        if (origin === 'stranger' && this.jobs.get(name) === job) {
            this.count(job, -1n);
            this.work.takeOut(job.work.open, name);
        }
        job.origin = origin;
        this.startWaiting();
        this.readOrigins();
    }
}

/** The clients of one worker. A restart forgets them, and reads again what their jobs have paid. */
export class Clients {
    readonly allowances = new Allowances();
    private readonly clients = new Map<string, ClientAccount>();

    private readonly readOrigin: ReadOrigin;

    /** `context`: in which it is read who opened a job; without, nobody knows. */
    constructor(
        private readonly startSteps: number,
        context?: Pick<WorkerContext, 'chain' | 'store' | 'log'>,
    ) {
        this.readOrigin = context === undefined ? nobodyKnows : (job) => readOrigin(context, job);
    }

    /** The account of a client, or the one that it has for queries of a `kind`. */
    of(escrow: Buffer, kind = ''): ClientAccount {
        const key = escrow.toString('hex') + kind;
        const client = this.clients.get(key) ?? new ClientAccount(this.startSteps, this.readOrigin);
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
