/** Sends claims in orders that the wallet can pay for, and confirms that the channels paid. */
import { Channel, larger, smaller } from '@cocoon-market/wrappers';
import { answersOf, ChainError, type HotWallet, MAX_TRANSFERS, type Transfer } from '../chain';
import { walletText } from '../process/addresses';
import type { Tasks } from '../process/tasks';
import type { WorkerBook } from './book';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';
import type { WorkerJob } from './job';
import { type AssertAlone, spendAlone } from './processes';
import { spendable } from './spendable';

/** The wallet that sends claims. */
export type ClaimWallet = Pick<HotWallet, 'address' | 'send' | 'balance' | 'outcome'>;

/** The outcome of one round of claims. */
export interface ClaimReport {
    claimed: number; // channels that paid
    amount: bigint; // nanoTON that they paid
    failed: number; // channels that did not
}

export interface Claim {
    job: Buffer;
    channel: Buffer;
    due: bigint; // nanoTON
    paidAfter: bigint; // nanoTON that the channel will have paid
    last: boolean;
    hidden: boolean; // the chain's first endpoint does not show the channel, or as paid, and another does otherwise
    refundAt: number; // unix seconds
    body: Transfer['body'];
}

const MAX_TRIES = 8; // channels that are asked for the value of a claim, until one answers
const FURTHER_TRIES = 2; // channels that are then asked at each of the other endpoints
const CONFIRM_POLLS = 30;
const CONFIRM_MS = 300_000; // for the polls of one order: an endpoint that says "not paid" must not delay the next one
const HOUR = 3600;
const UNKNOWN_SECONDS = 60; // before the value of a claim is asked for again that no endpoint has told
/** nanoTON, six times what a claim needs at the prices of 2025: with a false value an order would hold few claims. */
const MAX_VALUE = 20_000_000n;
const WALLET_RESERVE = 10_000_000n; // nanoTON
const MESSAGE_FEES = 3_000_000n; // nanoTON that a message costs the wallet, above every measured level

export class ClaimSender {
    private readonly failures = new Map<string, { count: number; notBefore: number }>();
    private readonly paid = new Map<string, bigint>(); // by job: nanoTON that its channel has paid, after claims
    private cachedValue: { value: bigint; until: number } | undefined;
    private doubts = 0; // values of a claim that the wallet could not pay, or that brought nothing

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        private readonly wallet: ClaimWallet,
        private readonly tasks: Tasks,
    ) {}

    /** False while a job whose claim failed must wait. */
    mayTry(job: string): boolean {
        return (this.failures.get(job)?.notBefore ?? -Infinity) <= this.context.steady();
    }

    /** How many claims of a job failed, or paid what it had paid before, since the last that paid more. */
    failuresOf(job: string): number {
        return this.failures.get(job)?.count ?? 0;
    }

    /** nanoTON that the channel of a job has paid, as it was shown after a claim. */
    paidBy(job: string): bigint {
        return this.paid.get(job) ?? 0n;
    }

    /** Forgets what claims of a job that has ended came to. */
    forget(job: string): void {
        this.failures.delete(job);
        this.paid.delete(job);
    }

    /**
     * Sends the claims, those of the earliest refunds first, and adds the outcome to the report. Those of hidden
     * channels come last, because it may be a lie that such a channel exists.
     */
    async send(claims: Claim[], report: ClaimReport): Promise<void> {
        claims.sort((a, b) => Number(a.hidden) - Number(b.hidden) || a.refundAt - b.refundAt);
        while (claims.length > 0) {
            const { store } = this.context;
            const order = await spendAlone(store, this.wallet.address, (alone) => this.order(claims, alone));
            if (order === undefined) {
                break;
            }
            const { batch, polls } = order;
            const paid = await Promise.all(batch.map((claim) => this.confirm(claim, polls, report)));
            if (paid.includes(false)) {
                this.doubtValue(); // once, whatever the number of claims, so that each endpoint has its turn
            }
        }
    }

    /** The number of claims of a value that the wallet can pay for in one order. Most of the value comes back. */
    private async affordable(claims: Claim[], value: bigint): Promise<number> {
        const each = value + MESSAGE_FEES;
        const balance = await spendable(this.context.chain, this.wallet, WALLET_RESERVE + each);
        const affordable = balance <= WALLET_RESERVE ? 0n : (balance - WALLET_RESERVE) / each;
        if (affordable === 0n) {
            this.doubtValue();
            const address = walletText(this.wallet.address, this.context.config);
            this.context.log.error(
                { address, balance: balance.toString() },
                "claims: the worker's wallet needs coins for fees",
            );
        }
        return Math.min(claims.length, MAX_TRANSFERS, Number(affordable));
    }

    /**
     * nanoTON to attach to a claim: a tenth more than a channel requires, because prices may change before it arrives.
     * More than {@link MAX_VALUE} only if most endpoints require it, and so much for a while if none of several tells:
     * channels that one makes up must not keep others from being claimed.
     */
    private async value(claims: readonly Claim[]): Promise<bigint> {
        const { steady } = this.context;
        if (this.cachedValue === undefined || this.cachedValue.until < steady()) {
            const answer = await this.requiredValue(claims);
            const required = answer ?? MAX_VALUE;
            const agreed = required > MAX_VALUE ? await this.agreedValue(claims, required) : required;
            const value = (smaller(required, larger(agreed, MAX_VALUE)) * 11n) / 10n;
            this.cachedValue = { value, until: steady() + (answer === undefined ? UNKNOWN_SECONDS : HOUR) };
        }
        return this.cachedValue.value;
    }

    /**
     * The value that the first channel to answer requires; undefined if none of a few answers at several endpoints.
     * Some are asked at the other endpoints too, hidden ones first. After a value that was wrong, or none, another
     * endpoint is asked. Throws the last error of the API if there is one endpoint only.
     */
    private async requiredValue(claims: readonly Claim[]): Promise<bigint | undefined> {
        const { log } = this.context;
        const chain = this.context.chain.as('urgent');
        const { others = [] } = this.context.chain;
        const first = this.doubts === 0 ? chain : (others[this.doubts % others.length] ?? chain);
        const some = claims.slice(0, MAX_TRIES);
        const tries = some.flatMap(({ hidden, ...claim }) =>
            [...new Set([first, ...(hidden ? others : []), chain])].map((source) => ({ ...claim, source })),
        );
        // The first endpoint may say it of no channel at all.
        const further = some.slice(0, FURTHER_TRIES).flatMap((claim) => others.map((source) => ({ ...claim, source })));
        let lastError: unknown;
        for (const { job, channel, source } of [...tries, ...further]) {
            try {
                const value = await source.open(Channel.fromAddress(accountAddress(channel))).getClaimValue();
                if (value > 0n) {
                    return value;
                }
                throw new ChainError('An endpoint says that a claim must carry nothing');
            } catch (error) {
                lastError = error;
                log.warn({ job: job.toString('hex'), err: error }, 'claims: the value of a claim cannot be read');
            }
        }
        if (others.length === 0) {
            throw lastError;
        }
        this.doubts++;
        return undefined;
    }

    /** nanoTON that most endpoints require; 0 if too few answer. `required`: by one, believed if it is alone. */
    private async agreedValue([{ channel }]: readonly Claim[], required: bigint): Promise<bigint> {
        const { chain } = this.context;
        const { others = [] } = chain;
        if (others.length === 0) {
            return required;
        }
        const values = await answersOf(chain, (source) =>
            source.open(Channel.fromAddress(accountAddress(channel))).getClaimValue(),
        );
        return values.sort((a, b) => Number(b - a)).at(others.length >> 1) ?? 0n;
    }

    /** The value of a claim may be wrong, so it is read again. */
    private doubtValue(): void {
        this.cachedValue = undefined;
        this.doubts++;
    }

    /** Orders the first of the claims, as many as the wallet can pay for; undefined if it can pay for none. */
    private async order(claims: Claim[], assertAlone: AssertAlone) {
        const value = await this.value(claims);
        const batch = claims.splice(0, await this.affordable(claims, value));
        if (batch.length === 0) {
            return undefined;
        }
        const transfers = batch.map(({ channel, body }) => ({ to: accountAddress(channel), value, body }));
        let polls = CONFIRM_POLLS;
        await this.markLastClaims(batch.filter(({ last }) => last));
        try {
            await this.wallet.send(transfers, assertAlone);
        } catch (error) {
            // The wallet may still execute the order; then the next round finds it in the channels.
            this.context.log.error({ err: error, claims: batch.length }, 'claims: the wallet did not send');
            polls = 1;
        }
        return { batch, polls };
    }

    /** Stored before the wallet sends, so that an end by this worker is recognised as such, also after a restart. */
    private async markLastClaims(last: Claim[]): Promise<void> {
        if (last.length > 0) {
            const lastClaimAt = this.context.now();
            await this.context.store.jobs.setLastClaims(last, lastClaimAt);
            const note = ({ job: id, paidAfter: lastClaimPaid }: Claim) =>
                this.book.use(id, async (job) => job.update({ lastClaimAt, lastClaimPaid }));
            await Promise.all(last.map(note));
        }
    }

    /** True if the channel has paid. */
    private async confirm(claim: Claim, polls: number, report: ClaimReport): Promise<boolean> {
        const { config, log } = this.context;
        const name = claim.job.toString('hex');
        const settle = () => this.book.use(claim.job, (job) => settleClaim(job, claim)).catch(() => false);
        if (await this.tasks.until(settle, { polls, ms: config.chain.pollSeconds * 1000, maxMs: CONFIRM_MS })) {
            if (!claim.last && this.paid.has(name) && claim.paidAfter <= this.paidBy(name)) {
                // No channel takes back what it has paid: an endpoint shows it now as unpaid, now as paid.
                report.failed++;
                this.noteFailure(name, claim, 'claims: the channel had paid this before');
                return true;
            }
            this.paid.set(name, claim.paidAfter);
            this.failures.delete(name);
            report.claimed++;
            report.amount += claim.due;
            log.info({ job: name, amount: claim.due.toString(), last: claim.last }, 'claimed');
            return true;
        }
        report.failed++;
        this.noteFailure(name, claim, 'claims: the channel did not pay');
        return false;
    }

    private noteFailure(name: string, { due }: Claim, message: string): void {
        const { config, log, steady } = this.context;
        const count = (this.failures.get(name)?.count ?? 0) + 1;
        // Short enough that a client who leaves meanwhile cannot be refunded first: a notice lasts two margins at
        // least.
        const maxPause = Math.min(HOUR, config.marginSeconds / 4);
        const pause =
            count >= config.claim.attempts ? maxPause : Math.min(maxPause, config.claim.seconds * 2 ** (count - 1));
        this.failures.set(name, { count, notBefore: steady() + Math.ceil(pause) });
        log.error({ job: name, due: due.toString(), attempts: count, pause }, message);
    }
}

/** Takes over what the channel shows now, which may end the job. True when the channel has paid the claim. */
async function settleClaim(job: WorkerJob, { last, hidden, paidAfter }: Claim): Promise<boolean> {
    const { channel } = job;
    await (hidden ? channel.read().catch(() => undefined) : channel.read());
    if (hidden) {
        const other = await channel.readElsewhere();
        return other !== undefined && other.paid >= paidAfter;
    }
    return job.state === 'ended' || channel.isMissing || (!last && channel.snapshot.paid >= paidAfter);
}
