/**
 * The orders that end jobs: one endpoint may hide for ever that they are due, or make up for ever that they are. A job
 * that is left, or whose deposit comes back, costs a small fee.
 */
import type { JobChannels } from './channels';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';

const REPEAT_SECONDS = 6 * 3600; // before an order is repeated, or given as only some endpoints want it
const COMPARE_SECONDS = 600; // between two looks at what all endpoints show of a job

export class EndingOrders {
    private readonly leftAt = new WeakMap<GatewayJob, number>(); // unix seconds, when it was asked to leave
    private readonly comparedAt = new WeakMap<GatewayJob, number>(); // unix seconds
    private readonly hiddenSince = new WeakMap<GatewayJob, number>(); // unix seconds; what some endpoints show to be due

    constructor(
        private readonly context: GatewayContext,
        private readonly channels: JobChannels,
    ) {}

    /** Asks a job to leave that is not left yet, as an endpoint says; not again for some hours. */
    async leave(job: GatewayJob): Promise<void> {
        const { now, spending } = this.context;
        if (now() - (this.leftAt.get(job) ?? -Infinity) >= REPEAT_SECONDS) {
            await spending.jobOrder(job.parameters, 'leave');
            this.leftAt.set(job, now());
        }
    }

    /** Gives the order that only some endpoints have shown to be due for some hours. */
    async giveHidden(job: GatewayJob): Promise<void> {
        const { now, spending } = this.context;
        if (job.phase === 'ended' || now() - (this.comparedAt.get(job) ?? -Infinity) < COMPARE_SECONDS) {
            return;
        }
        this.comparedAt.set(job, now());
        const views = await this.channels.compare(job.channel);
        const isDue = views.some(({ due }) => due);
        const since = this.hiddenSince.get(job) ?? now();
        if (!isDue && !(job.phase === 'leaving' && views.some(({ isLeft }) => isLeft === false))) {
            this.hiddenSince.delete(job);
        } else if (now() - since < REPEAT_SECONDS) {
            this.hiddenSince.set(job, since);
        } else {
            this.hiddenSince.set(job, now());
            spending.doubtEndpoint(); // it may have made up that the order was taken
            await spending.jobOrder(job.parameters, isDue ? 'refund' : 'leave');
        }
    }
}
