/** How jobs end: settled with the worker, left alone by the client, refunded once the time has come. */
import { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../process/errors';
import { JobPhase } from '../store/gateway';
import { GatewayError } from './errors';
import type { Job } from './job';
import { JobContext, Jobs } from './jobs';
import type { ChannelView } from './spending';

const MAX_POLLS = 60;
const ENDED_LOOKS = 3; // at ended jobs with every sweep
const SETTLE_SECONDS = 900; // that a worker has to end a job before the client leaves without it

/** Why a job is left whose worker has nothing against it. */
export const NOT_CLAIMED = 'worth less to the worker than a claim costs: the rest comes back after the notice';

const REMEDIES: Partial<Record<JobPhase, string>> = {
    leaving: 'nothing more is paid, and its rest comes back by itself after the notice',
    failed: 'it was never opened, and nothing of it was spent',
};

export class Settlement {
    private ended = 0; // ended jobs that were looked at once more
    private readonly closing = new AbortController();
    private readonly tasks = new Set<Promise<unknown>>();
    private readonly leaving = new Map<number, Promise<void>>();
    private readonly settling = new Map<number, { since: number; done: Promise<JobPhase> | undefined }>();

    constructor(
        private readonly context: JobContext,
        private readonly jobs: Jobs,
        private readonly pollMs: number,
    ) {}

    /** Pays what is owed, asks the worker to end the job, and waits until the chain shows that it was paid. */
    settle(job: Job, note = 'settled by the client'): Promise<JobPhase> {
        const settling = this.settlingOf(job);
        settling.done ??= this.settleNow(job, note).finally(() => (settling.done = undefined));
        return settling.done;
    }

    /** The job does not fit the rules of now, or is used up: no more queries, and its worker ends it. */
    retire(job: Job, reason: string): void {
        const { log } = this.context;
        log.warn({ job: job.number, worker: job.stored.worker, reason }, 'the job is settled');
        this.beside(
            this.settle(job, reason).catch((error: unknown) =>
                log.warn({ job: job.number, reason: reasonOf(error) }, 'the job is not settled yet'),
            ),
        );
    }

    /** Waits for nothing more; resolves when no task writes to the store any more. Call it once no worker is asked any more. */
    async close(): Promise<void> {
        this.closing.abort();
        await Promise.all(this.tasks);
    }

    private beside(task: Promise<unknown>): void {
        const settled = task.finally(() => this.tasks.delete(settled));
        this.tasks.add(settled);
    }

    private async pause(): Promise<void> {
        await sleep(this.pollMs, undefined, { signal: this.closing.signal }).catch(() => undefined);
    }

    /** The worker refused the job or its queries without a signature: away, and no new job there for a while. */
    refused(job: Job, cause: string): void {
        const { nodes, log, setbacks } = this.context;
        nodes.ban(job.stored.worker, `it refused a job (${cause})`);
        log.warn({ job: job.number, worker: job.stored.worker, cause }, 'the job is left: its worker refuses it');
        this.leaveBeside(job, `the worker refused it: ${cause}`);
        this.beside(setbacks.note(job, cause));
    }

    private async settleNow(job: Job, note: string): Promise<JobPhase> {
        if (job.phase === 'gone') {
            return job.phase;
        }
        this.requirePhase(job, ['open', 'settling', 'settled']);
        if (job.phase === 'open') {
            await job.change({ phase: 'settling', note });
        }
        await job.whenIdle();
        let claims: boolean;
        try {
            await job.post.flush();
            claims = await job.worker.end(job.stored.hash, job.key);
        } catch (error) {
            throw new GatewayError(
                502,
                'worker_down',
                `The worker of job ${job.number} does not end it (${reasonOf(error)}): ask again, or leave the job without it`,
            );
        }
        if (!claims) {
            await this.leave(job, NOT_CLAIMED);
            return job.phase;
        }
        for (let poll = 0; poll < MAX_POLLS && !this.closing.signal.aborted; poll++) {
            if (await this.look(job)) {
                return job.phase;
            }
            await this.pause();
        }
        return job.phase;
    }

    /** Asks the chain to let the client go after the notice; needs no worker. Nothing more is paid. */
    leave(job: Job, note = 'left by the client'): Promise<void> {
        let leaving = this.leaving.get(job.number);
        if (leaving === undefined) {
            leaving = this.leaveNow(job, note).finally(() => this.leaving.delete(job.number));
            this.leaving.set(job.number, leaving);
        }
        return leaving;
    }

    /** The node broke the protocol, or failed twice after it was paid: no more money, no more queries, away. */
    abandon(job: Job, reason: string): void {
        const { nodes, log, setbacks } = this.context;
        nodes.ban(job.stored.worker, reason);
        log.error({ job: job.number, worker: job.stored.worker, reason }, 'the job is left');
        this.beside(setbacks.note(job, 'it broke the protocol'));
        this.leaveBeside(job, reason);
    }

    private leaveBeside(job: Job, note: string): void {
        if (job.phase === 'leaving' || job.phase === 'gone') {
            return;
        }
        job.abandoned.abort();
        this.beside(
            this.leave(job, note).catch((error: unknown) => {
                this.context.log.error(
                    { job: job.number, reason: reasonOf(error) },
                    'leaving failed and is tried again',
                );
            }),
        );
    }

    /** Sends the rest of an ended job home; needs no worker. */
    async refund(job: Job): Promise<void> {
        if (job.phase === 'gone') {
            return;
        }
        this.requirePhase(job, ['open', 'leaving', 'settling', 'settled']);
        const { spending } = this.context;
        const channel = await this.confirmed(job);
        if (channel.type === 'gone') {
            await job.change({ phase: 'gone' });
            return;
        }
        if (channel.type === 'unclear') {
            const words = `${channel.word}, says the API: that is not confirmed yet, ask again in some minutes`;
            throw new GatewayError(503, 'unclear', `The channel of job ${job.number}: ${words}`);
        }
        if (!channel.due) {
            const when = new Date(channel.refundAt * 1000).toISOString();
            throw new GatewayError(
                409,
                'too_early',
                `Job ${job.number} can be refunded from ${when}; leave it to come nearer`,
            );
        }
        await spending.jobOrder(job.parameters, 'refund');
        for (let poll = 0; poll < MAX_POLLS && !this.closing.signal.aborted; poll++) {
            if ((await spending.channel(job.watched, true)).type === 'gone') {
                await job.change({ phase: 'gone', note: 'refunded' });
                return;
            }
            await this.pause();
        }
    }

    // What the chain says once it has said so often enough, or what it says now.
    private async confirmed(job: Job): Promise<ChannelView> {
        for (let poll = 1; ; poll++) {
            const view = await this.context.spending.channel(job.watched, true);
            const open = view.type === 'unclear' || (view.type === 'there' && view.looksDue && !view.due);
            if (!open || poll === MAX_POLLS || this.closing.signal.aborted) {
                return view;
            }
            await this.pause();
        }
    }

    /** Moves every ending job on: sees what is gone, leaves what was not left yet, refunds what can be. */
    async sweep(): Promise<void> {
        const { config, log, spending, store, now } = this.context;
        await store.forget(now() - config.keepHours * 3600).catch((error: unknown) => {
            log.error({ reason: reasonOf(error) }, 'what should be forgotten is still in the store');
        });
        await spending.time().catch((error: unknown) => log.warn({ reason: reasonOf(error) }, 'no time of the chain'));
        if (Math.abs(spending.clock.offset ?? 0) > config.clockTolerance) {
            log.error({ seconds: spending.clock.offset }, "the clock of this machine is not the chain's: set it");
        }
        await this.jobs.retireUnfit();
        for (const job of this.jobs.exhausted()) {
            await this.settle(job, 'used up').catch((error: unknown) =>
                log.warn({ job: job.number, reason: reasonOf(error) }, 'an exhausted job is not settled yet'),
            );
        }
        for (const job of this.jobs.all.filter((one) =>
            ['open', 'settling', 'settled', 'leaving'].includes(one.phase),
        )) {
            if (job.phase === 'open' && job.terms.end > now()) {
                continue;
            }
            try {
                const channel = await spending.channel(job.watched);
                if (channel.type === 'gone') {
                    await job.change({ phase: 'gone' });
                } else if (channel.type === 'unclear') {
                    log.warn(
                        { job: job.number, word: channel.word },
                        'the API says so of a channel: it is asked again',
                    );
                } else if (channel.looksDue) {
                    await this.refund(job);
                } else if (job.phase === 'leaving' && channel.refundAt > channel.at + channel.notice) {
                    await this.leave(job, job.stored.note);
                } else if (job.phase === 'settling' && now() - this.settlingOf(job).since >= SETTLE_SECONDS) {
                    await this.leave(job, `its worker did not end it: ${job.stored.note}`);
                }
            } catch (error) {
                log.warn({ job: job.number, reason: reasonOf(error) }, 'an ending job does not move on');
            }
        }
        await this.lookAtEnded().catch((error: unknown) =>
            log.warn({ reason: reasonOf(error) }, 'ended jobs are not looked at'),
        );
    }

    // What was ended on words of the API comes back when the chain shows it: some are looked at with every sweep.
    private async lookAtEnded(): Promise<void> {
        const { spending, store } = this.context;
        const over = (await store.jobs()).filter(({ phase }) => phase === 'gone' || phase === 'failed').reverse();
        for (const stored of Array.from({ length: Math.min(ENDED_LOOKS, over.length) }, () => {
            return over[this.ended++ % over.length];
        })) {
            const channel = new Address(0, stored.channel);
            const view = await spending.channel({ channel, maxPaid: undefined });
            if (view.type !== 'there') {
                continue;
            }
            const known = this.jobs.get(stored.number);
            const job = known?.channel.equals(channel) === true ? known : this.jobs.add(stored);
            const phase = stored.phase === 'failed' ? 'open' : stored.breachAt ? 'leaving' : 'settling';
            await job.change({ phase, funds: stored.deposit, note: 'its account is there after all' });
            this.jobs.revive(job);
            this.jobs.hooks.reconnect(job);
        }
    }

    private settlingOf({ number }: Job) {
        const settling = this.settling.get(number) ?? { since: this.context.now(), done: undefined };
        this.settling.set(number, settling);
        return settling;
    }

    private async leaveNow(job: Job, note: string): Promise<void> {
        if (job.phase === 'gone') {
            return;
        }
        this.requirePhase(job, ['open', 'settling', 'settled', 'leaving']);
        await job.change({ phase: 'leaving', note });
        await job.post.stop();
        const { spending } = this.context;
        const channel = await spending.channel(job.watched);
        if (channel.type === 'there' && channel.refundAt > channel.at + channel.notice) {
            await spending.jobOrder(job.parameters, 'leave');
        }
    }

    // The worker's claim ends the account, or with a cold payout only pays what is owed.
    private async look(job: Job): Promise<boolean> {
        const channel = await this.context.spending.channel(job.watched, true);
        if (channel.type === 'gone') {
            await job.change({ phase: 'gone', note: 'settled' });
            return true;
        }
        if (
            channel.type === 'there' &&
            channel.paid === job.ledger.voucher.cumulative &&
            job.ledger.voucher.cumulative > 0n
        ) {
            await job.change({ phase: 'settled' });
            return true;
        }
        return false;
    }

    private requirePhase(job: Job, phases: JobPhase[]): void {
        if (!phases.includes(job.phase)) {
            const what = REMEDIES[job.phase] ?? 'ask again when it is open';
            throw new GatewayError(409, 'wrong_phase', `Job ${job.number} is ${job.phase}: ${what}`);
        }
    }
}
