/** The book: every job that this process has in memory. */
import { reasonOf } from '../process/errors';
import type { JobPhase, StoredJob } from '../store/gateway';
import type { UsedQuery } from '../store/people';
import type { GatewayContext } from './context';
import { GatewayJob } from './job';
import { WorkerRefusal } from '../payer/workerErrors';

const MAX_OVER = 100; // jobs in memory that ended or failed

export class JobBook {
    private readonly byNumber = new Map<number, GatewayJob>();
    private forgotten = 0; // jobs that ended or failed

    constructor(private readonly context: GatewayContext) {}

    /** How many jobs there were since the start, by phase. */
    get phases(): Partial<Record<JobPhase, number>> {
        const counts: Partial<Record<JobPhase, number>> = this.forgotten > 0 ? { ended: this.forgotten } : {};
        this.byNumber.forEach(({ phase }) => (counts[phase] = (counts[phase] ?? 0) + 1));
        return counts;
    }

    /** Every job that is not over, and the newest of the others, by number. */
    get all(): GatewayJob[] {
        return [...this.byNumber.values()].sort((a, b) => a.number - b.number);
    }

    /** The open jobs, of one model or of all. */
    open(model?: string): GatewayJob[] {
        return this.all.filter(({ phase, stored }) => phase === 'open' && stored.model === (model ?? stored.model));
    }

    /** Jobs whose queries run or are without an ending. */
    get paying(): GatewayJob[] {
        return this.all.filter(
            ({ phase, running, unfinished }) =>
                (phase === 'open' || phase === 'settling') && (running > 0 || unfinished.length > 0),
        );
    }

    get(number: number): GatewayJob | undefined {
        return this.byNumber.get(number);
    }

    /**
     * Takes a stored job into memory. One that failed does not take the place of another of its number. Throws if the
     * job is there already and not over: two objects of one job would sign side by side.
     */
    add(stored: StoredJob): GatewayJob {
        const present = this.byNumber.get(stored.number);
        if (present?.stored.channel.equals(stored.channel) === true && !isOver(present)) {
            throw new Error(`Job ${stored.number} is in memory already`);
        }
        const { keys, nodes, store, network, escrow, now } = this.context;
        const job = new GatewayJob(stored, nodes, {
            key: keys.voucher(escrow.address.hash, stored.number),
            worker: nodes.link(stored.worker, stored.processes ?? []),
            store,
            network,
            now,
            onUnpaid: (error) => this.logUnpaid(stored, error),
            onEnded: (number, cost, used) => this.settle({ job: stored.number, number }, cost, used),
        });
        if (stored.phase !== 'failed' || !this.byNumber.has(job.number)) {
            this.byNumber.set(job.number, job);
        }
        this.forgetOver();
        return job;
    }

    /** A job whose order was thought to have failed takes the place of another of its number. */
    replace(job: GatewayJob): void {
        this.byNumber.set(job.number, job);
    }

    private forgetOver(): void {
        for (const job of this.all.filter(isOver).slice(0, -MAX_OVER)) {
            this.byNumber.delete(job.number);
            this.forgotten++;
            void job.money.stop();
        }
    }

    private settle(query: { job: number; number: number }, cost: bigint, used?: UsedQuery): void {
        const { people, metrics } = this.context;
        people.budgets.settle(query, cost);
        if (used !== undefined) {
            metrics.addUsed(used);
        }
    }

    private logUnpaid({ number }: StoredJob, error: unknown): void {
        const reason = error instanceof WorkerRefusal ? error.code : reasonOf(error);
        this.context.log.warn({ job: number, reason }, 'a voucher was not taken');
    }
}

const isOver = ({ phase, running }: GatewayJob) => (phase === 'ended' || phase === 'failed') && running === 0;
