/** Turns vouchers into coins: looks at the jobs that owe something from time to time, and claims in batches. */
import { Channel, claimBody } from '@cocoon-market/wrappers';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIRM_READS, MAX_TRANSFERS } from '../chain';
import type { HotWallet, Transfer } from '../chain';
import type { JobRecord } from '../store/worker';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';
import type { Job } from './job';
import type { Jobs } from './jobs';

/** The wallet that sends claims. */
export type ClaimWallet = Pick<HotWallet, 'address' | 'send' | 'balance'>;

/** What one look at the jobs came to. */
export interface ClaimReport {
    claimed: number; // channels that paid
    amount: bigint; // nanoTON that they paid
    failed: number; // channels that did not
}

interface Claim {
    job: Buffer;
    channel: Buffer;
    due: bigint; // nanoTON
    paidThen: bigint; // nanoTON, what the channel will have paid
    last: boolean;
    refundAt: number; // unix seconds
    body: Transfer['body'];
}

/** The search for ended jobs whose channels are there after all. */
interface Search {
    readonly own: boolean; // those that a last claim of this worker has ended, as far as it was told
    readonly every: number; // seconds
    readonly kept: number; // seconds for which the vouchers of an ended job are looked after
    done: number; // unix seconds when the last one was
    after: Buffer | undefined; // the job up to which it was done since
}

const PAGE = 500; // jobs read from the store at once
const READERS = 4; // channels read from the chain at once
const MAX_TRIES = 8; // channels that are asked what a claim needs, until one answers
const CONFIRM_POLLS = 30;
const HOUR = 3600;
const DAY = 24 * HOUR;
const GONE_READS = 20; // channels that look gone, and of ended jobs, that are read with one look
const WALLET_RESERVE = 10_000_000n; // nanoTON
const MESSAGE_FEES = 3_000_000n; // nanoTON a message costs the wallet, above any level seen

/** Claims the vouchers of one worker. */
export class Claims {
    private readonly stopping = new AbortController();
    private readonly nextLook = new Map<string, number>(); // job -> when its channel is to be read whatever is due, unix seconds
    private readonly searches: Search[] = [
        { own: false, every: HOUR, kept: 30 * DAY, done: -Infinity, after: undefined },
        { own: true, every: DAY, kept: 7 * DAY, done: -Infinity, after: undefined },
    ];
    private readonly gone = new Map<string, number>(); // job whose channel looks gone -> since when, unix seconds
    private readonly failures = new Map<string, { count: number; notBefore: number }>();
    private round: Promise<unknown> = Promise.resolve();
    private woken = new AbortController();
    private loop: Promise<void> | undefined;
    private cachedValue: { value: bigint; until: number } | undefined;

    constructor(
        private readonly context: WorkerContext,
        private readonly jobs: Jobs,
        private readonly wallet: ClaimWallet,
    ) {}

    /** Looks at the jobs at the configured interval until {@link stop}. */
    start(): void {
        this.loop = this.run();
    }

    async stop(): Promise<void> {
        this.stopping.abort();
        await this.loop;
        await this.round;
    }

    /** Looks at the jobs soon. */
    wake(): void {
        this.woken.abort();
    }

    /** Claims everything that vouchers promise and channels hold, whatever the threshold. */
    claimNow(): Promise<ClaimReport> {
        return this.look(true);
    }

    private async run(): Promise<void> {
        const { config, log } = this.context;
        while (!this.stopping.signal.aborted) {
            this.woken = new AbortController();
            await this.look(false).catch((error: unknown) =>
                log.error({ err: error }, 'claims: could not look at the jobs'),
            );
            const signal = AbortSignal.any([this.stopping.signal, this.woken.signal]);
            const pause = sleep(config.claim.seconds * 1000, undefined, { signal });
            await pause.catch(() => undefined);
        }
    }

    /** One look at a time, so that no voucher is claimed twice. */
    private look(all: boolean): Promise<ClaimReport> {
        const look = this.round.then(() => this.lookNow(all));
        this.round = look.catch(() => undefined);
        return look;
    }

    private async lookNow(all: boolean): Promise<ClaimReport> {
        const { costs, store } = this.context;
        const report: ClaimReport = { claimed: 0, amount: 0n, failed: 0 };
        const claims: Claim[] = [];
        const gone: JobRecord[] = [];
        await costs.refresh();
        let page = await store.jobs.claimable({ limit: PAGE });
        while (page.length > 0 && !this.stopping.signal.aborted) {
            gone.push(...page.filter((record) => this.gone.has(keyOf(record)) && (all || this.isTurn(record))));
            claims.push(
                ...(await this.wanted(
                    page.filter((record) => this.mayMatter(record, all)),
                    all,
                )),
            );
            page = await store.jobs.claimable({ cursor: page.at(-1)!.job, limit: PAGE });
        }
        await this.sendAll(claims, report);
        // Only now, and a few with each look: no claim waits for channels that look gone.
        gone.sort((a, b) => this.nextLook.get(keyOf(a))! - this.nextLook.get(keyOf(b))!);
        const again = await this.wanted(all ? gone : gone.slice(0, GONE_READS), all);
        for (const search of this.searches) {
            again.push(...(await this.wanted(await this.found(search, all), all)));
        }
        await this.sendAll(again, report);
        return report;
    }

    private async sendAll(claims: Claim[], report: ClaimReport): Promise<void> {
        claims.sort((a, b) => a.refundAt - b.refundAt);
        while (claims.length > 0) {
            const batch = claims.splice(0, await this.affordable(claims));
            if (batch.length === 0) {
                break;
            }
            await this.send(batch, report);
        }
    }

    /**
     * Jobs that ended with unpaid vouchers and whose channel is there after all: the words on which they ended may have been
     * wrong. A few are read with each look; none that would bring less than its claim costs.
     */
    private async found(search: Search, all: boolean): Promise<JobRecord[]> {
        const { store, now } = this.context;
        if (!all && now() - search.done < search.every) {
            return [];
        }
        const back: JobRecord[] = [];
        const next = (after?: Buffer) =>
            store.jobs.lost({ closed: search.own, since: now() - search.kept, cursor: after, limit: PAGE });
        let left = all ? Infinity : GONE_READS;
        let after = all ? undefined : search.after;
        for (let page = await next(after); page.length > 0; page = await next(after)) {
            for (const record of page) {
                if (left === 0 || this.stopping.signal.aborted) {
                    search.after = after;
                    return back;
                }
                after = record.job;
                if (this.isWorth((record.voucher?.cumulative ?? 0n) - record.confirmedPaid)) {
                    left--;
                    if (await this.isBack(record)) {
                        back.push(record);
                    }
                }
            }
        }
        search.after = undefined;
        search.done = now();
        return back;
    }

    /** What cannot be read is looked for again later. */
    private isBack({ job: id }: JobRecord): Promise<boolean> {
        const read = this.jobs.use(id, async (job) => {
            await job.readChannel();
            return job.state !== 'ended';
        });
        return read.catch(() => false);
    }

    private async wanted(records: JobRecord[], all: boolean): Promise<Claim[]> {
        const claims: Claim[] = [];
        const queue = [...records];
        const reader = async () => {
            for (let record = queue.pop(); record !== undefined; record = queue.pop()) {
                const id = record.job;
                const claim = await this.jobs
                    .use(id, (job) => this.claimOf(job, all))
                    .catch((error: unknown) => {
                        this.context.log.warn({ job: id.toString('hex'), err: error }, 'claims: channel not read');
                        return undefined;
                    });
                if (claim !== undefined) {
                    claims.push(claim);
                }
            }
        };
        await Promise.all(Array.from({ length: READERS }, reader));
        return claims;
    }

    /** False for a job whose channel need not be read now: nothing is due that is large enough or in danger. */
    private mayMatter(record: JobRecord, all: boolean): boolean {
        const { config, now } = this.context;
        const { state, voucher, snapshot } = record;
        const key = keyOf(record);
        if (this.gone.has(key) || (!all && (this.failures.get(key)?.notBefore ?? 0) > now())) {
            return false;
        }
        const due = smaller((voucher?.cumulative ?? 0n) - snapshot.paid, snapshot.balance);
        const look = this.isTurn(record);
        const near = snapshot.refundAt - now() <= 2 * config.marginSeconds;
        const closes = state === 'ending' && this.endIsWorth(due, voucher?.cumulative ?? 0n);
        return all || closes || (this.isWorth(due) && due >= config.claim.threshold) || near || look;
    }

    /** True when a channel is to be read whatever is due. */
    private isTurn(record: JobRecord): boolean {
        return this.context.now() >= (this.nextLook.get(keyOf(record)) ?? 0);
    }

    /** True when a claim brings more than it costs. */
    private isWorth(due: bigint): boolean {
        return due > 0n && due >= this.context.costs.minClaim;
    }

    /** True when the claim that ends a job brings more than it costs, or the job has brought twice that. */
    private endIsWorth(due: bigint, brought: bigint): boolean {
        return this.isWorth(due) || (this.closes() && brought >= 2n * this.context.costs.minClaim);
    }

    /** False when nothing is sent for a job that its client ends: what there is to get is less than that costs. */
    claimsAtEnd({ paid: brought, seen }: Job): boolean {
        return this.endIsWorth(brought - seen.paid, brought);
    }

    /** True when the wallet is the payout, which alone may send a channel's last claim. */
    private closes(): boolean {
        return this.wallet.address.equals(this.context.payout);
    }

    private async claimOf(job: Job, all: boolean): Promise<Claim | undefined> {
        const { config, now } = this.context;
        const key = job.id.toString('hex');
        // A client who left since the last look is seen long before the margin begins, for a notice lasts two margins.
        this.nextLook.set(key, now() + config.marginSeconds / 4);
        await job.readChannel();
        if (job.state === 'ended') {
            this.forget(job);
            return undefined;
        }
        if (job.isGone) {
            this.rest(key, job);
            return undefined;
        }
        this.gone.delete(key);
        const { seen, voucher } = job;
        const due = larger(0n, smaller(job.paid - seen.paid, seen.balance));
        const settled = job.running.size === 0 && job.paid >= job.cumulative;
        const leaving = job.leaving();
        const ends = job.state === 'ending' ? this.endIsWorth(due, job.paid) : leaving && this.isWorth(due);
        const last = this.closes() && settled && ends;
        const urgent = all || leaving || job.state === 'ending' || due >= config.claim.threshold;
        if (!last && !(this.isWorth(due) && urgent)) {
            return undefined;
        }
        const body = claimBody(voucher, last);
        return {
            job: job.id,
            channel: job.channel,
            due,
            paidThen: seen.paid + due,
            last,
            refundAt: seen.refundAt,
            body,
        };
    }

    /**
     * A channel that looks gone is read as often as it takes to be sure, and then, while it may owe what is worth a claim, as
     * often as others are: the words may be wrong, and its client may leave meanwhile.
     */
    private rest(key: string, { paid: promised, sure, isClosing }: Job): void {
        const { config, now } = this.context;
        const since = this.gone.get(key) ?? now();
        this.gone.set(key, since);
        const often = now() - since <= 2 * config.chain.goneSeconds;
        const late = !isClosing && this.isWorth(promised - sure) ? config.marginSeconds / 4 : HOUR;
        this.nextLook.set(key, now() + (often ? config.chain.goneSeconds / CONFIRM_READS : late));
    }

    /** How many of so many claims the wallet can pay for in one order; what it attaches mostly comes back. */
    private async affordable(claims: Claim[]): Promise<number> {
        const balance = await this.wallet.balance();
        const each = (await this.value(claims)) + MESSAGE_FEES;
        const affordable = balance <= WALLET_RESERVE ? 0n : (balance - WALLET_RESERVE) / each;
        if (affordable === 0n) {
            const address = this.wallet.address.toString();
            this.context.log.error(
                { address, balance: balance.toString() },
                'claims: the hot wallet needs coins for fees',
            );
        }
        return Math.min(claims.length, MAX_TRANSFERS, Number(affordable));
    }

    /** nanoTON to attach to a claim, a tenth more than any channel asks, for prices may change on the way. */
    private async value(claims: readonly Claim[]): Promise<bigint> {
        const now = this.context.now();
        if (this.cachedValue === undefined || this.cachedValue.until < now) {
            this.cachedValue = { value: ((await this.asked(claims)) * 11n) / 10n, until: now + HOUR };
        }
        return this.cachedValue.value;
    }

    /** What the first channel that answers asks. Throws what the API said of the last one when none of a few does. */
    private async asked(claims: readonly Claim[]): Promise<bigint> {
        const { log } = this.context;
        const chain = this.context.chain.as('claim');
        let fault: unknown;
        for (const { job, channel } of claims.slice(0, MAX_TRIES)) {
            try {
                return await chain.open(Channel.fromAddress(accountAddress(channel))).getClaimValue();
            } catch (error) {
                fault = error;
                log.warn(
                    { job: job.toString('hex'), err: error },
                    'claims: the channel does not say what a claim needs',
                );
            }
        }
        throw fault;
    }

    private async send(batch: Claim[], report: ClaimReport): Promise<void> {
        const value = await this.value(batch);
        const transfers = batch.map(({ channel, body }) => ({ to: accountAddress(channel), value, body }));
        let polls = CONFIRM_POLLS;
        await this.close(batch.filter(({ last }) => last));
        try {
            await this.wallet.send(transfers);
        } catch (error) {
            // The order may still be taken; then the next look finds it in the channels.
            this.context.log.error({ err: error, claims: batch.length }, 'claims: the wallet did not send');
            polls = 1;
        }
        await Promise.all(batch.map((claim) => this.confirm(claim, polls, report)));
    }

    /** Kept before the wallet sends: an end that this worker makes is known as such, also after a restart. */
    private async close(last: Claim[]): Promise<void> {
        const { now, store } = this.context;
        if (last.length > 0) {
            const at = now();
            await store.jobs.setClosing(
                last.map(({ job }) => job),
                at,
            );
            await Promise.all(last.map(({ job: id }) => this.jobs.use(id, async (job) => job.closes(at))));
        }
    }

    private async confirm(claim: Claim, polls: number, report: ClaimReport): Promise<void> {
        const { config, log } = this.context;
        const name = claim.job.toString('hex');
        for (let poll = 0; poll < polls && !this.stopping.signal.aborted; poll++) {
            if (await this.jobs.use(claim.job, (job) => paid(job, claim)).catch(() => false)) {
                this.failures.delete(name);
                report.claimed++;
                report.amount += claim.due;
                log.info({ job: name, amount: claim.due.toString(), last: claim.last }, 'claimed');
                return;
            }
            await sleep(config.chain.pollSeconds * 1000);
        }
        report.failed++;
        this.cachedValue = undefined; // what one answer of the API said is asked again
        this.failed(name, claim);
    }

    private failed(name: string, { due }: Claim): void {
        const { config, log, now } = this.context;
        const count = (this.failures.get(name)?.count ?? 0) + 1;
        // Never so long that a client who leaves meanwhile could be gone: a notice lasts two margins at least.
        const longest = Math.min(HOUR, config.marginSeconds / 4);
        const pause =
            count >= config.claim.attempts ? longest : Math.min(longest, config.claim.seconds * 2 ** (count - 1));
        this.failures.set(name, { count, notBefore: now() + Math.ceil(pause) });
        log.error({ job: name, due: due.toString(), attempts: count, pause }, 'claims: the channel did not pay');
    }

    private forget(job: Job): void {
        const name = job.id.toString('hex');
        [this.nextLook, this.gone, this.failures].forEach((kept) => kept.delete(name));
        if (job.paid > job.sure && !job.isClosing) {
            const lost = (job.paid - job.sure).toString();
            this.context.log.warn(
                { job: name, lost },
                'claims: the channel has ended, and nobody here saw it pay these vouchers; it is looked for a month longer',
            );
        }
    }
}

async function paid(job: Job, { last, paidThen }: Claim): Promise<boolean> {
    await job.readChannel();
    return job.state === 'ended' || job.isGone || (!last && job.seen.paid >= paidThen);
}

const keyOf = ({ job }: JobRecord): string => job.toString('hex');
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
