/** Ends the jobs of a worker that drains. */
import { PollLoop } from '../process/tasks';
import { reporting } from '../process/log';
import { unclaimedOf } from '../store/jobSums';
import type { IntakeMode } from '../store/worker';
import type { WorkerBook } from './book';
import type { Claims } from './claims';
import type { WorkerContext } from './context';

const PAGE = 100; // jobs read at once
const DRAIN_MS = 2000; // between two looks at the jobs that are to end

/** How far a worker is that takes no new work. Amounts are nanoTON. */
export interface IntakeView {
    intake: IntakeMode;
    running: number; // queries
    openJobs: number; // that are not asked to end yet
    endingJobs: number; // whose end is not on chain yet, or whose client has to end them
    unclaimed: bigint;
    claimableJobs: number; // whose vouchers are worth a claim; the client of another job ends it
}

/**
 * Ends the jobs of a worker that drains: a job is asked to end as soon as none of its queries runs. Claims then claim
 * it, and end it where that is worth its cost.
 */
export class Drain {
    private readonly loop: PollLoop;

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        private readonly claims: Claims,
    ) {
        const onError = reporting(context.log, 'warn', 'drain: a round failed');
        this.loop = new PollLoop(() => this.round(), DRAIN_MS, onError);
    }

    /** Another process was told to drain. */
    wake(): void {
        this.loop.wake();
    }

    start(): void {
        this.loop.start();
    }

    async stop(): Promise<void> {
        await this.loop.stop();
    }

    /** Changes what the worker takes, and begins to drain if it says so. */
    async set(mode: IntakeMode): Promise<IntakeView> {
        const { context } = this;
        await context.intake.set(mode);
        context.log.info({ intake: mode }, 'what the worker takes has changed');
        if (mode === 'draining') {
            await this.round();
        }
        return this.view();
    }

    async view(): Promise<IntakeView> {
        const { store, intake } = this.context;
        const { jobs, unclaimed } = await store.totals();
        return {
            ...{ intake: intake.mode, running: (await this.book.running()).length },
            ...{ openJobs: jobs.open, endingJobs: jobs.ending },
            ...{ unclaimed, claimableJobs: await this.claimableJobs() },
        };
    }

    private async claimableJobs(): Promise<number> {
        const { jobs } = this.context.store;
        let count = 0;
        let page = await jobs.claimable({ limit: PAGE, ofAll: true });
        while (page.length > 0) {
            count += page.filter((record) => this.claims.costs.isWorth(unclaimedOf(record))).length;
            page = await jobs.claimable({ cursor: page.at(-1)!.job, limit: PAGE, ofAll: true });
        }
        return count;
    }

    private async round(): Promise<void> {
        const { store, intake } = this.context;
        let ended = 0;
        let page = intake.mode === 'draining' ? await store.jobs.open({ limit: PAGE }) : [];
        while (page.length > 0) {
            for (const { job: id } of page) {
                ended += await this.book.use(id, async (job) => {
                    const mayEnd = intake.mode === 'draining' && job.state === 'open' && job.running.size === 0;
                    await (mayEnd ? job.setState('ending') : undefined);
                    return mayEnd ? 1 : 0;
                });
            }
            page = await store.jobs.open({ cursor: page.at(-1)!.job, limit: PAGE });
        }
        if (ended > 0) {
            this.claims.wake();
        }
    }
}
