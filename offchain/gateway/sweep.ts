/** What a gateway does with its jobs from time to time: it moves ending ones on and looks at ended ones again. */
import { Address } from '@ton/core';
import { reporting } from '../process/log';
import { inParallel } from '../process/parallel';
import type { StoredJob } from '../store/gateway';
import type { JobBook } from './book';
import type { JobChannels } from './channels';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import type { JobRules } from './jobRules';
import type { JobPool } from './pool';
import type { Recovery } from './recovery';

const UNTAKEN_SECONDS = 3600; // that a node has to take a new job
const ENDED_PER_SWEEP = 3; // ended jobs that are looked at again

export interface SweepParts {
    book: JobBook;
    channels: JobChannels;
    closing: Closing;
    rules: JobRules;
    pool: JobPool;
    recovery: Recovery;
}

export class Sweep {
    private lookedAt: StoredJob | undefined; // the last of the ended jobs
    private settling: Promise<void> | undefined;

    constructor(
        private readonly context: GatewayContext,
        private readonly parts: SweepParts,
    ) {}

    /** Moves every ending job on: sees what has ended, leaves what was not left yet, refunds what can be. */
    async run(): Promise<void> {
        const { config, log, escrow, store, now } = this.context;
        const { book, closing, rules } = this.parts;
        const forgotten = store.forget(now() - config.keepHours * 3600);
        await forgotten.catch(reporting(log, 'error', 'what should be forgotten is still in the store'));
        const unforgotten = reporting(log, 'error', 'old requests are still in the store');
        await store.claims?.forget(config.idempotency.seconds).catch(unforgotten);
        await escrow.compareClocks().catch(reporting(log, 'warn', 'no time of the chain'));
        if (Math.abs(escrow.clock.offset ?? 0) > config.clockTolerance) {
            log.error({ seconds: escrow.clock.offset }, "the clock of this machine is not the chain's: set it");
        }
        await rules.retireUnfit();
        this.leaveUntaken();
        await this.settleExhausted();
        const isEnding = ({ phase, terms }: GatewayJob) =>
            ['settling', 'settled', 'leaving'].includes(phase) || (phase === 'open' && terms.end <= now());
        for (const job of book.all.filter(isEnding)) {
            const failed = reporting(log, 'warn', 'an ending job does not move on', { job: job.number });
            await this.moveOn(job).catch(failed);
        }
        // Together, because an endpoint may take its time with each.
        await inParallel(book.all.filter(isEnding), async (job) => {
            const failed = reporting(log, 'warn', 'an order that an endpoint hides is not given', { job: job.number });
            await closing.giveHiddenOrder(job).catch(failed);
        });
        await this.lookAtEnded().catch(reporting(log, 'warn', 'ended jobs are not looked at'));
    }

    // A node may be away when a job is opened there, but its deposit is not tied up for long.
    private leaveUntaken(): void {
        const since = this.context.now() - UNTAKEN_SECONDS;
        const untaken = this.parts.book.open().filter(({ untakenSince = Infinity }) => untakenSince <= since);
        untaken.forEach((job) => this.parts.closing.leaveRefused(job, 'it did not take the job for an hour'));
    }

    /** Settles jobs that are used up or too many. Calls at the same time settle once. */
    settleExhausted(): Promise<void> {
        return (this.settling ??= this.settleAll().finally(() => (this.settling = undefined)));
    }

    private async settleAll(): Promise<void> {
        const { closing, pool } = this.parts;
        // Each waits for the chain, so one after the other would take too long.
        await inParallel(pool.exhausted(), async (job) => {
            if (!pool.exhausted().includes(job)) {
                return; // it was used while others were settled
            }
            const failed = reporting(this.context.log, 'warn', 'an exhausted job is not settled yet', {
                job: job.number,
            });
            await closing.settle(job, 'used up').catch(failed);
        });
    }

    private async moveOn(job: GatewayJob): Promise<void> {
        const { log } = this.context;
        const { channels, closing } = this.parts;
        const channel = await channels.read(job.paidChannel);
        if (channel.type === 'ended') {
            await job.change({ phase: 'ended' });
        } else if (channel.type === 'unclear') {
            const { message } = channel;
            log.warn({ job: job.number, message }, 'the API says so of a channel: it is asked again');
        } else if (channel.due) {
            await closing.refund(job);
        } else if (job.phase === 'leaving' && channel.refundAt > channel.at + channel.notice) {
            await closing.leave(job, job.stored.note);
        } else {
            await closing.leaveOverdue(job);
        }
    }

    // What was ended because the API said so comes back if the chain shows it: some are looked at with every sweep.
    private async lookAtEnded(): Promise<void> {
        const { book, channels, recovery } = this.parts;
        for (const record of await this.context.store.over(this.lookedAt, ENDED_PER_SWEEP)) {
            this.lookedAt = record;
            const channel = new Address(0, record.channel);
            if (!(await channels.hasAppeared(channel, record.phase === 'failed' ? record.deposit : 0n))) {
                continue;
            }
            const phase = record.phase === 'failed' ? 'open' : record.breachAt ? 'leaving' : 'settling';
            const change = { phase, funds: record.deposit, note: 'its account exists after all' } as const;
            if (!(await this.context.store.revive(record, change))) {
                continue; // another process was faster
            }
            const existing = book.get(record.number);
            const job = existing?.channel.equals(channel) === true ? existing : book.add(record);
            Object.assign(job.stored, change);
            book.replace(job);
            void recovery.reconnect(job);
        }
    }
}
