// Longer than 350 lines because a start and a takeover take up the same orders, sessions, vouchers and queries.
/** Takes up what was under way when a connection or the gateway itself ended: orders, sessions, vouchers, queries. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobState } from '../link';
import { steadySeconds } from '../process/clock';
import { Turns } from '../process/doors';
import { reasonOf } from '../process/errors';
import { reporting } from '../process/log';
import { SingleFlight, type Tasks, waitUntil } from '../process/tasks';
import type { JobBook } from './book';
import type { JobChannels } from './channels';
import { Closing, NOT_CLAIMED } from './closing';
import type { GatewayContext } from './context';
import type { Endings } from './endings';
import type { StoredJob } from '../store/gateway';
import type { GatewayJob } from './job';
import { findLost } from './lostJobs';
import { NodeUnfit } from './nodes';
import { OrderLapsed } from './spending';
import { WorkerRefusal } from '../payer/workerErrors';

/** Pauses between attempts to reach the worker of a job or the chain. A worker's takeover lasts 10 s at most. */
const RETRY_MS = [50, 200, 500, 1000, 2000, 2000, 2000, 2000, 5000, 5000, 5000, 5000, 15_000, 60_000];
const MAX_SHOWN = 4; // jobs that are shown to one worker at a time
const UNSEEN_SECONDS = 60; // that a worker may not see the channel of an order that was taken up
const START_MS = 5_000; // how long a start waits for workers that do not answer; they are asked again afterwards

export interface RecoveryParts {
    book: JobBook;
    channels: JobChannels;
    closing: Closing;
    endings: Endings;
    tasks: Tasks; // what asks in the background until the gateway ends
}

export class Recovery {
    private readonly connecting = new SingleFlight<number, boolean>();
    private readonly turns = new Map<string, Turns>(); // by URL of the worker
    private readonly silent = new WeakSet<GatewayJob>(); // whose worker does not answer
    private readonly openedAt = new WeakMap<GatewayJob, number>(); // seconds, of orders that were taken up
    private moved: StoredJob[] = []; // to this process, and not in memory yet
    private taking: Promise<void> | undefined;
    private begin!: () => void;
    private markLoaded!: () => void;
    /** Resolves once the jobs of the store are in memory. No query begins before. */
    readonly loaded = new Promise<void>((resolve) => (this.markLoaded = resolve));
    /** Resolves once orders are known and answering workers were asked. No job is opened before. */
    readonly recovered = new Promise<void>((resolve) => (this.begin = resolve)).then(() => this.takeUp());
    private foundAll!: () => void;
    /**
     * Resolves once the store has every job that the chain knows; never if the gateway ends before. No job is opened
     * before.
     */
    readonly searched = new Promise<void>((resolve) => (this.foundAll = resolve));
    /** Resolves once the orders of other processes that were taken over have an outcome, or are tried again later. */
    ordersResolved: Promise<unknown> = Promise.resolve();

    constructor(
        private readonly context: GatewayContext,
        private readonly parts: RecoveryParts,
    ) {
        parts.closing.takeUp = (job) => this.takeUpJob(job);
    }

    /** Takes up everything that the store knows, in the background. */
    start(): void {
        this.begin();
        this.parts.tasks.add(this.recovered).catch(reporting(this.context.log, 'error', 'recovery failed'));
    }

    /** Shows a job to its worker once; false if that is to be tried again. */
    connect(job: GatewayJob): Promise<boolean> {
        return this.connecting.run(job.number, () => this.connectNow(job));
    }

    /** Shows a job to its worker until that works. */
    reconnect(job: GatewayJob): Promise<void> {
        return this.retry(() => this.connect(job));
    }

    // The newest first: they have most of their money, and the others may be more than `job.maxOpen`.
    private reconnectAll(jobs: readonly GatewayJob[]): Promise<void>[] {
        const newestFirst = jobs.filter(needsWorker).sort((a, b) => b.number - a.number);
        return newestFirst.map((job) => this.reconnect(job));
    }

    private retry(step: (attempt: number) => Promise<boolean>): Promise<void> {
        const { tasks } = this.parts;
        const failed = reporting(this.context.log, 'error', 'recovery failed and goes on');
        return tasks.add(tasks.retry(step, RETRY_MS, failed));
    }

    private async takeUp(): Promise<void> {
        let jobs: GatewayJob[] = [];
        // What could not be read is read again, or no question would ever be answered.
        await this.retry(async () => {
            jobs = await this.loadJobs();
            return true;
        });
        // A question may be asked at once in a job that is open. Its worker is asked meanwhile, and so is the chain.
        const working = this.reconnectAll(jobs);
        this.markLoaded();
        // Nobody's times are judged before.
        const { escrow, log } = this.context;
        await escrow.compareClocks().catch(reporting(log, 'warn', 'no time of the chain'));
        working.push(...(await this.takeUpOrders(jobs)));
        void this.retry(() => this.findAll());
        await Promise.race([Promise.all(working), sleep(START_MS, undefined, { ref: false })]);
    }

    /** Takes up the jobs of processes that ended, as their next start would; once at a time. */
    takeOver(): Promise<void> {
        return (this.taking ??= this.takeOverNow().finally(() => (this.taking = undefined)));
    }

    private async takeOverNow(): Promise<void> {
        const { people, log } = this.context;
        await this.loaded;
        this.moved.push(...(await this.moveJobs()));
        if (this.moved.length > 0) {
            await people.budgets.restore();
            const jobs = await this.load(this.moved);
            this.moved = []; // no sooner: whatever failed before, the next round does again
            void Promise.all(this.reconnectAll(jobs));
            const orders = this.takeUpOrders(jobs.filter(({ phase }) => phase === 'ordered'));
            this.ordersResolved = Promise.allSettled([this.ordersResolved, orders]);
            orders
                .then(() => this.takeUpOrders(jobs.filter(({ phase }) => phase === 'failed')))
                .catch(reporting(log, 'error', 'an order that was taken over has no outcome'));
        }
    }

    /** Moves the jobs of processes that ended to this one; resolves with them. */
    private async moveJobs(): Promise<StoredJob[]> {
        const { store, log } = this.context;
        const moved: StoredJob[] = [];
        for (const { number, holder } of await store.cluster.lapsed()) {
            const jobs = await store.takeOver(number);
            if (jobs.length > 0) {
                const ended = { member: number, holder, jobs: jobs.length };
                log.warn(ended, 'a process of this gateway ended, and this one takes its jobs over');
            }
            moved.push(...jobs);
        }
        return moved;
    }

    private async takeUpOrders(jobs: readonly GatewayJob[]): Promise<Promise<void>[]> {
        const working: Promise<void>[] = [];
        for (const job of jobs.filter(({ phase }) => phase === 'ordered' || phase === 'failed')) {
            await this.takeUpOrder(job);
            if (needsWorker(job)) {
                working.push(this.reconnect(job));
            }
        }
        return working;
    }

    /** Takes the jobs of this process that the store has into memory. */
    private async loadJobs(): Promise<GatewayJob[]> {
        const { store, people } = this.context;
        if ((await this.moveJobs()).length > 0) {
            await people.budgets.restore();
        }
        return this.load(await store.unended());
    }

    private async load(stored: readonly StoredJob[]): Promise<GatewayJob[]> {
        const { nodes, store } = this.context;
        const read = [];
        for (const job of stored) {
            const { number } = job;
            const [entries, open, highest, tokenizer] = await Promise.all([
                store.entries(number),
                store.openQueries(number),
                store.highest(number),
                store.tokenizer(number),
            ]);
            read.push({ job, entries, open, highest, tokenizer });
        }
        // In one turn of the event loop: no question gets a job whose queries are not known yet.
        return read.map(({ job: record, entries, open, highest, tokenizer }) => {
            const job = this.parts.book.add(record);
            if (record.breachAt) {
                nodes.bans.ban(record.worker, record.note, record.breachAt);
            }
            job.money.restore(entries);
            open.forEach(({ number, ceiling }) => job.reserve(number, ceiling));
            job.raiseHighest(highest);
            job.countedBy = tokenizer;
            return job;
        });
    }

    private async findAll(): Promise<boolean> {
        // One process at a time, so that no two book the same job.
        const find = () => findLost(this.context, this.parts.book, this.parts.tasks.signal);
        for (const job of await this.context.store.cluster.exclusive('lostJobs', find)) {
            void this.reconnect(job);
        }
        this.foundAll();
        return true;
    }

    // An order whose end this gateway did not see: the chain knows whether it was taken.
    private async takeUpOrder(job: GatewayJob): Promise<void> {
        const { spending, log } = this.context;
        const { book, channels } = this.parts;
        const { validUntil, deposit } = job.stored;
        try {
            if (job.phase === 'failed') {
                if (await channels.hasAppeared(job.channel, deposit)) {
                    await job.change({ phase: 'open', funds: job.stored.deposit, note: 'appeared late' });
                    book.replace(job);
                }
                return;
            }
            const { parameters, channel } = job;
            await spending.resume({ parameters, deposit, validUntil, channel });
            this.openedAt.set(job, steadySeconds());
            await job.change({ phase: 'open', funds: deposit });
            book.replace(job); // another order of its number may have its place
        } catch (error) {
            if (error instanceof OrderLapsed) {
                await job.change({ phase: 'failed', note: reasonOf(error.cause ?? error) });
                return;
            }
            log.error({ job: job.number, reason: reasonOf(error) }, 'an order is still open');
            this.retryOrder(job);
        }
    }

    private retryOrder(job: GatewayJob): void {
        void this.retry(async (attempt) => {
            if (attempt > 0) {
                await this.takeUpOrder(job);
                if (job.phase === 'open') {
                    void this.reconnect(job);
                }
            }
            return attempt > 0;
        });
    }

    // A few at a time of each worker: then the first ones can be used early, however many there are.
    private async show(job: GatewayJob): Promise<JobState> {
        const { worker } = job.stored;
        const turns = this.turns.get(worker) ?? new Turns(MAX_SHOWN, Infinity);
        this.turns.set(worker, turns);
        const end = (await turns.take())!;
        try {
            return await job.connect();
        } finally {
            end();
        }
    }

    private async connectNow(job: GatewayJob): Promise<boolean> {
        const { nodes } = this.context;
        const { closing } = this.parts;
        if (!needsWorker(job)) {
            this.silent.delete(job);
            return true;
        }
        try {
            const { results } = await this.show(job);
            this.noteAnswer(job);
            await this.takeUpQueries(job);
            if (job.money.signingStop !== undefined && job.phase === 'open') {
                await job.change({ phase: 'settling', note: job.money.signingStop });
            }
            if (job.unfinished.length === 0 && !(await this.compareResults(job, results.index))) {
                return true;
            }
            if (job.stored.phase === 'settling') {
                await job.money.flush();
                if (!(await job.worker.end(job.stored.hash, job.key))) {
                    await job.change({ phase: 'leaving', note: NOT_CLAIMED }); // the next sweep orders it
                }
            }
            return true;
        } catch (error) {
            if (!(error instanceof WorkerRefusal && error.code === 'taking_over' && !error.isOverdue)) {
                nodes.cool(job.stored.worker);
            }
            this.noteSilence(job, error);
            if (error instanceof NodeUnfit && job.phase === 'open') {
                closing.retireUnfit(job, error);
                return true;
            }
            if (!(error instanceof WorkerRefusal && error.status < 500 && error.code !== 'unknown')) {
                return false;
            }
            if (
                error.code === 'wrong_channel' &&
                steadySeconds() - (this.openedAt.get(job) ?? -Infinity) < UNSEEN_SECONDS
            ) {
                return false;
            }
            if (job.phase === 'open') {
                closing.leaveRefused(job, error.code);
            }
            return true;
        }
    }

    // The log says when it begins and when it ends, and not each try.
    private noteSilence(job: GatewayJob, error: unknown): void {
        if (!this.silent.has(job)) {
            this.silent.add(job);
            const reason = reasonOf(error);
            this.context.log.warn({ job: job.number, reason }, 'the worker of an open job does not answer');
        }
    }

    private noteAnswer(job: GatewayJob): void {
        if (this.silent.delete(job)) {
            this.context.log.warn({ job: job.number }, 'the worker of an open job answers again');
        }
    }

    /** Shows a job to its worker, and gets the endings of its queries that the worker gives within a while. */
    private async takeUpJob(job: GatewayJob): Promise<void> {
        if (job.unfinished.length > 0 || job.session === undefined) {
            await this.connect(job);
        }
        if (job.unfinished.length > 0) {
            // Endings need no session, which cannot begin while the chain is away.
            job.wake();
            const fetched = this.takeUpQueries(job);
            await waitUntil(() => job.unfinished.length === 0, { maxMs: START_MS });
            await fetched;
        }
    }

    /** Fetches endings that nobody else fetches or streams, and pays every stored one; waits a moment for workers. */
    private async takeUpQueries(job: GatewayJob): Promise<void> {
        const open = await this.context.store.openQueries(job.number);
        const fetched = open.flatMap((query) => {
            const lease = job.takeLease(query.number);
            return lease === undefined ? [] : [this.parts.endings.fetch(lease, query)];
        });
        if ((job.stored.voucher !== null || job.ledger.hasGrown) && job.phase === 'open') {
            job.money.start();
        }
        await Promise.race([Promise.all(fetched), sleep(START_MS, undefined, { ref: false })]);
    }

    /** Compares the worker's count of results with the store's; false if the job is left because they cannot agree. */
    private async compareResults(job: GatewayJob, index: number): Promise<boolean> {
        const isAhead = index > job.ledger.verified;
        if (isAhead && job.isComplete) {
            this.parts.closing.leaveRefused(job, 'it counts results that it did not give');
            return false;
        }
        job.isComplete = !isAhead;
        if (isAhead && job.phase === 'open') {
            // What those results cost cannot be checked; the newest voucher covers what was paid.
            await job.change({ phase: 'settling', note: 'the worker has results that this store does not know' });
        }
        return true;
    }
}

/** True for a job that its worker must know. A settled job still does while queries have no ending that is paid. */
function needsWorker({ phase, unfinished }: GatewayJob): boolean {
    return phase === 'open' || phase === 'settling' || (phase === 'settled' && unfinished.length > 0);
}
