/** Keeps jobs for every model: opens the next one ahead, lends jobs to queries, and never opens two for one need. */
import { Rates } from '@cocoon-market/wrappers';
import type { ProcessContext } from '../process/context';
import { reasonOf } from '../process/errors';
import { GatewayStore, StoredJob } from '../store/gateway';
import { GatewayConfig } from './config';
import { badRequest, unavailable } from './errors';
import { RENT } from '../link';
import { Job } from './job';
import { ClientKeys } from './keys';
import type { Lease } from './lease';
import { Nodes } from './nodes';
import { Openings } from './openings';
import { maxCost, Question } from './query';
import { Setbacks } from './setbacks';
import { SpendAccount } from './spending';
import type { NodeWatch } from './watch';
import { WorkerRefusal } from './workers';

/** What a manager of jobs works with. */
export interface JobContext extends ProcessContext<GatewayConfig, GatewayStore> {
    network: number;
    keys: ClientKeys;
    nodes: Nodes;
    spending: SpendAccount;
    setbacks: Setbacks;
    watch: NodeWatch;
}

/** What the manager asks of recovery and settlement. */
export interface JobHooks {
    /** Shows a disconnected job to its worker once; false when it did not work. */
    connect(job: Job): Promise<boolean>;
    /** Goes on until it works. */
    reconnect(job: Job): void;
    /** The worker refused it without a signature: it is left. */
    refused(job: Job, cause: string): void;
    /** It does not fit the rules of now: it gets no prompt and is settled. */
    retire(job: Job, reason: string): void;
}

const ENDING_SECONDS = 7200; // before a job's end, beside its notice, that workers may want to be done
const SLOT_MS = 30_000; // longest wait for a running query to end

export class Jobs {
    private readonly byNumber = new Map<number, Job>();
    readonly openings: Openings;
    private readonly registering = new Map<number, ReturnType<Job['register']>>(); // a worker keeps its newest session only
    private waiting: (() => void)[] = [];
    /** Resolves when what was open at the start is known again; no job is opened before. */
    recovered: Promise<unknown> = Promise.resolve();
    /** Resolves when the store has every job that the chain knows; no job is opened before, for the search ends at the newest. */
    searched: Promise<unknown> = Promise.resolve();
    hooks!: JobHooks; // set once, before anything is asked

    constructor(private readonly context: JobContext) {
        this.openings = new Openings(context, this);
    }

    /** Every job in memory, by number. */
    get all(): Job[] {
        return [...this.byNumber.values()].sort((a, b) => a.number - b.number);
    }

    get(number: number): Job | undefined {
        return this.byNumber.get(number);
    }

    /** Takes a stored job into memory. */
    add(stored: StoredJob): Job {
        const { keys, nodes, store, network, spending } = this.context;
        const key = keys.voucher(spending.escrow.hash, stored.number);
        const job = new Job(stored, key, nodes.client(stored.worker), store, network, (error) =>
            this.onPostFault(job, error),
        );
        if (stored.phase !== 'failed' || !this.byNumber.has(job.number)) {
            this.byNumber.set(job.number, job);
        }
        return job;
    }

    /** Uses a job whose order was thought to have failed, in place of another of its seqno. */
    revive(job: Job): void {
        this.byNumber.set(job.number, job);
    }

    /**
     * A place at a job that can take the question now; opens one when there is none. Whoever takes it must ask. Throws
     * 402 without money, 503 without a node.
     * `excluded`: workers and jobs that were tried already.
     */
    async acquire(
        model: string,
        question: Question,
        excluded: { workers: Set<string>; jobs: Set<number> },
    ): Promise<Lease> {
        await this.recovered;
        const deadline = Date.now() + SLOT_MS;
        let asked = false; // the workers of jobs without a session
        let opened = false; // a job for this question: another would not serve it better
        for (;;) {
            await this.retireUnfit(model);
            await this.watch(this.all.filter(({ phase, stored }) => phase === 'open' && stored.model === model));
            const fit = this.usable(model, excluded).filter((job) => this.covers(job, question));
            const free = fit.find((job) => job.running < job.terms.parallel);
            if (free !== undefined) {
                return lease(free, question);
            }
            if (fit.length > 0) {
                await this.slot(deadline);
                continue;
            }
            const away = this.away(model, excluded);
            if (away.length > 0 && !asked) {
                asked = true;
                await Promise.all(away.map((job) => this.hooks.connect(job)));
                continue;
            }
            try {
                if (opened) {
                    throw unavailable('The job that was opened for this question cannot be used yet: ask again');
                }
                // Where a job waits for its worker or is not paid now, another would be the second for the same need.
                const waiting = this.all.filter(({ phase, post }) => phase === 'open' && post.paused !== undefined);
                const workers = new Set([
                    ...excluded.workers,
                    ...[...away, ...waiting].map(({ stored }) => stored.worker),
                ]);
                this.context.setbacks.requireFew();
                await this.requireCover(model, workers, question);
                await this.openings.open(model, workers);
                opened = true;
            } catch (error) {
                const last = this.usable(model, excluded).find(
                    (job) => job.available >= minCost(job.terms.rates, question),
                );
                if (last === undefined || last.running >= last.terms.parallel) {
                    throw error;
                }
                return lease(last, question);
            }
        }
    }

    /** A query ended: somebody may wait for its place, and the job's money may run low. */
    freed(job: Job): void {
        this.waiting.splice(0).forEach((resolve) => resolve());
        this.openAhead(job);
    }

    /** Opens the next job when what a job has left falls below the configured part of its deposit. */
    openAhead(job: Job): void {
        const { model } = job.stored;
        const low = (other: Job) => other.available < this.threshold(other);
        if (job.phase !== 'open' || !low(job)) {
            return;
        }
        const others = this.usable(model, { workers: new Set(), jobs: new Set([job.number]) });
        if (others.every(low)) {
            this.openings.open(model, new Set()).catch((error: unknown) => {
                this.context.log.warn({ model, reason: reasonOf(error) }, 'no job opened ahead');
            });
        }
    }

    /** Jobs with nothing left for any query, that another job has taken the place of. */
    exhausted(): Job[] {
        return this.all.filter((job) => {
            const others = this.usable(job.stored.model, { workers: new Set(), jobs: new Set([job.number]) });
            const replaced = others.some((other) => other.available >= this.threshold(other));
            const over = this.isOver(job) || (replaced && job.available < this.threshold(job));
            return job.phase === 'open' && over && job.running === 0 && job.unfinished.length === 0;
        });
    }

    /** Settles every open job, or those of one model, that does not fit the rules of now. */
    async retireUnfit(model?: string): Promise<void> {
        for (const job of this.all.filter(
            ({ phase, stored }) => phase === 'open' && stored.model === (model ?? stored.model),
        )) {
            const fault = job.foreign ?? (await this.context.nodes.jobFault(job.stored));
            if (fault !== undefined && job.phase === 'open') {
                this.hooks.retire(job, fault);
            }
        }
    }

    /** Reads the nodes of jobs again, and settles those that nothing stands behind any more. */
    async watch(jobs: readonly Job[]): Promise<void> {
        for (const { job, fault } of await this.context.watch.check(jobs)) {
            if (job.phase === 'open') {
                this.hooks.retire(job, fault);
            }
        }
    }

    /** Shows an open job to its worker; a worker that does not want it is left. */
    async register(job: Job): Promise<Awaited<ReturnType<Job['register']>>> {
        let registering = this.registering.get(job.number);
        if (registering === undefined) {
            registering = this.context.nodes
                .sealingKey(job.stored.worker, job.terms)
                .then(({ key, until }) => job.register(key, until))
                .finally(() => this.registering.delete(job.number));
            this.registering.set(job.number, registering);
        }
        return registering;
    }

    private away(model: string, { workers, jobs }: { workers: Set<string>; jobs: Set<number> }): Job[] {
        const fits = this.all.filter(({ stored }) => stored.model === model && stored.phase === 'open');
        return fits.filter(
            (job) =>
                !job.isConnected(this.context.now()) &&
                job.post.paused === undefined &&
                !jobs.has(job.number) &&
                !workers.has(job.stored.worker) &&
                !this.isOver(job) &&
                job.available >= this.threshold(job),
        );
    }

    private usable(model: string, { workers, jobs }: { workers: Set<string>; jobs: Set<number> }): Job[] {
        const { nodes, now } = this.context;
        const fits = this.all.filter(
            (job) =>
                job.stored.model === model &&
                job.phase === 'open' &&
                job.isConnected(now()) &&
                !jobs.has(job.number) &&
                !workers.has(job.stored.worker) &&
                !nodes.isBanned(job.stored.worker) &&
                job.post.paused === undefined &&
                !this.isOver(job),
        );
        return fits.sort((a, b) => Number(nodes.isCool(a.stored.worker)) - Number(nodes.isCool(b.stored.worker)));
    }

    /** True when a worker may well say that a job's refund is too near. */
    isEnding({ terms }: Job): boolean {
        return terms.end - this.context.now() < terms.notice + ENDING_SECONDS;
    }

    private isOver(job: Job): boolean {
        return job.terms.end - this.context.now() < this.context.config.job.lastHours * 3600;
    }

    // Below what a fresh job has, whatever the deposit, or jobs would be opened one after the other.
    private threshold({ stored }: Job): bigint {
        const part = BigInt(Math.round(this.context.config.job.openAhead * 1000));
        return (freshOf(stored.deposit) * part) / 1000n;
    }

    // A question that no fresh job could pay must not open one.
    private async requireCover(model: string, excluded: ReadonlySet<string>, question: Question): Promise<void> {
        const { nodes, config } = this.context;
        const { rates } = await nodes.pick(model, excluded);
        const min = minCost(rates, question);
        if (min > freshOf(config.job.deposit)) {
            throw badRequest(
                `The prompt may cost ${min} nanoTON, more than a job holds: send less, or raise job.deposit`,
                'messages',
                'prompt_too_dear',
            );
        }
    }

    private covers(job: Job, question: Question): boolean {
        const max = maxCost(job.terms.rates, question);
        const enough = this.threshold(job);
        const min = minCost(job.terms.rates, question);
        const wanted = max < enough ? max : enough;
        return job.available >= (wanted > min ? wanted : min);
    }

    private async slot(deadline: number): Promise<void> {
        const left = deadline - Date.now();
        if (left <= 0) {
            throw unavailable('Every job is busy: ask again in a moment, or raise job.parallel', 'busy');
        }
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
            this.waiting.push(resolve);
            timer = setTimeout(resolve, left);
        });
        clearTimeout(timer);
    }

    private onPostFault(job: Job, error: unknown): void {
        const reason = error instanceof WorkerRefusal ? error.code : reasonOf(error);
        this.context.log.warn({ job: job.number, reason }, 'a voucher was not taken');
    }
}

// Taken in the same moment in which it was found free, so that no two questions get it.
function lease(job: Job, question: Question): Lease {
    const max = maxCost(job.terms.rates, question);
    const ceiling = max < job.available ? max : job.available;
    job.begin();
    return job.allocate(ceiling);
}

// What a job that was just opened can promise.
function freshOf(deposit: bigint): bigint {
    return deposit > RENT ? deposit - RENT : 0n;
}

// The prompt and a short answer.
function minCost(rates: Rates, question: Question): bigint {
    return maxCost(rates, {
        ...question,
        chat: { ...question.chat, maxTokens: Math.min(16, question.chat.maxTokens) },
    });
}
