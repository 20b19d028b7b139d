/**
 * Asks other endpoints whether clients leave. The first one may hide a client's notice, and vouchers that are not worth
 * a claim yet would be lost at the refund. What one of them says only brings a claim forward: service does not depend
 * on it.
 */
import { claimBody, smaller } from '@cocoon-market/wrappers';
import { unclaimedOf } from '../store/jobSums';
import type { WorkerBook } from './book';
import type { Claim } from './claimSender';
import type { WorkerContext } from './context';
import type { Costs } from './costs';
import type { WorkerJob } from './job';

interface Requested {
    turn: number; // of the endpoint that was asked last
    claims: number; // that were brought forward
}

export class HiddenNotices {
    private readonly requested = new Map<string, Requested>(); // by job
    private requests: Promise<void>[] = [];
    private found: Claim[] = [];

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        private readonly costs: Costs,
    ) {}

    /**
     * Begins to ask one endpoint about a job of which nothing would be claimed now, each in its turn. Nothing waits for
     * the answer: {@link take} has the claims of those that came.
     */
    ask({ id }: WorkerJob): void {
        if ((this.context.chain.others ?? []).length === 0) {
            return;
        }
        const key = id.toString('hex');
        const requested = this.requested.get(key) ?? { turn: 0, claims: 0 };
        requested.turn++;
        this.requested.set(key, requested);
        const ask = async (job: WorkerJob) => {
            const claim = await this.claimOf(job, { ...requested });
            if (claim !== undefined) {
                requested.claims++;
                this.context.log.warn(
                    { job: key },
                    'claims: an endpoint shows that the client leaves, the first does not',
                );
                this.found.push(claim);
            }
        };
        const failed = (error: unknown) =>
            this.context.log.warn({ job: key, err: error }, 'claims: no other endpoint was asked for a notice');
        this.requests.push(this.book.use(id, ask).catch(failed));
    }

    /** The claims that were found since the last time. */
    take(): Claim[] {
        const claims = this.found;
        this.found = [];
        return claims;
    }

    /** As {@link take}, after the answers of all that are asked, which take two seconds at most. */
    async takeAll(): Promise<Claim[]> {
        const { requests } = this;
        this.requests = [];
        await Promise.all(requests);
        return this.take();
    }

    forget(key: string): void {
        this.requested.delete(key);
    }

    private async claimOf(job: WorkerJob, { turn, claims }: Requested): Promise<Claim | undefined> {
        const snapshot = await job.channel.readInTurn(turn);
        const { channel, voucher } = job.record;
        if (snapshot === undefined || voucher === undefined) {
            return undefined;
        }
        const { refundAt } = snapshot;
        const { paid } = job.channel.snapshot;
        const due = unclaimedOf(job.record);
        // By both, so that neither endpoint alone has the wallet pay for a claim that brings nothing. A client leaves
        // once, so each further claim must bring more: a notice that is made up costs a small part of what is earned.
        const amount = smaller(due, unclaimedOf({ voucher, snapshot })) / BigInt(claims + 1);
        const isWorth = this.costs.isWorth(amount);
        if (!isWorth || !job.channel.isHiddenNotice(snapshot)) {
            return undefined;
        }
        return {
            ...{ job: job.id, channel, due, paidAfter: paid + due, last: false, hidden: false },
            ...{ refundAt, body: claimBody(voucher, { last: false }) },
        };
    }
}
