/**
 * Claims vouchers: reads at intervals the channels of jobs that have something due, and claims in batches.
 *
 * Longer than 350 lines because when a voucher is claimed is best read in one place.
 */
import { claimBody, smaller } from '@cocoon-market/wrappers';
import { CONFIRM_READS, MAX_TRANSFERS } from '../chain';
import { PollLoop, Tasks } from '../process/tasks';
import { unclaimedOf } from '../store/jobSums';
import type { JobRecord } from '../store/worker';
import type { WorkerBook } from './book';
import type { DisputedJobs } from './disputedJobs';
import { type Claim, type ClaimReport, ClaimSender, type ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import type { Costs } from './costs';
import type { WorkerJob } from './job';
import { HiddenNotices } from './hiddenNotices';
import { LostJobs } from './lostJobs';
import { OverdueJobs } from './overdueJobs';
import { type AssertAlone, spendAlone } from './processes';

const PAGE = MAX_TRANSFERS; // jobs read from the store at once: one order claims them before the next are read
const READERS = 8; // channels read from the chain at once: a slow endpoint takes five seconds for each
const OLD_CLAIMS = 10n; // times the cost of a claim, from which an old voucher is claimed below the threshold
const HOUR = 3600;
const DAY = 24 * HOUR;
const UNREAD_SECONDS = 60; // between two lines of the log about channels that are not read
const MISSING_READS = 20; // channels that look gone, of ended jobs, and of overdue ones, that one round reads
const DISPUTED_READS = 8; // channels that one round compares at all endpoints, because they did not agree

/** `due`: what the configuration claims at this time; `all`: every promise that channels can pay. */
type Scope = 'due' | 'all';

/** Claims the vouchers of one worker. */
export class Claims {
    // By job: steady seconds when its channel is read whatever is due.
    private readonly nextRead = new Map<string, number>();
    private readonly missingSince = new Map<string, number>(); // by job whose channel looks gone: steady seconds
    private readonly unsureSince = new Map<string, number>(); // by job that looks paid, or cannot be: steady seconds
    private unread = { loggedAt: -Infinity, readings: 0 }; // that failed since the log said so
    private readonly tasks = new Tasks();
    private readonly loop: PollLoop;
    private readonly sender: ClaimSender;
    private readonly lostJobs: LostJobs;
    private readonly overdueJobs: OverdueJobs;
    private readonly notices: HiddenNotices;
    private lastRound: Promise<unknown> = Promise.resolve();
    /** Rounds that came to their end since the start. */
    roundsEnded = 0;

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        readonly costs: Costs,
        private readonly wallet: ClaimWallet,
        private readonly disputes: DisputedJobs,
        private readonly sweep: (assertAlone: AssertAlone) => Promise<void>, // after each round at the configured interval
    ) {
        const { config, log } = context;
        this.sender = new ClaimSender(context, book, wallet, this.tasks);
        this.notices = new HiddenNotices(context, book, costs);
        this.lostJobs = new LostJobs(context, book, costs, {
            isStopping: () => this.tasks.isStopping,
            onDamaged: this.onDamaged,
        });
        this.overdueJobs = new OverdueJobs(context, book, { onDamaged: this.onDamaged, onUnread: this.noteUnread });
        this.loop = new PollLoop(
            () => this.runDue(),
            config.claim.seconds * 1000,
            (error) => log.error({ err: error }, 'claims: the round failed'),
        );
    }

    /** Claims at the configured interval until {@link stop}. */
    start(): void {
        this.loop.start();
    }

    async stop(): Promise<void> {
        await Promise.all([this.tasks.close(), this.loop.stop()]);
        await this.lastRound;
    }

    /** Begins a round soon. */
    wake(): void {
        this.loop.wake();
    }

    /** Claims everything that vouchers promise and channels hold, whatever the threshold. */
    claimNow(): Promise<ClaimReport> {
        return this.round('all');
    }

    /** Runs what spends the wallet's coins while no round of claims runs, here or in another process. */
    exclusively<T>(action: (assertAlone: AssertAlone) => Promise<T>): Promise<T> {
        return this.inTurn(() => spendAlone(this.context.store, this.wallet.address, action));
    }

    private inTurn<T>(action: () => Promise<T>): Promise<T> {
        const run = this.lastRound.then(action);
        this.lastRound = run.catch(() => undefined);
        return run;
    }

    /** One round at a time, so that no voucher is claimed twice. */
    private round(scope: Scope): Promise<ClaimReport> {
        return this.inTurn(() => this.runRound(scope));
    }

    private async runDue(): Promise<void> {
        await this.round('due');
        await this.exclusively(this.sweep);
    }

    private async runRound(scope: Scope): Promise<ClaimReport> {
        const { store } = this.context;
        const report: ClaimReport = { claimed: 0, amount: 0n, failed: 0 };
        const [claims, hidden]: [Claim[], Claim[]] = [[], []];
        const missing: JobRecord[] = [];
        await this.costs.refresh();
        const { onDamaged } = this;
        let page = await store.jobs.claimable({ limit: PAGE, onDamaged });
        while (page.length > 0 && !this.tasks.isStopping) {
            missing.push(...page.filter((record) => this.isMissingDue(record, scope)));
            const records = page.filter((record) => this.mayMatter(record, scope));
            for (const claim of await this.claimsOf(records, scope)) {
                (claim.hidden ? hidden : claims).push(claim);
            }
            claims.push(...this.notices.take());
            page = await store.jobs.claimable({ cursor: page.at(-1)!.job, limit: PAGE, onDamaged });
            if (page.length > 0) {
                await this.sender.send(claims, report); // all the others may take longer than a notice lasts
            }
        }
        await this.sender.send([...claims, ...hidden], report);
        await this.sender.send(await this.notices.takeAll(), report);
        // Only now, and a few in each round, so that no claim waits for channels that look gone.
        missing.sort((a, b) => this.nextRead.get(keyOf(a))! - this.nextRead.get(keyOf(b))!);
        const late = await this.claimsOf(scope === 'all' ? missing : missing.slice(0, MISSING_READS), scope);
        for (const search of this.lostJobs.searches) {
            const revived =
                scope === 'all'
                    ? await this.lostJobs.findAll(search)
                    : await this.lostJobs.findDue(search, MISSING_READS);
            late.push(...(await this.claimsOf(revived, scope)));
        }
        await this.sender.send(late, report);
        await this.compareDisputed();
        await this.overdueJobs.readDue(MISSING_READS);
        this.forgetOverdue();
        this.roundsEnded++;
        return report;
    }

    /** A damaged row must not keep the vouchers of other jobs from being claimed. */
    private readonly onDamaged = (job: Buffer, error: unknown): void => {
        const text = 'claims: the row of a job is damaged, and its vouchers are not claimed: run cocoon worker restore';
        this.context.log.error({ job: job.toString('hex'), err: error }, text);
    };

    private async claimsOf(records: JobRecord[], scope: Scope): Promise<Claim[]> {
        const claims: Claim[] = [];
        const queue = [...records];
        const reader = async () => {
            for (let record = queue.pop(); record !== undefined; record = queue.pop()) {
                const id = record.job;
                const claim = await this.book
                    .use(id, (job) => this.claimOf(job, scope))
                    .catch((error: unknown) => this.noteUnread(id, error));
                if (claim !== undefined) {
                    claims.push(claim);
                }
            }
        };
        await Promise.all(Array.from({ length: READERS }, reader));
        return claims;
    }

    /** An idle job is not disputed for ever, because an endpoint was only behind when its channel was new. */
    private async compareDisputed(): Promise<void> {
        const compare = (id: Buffer) =>
            this.book.use(id, (job) => job.channel.read()).catch((error: unknown) => this.noteUnread(id, error));
        await Promise.all(this.disputes.inTurn(DISPUTED_READS).map(compare));
    }

    /** Logs it once a minute: one endpoint may show nonsense of thousands of channels, in each round. */
    private readonly noteUnread = (job: Buffer, error: unknown): undefined => {
        const { log, steady } = this.context;
        this.unread.readings++;
        if (steady() - this.unread.loggedAt >= UNREAD_SECONDS) {
            const { readings } = this.unread;
            log.warn({ job: job.toString('hex'), readings, err: error }, 'claims: channel not read');
            this.unread = { loggedAt: steady(), readings: 0 };
        }
    };

    private isMissingDue(record: JobRecord, scope: Scope): boolean {
        return this.missingSince.has(keyOf(record)) && (scope === 'all' || this.isReadDue(record));
    }

    /** False for a job whose channel need not be read now: nothing is due that is large enough or in danger. */
    private mayMatter(record: JobRecord, scope: Scope): boolean {
        const { config, now } = this.context;
        const { state, voucher, snapshot } = record;
        const key = keyOf(record);
        if (this.missingSince.has(key)) {
            return false;
        }
        if (scope === 'all') {
            return true;
        }
        const promised = voucher?.cumulative ?? 0n;
        const due = unclaimedOf(record);
        const isNear = snapshot.refundAt - now() <= 2 * config.marginSeconds;
        const ends = state === 'ending' && this.costs.isEndWorth(due, promised);
        const isLarge = this.costs.isWorth(due) && due >= config.claim.threshold;
        const isOld = this.isOld(record, due);
        return this.sender.mayTry(key) && (ends || isLarge || isOld || isNear || this.isReadDue(record));
    }

    /** True when vouchers of a job have waited for `claim.maxAgeSeconds` and are worth many claims. */
    private isOld({ unclaimedSince }: JobRecord, due: bigint): boolean {
        const { config, now } = this.context;
        const isWorth = due > 0n && due >= this.costs.minClaim * OLD_CLAIMS;
        return isWorth && now() - unclaimedSince >= config.claim.maxAgeSeconds;
    }

    /** True when a channel is to be read whatever is due. */
    private isReadDue(record: JobRecord): boolean {
        return this.context.steady() >= (this.nextRead.get(keyOf(record)) ?? 0);
    }

    private async claimOf(job: WorkerJob, scope: Scope): Promise<Claim | undefined> {
        const { config, steady } = this.context;
        const { channel, promised, unconfirmed } = job;
        const key = job.id.toString('hex');
        // Often enough to see a client's notice long before the margin begins, because a notice lasts two margins.
        this.nextRead.set(key, steady() + config.marginSeconds / 4);
        const failure = await channel.read().then(
            () => undefined,
            (error: unknown) => ({ error }),
        );
        if (failure !== undefined) {
            this.noteUnread(job.id, failure.error);
            // The first endpoint may answer with what cannot be for as long as it likes.
            return this.isDoubtOver(key, unconfirmed) ? this.claimElsewhere(job, true) : undefined;
        }
        if (job.state === 'ended') {
            this.forget(key, job);
            return undefined;
        }
        if (channel.isMissing) {
            this.scheduleMissing(key, job);
            return this.claimElsewhere(job);
        }
        this.missingSince.delete(key);
        const notice = channel.isLeaving() ? await channel.askForNotice() : 'denied';
        const { snapshot } = channel;
        const displayed = unclaimedOf(job.record);
        const due = await this.believed(key, channel, { due: displayed, paid: snapshot.paid });
        const isSettled = job.running.size === 0 && promised >= job.cumulative;
        const isLeaving = notice !== 'denied';
        const isEnding = job.state === 'ending';
        const ends = isEnding
            ? this.costs.isEndWorth(due, promised)
            : notice === 'confirmed' && this.costs.isWorth(due);
        const last = this.costs.canEnd() && isSettled && ends;
        const isDue = due >= config.claim.threshold || this.isOld(job.record, due);
        const isUrgent = scope === 'all' || isLeaving || isEnding || isDue;
        if (!last && !(this.costs.isWorth(due) && isUrgent)) {
            if (await this.isUnsure(key, job, { due, isNearEnd: isLeaving || isEnding })) {
                return this.claimElsewhere(job);
            }
            if (this.costs.isWorth(due)) {
                this.notices.ask(job);
            }
            return undefined;
        }
        if (last && this.hasFailedOften(key) && (await channel.isGoneElsewhere())) {
            return undefined; // only the first endpoint says that there is something to end
        }
        return {
            job: job.id,
            channel: job.record.channel,
            due,
            paidAfter: snapshot.paid + displayed,
            last,
            hidden: false,
            refundAt: snapshot.refundAt,
            body: claimBody(job.voucher, { last }),
        };
    }

    /**
     * nanoTON of what one endpoint shows as due that are believed: no more than most show, once a few claims have
     * failed, or it shows less as paid than was shown after an earlier claim. No channel takes back what it has paid.
     */
    private async believed(
        key: string,
        channel: WorkerJob['channel'],
        { due, paid }: { due: bigint; paid: bigint },
    ): Promise<bigint> {
        const isDoubtful = this.hasFailedOften(key) || paid < this.sender.paidBy(key);
        const max = due > 0n && isDoubtful ? (await channel.unclaimedElsewhere()).max : undefined;
        return max === undefined ? due : smaller(due, max);
    }

    /**
     * True once in the time of two confirmations, while the first endpoint says that a channel has paid, or does not
     * hold, what no other has confirmed, and at once for less if its client leaves.
     */
    private async isUnsure(
        key: string,
        { channel, unconfirmed }: WorkerJob,
        { due, isNearEnd }: { due: bigint; isNearEnd: boolean },
    ): Promise<boolean> {
        const hidden = unconfirmed - due;
        const { threshold } = this.context.config.claim;
        const isHidden = isNearEnd && this.costs.isWorth(hidden);
        const isLarge = this.isDoubtOver(key, hidden) && hidden >= threshold;
        return (isHidden || isLarge) && this.mayBelieve(key, channel, isNearEnd ? 0n : threshold);
    }

    /**
     * True if a claim may be made that the first endpoint calls vain. After a few claims that failed, most endpoints
     * must show that so much is due (nanoTON), and worth a claim: any one of them may have made these fail.
     */
    private async mayBelieve(key: string, channel: WorkerJob['channel'], min = 0n): Promise<boolean> {
        if (!this.hasFailedOften(key)) {
            return true;
        }
        const { min: due } = await channel.unclaimedElsewhere();
        return due >= min && this.costs.isWorth(due);
    }

    /** True after so many claims that failed that the wallet pays for no other by the word of one endpoint. */
    private hasFailedOften(key: string): boolean {
        return this.sender.failuresOf(key) >= this.context.config.claim.attempts;
    }

    /** True once in the time of two confirmations while the first endpoint hides so much of a job (nanoTON). */
    private isDoubtOver(key: string, hidden: bigint): boolean {
        const { config, steady } = this.context;
        if (!this.costs.isWorth(hidden)) {
            this.unsureSince.delete(key);
            return false;
        }
        const since = this.unsureSince.get(key) ?? steady();
        const isOver = steady() - since >= 2 * config.chain.confirmSeconds;
        this.unsureSince.set(key, isOver ? steady() : since);
        return isOver;
    }

    /**
     * A claim of a channel that looks gone, or paid, at one endpoint and not at another, if it is worth it. The other
     * one may lie, so all claims that failed must have cost less than this one pays. `ifDue`: only what would be
     * claimed if the first endpoint showed it too.
     */
    private async claimElsewhere(job: WorkerJob, ifDue = false): Promise<Claim | undefined> {
        const { channel, hasLastClaim, record, state, unconfirmed } = job;
        const { config } = this.context;
        const key = keyOf(record);
        const isWorth = (due: bigint) => this.costs.isWorth(due / BigInt(1 + this.sender.failuresOf(key)));
        const isTried = this.sender.mayTry(key) && isWorth(unconfirmed);
        const isBelieved = !hasLastClaim || (isTried && (await this.mayBelieve(key, channel))); // it should be gone
        const snapshot = isTried && isBelieved ? await channel.readElsewhere() : undefined;
        if (snapshot === undefined) {
            return undefined;
        }
        const { paid } = snapshot;
        const displayed = unclaimedOf({ voucher: job.voucher, snapshot });
        const due = await this.believed(key, channel, { due: displayed, paid });
        if (!isWorth(due)) {
            return undefined;
        }
        const isLeaving = snapshot.refundAt - snapshot.at <= 2 * config.marginSeconds;
        const isDue = due >= config.claim.threshold || this.isOld(record, due) || isLeaving || state === 'ending';
        if (ifDue && !isDue) {
            return undefined;
        }
        return {
            ...{ job: job.id, channel: record.channel, due, paidAfter: paid + displayed, last: false, hidden: true },
            ...{ refundAt: snapshot.refundAt, body: claimBody(job.voucher, { last: false }) },
        };
    }

    /**
     * Plans the next reading of a channel that looks gone. It is soon until the finding can be confirmed. Later it is
     * as often as for other channels while a claim may be worth it, because the finding may be wrong and the client may
     * leave meanwhile.
     */
    private scheduleMissing(key: string, { hasLastClaim, unconfirmed }: WorkerJob): void {
        const { config, steady } = this.context;
        const since = this.missingSince.get(key) ?? steady();
        this.missingSince.set(key, since);
        const isNew = steady() - since <= 2 * config.chain.confirmSeconds;
        const isOwed = !hasLastClaim && this.costs.isWorth(unconfirmed);
        const later = isOwed ? config.marginSeconds / 4 : HOUR;
        this.nextRead.set(key, steady() + (isNew ? config.chain.confirmSeconds / CONFIRM_READS : later));
    }

    /** Forgets jobs that ended elsewhere: one that still has something to claim would have been read meanwhile. */
    private forgetOverdue(): void {
        for (const [key, at] of this.nextRead) {
            if (at < this.context.steady() - DAY) {
                this.nextRead.delete(key);
                this.missingSince.delete(key);
                this.unsureSince.delete(key);
                this.notices.forget(key);
                this.sender.forget(key);
            }
        }
    }

    private forget(key: string, { hasLastClaim, unconfirmed }: WorkerJob): void {
        this.nextRead.delete(key);
        this.missingSince.delete(key);
        this.unsureSince.delete(key);
        this.notices.forget(key);
        this.sender.forget(key);
        if (unconfirmed > 0n && !hasLastClaim) {
            this.context.log.warn(
                { job: key, lost: unconfirmed.toString() },
                'claims: the channel has ended, and no reading showed that it paid these vouchers; it is searched for a month longer',
            );
        }
    }
}

const keyOf = ({ job }: JobRecord): string => job.toString('hex');
