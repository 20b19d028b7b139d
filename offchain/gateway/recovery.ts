/** What was under way when a connection or the gateway itself ended: orders, sessions, vouchers, unfinished queries. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RecordReader } from '../link';
import { reasonOf } from '../process/errors';
import { StoredQuery } from '../store/gateway';
import { Clock } from './check';
import { Breach, Ending, Intake } from './intake';
import type { Job } from './job';
import { JobContext, Jobs } from './jobs';
import { findLost } from './lost';
import { NodeUnfit } from './nodes';
import type { Lease } from './lease';
import { askedOf, conclude, Outcome, parse, refuse } from './query';
import { NOT_CLAIMED } from './settle';
import { OrderLapsed } from './spending';
import { counterOf } from './tokens';
import { WorkerDown, WorkerRefusal } from './workers';

const RETRY_MS = [50, 200, 500, 1000, 2000, 5000, 15_000, 60_000];
const START_MS = 5_000; // how long a start waits for workers that do not answer; they are asked again afterwards
const OVERHEAD = 1 << 20; // bytes of records besides the answer

/** What recovery tells the rest of the gateway. */
export interface RecoveryHooks {
    clock: () => Clock;
    /** The node broke the protocol: stop paying, leave. */
    onBreach(job: Job, reason: string): void;
    /** A query's ending was fetched and booked. */
    onOutcome(job: Job, outcome: Outcome): void;
}

export class Recovery {
    private readonly closing = new AbortController();
    private readonly tasks = new Set<Promise<void>>();
    private readonly connecting = new Map<number, Promise<boolean>>();
    /** Resolves once the store has every job that the chain knows; never if the gateway ends before. */
    readonly searched: Promise<void>;
    private foundAll!: () => void;

    constructor(
        private readonly context: JobContext,
        private readonly jobs: Jobs,
        private readonly hooks: RecoveryHooks,
    ) {
        this.searched = new Promise((resolve) => (this.foundAll = resolve));
    }

    /** Takes up everything the store knows. Resolves when orders are known and answering workers were asked. */
    start(): Promise<void> {
        return this.track(this.startNow());
    }

    private async startNow(): Promise<void> {
        let jobs: Job[] = [];
        // What could not be read is read again, or no question would ever be answered.
        await this.untilDone(async () => {
            jobs = await this.take();
            return true;
        });
        // Before anybody's times are judged.
        await this.context.spending.time().catch((error: unknown) => {
            this.context.log.warn({ reason: reasonOf(error) }, 'no time of the chain');
        });
        for (const job of jobs.filter(({ phase }) => phase === 'ordered' || phase === 'failed')) {
            await this.order(job);
        }
        const working = jobs
            .filter(({ phase }) => phase === 'open' || phase === 'settling')
            .map((job) => this.reconnect(job));
        void this.track(this.untilDone(() => this.find()));
        await Promise.race([Promise.all(working), sleep(START_MS, undefined, { ref: false })]);
    }

    /** Takes the jobs of the store into memory. */
    private async take(): Promise<Job[]> {
        const { nodes, store } = this.context;
        const stored = await store.jobs();
        const jobs = stored.filter(({ phase }) => phase !== 'gone').map((job) => this.jobs.add(job));
        for (const { stored: left } of jobs.filter((job) => job.stored.breachAt)) {
            nodes.ban(left.worker, left.note, left.breachAt!);
        }
        for (const job of jobs) {
            for (const entry of await store.entries(job.number)) {
                job.ledger.result(0, entry);
            }
            for (const { number, ceiling } of await store.openQueries(job.number)) {
                job.reserve(number, ceiling);
            }
            job.raise(await store.highest(job.number));
        }
        return jobs;
    }

    private async find(): Promise<boolean> {
        for (const job of await findLost(this.context, this.jobs)) {
            void this.reconnect(job);
        }
        this.foundAll();
        return true;
    }

    /** Asks for the ending of the lease's query until the worker gives one or the gateway ends. */
    reclaim(lease: Lease, query: StoredQuery, received: Buffer = Buffer.alloc(0)): Promise<void> {
        return this.track(this.untilDone((attempt) => this.fetch(lease, query, received, attempt)));
    }

    /** Shows a job to its worker once; false when it is to be tried again. */
    connect(job: Job): Promise<boolean> {
        let connecting = this.connecting.get(job.number);
        if (connecting === undefined) {
            connecting = this.connectNow(job).finally(() => this.connecting.delete(job.number));
            this.connecting.set(job.number, connecting);
        }
        return connecting;
    }

    /** Shows a job to its worker until that works. */
    reconnect(job: Job): Promise<void> {
        return this.track(this.untilDone(() => this.connect(job)));
    }

    /** Ends all asking. */
    async close(): Promise<void> {
        this.closing.abort();
        await Promise.all(this.tasks);
    }

    private track(task: Promise<void>): Promise<void> {
        this.tasks.add(task);
        return task.finally(() => this.tasks.delete(task));
    }

    private async untilDone(step: (attempt: number) => Promise<boolean>): Promise<void> {
        for (let attempt = 0; !this.closing.signal.aborted; attempt++) {
            try {
                if (await step(attempt)) {
                    return;
                }
            } catch (error) {
                this.context.log.error({ reason: reasonOf(error) }, 'recovery failed and goes on');
            }
            const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
            await sleep(wait, undefined, { signal: this.closing.signal, ref: false }).catch(() => undefined);
        }
    }

    // An order whose end this gateway did not see: the chain knows whether it was taken.
    private async order(job: Job): Promise<void> {
        const { spending, log } = this.context;
        const { validUntil, deposit } = job.stored;
        try {
            if (job.phase === 'failed') {
                const channel = await spending.channel(job.watched);
                if (channel.type === 'there') {
                    await job.change({ phase: 'open', funds: job.stored.deposit, note: 'appeared late' });
                    this.jobs.revive(job);
                }
                return;
            }
            const funds = await spending.resume({
                parameters: job.parameters,
                deposit,
                validUntil,
                channel: job.channel,
            });
            await job.change({ phase: 'open', funds });
        } catch (error) {
            if (error instanceof OrderLapsed) {
                await job.change({ phase: 'failed', note: reasonOf(error.cause ?? error) });
                return;
            }
            log.error({ job: job.number, reason: reasonOf(error) }, 'an order is still open');
            this.retryOrder(job);
        }
    }

    private retryOrder(job: Job): void {
        void this.track(
            this.untilDone(async (attempt) => {
                if (attempt > 0) {
                    await this.order(job);
                    if (job.phase === 'open') {
                        void this.reconnect(job);
                    }
                }
                return attempt > 0;
            }),
        );
    }

    private async connectNow(job: Job): Promise<boolean> {
        const { log, nodes } = this.context;
        if (job.phase !== 'open' && job.phase !== 'settling') {
            return true;
        }
        try {
            const state = await this.jobs.register(job);
            const open = await this.context.store.openQueries(job.number);
            // A query that streams, or is being fetched already, has its owner.
            const done = open.flatMap((query) => {
                const lease = job.take(query.number);
                return lease === undefined ? [] : [this.reclaim(lease, query)];
            });
            if (job.stored.voucher !== null && job.phase === 'open') {
                job.post.kick();
            }
            await Promise.race([Promise.all(done), sleep(START_MS, undefined, { ref: false })]);
            if (job.foreign !== undefined && job.phase === 'open') {
                await job.change({ phase: 'settling', note: job.foreign });
            }
            if (job.unfinished.length === 0) {
                const ahead = state.results.index > job.ledger.verified;
                if (ahead && job.complete) {
                    this.jobs.hooks.refused(job, 'it counts results that it did not give');
                    return true;
                }
                job.complete = !ahead;
                if (ahead && job.phase === 'open') {
                    // What those results cost cannot be checked; the newest voucher covers what was paid.
                    const note = 'the worker has results that this store does not know';
                    await job.change({ phase: 'settling', note });
                }
            }
            if (job.stored.phase === 'settling') {
                await job.post.flush();
                if (!(await job.worker.end(job.stored.hash, job.key))) {
                    await job.change({ phase: 'leaving', note: NOT_CLAIMED }); // the next sweep orders it
                }
            }
            return true;
        } catch (error) {
            nodes.cool(job.stored.worker);
            log.warn({ job: job.number, reason: reasonOf(error) }, 'the worker of an open job does not answer');
            if (error instanceof NodeUnfit && job.phase === 'open') {
                this.jobs.hooks.retire(job, error.message);
                return true;
            }
            if (!(error instanceof WorkerRefusal && error.status < 500 && error.code !== 'unknown')) {
                return false;
            }
            if (job.phase === 'open') {
                this.jobs.hooks.refused(job, error.code);
            }
            return true;
        }
    }

    private async fetch(lease: Lease, query: StoredQuery, received: Buffer, attempt: number): Promise<boolean> {
        const { job, number } = lease;
        if (query.secret === null) {
            return true; // it has ended, which the task that ended it knows
        }
        let bytes: Buffer;
        try {
            bytes = await job.worker.stored(job.stored.hash, number, job.terms.largestAnswer + OVERHEAD);
        } catch (error) {
            if (error instanceof WorkerRefusal) {
                return this.notStored(lease, received, error, attempt);
            }
            if (error instanceof WorkerDown) {
                return false;
            }
            throw error;
        }
        const intake = new Intake(askedOf(job, query), job.verifier, query.secret, counterOf(job.stored.model), {
            largestAnswer: job.terms.largestAnswer,
            clock: this.hooks.clock,
            late: true,
        });
        try {
            const records = new RecordReader();
            for (const record of parse(records, bytes)) {
                intake.take(record);
            }
            const fetched = intake.received;
            const common = Math.min(fetched.length, received.length);
            if (!fetched.subarray(0, common).equals(received.subarray(0, common))) {
                throw new Breach('the stored answer is another than the one that was sent');
            }
            if (intake.ending === undefined) {
                return false; // still being made
            }
            this.requireDelivered(lease, intake.ending);
            this.hooks.onOutcome(job, await conclude(lease, intake, intake.ending));
        } catch (error) {
            if (!(error instanceof Breach)) {
                throw error;
            }
            await refuse(lease, intake, { breach: error, at: this.hooks.clock().now });
            this.hooks.onBreach(job, error.message);
        }
        return true;
    }

    private requireDelivered(lease: Lease, ending: Ending): void {
        const fault = ending.type === 'result' ? lease.job.excess(lease, ending.result.price) : undefined;
        if (fault !== undefined) {
            throw new Breach(`the result is refused: ${fault}`, ending.receipt);
        }
    }

    // A number the worker does not know was never accepted; it is not used again all the same.
    private async notStored(lease: Lease, received: Buffer, error: WorkerRefusal, attempt: number): Promise<boolean> {
        const { job } = lease;
        if (error.code === 'running' || error.code === 'shutting_down' || error.status >= 500) {
            return false;
        }
        if (error.code === 'unknown_job') {
            await this.jobs.register(job).catch(() => undefined);
            return false;
        }
        if (attempt === 0 && received.length === 0) {
            return false; // the request may still be on its way
        }
        job.ledger.drop(lease.number);
        await lease.end({ phase: 'void' });
        return true;
    }
}
