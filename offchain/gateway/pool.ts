/** The pool of open jobs: lends them to queries, opens the next one ahead, and never opens two for one need. */
import { Rates } from '@cocoon-market/wrappers';
import { RENT } from '../link';
import { reporting } from '../process/log';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import { badRequest, unavailable } from './errors';
import type { GatewayJob, Lease } from './job';
import type { JobRules } from './jobRules';
import type { JobOpener } from './opener';
import { maxCost, Question } from './query';
import type { Recovery } from './recovery';

const ENDING_SECONDS = 7200; // before the last notice of a job, in which workers may refuse its queries
const SLOT_MS = 30_000; // longest wait for a running query to end

/** Workers (URL) and jobs (number) that were tried already. */
export interface Excluded {
    workers: Set<string>;
    jobs: Set<number>;
}

export class JobPool {
    private waiting: (() => void)[] = [];

    constructor(
        private readonly context: GatewayContext,
        private readonly book: JobBook,
        private readonly rules: JobRules,
        private readonly opener: JobOpener,
        private readonly recovery: Recovery,
    ) {}

    /**
     * A lease of a job that can take the question now; opens a job if there is none. The caller must ask. Throws 402
     * without money, 503 without a node.
     */
    async acquire(question: Question, excluded: Excluded): Promise<Lease> {
        const { model } = question.modelRequest.body;
        await this.recovery.recovered;
        const deadline = Date.now() + SLOT_MS;
        let connected = false; // jobs without a session were shown to their workers
        let opened = false; // a job for this question: another would not serve it better
        for (;;) {
            await this.rules.retireUnfit(model);
            await this.rules.retireEnded(this.book.open(model));
            const fit = this.usable(model, excluded).filter(
                (job) => job.serves(question.needed) && this.covers(job, question),
            );
            const free = fit.find((job) => job.running < job.terms.maxParallel);
            if (free !== undefined) {
                return lease(free, question);
            }
            if (fit.length > 0) {
                await this.waitForSlot(deadline);
                continue;
            }
            const disconnected = this.disconnected(model, excluded);
            if (disconnected.length > 0 && !connected) {
                connected = true;
                await Promise.all(disconnected.map((job) => this.recovery.connect(job)));
                continue;
            }
            try {
                if (opened) {
                    throw unavailable('The job that was opened for this question cannot be used yet: ask again');
                }
                // A worker whose job is disconnected or not paid now gets no second one for the same need.
                const unpaid = this.book.open().filter(({ money }) => money.paused !== undefined);
                const workers = new Set([
                    ...excluded.workers,
                    ...[...disconnected, ...unpaid].map(({ stored }) => stored.worker),
                ]);
                this.context.setbacks.requireFew();
                await this.requireCover(model, workers, question);
                await this.opener.open(model, workers, question.needed);
                opened = true;
            } catch (error) {
                const last = this.usable(model, excluded).find(
                    (job) =>
                        job.serves(question.needed) &&
                        job.available >= minCost(job.terms.rates, question, job.tokenizer),
                );
                if (last === undefined || last.running >= last.terms.maxParallel) {
                    throw error;
                }
                return lease(last, question);
            }
        }
    }

    /** A query ended: another one gets its place, and the next job is opened if the money of this one runs low. */
    release(job: GatewayJob): void {
        this.waiting.splice(0).forEach((resolve) => resolve());
        this.openAhead(job);
    }

    // Below the configured part of its deposit.
    private openAhead(job: GatewayJob): void {
        const { model } = job.stored;
        const low = (other: GatewayJob) => other.available < this.threshold(other);
        if (job.phase !== 'open' || !low(job)) {
            return;
        }
        const others = this.usable(model, { workers: new Set(), jobs: new Set([job.number]) });
        if (others.every(low)) {
            const failed = reporting(this.context.log, 'warn', 'no job opened ahead', { model });
            this.opener.open(model, new Set()).catch(failed);
        }
    }

    /** Open jobs that are used up: no query runs or is without an ending, and another job has taken their place. */
    exhausted(): GatewayJob[] {
        return this.book.open().filter((job) => {
            const others = this.usable(job.stored.model, { workers: new Set(), jobs: new Set([job.number]) });
            const replaced = others.some((other) => other.available >= this.threshold(other));
            const over = this.isOver(job) || (replaced && job.available < this.threshold(job));
            return over && job.running === 0 && job.unfinished.length === 0;
        });
    }

    private disconnected(model: string, excluded: Excluded): GatewayJob[] {
        return this.lasting(model, excluded).filter(
            (job) => !job.isConnected(this.context.now()) && job.available >= this.threshold(job),
        );
    }

    // Open jobs that are paid and not in their last hours.
    private lasting(model: string, { workers, jobs }: Excluded): GatewayJob[] {
        const isExcluded = ({ number, stored }: GatewayJob) => jobs.has(number) || workers.has(stored.worker);
        return this.book
            .open(model)
            .filter((job) => job.money.paused === undefined && !isExcluded(job) && !this.isOver(job));
    }

    private usable(model: string, excluded: Excluded): GatewayJob[] {
        const { nodes, now } = this.context;
        return this.lasting(model, excluded)
            .filter((job) => job.isConnected(now()) && nodes.bans.banReason(job.stored.worker) === undefined)
            .sort((a, b) => nodes.bans.compare(a.stored.worker, b.stored.worker));
    }

    /** True if a worker may well say that a job's refund is too near. */
    isEnding({ terms }: GatewayJob): boolean {
        return terms.end - this.context.now() < terms.notice + ENDING_SECONDS;
    }

    private isOver(job: GatewayJob): boolean {
        return job.terms.end - this.context.now() < this.context.config.job.lastHours * 3600;
    }

    // Always less than what a fresh job has, or jobs would be opened one after the other.
    private threshold({ stored }: GatewayJob): bigint {
        const part = BigInt(Math.round(this.context.config.job.openAhead * 1000));
        return (freshOf(stored.deposit) * part) / 1000n;
    }

    // A question that no fresh job could pay must not open one.
    private async requireCover(model: string, excluded: ReadonlySet<string>, question: Question): Promise<void> {
        const { nodes, config } = this.context;
        const { rates, tokenizer } = await nodes.pick(model, excluded, question.needed);
        const min = minCost(rates, question, tokenizer);
        if (min > freshOf(config.job.deposit)) {
            throw badRequest(
                `The prompt may cost ${min} nanoTON, more than a job holds: send less, or raise job.deposit`,
                'messages',
                'prompt_too_dear',
            );
        }
    }

    private covers(job: GatewayJob, question: Question): boolean {
        const max = maxCost(job.terms.rates, question, job.tokenizer);
        const enough = this.threshold(job);
        const min = minCost(job.terms.rates, question, job.tokenizer);
        const target = max < enough ? max : enough;
        return job.available >= (target > min ? target : min);
    }

    private async waitForSlot(deadline: number): Promise<void> {
        const remaining = deadline - Date.now();
        if (remaining <= 0) {
            throw unavailable('Every job is busy: ask again in a moment, or raise job.maxParallel', 'busy');
        }
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
            this.waiting.push(resolve);
            timer = setTimeout(resolve, remaining);
        });
        clearTimeout(timer);
    }
}

// Taken in the same moment in which it was found free, so that no two questions get it.
function lease(job: GatewayJob, question: Question): Lease {
    const max = maxCost(job.terms.rates, question, job.tokenizer);
    const ceiling = max < job.available ? max : job.available;
    job.begin();
    return job.allocate(ceiling);
}

// What queries of a job that was just opened may reserve.
function freshOf(deposit: bigint): bigint {
    return deposit > RENT ? deposit - RENT : 0n;
}

// The prompt and a short answer.
function minCost(rates: Rates, question: Question, tokenizer: string): bigint {
    const { modelRequest } = question;
    const short = { ...modelRequest, maxTokens: Math.min(16, modelRequest.maxTokens) };
    return maxCost(rates, { ...question, modelRequest: short }, tokenizer);
}
