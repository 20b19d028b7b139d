/** Keeps jobs for every model: opens the next one ahead, lends jobs to queries, and never opens two for one need. */
import { jobHash, Rates } from '@cocoon-market/wrappers';
import { Logger } from 'pino';
import { GatewayStore, StoredJob } from '../store/gateway';
import { GatewayConfig } from './config';
import { badRequest, GatewayError, reasonOf, unavailable } from './errors';
import { RENT } from '../link';
import { Job } from './job';
import { ClientKeys } from './keys';
import { Candidate, Nodes, termsAt } from './nodes';
import type { Lease } from './lease';
import { mostOf, Question } from './query';
import { OrderLapsed, SpendAccount } from './spending';
import { WorkerRefusal } from './workers';

/** What a manager of jobs works with. */
export interface JobContext {
    config: GatewayConfig;
    network: number;
    keys: ClientKeys;
    nodes: Nodes;
    spending: SpendAccount;
    store: GatewayStore;
    log: Logger;
    now: () => number; // unix seconds
}

/** What the manager asks of recovery and settlement. */
export interface JobHooks {
    /** Shows a disconnected job to its worker once; false when it did not work. */
    connect(job: Job): Promise<boolean>;
    /** Goes on until it works. */
    reconnect(job: Job): void;
    abandon(job: Job, reason: string): void;
}

const OPEN_TRIES = 3; // with another seqno when something else used it
const SLOT_MS = 30_000; // longest wait for a running query to end

export class Jobs {
    private readonly byNumber = new Map<number, Job>();
    private readonly opening = new Map<string, Promise<Job>>();
    private readonly registering = new Map<number, ReturnType<Job['register']>>(); // a worker keeps its newest session only
    private waiting: (() => void)[] = [];
    /** Resolves when what was open at the start is known again; no job is opened before. */
    recovered: Promise<unknown> = Promise.resolve();
    hooks!: JobHooks; // set once, before anything is asked

    constructor(private readonly context: JobContext) {}

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
        for (;;) {
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
                // Where a job waits for its worker, another one would be the second for the same need.
                const workers = new Set([...excluded.workers, ...away.map(({ stored }) => stored.worker)]);
                await this.requireCover(model, workers, question);
                await this.open(model, workers);
            } catch (error) {
                const last = this.usable(model, excluded).find(
                    (job) => job.available >= leastOf(job.terms.rates, question),
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
            this.open(model, new Set()).catch((error: unknown) => {
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
                !this.isOver(job),
        );
        return fits.sort((a, b) => Number(nodes.isCool(a.stored.worker)) - Number(nodes.isCool(b.stored.worker)));
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
        const least = leastOf(rates, question);
        if (least > freshOf(config.job.deposit)) {
            throw badRequest(
                `The prompt may cost ${least} nanoTON, more than a job holds: send less, or raise job.deposit`,
                'messages',
                'prompt_too_dear',
            );
        }
    }

    private covers(job: Job, question: Question): boolean {
        const most = mostOf(job.terms.rates, question);
        const enough = this.threshold(job);
        const least = leastOf(job.terms.rates, question);
        const wanted = most < enough ? most : enough;
        return job.available >= (wanted > least ? wanted : least);
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

    private open(model: string, excluded: ReadonlySet<string>): Promise<Job> {
        const need = [model, ...[...excluded].sort()].join(' ');
        let opening = this.opening.get(need);
        if (opening === undefined) {
            opening = this.openNow(model, excluded).finally(() => this.opening.delete(need));
            this.opening.set(need, opening);
        }
        return opening;
    }

    private async openNow(model: string, excluded: ReadonlySet<string>): Promise<Job> {
        const { nodes, log } = this.context;
        const candidate = await nodes.pick(model, excluded);
        for (let attempt = 1; ; attempt++) {
            let job: Job | undefined;
            try {
                job = await this.order(model, candidate);
                await this.welcome(job);
                return job;
            } catch (error) {
                const cause = error instanceof OrderLapsed ? (error.cause as GatewayError | undefined) : undefined;
                if (!(error instanceof OrderLapsed)) {
                    throw error;
                }
                log.warn({ model, reason: reasonOf(cause ?? error) }, 'an order was not taken');
                if (attempt === OPEN_TRIES || cause?.status === 402) {
                    throw cause ?? unavailable(error.message, 'chain');
                }
            }
        }
    }

    private async order(model: string, candidate: Candidate): Promise<Job> {
        const { config, network, keys, spending, store, now } = this.context;
        const escrow = spending.escrow.hash;
        const { deposit, notice, lifetime } = config.job;
        const { url: worker, info } = candidate;
        const made: Job[] = [];
        try {
            const balance = await spending.open(
                (number, at) => {
                    const voucherKey = keys.voucher(escrow, number).publicKey;
                    const terms = termsAt(candidate, { escrow, voucherKey, model, notice, end: at + lifetime });
                    const { payout, end } = terms;
                    return { terms, deposit, parameters: { job: number, end, notice, voucherKey, payout } };
                },
                async ({ terms, parameters, channel, validUntil }) => {
                    const stored: StoredJob = {
                        number: parameters.job,
                        phase: 'ordered',
                        model,
                        worker,
                        tier: info.attestation.tier,
                        channel: channel.hash,
                        hash: jobHash(network, channel.hash, terms),
                        terms,
                        deposit,
                        funds: 0n,
                        validUntil,
                        createdAt: now(),
                        voucher: null,
                        note: '',
                    };
                    await store.addJob(stored);
                    made.push(this.add(stored));
                },
            );
            await made[0].change({ phase: 'open', funds: balance });
            return made[0];
        } catch (error) {
            if (error instanceof OrderLapsed) {
                await made[0]?.change({ phase: 'failed', note: reasonOf(error.cause ?? error) });
            }
            throw error;
        }
    }

    private async welcome(job: Job): Promise<void> {
        const { log, nodes } = this.context;
        try {
            await this.register(job);
            log.info({ job: job.number, model: job.stored.model, worker: job.stored.worker }, 'job open');
        } catch (error) {
            nodes.cool(job.stored.worker);
            log.warn({ job: job.number, reason: reasonOf(error) }, 'the worker does not take the job yet');
            if (error instanceof WorkerRefusal && error.status < 500) {
                this.hooks.abandon(job, `the worker refused a job that it had offered: ${error.code}`);
            } else {
                this.hooks.reconnect(job);
            }
            throw unavailable(`A job is open at ${job.stored.worker}, which does not take it: ${reasonOf(error)}`);
        }
    }

    private onPostFault(job: Job, error: unknown): void {
        const reason = error instanceof WorkerRefusal ? error.code : reasonOf(error);
        this.context.log.warn({ job: job.number, reason }, 'a voucher was not taken');
    }
}

// Taken in the same moment in which it was found free, so that no two questions get it.
function lease(job: Job, question: Question): Lease {
    const most = mostOf(job.terms.rates, question);
    const ceiling = most < job.available ? most : job.available;
    job.begin();
    return job.allocate(ceiling);
}

// What a job that was just opened can promise.
function freshOf(deposit: bigint): bigint {
    return deposit > RENT ? deposit - RENT : 0n;
}

// The prompt and a short answer.
function leastOf(rates: Rates, question: Question): bigint {
    return mostOf(rates, { ...question, chat: { ...question.chat, maxTokens: Math.min(16, question.chat.maxTokens) } });
}
