import { Finish, priceOf, Result, Verifier } from '@cocoon-market/wrappers';
import type { SignedVoucher, Terms, TokenCounts } from '@cocoon-market/wrappers';
import { acceptSession, signReceipt, withProcess } from '../link';
import type { JobState, Session } from '../link';
import type { JobRecord, JobStage as State, ChannelSnapshot } from '../store/worker';
import { accountAddress, ChannelUnreadable } from './channels';
import type { Client } from './clients';
import type { WorkerContext } from './context';
import { maySend } from './credit';
import type { RunningCost } from './credit';
import { Refused } from './refusal';

const MAX_DECLINES = 64; // signed at once
const ENDED_PAUSES = 12; // times `freshSeconds` between two looks for the channel of a job that has ended
const LAG_SECONDS = 120; // by which a server of the API may lag behind another
const ORDER_SECONDS = 600; // after which a last claim that was handed to the wallet would have ended the channel
const DECLINE_MS = 600_000; // for one more: some 13,000 or 3 MB in the longest job

/** A query that runs, as its job sees it. */
export interface Running extends RunningCost {
    readonly started: boolean; // the model runs; until then nothing is made that could be unpaid
    readonly ceiling: bigint;
    /** Ends it now; resolves when its receipt is stored. */
    cut(finish: Finish): Promise<void>;
}

/** One job in memory. What it says of vouchers and results is on the disk already. */
export class Job {
    readonly running = new Map<number, Running>();
    /** Whose job it is. */
    readonly client: Client;
    private readonly waiting = new Set<() => void>();
    private readAt = -Infinity; // when the channel was read, milliseconds of performance.now()
    private reading: Promise<void> | undefined;
    private gone = false;
    private declines = MAX_DECLINES; // that may be signed now
    private declinedAt = performance.now();
    private keyOfVouchers: Verifier | undefined;
    private session_: { id: Buffer; session: Promise<Session> } | undefined;

    constructor(
        private readonly context: WorkerContext,
        private record: JobRecord,
        readonly terms: Terms,
    ) {
        this.client = context.clients.of(terms.escrow);
        this.client.note(record.job, this);
    }

    get id(): Buffer {
        return this.record.job;
    }

    get channel(): Buffer {
        return this.record.channel;
    }

    get state(): State {
        return this.record.state;
    }

    /** False for a job of an earlier receipt key of the node: its vouchers are taken and claimed, and nothing is signed. */
    get isOwn(): boolean {
        return this.terms.receiptKey.equals(this.context.receiptKey.publicKey);
    }

    get lowWater(): number {
        return this.record.lowWater;
    }

    get seen(): ChannelSnapshot {
        return this.record.snapshot;
    }

    get voucher(): SignedVoucher | undefined {
        return this.record.voucher;
    }

    /** nanoTON of all results. */
    get cumulative(): bigint {
        return this.record.cumulative;
    }

    /** nanoTON that vouchers have promised. */
    get paid(): bigint {
        return this.voucher?.cumulative ?? 0n;
    }

    /** nanoTON that the channel has surely paid. */
    get sure(): bigint {
        return this.record.confirmedPaid;
    }

    get verifier(): Verifier {
        return (this.keyOfVouchers ??= new Verifier(this.terms.voucherKey));
    }

    /** The newest session. */
    session(): Promise<Session> {
        this.session_ ??= {
            id: this.record.enc,
            session: this.accepted(this.record.enc),
        };
        return this.session_.session;
    }

    /** Begins a new session; the old one is known no more. Throws when `enc` is no key. */
    async begin(enc: Buffer): Promise<void> {
        if (!enc.equals(this.record.enc)) {
            const session = await this.accepted(enc);
            await this.context.store.jobs.setSession(this.id, enc);
            this.record = { ...this.record, enc };
            this.session_ = { id: enc, session: Promise.resolve(session) };
        }
    }

    private async accepted(enc: Buffer): Promise<Session> {
        return withProcess(await acceptSession(this.context.encryptionKey, enc, this.id), this.context.boot);
    }

    /**
     * True when the client's voucher counts results that this store does not know: the store is not the newest, so nothing
     * is signed for this job any more. Its vouchers are taken and claimed.
     */
    get isStale(): boolean {
        return (this.voucher?.count ?? 0) > this.record.index;
    }

    /** Throws {@link Refused} when nothing may be signed for this job. */
    requireNewest(): void {
        if (this.isStale) {
            throw new Refused('wrong_terms', 'A voucher of this job counts results that this node does not know');
        }
    }

    /** What the client is told. */
    describe(): JobState {
        const { job, channel, highest, index, cumulative, voucher, snapshot } = this.record;
        return {
            job,
            channel: accountAddress(channel).toRawString(),
            there: snapshot.balance,
            highest,
            results: { index, cumulative },
            voucher: voucher ?? null,
            boot: this.context.boot,
        };
    }

    /** True while this job may still have something signed that brings nothing: each stays on the disk as long as the job. */
    get signsForNothing(): boolean {
        const now = performance.now();
        this.declines = Math.min(MAX_DECLINES, this.declines + (now - this.declinedAt) / DECLINE_MS);
        this.declinedAt = now;
        return this.declines >= 1;
    }

    /** Takes one of the declines, and fails of what never ran, that this job may still have signed. */
    maySignDecline(): boolean {
        const may = this.signsForNothing;
        this.declines -= may ? 1 : 0;
        return may;
    }

    /** Notes that a query number is used and stored. */
    used(number: number): void {
        this.record = { ...this.record, highest: Math.max(this.record.highest, number) };
    }

    async setState(state: State): Promise<void> {
        if (this.state !== 'ended') {
            const at = Math.max(this.context.now(), this.seen.at); // a clock that is behind must not have it look long over
            await this.context.store.jobs.setState(this.id, state, at);
            this.record = { ...this.record, state };
        }
    }

    /** Takes a voucher that the store has kept: credit grows, and who waits for it goes on. */
    credit(voucher: SignedVoucher): void {
        if (voucher.cumulative >= this.paid && voucher.count >= (this.voucher?.count ?? 0)) {
            this.record = { ...this.record, voucher };
            this.client.note(this.id, this);
            if (this.isStale) {
                const told = { job: this.id.toString('hex'), count: voucher.count, results: this.record.index };
                this.context.log.error(
                    told,
                    'a voucher counts results that this store does not know: it signs no more for this job; if the store is a copy, run cocoon worker restore',
                );
            }
            this.wake();
        }
    }

    /** True when `next` more nanoTON may be sent before another voucher. */
    maySend(next: bigint): boolean {
        const running = [...this.running.values()].filter(({ started }) => started);
        return maySend({ step: this.terms.step, ended: this.cumulative, paid: this.paid, running }, next);
    }

    /** Resolves when something changed that {@link maySend} depends on. */
    change(): Promise<void> {
        return new Promise((resolve) => this.waiting.add(resolve));
    }

    wake(): void {
        for (const resolve of this.waiting) {
            resolve();
        }
        this.waiting.clear();
    }

    /**
     * Signs the next result of this job and stores it with the last bytes of its answer; results are stored in the
     * order in which they are signed. Resolves with the receipt once it is on the disk.
     */
    async result(ended: {
        number: number;
        bytes: Buffer;
        counts: TokenCounts;
        content: Buffer;
        finish: Finish;
    }): Promise<Buffer> {
        this.requireNewest();
        const { number, bytes, counts, content, finish } = ended;
        const price = priceOf(counts, this.terms.rates);
        const index = this.record.index + 1;
        const cumulative = this.record.cumulative + price;
        const finishedAt = this.context.now();
        const receipt = signReceipt(
            Result,
            { job: this.id, number, index, content, ...counts, price, cumulative, finishedAt, finish },
            this.context.receiptKey,
        );
        // Before the write is awaited: the next result is signed on top of this one, and written after it.
        this.record = { ...this.record, index, cumulative };
        this.client.note(this.id, this);
        try {
            await this.context.store.queries.end({
                kind: 'result',
                job: this.id,
                number,
                receipt,
                bytes,
                counts,
                index,
                cumulative,
            });
        } catch (error) {
            this.context.fatal(new Error('A result could not be stored, so none can follow it', { cause: error }));
            throw error;
        }
        return receipt;
    }

    /** Unix seconds of the chain, as far as the last reading tells. */
    chainNow(): number {
        return this.seen.at + Math.floor((performance.now() - this.readAt) / 1000);
    }

    /** True when the channel's refund is so near that nothing new begins. */
    leaving(): boolean {
        return this.seen.refundAt - this.chainNow() <= this.context.config.marginSeconds;
    }

    /** Milliseconds since the channel was read. */
    private age(): number {
        return performance.now() - this.readAt;
    }

    /** Notes that the job's last claim is being handed to the wallet; it is on the disk already. */
    closes(at: number): void {
        this.record = { ...this.record, closingAt: at };
    }

    /** Takes a reading of the channel made elsewhere. */
    sawChannel(snapshot: ChannelSnapshot): void {
        this.record = { ...this.record, snapshot };
        this.readAt = performance.now();
    }

    /**
     * Makes sure that the channel was read lately: within `freshSeconds` nothing happens, up to `staleSeconds` the
     * reading goes on beside the caller. A job that has ended is looked for at greater intervals: it may have been an error.
     *
     * @throws {Refused} if the channel is gone, or cannot be read and was not for long
     */
    async recent(): Promise<void> {
        const { freshSeconds, staleSeconds } = this.context.config.chain;
        if (this.state === 'ended' && this.mayReturn && this.age() > ENDED_PAUSES * freshSeconds * 1000) {
            await this.readChannel().catch(() => undefined);
        } else if (this.state !== 'ended' && this.age() > freshSeconds * 1000) {
            const reading = this.readChannel();
            if (this.age() > staleSeconds * 1000) {
                await reading.catch((error: unknown) => this.bearUnreadable(error));
            } else {
                reading.catch((error: unknown) =>
                    this.context.log.warn({ job: this.id.toString('hex'), err: error }, 'channel not read'),
                );
            }
        }
        if (this.state === 'ended') {
            throw new Refused('wrong_channel', 'This job has ended: its channel is gone');
        }
        if (this.isGone) {
            throw new Refused('internal', 'The channel cannot be seen on chain now', 503);
        }
    }

    private bearUnreadable(error: unknown): void {
        if (!(error instanceof ChannelUnreadable)) {
            throw error;
        }
        // A client who leaves gives notice of at least two margins, so half of one in the dark loses nothing.
        if (this.age() > (this.context.config.marginSeconds / 2) * 1000) {
            throw new Refused('internal', error.message, 503);
        }
        this.context.log.warn({ job: this.id.toString('hex'), err: error }, 'channel not read');
    }

    /** True while the channel looks gone and the job has not ended: nothing new begins, vouchers are kept. */
    get isGone(): boolean {
        return this.gone;
    }

    /** True from when the worker's own last claim was handed to its wallet. */
    get isClosing(): boolean {
        return this.record.closingAt > 0;
    }

    /** False once the worker's own last claim has ended a channel that owed nothing: another one there is not this job's. */
    private get mayReturn(): boolean {
        return !this.isClosing || this.paid > this.sure;
    }

    // One answer of an API may be wrong, or a lie that would cost every voucher of the job. So a job ends only when its
    // channel was said to be gone again and again; with unpaid vouchers, and no last claim of our own, after the end that
    // its terms name alone, which no API can bring nearer. An end of our own is looked at again later, for the claim may not
    // have been taken.
    private async looksGone({ at, confirmed }: { at: number; confirmed: boolean }): Promise<void> {
        const { channels, log, now } = this.context;
        const own = this.isClosing;
        const owed = own ? 0n : this.paid - this.sure;
        if (!this.gone) {
            this.gone = true;
            const told = { job: this.id.toString('hex'), ...(owed > 0n && { owed: owed.toString() }) };
            if (own) {
                log.debug(told, 'the channel is gone after its last claim');
            } else {
                log.warn(told, 'the channel looks gone');
            }
        }
        if (confirmed && (owed <= 0n || Math.min(at, now()) > this.terms.end)) {
            channels.ended(this.channel);
            await this.setState('ended');
        }
    }

    /** Reads the channel now and stores what changed. A channel that is surely gone ends the job. */
    readChannel(): Promise<void> {
        this.reading ??= this.read().finally(() => (this.reading = undefined));
        return this.reading;
    }

    private async read(): Promise<void> {
        const { channels } = this.context;
        const before = this.seen;
        const now = await channels
            .read(this.channel, this.terms, this.record.jobNumber, this.sure)
            .catch((error: unknown) => {
                // Code and data of a channel never change, so another one is an error of the API.
                throw error instanceof Refused ? new ChannelUnreadable(error) : error;
            });
        if (now.at < before.at && before.at - now.at <= LAG_SECONDS) {
            // Servers of one API may lag behind each other: what is known is newer, and has its time from here on.
            this.readAt = this.readAt === -Infinity ? performance.now() : this.readAt;
            return;
        }
        if (this.state === 'ended') {
            this.readAt = performance.now();
            return now.gone || !this.mayReturn ? undefined : this.comeBack(now);
        }
        if (now.gone) {
            return this.looksGone(now);
        }
        await this.take(now, before);
    }

    private async take(
        { balance, paid, refundAt, at, confirmed }: ChannelSnapshot & { confirmed: boolean },
        before: ChannelSnapshot,
    ): Promise<void> {
        const { store } = this.context;
        this.requirePossible({ paid, refundAt });
        this.gone = false;
        if (this.record.closingAt > 0 && at - this.record.closingAt > ORDER_SECONDS) {
            await store.jobs.setClosing([this.id], 0); // the wallet's order was not taken
            this.record = { ...this.record, closingAt: 0 };
        }
        this.sawChannel({ balance, paid, refundAt, at });
        if (balance !== before.balance || paid !== before.paid || refundAt !== before.refundAt) {
            await store.jobs.setSnapshot(this.id, this.seen);
        }
        if (confirmed && paid > this.sure) {
            await store.jobs.setConfirmedPaid(this.id, paid);
            this.record = { ...this.record, confirmedPaid: paid };
        }
    }

    private requirePossible({ paid, refundAt }: Pick<ChannelSnapshot, 'paid' | 'refundAt'>): void {
        if (paid > this.paid) {
            throw new ChannelUnreadable(new Error('It is said to have paid more than any voucher here promises'));
        }
        if (refundAt > this.terms.end) {
            throw new ChannelUnreadable(new Error('It is said to last longer than its terms'));
        }
    }

    private async comeBack({ balance, paid, refundAt, at }: ChannelSnapshot): Promise<void> {
        this.requirePossible({ paid, refundAt });
        // Where our own last claim was thought to have ended it, vouchers are claimed and nothing new begins.
        const state = this.isClosing ? 'ending' : 'open';
        await this.context.store.jobs.revive(this.id, state, { balance, paid, refundAt, at });
        this.record = { ...this.record, state, closingAt: 0 };
        this.gone = false;
        this.sawChannel({ balance, paid, refundAt, at });
        this.context.log.warn({ job: this.id.toString('hex') }, 'a job had ended and its channel is there: it goes on');
    }
}
