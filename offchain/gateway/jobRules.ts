/** Retires open jobs that the client's rules, or the chain, no longer allow. */
import type { JobBook } from './book';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import type { NodeWatch } from './nodeWatch';

export class JobRules {
    constructor(
        private readonly context: GatewayContext,
        private readonly book: JobBook,
        private readonly watch: NodeWatch,
        private readonly closing: Closing,
    ) {}

    /** Settles every open job, or those of one model, that does not fit the rules of now. */
    async retireUnfit(model?: string): Promise<void> {
        for (const job of this.book.open(model)) {
            this.retire(job, job.money.signingStop ?? (await this.context.nodes.jobObjection(job.stored)));
        }
    }

    /** Reads the nodes of jobs again, and settles the jobs that nothing stands behind any more. */
    async retireEnded(jobs: readonly GatewayJob[]): Promise<void> {
        for (const { job, objection } of await this.watch.pausePayments(jobs)) {
            this.retire(job, objection);
        }
    }

    /** Settles an open job that there is an objection to. */
    retire(job: GatewayJob, objection: string | undefined): void {
        if (objection !== undefined && job.phase === 'open') {
            this.closing.retire(job, objection);
        }
    }
}
