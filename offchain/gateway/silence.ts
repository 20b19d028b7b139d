/**
 * Finds out that a node does not begin an answer whose app has gone. Such a query holds its place of the job until the
 * latest deadline, and its app, which may only have been impatient, blames nobody.
 */
import { waits } from '../link';
import type { GatewayJob } from './job';

export class Silence {
    private readonly since = performance.now();
    private late: NodeJS.Timeout | undefined;
    private isCounted = false;

    /** `onSilent`: called at most once. */
    constructor(
        private readonly job: GatewayJob,
        private readonly onSilent: () => void,
    ) {}

    /** The app has gone, and nothing of the answer has come yet. */
    noteGone(): void {
        const remaining = this.since + waits.begin * 1000 - performance.now();
        this.late ??= setTimeout(() => this.count(), Math.max(0, remaining)).unref();
    }

    /** The answer began, or the query is over. */
    end(): void {
        clearTimeout(this.late);
        this.job.silent -= this.isCounted ? 1 : 0;
        this.isCounted = false;
    }

    private count(): void {
        this.isCounted = true;
        this.job.silent++;
        this.onSilent();
    }
}
