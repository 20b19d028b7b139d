/** How one job ends: settled with its worker, left without it, refunded once the time has come. */
import { reasonOf } from '../process/errors';
import { reporting } from '../process/log';
import { SingleFlight, Tasks } from '../process/tasks';
import { isCutByNode } from '../payer/check';
import type { JobPhase } from '../store/gateway';
import type { ChannelView, JobChannels } from './channels';
import type { GatewayContext } from './context';
import { EndingOrders } from './endingOrders';
import { GatewayError } from './errors';
import type { GatewayJob } from './job';
import type { NodeUnfit } from './nodes';
import type { QueryOutcome } from './query';

const MAX_POLLS = 60;
const DAY = 86_400; // seconds
const MAX_UNSEEN = 2; // jobs a day that count against no node, because an endpoint does not show them

/** Seconds that a worker has to end a job before the client leaves without it. */
export const SETTLE_SECONDS = 900;

/** Why a job is left whose worker has nothing against it. */
export const NOT_CLAIMED =
    'worth less to the worker than a claim costs: the remaining balance comes back after the notice';

const UNFIT = 'it is not the node that it was';

const REMEDIES: Partial<Record<JobPhase, string>> = {
    leaving: 'nothing more is paid, and its remaining balance comes back by itself after the notice',
    failed: 'it was never opened, and nothing of it was spent',
};

export class Closing {
    /**
     * Shows a job to its worker if that does not know it yet, and fetches the endings of its queries, so that their
     * results are paid. Recovery, a floor above, sets it.
     */
    takeUp: (job: GatewayJob) => Promise<void> = () => Promise.resolve();
    private readonly tasks = new Tasks();
    private readonly leaving = new SingleFlight<number, void>();
    private readonly settling = new SingleFlight<number, JobPhase>();
    private readonly settlingSince = new Map<number, number>(); // unix seconds, by job
    private readonly startedAt: number; // unix seconds
    private unseenAt: number[] = []; // unix seconds, when jobs were left that not every endpoint showed
    private readonly orders: EndingOrders;

    constructor(
        private readonly context: GatewayContext,
        private readonly channels: JobChannels,
    ) {
        this.startedAt = context.now();
        this.orders = new EndingOrders(context, channels);
    }

    /** Pays what is owed, asks the worker to end the job, and waits until the chain shows that it was paid. */
    settle(job: GatewayJob, note = 'settled by the client'): Promise<JobPhase> {
        this.sinceOf(job);
        return this.settling.run(job.number, () => this.settleNow(job, note));
    }

    /** The job does not fit the rules of now, or is used up: it gets no more queries, and its worker ends it. */
    retire(job: GatewayJob, reason: string): void {
        const { log } = this.context;
        log.warn({ job: job.number, worker: job.stored.worker, reason }, 'the job is settled');
        const failed = reporting(log, 'warn', 'the job is not settled yet', { job: job.number });
        void this.tasks.add(this.settle(job, reason).catch(failed));
    }

    /**
     * The node is not what it was when the job was opened. That is up to the node, so the job counts as spoiled; those
     * that were open together count once, because an operator may change the keys of a node. A job that was opened
     * before this start does not count if the rules may have changed since: that is up to this gateway.
     */
    retireUnfit(job: GatewayJob, { message, byRules }: NodeUnfit): void {
        const { setbacks } = this.context;
        this.retire(job, message);
        if (!byRules || job.stored.createdAt > this.startedAt) {
            void this.tasks.add(setbacks.add(job, UNFIT, { onceForOpen: true }));
        }
    }

    /**
     * The worker refused the job or its queries without a signature: the job is left, and no new one opened there for a
     * while.
     */
    leaveRefused(job: GatewayJob, cause: string): void {
        const { nodes, log, setbacks } = this.context;
        nodes.bans.ban(job.stored.worker, `it refused a job (${cause})`);
        log.warn({ job: job.number, worker: job.stored.worker, cause }, 'the job is left: its worker refuses it');
        this.leaveLater(job, `the worker refused it: ${cause}`);
        void this.tasks.add(setbacks.add(job, cause));
    }

    /**
     * The worker does not see the channel, and neither does every endpoint: the job is left. That is the fault of an
     * endpoint. More often than twice a day it may be the node's, too, for each such job may tie up a deposit.
     */
    leaveUnseen(job: GatewayJob): void {
        const now = this.context.now();
        this.unseenAt = [...this.unseenAt.filter((at) => at > now - DAY), now];
        if (this.unseenAt.length > MAX_UNSEEN) {
            this.leaveRefused(job, 'wrong_channel');
        } else {
            this.leaveLater(job, 'an endpoint of the chain and the worker do not see its channel');
        }
    }

    /**
     * The node broke the protocol, or failed twice after it was paid: no more money, no more queries, and the job is
     * left.
     */
    abandon(job: GatewayJob, reason: string): void {
        const { nodes, log, setbacks } = this.context;
        nodes.bans.ban(job.stored.worker, reason);
        log.error({ job: job.number, worker: job.stored.worker, reason }, 'the job is left');
        void this.tasks.add(setbacks.add(job, 'it broke the protocol'));
        this.leaveLater(job, reason);
    }

    /**
     * Books what an ending says about its node. Twice without an answer after meters were paid, and the job is left.
     * `isLate`: it was fetched after the connection had ended, and its app got no answer, or a part of it.
     */
    bookOutcome(job: GatewayJob, outcome: QueryOutcome, { isLate = false } = {}): void {
        const { bans } = this.context.nodes;
        if (outcome.type === 'result') {
            job.refusals = 0;
            if (!isCutByNode(outcome.result.finish)) {
                bans.clearFailures(job.stored.worker);
                if (!isLate) {
                    bans.warm(job.stored.worker);
                }
            }
        } else if (outcome.paid) {
            bans.countFailure(job.stored.worker);
            if (bans.hasFailedTooOften(job.stored.worker)) {
                this.abandon(job, 'two queries in a row failed after their meters were paid');
            }
        }
    }

    /** Asks the chain to let the client go after the notice; needs no worker. Nothing more is paid. */
    leave(job: GatewayJob, note = 'left by the client'): Promise<void> {
        return this.leaving.run(job.number, () => this.leaveNow(job, note));
    }

    /** Leaves or refunds an ending job of which one endpoint hides that it can be. */
    giveHiddenOrder(job: GatewayJob): Promise<void> {
        return this.orders.giveHidden(job);
    }

    /** Leaves a job whose worker has had its time to end it, also if it only took what it is owed. */
    async leaveOverdue(job: GatewayJob): Promise<void> {
        const isEnding = job.phase === 'settling' || job.phase === 'settled';
        if (isEnding && this.context.now() - this.sinceOf(job) >= SETTLE_SECONDS) {
            await this.leave(job, `its worker did not end it: ${job.stored.note}`);
        }
    }

    /** Sends the remaining balance of an ended job home; needs no worker. */
    async refund(job: GatewayJob): Promise<void> {
        if (job.phase === 'ended') {
            return;
        }
        requirePhase(job, ['open', 'leaving', 'settling', 'settled']);
        const channel = await this.readConfirmed(job);
        if (channel.type === 'ended') {
            await job.change({ phase: 'ended' });
            return;
        }
        if (channel.type === 'unclear') {
            const message = `${channel.message}, says the API: that is not confirmed yet, ask again in some minutes`;
            throw new GatewayError(503, 'unclear', `The channel of job ${job.number}: ${message}`);
        }
        if (!channel.dueConfirmed) {
            const when = new Date(channel.refundAt * 1000).toISOString();
            throw new GatewayError(
                409,
                'too_early',
                `Job ${job.number} can be refunded from ${when} on; leave it to bring that nearer`,
            );
        }
        await this.context.spending.jobOrder(job.parameters, 'refund');
        await this.untilEnded(async () => {
            const hasEnded = (await this.channels.readSoon(job.paidChannel)).type === 'ended';
            if (hasEnded) {
                await job.change({ phase: 'ended', note: 'refunded' });
            }
            return hasEnded;
        });
    }

    /**
     * Waits for nothing more; resolves when no task writes to the store any more. Call it once no worker is asked any
     * more.
     */
    async close(): Promise<void> {
        await this.tasks.close();
    }

    private async settleNow(job: GatewayJob, note: string): Promise<JobPhase> {
        if (job.phase === 'ended') {
            return job.phase;
        }
        requirePhase(job, ['open', 'settling', 'settled']);
        if (job.phase === 'open') {
            await job.change({ phase: 'settling', note });
        }
        await job.whenIdle();
        // A worker ends no job that it does not know, or that owes it a result.
        await this.takeUp(job);
        if (job.phase === 'leaving') {
            await this.leave(job, job.stored.note); // the worker has said meanwhile that it claims nothing
        }
        if (job.phase !== 'settling' && job.phase !== 'settled') {
            return job.phase;
        }
        let claims: boolean;
        try {
            await job.money.flush();
            claims = await job.worker.end(job.stored.hash, job.key);
        } catch (error) {
            throw new GatewayError(
                502,
                'worker_down',
                `The worker of job ${job.number} does not end it (${reasonOf(error)}): ask again, or leave the job without it`,
            );
        }
        if (claims) {
            await this.untilEnded(() => this.updateEnded(job));
        } else {
            await this.leave(job, NOT_CLAIMED);
        }
        return job.phase;
    }

    // The worker's claim ends the account, or with a cold payout only pays what is owed.
    private async updateEnded(job: GatewayJob): Promise<boolean> {
        const channel = await this.channels.readSoon(job.paidChannel);
        const { cumulative } = job.ledger.voucher;
        if (channel.type === 'ended') {
            await job.change({ phase: 'ended', note: 'settled' });
            return true;
        }
        if (channel.type === 'active' && channel.paid === cumulative && cumulative > 0n) {
            await job.change({ phase: 'settled' });
            return true;
        }
        return false;
    }

    private leaveLater(job: GatewayJob, note: string): void {
        if (job.phase === 'leaving' || job.phase === 'ended') {
            return;
        }
        job.abandoned.abort();
        const failed = reporting(this.context.log, 'error', 'leaving failed and is tried again', { job: job.number });
        void this.tasks.add(this.leave(job, note).catch(failed));
    }

    private async leaveNow(job: GatewayJob, note: string): Promise<void> {
        if (job.phase === 'ended') {
            return;
        }
        requirePhase(job, ['open', 'settling', 'settled', 'leaving']);
        await job.change({ phase: 'leaving', note });
        await job.money.stop();
        const channel = await this.channels.read(job.paidChannel);
        if (channel.type === 'active' && channel.refundAt > channel.at + channel.notice) {
            await this.orders.leave(job);
        }
    }

    // What the chain says once it is confirmed, or what it says after the last poll.
    private async readConfirmed(job: GatewayJob): Promise<ChannelView> {
        let view: ChannelView;
        await this.untilEnded(async () => {
            view = await this.channels.readSoon(job.paidChannel);
            return view.type !== 'unclear' && !(view.type === 'active' && view.due && !view.dueConfirmed);
        });
        return view!;
    }

    private untilEnded(holds: () => Promise<boolean>): Promise<boolean> {
        return this.tasks.until(holds, { polls: MAX_POLLS, ms: this.context.config.pollMs });
    }

    /** Since when a job settles, counted from the first time that somebody asks; unix seconds. */
    private sinceOf({ number }: GatewayJob): number {
        const since = this.settlingSince.get(number) ?? this.context.now();
        this.settlingSince.set(number, since);
        return since;
    }
}

function requirePhase(job: GatewayJob, phases: JobPhase[]): void {
    if (!phases.includes(job.phase)) {
        const remedy = REMEDIES[job.phase] ?? 'ask again when it is open';
        throw new GatewayError(409, 'wrong_phase', `Job ${job.number} is ${job.phase}: ${remedy}`);
    }
}
