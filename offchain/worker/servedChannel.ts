/**
 * The channel of one job: when it is read and compared, and what a reading changes.
 *
 * Longer than 350 lines because how far a channel is believed is best read in one place.
 */
import { larger, smaller } from '@cocoon-market/wrappers';
import { LAG_SECONDS } from '../chain';
import { RENT } from '../link';
import { resolvesWithin } from '../process/tasks';
import { unclaimedOf } from '../store/jobSums';
import type { ChannelSnapshot } from '../store/worker';
import { type ChannelReading, type Channels, ChannelUnreadable, isOtherContract, type ReadingCause } from './channels';
import type { WorkerContext } from './context';
import type { JobEntry } from './entry';
import { type CountedJob, MAX_TRUSTED } from './disputedJobs';
import { Refused } from './refusal';
import {
    agreedAmount,
    agreedLimit,
    type ChannelVote,
    type EndpointWord,
    heldBy,
    nonesIn,
    type SaysNo,
    yesesIn,
} from './votes';

const ENDED_PAUSES = 12; // times `freshSeconds` between two readings for a job that has ended
const DENIED_SECONDS = 5; // for which the endpoints are not asked again for what they do not show
const COMPARE_MS = 2000; // that a client's reading waits for the other endpoints
/** Milliseconds that a query waits for them before it is refused by the word of one: some take one call a second. */
const DECISIVE_MS = 10_000;
const HIDDEN_MS = 20_000; // that they have for a channel which the first one hides: nothing that is secured waits for it
const READ_MS = 3000; // that the query of a secured job waits for a reading
const WARN_SECONDS = 60; // between two lines of the log that say the same
const LAST_CLAIM_SECONDS = 600; // after which a last claim would have ended the channel, had the wallet executed its order

/**
 * A notice: `confirmed` by most of all endpoints, `denied` by most though the first one shows it, or `unsure`, because
 * too few answer.
 */
type NoticeVerdict = 'confirmed' | 'denied' | 'unsure';

export class ServedChannel {
    private readAt = -Infinity; // milliseconds of performance.now()
    private reading: { cause: ReadingCause; end: Promise<void> } | undefined;
    private missing = false;
    private readonly warnedAt = new Map<string, number>(); // by line of the log: steady seconds
    private isAgreedGone = false; // as most endpoints have shown several times
    private isLeavingElsewhere = false; // an endpoint shows a notice that the first one does not
    private noticeVerdict: NoticeVerdict = 'unsure'; // when last compared
    private noticeRequest: { end: Promise<unknown>; until: number } | undefined; // for a notice; steady seconds
    private comparedAt = -Infinity; // steady seconds
    private comparison: Promise<void> = Promise.resolve(); // the last one
    private falls = 0; // how often the first endpoint has shown far less than before
    private hasFallen = false; // and most endpoints have not said yet what is left
    private agreed = 0n; // the same, that most of all endpoints have shown
    private agreedPaid = 0n; // of it, that it has paid
    private covered = 0n; // the same, or what few confirmed while the others did not answer
    private trusted: bigint; // nanoTON with what it has paid, that are believed until most endpoints are compared
    private fromFew: { amount: bigint; until: number } | undefined; // nanoTON, while most do not answer
    private short: { from: bigint; until: number } | undefined; // what they do not show (nanoTON); steady seconds

    constructor(
        private readonly context: WorkerContext,
        private readonly channels: Channels,
        private readonly entry: JobEntry & CountedJob,
        private readonly onChange: () => void = () => undefined, // of what it pays
    ) {
        channels.disputes.attach(entry.record.job, entry);
        // What an earlier process has asked is not stored, and a start must not ask for thousands of jobs at once.
        this.trusted = this.isDisputed ? 0n : entry.promised + MAX_TRUSTED * context.config.claim.threshold;
    }

    get snapshot(): ChannelSnapshot {
        return this.entry.record.snapshot;
    }

    /** True while the channel seems to be gone and the job has not ended: nothing new begins, vouchers stay. */
    get isMissing(): boolean {
        return this.missing;
    }

    /** True if the job has ended, or its channel seems to be gone or about to be: no later voucher is paid. */
    get isGone(): boolean {
        return this.missing || this.hasEnded || this.entry.hasLastClaim;
    }

    /**
     * nanoTON that it holds and has paid: what the first endpoint shows, or most have shown. One endpoint must not have
     * good vouchers refused: clients leave a worker for that. See {@link note} for when it falls.
     */
    get funds(): bigint {
        return larger(heldBy(this.snapshot), this.agreed);
    }

    /** {@link funds} in its two parts. */
    get money(): Pick<ChannelSnapshot, 'balance' | 'paid'> {
        const { paid } = this.snapshot;
        return { balance: this.funds - paid, paid };
    }

    /**
     * nanoTON of vouchers that it pays: what it has paid, or all that it holds too. While it is gone, about to be, or
     * not read for long, its client may have the rest back already.
     */
    get payable(): bigint {
        const isThere = !this.isGone && !this.isLeaving() && this.isSecured();
        return isThere && this.isConfirmed(this.entry.promised) ? this.funds : this.paid;
    }

    /** nanoTON that it has paid, as most of several endpoints have shown, or a last claim has come to. */
    get paid(): bigint {
        const { confirmedPaid, lastClaimPaid } = this.entry.record;
        const paid = this.channels.canVote ? larger(this.agreedPaid, confirmedPaid) : this.snapshot.paid;
        return this.hasEnded ? larger(paid, lastClaimPaid) : paid;
    }

    /**
     * True if a query with this ceiling (nanoTON) may begin by what the endpoints say of the channel. None may while
     * most of them do not show that it holds what vouchers promise, and few while they do not agree.
     */
    mayServe(ceiling: bigint): boolean {
        const { disputes } = this.channels;
        const { job } = this.entry.record;
        return disputes.verdictOf(job) !== 'denied' && disputes.mayServe(job, ceiling);
    }

    /** Unix seconds of the chain, estimated from the last reading. */
    chainTime(): number {
        return this.snapshot.at + Math.floor(this.age() / 1000);
    }

    /**
     * True when the channel's refund is so near that nothing new begins: as most endpoints show it, or the first one
     * does and most do not deny it.
     */
    isLeaving(): boolean {
        return this.noticeVerdict === 'confirmed' || (this.looksLeaving && this.noticeVerdict !== 'denied');
    }

    /**
     * What the endpoints say of a refund that the first one shows as near. One alone must not have channels ended, for
     * each client would have to open another.
     */
    async askForNotice(cause: ReadingCause = 'routine'): Promise<NoticeVerdict> {
        if (!this.channels.canVote) {
            return 'confirmed';
        }
        const vote = this.vote((snapshot) => snapshot !== undefined && this.isNear(snapshot), cause);
        if (!(await resolvesWithin(vote, cause === 'client' ? DECISIVE_MS : COMPARE_MS).catch(() => false))) {
            return 'unsure';
        }
        this.noteNotice((await vote).words);
        return this.noticeVerdict;
    }

    /** A query waits for what all endpoints say of a notice that is new: most may deny it. */
    private async awaitNotice(): Promise<void> {
        const { steady } = this.context;
        if (!this.looksLeaving || this.noticeVerdict !== 'unsure') {
            return;
        }
        if (this.noticeRequest === undefined || steady() >= this.noticeRequest.until) {
            this.noticeRequest = { end: this.askForNotice('client'), until: steady() + DENIED_SECONDS };
        }
        await this.noticeRequest.end;
    }

    /** True if the refund is near, as the first endpoint shows it. */
    private get looksLeaving(): boolean {
        return this.snapshot.refundAt - this.chainTime() <= this.context.config.marginSeconds;
    }

    /** The same as an endpoint shows it, by the time that it tells. */
    private isNear({ refundAt, at }: Pick<ChannelSnapshot, 'refundAt' | 'at'>): boolean {
        return refundAt - at <= this.context.config.marginSeconds;
    }

    /**
     * True if what another endpoint shows is a notice that the first one does not: of an earlier refund, or of one that
     * is near by the time that it tells.
     */
    isHiddenNotice({ refundAt, at }: ChannelSnapshot): boolean {
        const { marginSeconds } = this.context.config;
        return refundAt < this.snapshot.refundAt
            ? refundAt - at <= 2 * marginSeconds
            : !this.looksLeaving && refundAt - at <= marginSeconds;
    }

    private noteNotice(words: readonly EndpointWord[]): void {
        const snapshots = words.flatMap(({ snapshot }) => snapshot ?? []);
        const near = snapshots.filter((one) => this.isNear(one)).length;
        const isDenied = this.looksLeaving && this.channels.isMajority(snapshots.length - near);
        this.noticeVerdict = this.channels.isMajority(near) ? 'confirmed' : isDenied ? 'denied' : 'unsure';
        this.isLeavingElsewhere = snapshots.some((one) => this.isHiddenNotice(one));
    }

    /**
     * Takes over the reading of a new job. Unless most endpoints have confirmed it, they are asked again before
     * anything is answered: one that lies may have waited until the others did not answer.
     */
    begin(snapshot: ChannelSnapshot, vote: ChannelVote | undefined): void {
        this.note(snapshot);
        // Whatever is promised for it next is compared at the next reading, if that is much.
        this.comparedAt = this.context.steady() - this.context.config.marginSeconds / 4;
        const isSure = !this.channels.canVote || (vote !== undefined && this.channels.isMajority(yesesIn(vote)));
        this.covered = isSure && !this.isDisputed ? heldBy(snapshot) : 0n;
        this.agreed = this.channels.canVote ? this.covered : 0n;
        if (vote !== undefined) {
            this.noteAmounts(vote); // the first endpoint may show less than there is
            this.noteNotice(vote.words); // and hide that the client leaves
        }
        this.trusted = 0n;
    }

    /**
     * True if so many nanoTON of results or vouchers are covered by what most endpoints have shown so far. What is
     * disputed has the allowance of {@link mayServe}.
     */
    isConfirmed(amount: bigint): boolean {
        const ofFew =
            this.fromFew !== undefined && this.context.steady() < this.fromFew.until ? this.fromFew.amount : 0n;
        return amount <= larger(larger(this.covered, ofFew), this.trusted) || this.isDisputed || !this.channels.canVote;
    }

    /**
     * True if the channel covers so many nanoTON. If it does not, it is read again, because it may have been topped up,
     * and by all endpoints; one that was read just now is not, so that no client uses up the calls with vouchers.
     *
     * @throws {ChannelUnreadable} if the endpoints do not agree, or too few answer to know
     */
    async covers(amount: bigint): Promise<boolean> {
        const isShort = () => amount > this.funds;
        if (isShort() && !this.wasShort(amount)) {
            await this.read('client');
            if (isShort() && this.channels.canVote) {
                await this.askForAmount(amount);
            }
            if (isShort()) {
                this.noteShort(this.funds);
            }
        }
        return !isShort();
    }

    private async askForAmount(amount: bigint): Promise<void> {
        const vote = await this.vote(showsLess(amount), 'client');
        this.noteAmounts(vote);
        if (amount > this.funds && vote.verdict !== 'denied') {
            throw new ChannelUnreadable(new Error('the endpoints do not agree about what the channel holds'));
        }
    }

    /**
     * True if the channel covers so many nanoTON and most endpoints do not deny it: the first one alone may show more
     * than there is. They are asked for all that it shows, so once for a top-up. If they do not agree, the job is
     * disputed from now on.
     */
    async confirm(amount: bigint): Promise<boolean> {
        const all = this.funds;
        if (amount > all || this.isConfirmed(amount)) {
            return amount <= all;
        }
        if (this.wasShort(amount)) {
            return false;
        }
        this.fromFew = undefined;
        let agreed: bigint | undefined;
        for (const sum of new Set([all, amount])) {
            const vote = await this.vote(showsLess(sum), 'client');
            agreed = agreedAmount(vote);
            if (vote.verdict === 'agreed') {
                const isSure = this.channels.isMajority(yesesIn(vote));
                this.covered = larger(this.covered, isSure ? sum : amount);
                this.agreed = isSure ? larger(this.agreed, sum) : this.agreed;
                // Where few answer, nobody denies it. Another query could have asked for all of it now.
                const until = this.context.steady() + this.context.config.chain.staleSeconds;
                this.fromFew = isSure ? undefined : { amount: sum, until };
                return true;
            }
            if (vote.verdict === 'disputed' && sum === amount) {
                this.channels.disputes.note(this.entry.record.job, { vote, amount, entry: this.entry });
                return true;
            }
        }
        this.noteShort(smaller(agreed ?? amount, amount - 1n));
        return false;
    }

    /** Takes over what most endpoints show. Less than before is believed only if most show no more. */
    private noteAmounts(vote: ChannelVote): void {
        this.agreedPaid = larger(this.agreedPaid, agreedAmount(vote, ({ paid }) => paid) ?? 0n);
        const [amount, limit] = [agreedAmount(vote), agreedLimit(vote)];
        if (amount === undefined || limit === undefined) {
            return;
        }
        if (limit + RENT < larger(this.agreed, this.covered)) {
            [this.agreed, this.covered] = [0n, 0n];
        }
        this.agreed = amount + RENT > this.agreed ? amount : this.agreed;
        this.covered = larger(this.covered, this.agreed);
        this.hasFallen &&= limit > amount + RENT; // too few say the same
    }

    /** True if so many nanoTON were asked for just now, and not there. */
    private wasShort(amount: bigint): boolean {
        return this.short !== undefined && amount >= this.short.from && this.context.steady() < this.short.until;
    }

    /** `amount`: nanoTON that are there, and no more. */
    private noteShort(amount: bigint): void {
        this.short = { from: amount + 1n, until: this.context.steady() + DENIED_SECONDS };
    }

    /**
     * False for a voucher that promises so much (nanoTON) that nobody may pay it: the channel is gone or about to be,
     * or disputed, and the allowance would not cover it. It would give credit to other jobs of its client. One that
     * pays for what was answered, or is, is always taken, and pays the debt once the channel is read.
     *
     * @throws {ChannelUnreadable} if nobody has seen for long that the channel is there
     */
    async mayPromise(amount: bigint): Promise<boolean> {
        const answered = () => this.entry.record.confirmedPaid + this.entry.exposed + this.entry.ceilings;
        if (!this.isSecured()) {
            const reading = this.read('client');
            reading.catch((error: unknown) => this.logUnread(error));
            await (amount > answered() ? reading : undefined);
        }
        const { job, state } = this.entry.record;
        // While its client leaves, the last claim may be under way with an earlier voucher.
        const isThere = state === 'open' && !this.isGone && !this.isLeaving();
        return amount <= answered() || (isThere && this.channels.disputes.mayServe(job, amount - answered()));
    }

    /**
     * Takes over a reading. What a channel holds falls by its rent only, until its refund. Then anyone may deploy it
     * again with less, so what most endpoints have shown counts no more, until they are compared.
     */
    note(snapshot: ChannelSnapshot): void {
        if (heldBy(snapshot) + RENT < heldBy(this.snapshot)) {
            [this.agreed, this.covered, this.fromFew] = [0n, 0n, undefined];
            this.hasFallen = true;
            this.falls++;
        }
        this.entry.update({ snapshot });
        this.readAt = performance.now();
    }

    /**
     * Makes sure of a recent reading: one of `freshSeconds` is enough, up to `staleSeconds` the next is made in the
     * background. While the API is silent nothing waits for it, and otherwise not long, as long as the job is secured.
     * The channel of an ended job is read at longer intervals, because the end may have been an error of the API.
     *
     * @throws {Refused} if the channel is gone, or could not be read for too long
     */
    async refresh(): Promise<void> {
        const { freshSeconds, staleSeconds } = this.context.config.chain;
        if (this.hasEnded && this.mayRevive && this.age() > ENDED_PAUSES * freshSeconds * 1000) {
            await this.read('client').catch(() => undefined);
        } else if (!this.hasEnded && this.age() > freshSeconds * 1000) {
            const isSilent = this.channels.isSilent && this.isSecured();
            const reading = this.read('client');
            // A dispute may be over, as when an endpoint was only behind.
            const isOld = this.age() > staleSeconds * 1000 || this.isDisputed;
            if (isOld && !isSilent) {
                const tolerated = reading.catch((error: unknown) => this.tolerate(error));
                // One with many jobs may use up the calls of clients for a while.
                await (this.isSecured() ? resolvesWithin(tolerated, READ_MS) : tolerated);
            } else {
                reading.catch((error: unknown) => this.logUnread(error));
            }
        }
        if (this.hasEnded) {
            throw new Refused('wrong_channel', 'This job has ended: its channel no longer exists');
        }
        if (this.missing) {
            throw new Refused('internal', 'The chain does not show the channel now', { status: 503 });
        }
        if (this.hasFallen) {
            await resolvesWithin(this.comparison, DECISIVE_MS); // nobody is refused before most have said what is left
        }
        await this.awaitNotice();
    }

    /**
     * Reads the channel now and stores what changed. A channel that is confirmed to be gone ends the job. What is
     * routine does not wait for the reading of a client, whose turn may be late.
     */
    read(cause: ReadingCause = 'routine'): Promise<void> {
        if (this.reading === undefined || (cause === 'routine' && this.reading.cause === 'client')) {
            const end = this.readOnce(cause).finally(() => {
                this.reading = this.reading?.end === end ? undefined : this.reading;
            });
            this.reading = { cause, end };
        }
        return this.reading.end;
    }

    /**
     * The channel as the endpoint shows it by which most can be claimed, and then most is paid. For one that looks gone
     * or paid at the first: that may be a lie, and until the refund its vouchers can be claimed. Undefined if none
     * shows it.
     */
    async readElsewhere(): Promise<ChannelSnapshot | undefined> {
        const { promised, record, terms } = this.entry;
        const all = await this.channels.readElsewhere(record.channel, terms, record.jobNumber);
        const due = (snapshot: ChannelSnapshot) => unclaimedOf({ voucher: record.voucher, snapshot });
        const order = (a: ChannelSnapshot, b: ChannelSnapshot) => Number(due(b) - due(a) || b.paid - a.paid);
        // A last claim of this worker ends the channel soon, or was not executed.
        const isOver = ({ at }: ChannelSnapshot) => at - record.lastClaimAt > LAST_CLAIM_SECONDS;
        const isPossible = ({ paid, refundAt }: ChannelSnapshot) => paid <= promised && refundAt <= terms.end;
        return all.filter((one) => isPossible(one) && isOver(one)).sort(order)[0];
    }

    /** The channel as the endpoint of this turn shows it; undefined if that one shows none, or not soon. */
    readInTurn(turn: number): Promise<ChannelSnapshot | undefined> {
        const { record, terms } = this.entry;
        return this.channels.readInTurn(turn, record.channel, terms, record.jobNumber);
    }

    /** True if most endpoints, of two or more, show no channel. */
    async isGoneElsewhere(): Promise<boolean> {
        const { verdict } = await this.vote((snapshot) => snapshot === undefined, 'routine');
        return verdict === 'denied';
    }

    /**
     * nanoTON that are left to claim: so much at least most of all endpoints show, of two or more, and so much at most;
     * `max` is undefined if too few answer to know.
     */
    async unclaimedElsewhere(): Promise<{ min: bigint; max: bigint | undefined }> {
        const { voucher } = this.entry.record;
        const unclaimed = (snapshot: ChannelSnapshot) => unclaimedOf({ voucher, snapshot });
        const vote = await this.vote((one) => one === undefined || unclaimed(one) === 0n, 'routine');
        return { min: agreedAmount(vote, unclaimed) ?? 0n, max: agreedLimit(vote, unclaimed) };
    }

    /** `says`: no, by how an endpoint shows the channel. */
    private async vote(says: SaysNo, urgency: ReadingCause): Promise<ChannelVote> {
        const { falls } = this;
        const { record, terms } = this.entry;
        const vote = await this.channels.vote(record.channel, terms, record.jobNumber, { says, urgency });
        this.isAgreedGone = await this.channels.confirmsEnd(record.channel, vote);
        if (falls !== this.falls) {
            throw new ChannelUnreadable(new Error('the channel has changed since the endpoints were asked'));
        }
        return vote;
    }

    private get isDisputed(): boolean {
        return this.channels.disputes.verdictOf(this.entry.record.job) === 'disputed';
    }

    private get hasEnded(): boolean {
        return this.entry.record.state === 'ended';
    }

    /**
     * False once the last claim has ended a channel that owed nothing: a later channel of this address is not this
     * job's.
     */
    private get mayRevive(): boolean {
        return !this.entry.hasLastClaim || this.entry.unconfirmed > 0n;
    }

    /** Milliseconds since the last reading. */
    private age(): number {
        return performance.now() - this.readAt;
    }

    private logUnread(error: unknown): void {
        this.warn(error, 'channel not read');
    }

    /** Logs what failed, once a minute: each query of a client may bring it about, and would fill a disk with it. */
    private warn(err: unknown, message: string): void {
        const now = this.context.steady();
        if (now - (this.warnedAt.get(message) ?? -Infinity) >= WARN_SECONDS) {
            this.warnedAt.set(message, now);
            this.context.log.warn({ ...this.entry.logName, err }, message);
        }
    }

    private tolerate(error: unknown): void {
        if (!(error instanceof ChannelUnreadable)) {
            throw error;
        }
        if (!this.isSecured()) {
            throw error;
        }
        this.logUnread(error);
    }

    /**
     * True while an answer is secured without a new reading: the notice of a client lasts two margins at least, so half
     * a margin without a reading loses nothing.
     */
    private isSecured(): boolean {
        return this.age() <= (this.context.config.marginSeconds / 2) * 1000;
    }

    private async readOnce(cause: ReadingCause): Promise<void> {
        const { record } = this.entry;
        const reading = await this.readFirst(cause);
        if (reading instanceof ChannelUnreadable) {
            this.readAt = this.hasEnded ? performance.now() : this.readAt;
            const found = this.hasEnded ? undefined : await this.readHidden(cause);
            if (found === undefined) {
                await this.endIfAgreed();
                throw reading;
            }
            await this.take(found, record.snapshot);
            return this.compareSoon(cause);
        }
        const { at } = record.snapshot;
        if (reading.at < at && at - reading.at <= LAG_SECONDS) {
            // Servers of one API may be behind each other: the stored snapshot is newer, and counts as read now.
            this.readAt = this.readAt === -Infinity ? performance.now() : this.readAt;
            this.onChange();
            return this.hasEnded ? undefined : this.compareSoon(cause);
        }
        if (this.hasEnded) {
            this.readAt = performance.now();
            const isAlive = reading.exists && this.mayRevive && !(await this.isHiddenElsewhere(cause));
            return isAlive ? this.revive(reading) : undefined;
        }
        const found = reading.exists ? reading : await this.readHidden(cause);
        await (found === undefined ? this.markMissing(reading) : this.take(found, record.snapshot));
        await this.compareSoon(cause);
        await this.endIfAgreed();
    }

    /** Ends the job if most endpoints have shown several times that its channel is gone. */
    private async endIfAgreed(): Promise<void> {
        if (this.isAgreedGone) {
            await this.endUnlessOwed(this.context.now());
        }
    }

    /** True if most endpoints show no channel, so that no lie of the first one reopens its job. */
    private async isHiddenElsewhere(cause: ReadingCause): Promise<boolean> {
        return this.channels.canVote && this.channels.isMajority(nonesIn(await this.vote(() => true, cause)));
    }

    /** What the first endpoint shows, or an error if a channel cannot have come to that. */
    private async readFirst(cause: ReadingCause): Promise<ChannelReading | ChannelUnreadable> {
        const { record, terms } = this.entry;
        const { channel, jobNumber, confirmedPaid } = record;
        try {
            const reading = await this.channels.read(channel, terms, jobNumber, { confirmedPaid, cause });
            return (reading.exists ? this.objectionTo(reading) : undefined) ?? reading;
        } catch (error) {
            // Code and data of a channel never change, so others are an error of the API.
            if (isOtherContract(error)) {
                return new ChannelUnreadable(error);
            }
            throw error instanceof ChannelUnreadable ? error : new ChannelUnreadable(error);
        }
    }

    /**
     * The channel as most endpoints show it where the first one hides it, or shows what cannot be; undefined if too few
     * show it soon.
     */
    private async readHidden(cause: ReadingCause): Promise<ExistingChannel | undefined> {
        if (!this.channels.canVote) {
            return undefined;
        }
        const isPossible = (snapshot: ChannelSnapshot | undefined): snapshot is ChannelSnapshot =>
            snapshot !== undefined && this.objectionTo(snapshot) === undefined;
        const vote = this.vote((snapshot) => !isPossible(snapshot), cause);
        if (!(await resolvesWithin(vote, HIDDEN_MS))) {
            return undefined;
        }
        const ofAll = await vote;
        const [minimal] = ofAll.words
            .flatMap(({ snapshot }) => (isPossible(snapshot) ? snapshot : []))
            .sort((one, other) => Number(heldBy(one) - heldBy(other)));
        const isThere = this.channels.isMajority(yesesIn(ofAll)) && !this.entry.hasLastClaim;
        return isThere ? { exists: true, confirmed: false, ...minimal } : undefined;
    }

    /** No claim waits for the other endpoints, and a client not long: what they say later counts for its next query. */
    private async compareSoon(cause: ReadingCause): Promise<void> {
        this.comparison = this.compare(cause).catch((error: unknown) =>
            this.warn(error, 'the endpoints were not compared'),
        );
        await (cause === 'client' ? resolvesWithin(this.comparison, COMPARE_MS) : undefined);
    }

    /**
     * Compares the channel at all endpoints, because the first one may show more than there is, and its claims as paid:
     * at the first reading, later in half a margin, so that the end of a notice is seen, and more often while much is
     * promised and not confirmed as paid. What is in doubt is compared at each reading.
     */
    private async compare(cause: ReadingCause): Promise<void> {
        const { config, steady } = this.context;
        const { promised, record, unconfirmed } = this.entry;
        const { disputes } = this.channels;
        const isNoticeNew = cause === 'client' && this.looksLeaving && this.noticeVerdict === 'unsure'; // claims ask by themselves
        const isNoticeHidden = this.isLeavingElsewhere || (this.noticeVerdict === 'confirmed' && !this.looksLeaving);
        const isInDoubt =
            disputes.verdictOf(record.job) !== 'agreed' || isNoticeHidden || isNoticeNew || this.hasFallen;
        const isMuch = cause === 'routine' && unconfirmed >= MAX_TRUSTED * config.claim.threshold;
        const interval = config.marginSeconds / (this.noticeVerdict === 'denied' ? 8 : isMuch ? 4 : 2);
        const isDue = isInDoubt || steady() - this.comparedAt >= interval;
        if (this.missing || this.hasEnded || !this.channels.canVote || !isDue) {
            return;
        }
        const { comparedAt } = this;
        this.comparedAt = steady();
        // A dispute is over when what it is about is shown, as far as the first endpoint shows that much still.
        const needed = larger(promised, smaller(disputes.amountOf(record.job), heldBy(this.snapshot)));
        const vote = await this.vote(showsLess(needed), cause).catch((error: unknown) => {
            this.comparedAt = comparedAt; // the next reading asks again
            throw error;
        });
        disputes.note(record.job, { vote, amount: needed, entry: this.entry });
        this.noteAmounts(vote);
        this.covered = vote.verdict === 'agreed' ? larger(this.covered, needed) : this.covered;
        if (agreedAmount(vote) !== undefined) {
            // From here on the first endpoint alone is believed in nothing.
            this.trusted = 0n;
            this.fromFew = undefined;
        }
        this.noteNotice(vote.words);
        this.onChange();
    }

    private async markMissing({ at, confirmed }: { at: number; confirmed: boolean }): Promise<void> {
        const { log, now } = this.context;
        const { entry } = this;
        const { owed } = this;
        if (!this.missing) {
            this.missing = true;
            this.onChange();
            const fields = { ...entry.logName, ...(owed > 0n && { owed: owed.toString() }) };
            if (entry.hasLastClaim) {
                log.debug(fields, 'the channel is gone after its last claim');
            } else {
                log.warn(fields, 'the channel looks gone');
            }
        }
        if (confirmed) {
            await this.endUnlessOwed(Math.min(at, now()));
        }
    }

    private get owed(): bigint {
        return this.entry.hasLastClaim ? 0n : this.entry.unconfirmed;
    }

    /**
     * Ends the job. One answer of an API may be wrong, or a lie that would cost every voucher of the job. So a job ends
     * only when several readings at all endpoints, or at most of them, have confirmed that its channel is gone. With
     * unpaid vouchers, and no last claim of this worker, it ends only after the end in its terms, which no API can
     * bring nearer. After a last claim it is read again later, because the wallet may not have executed it. `at`: unix
     * seconds.
     */
    private async endUnlessOwed(at: number): Promise<void> {
        const { entry } = this;
        if (!this.hasEnded && (this.owed <= 0n || at > entry.terms.end)) {
            this.channels.forget(entry.record.channel);
            await entry.setState('ended');
            this.onChange();
            this.channels.disputes.end(entry.record.job);
        }
    }

    private async take(reading: ExistingChannel, previous: ChannelSnapshot): Promise<void> {
        const { jobs } = this.context.store;
        const { job, lastClaimAt } = this.entry.record;
        this.note(this.possible(reading));
        const { snapshot } = this;
        this.missing = false;
        if (lastClaimAt > 0 && snapshot.at - lastClaimAt > LAST_CLAIM_SECONDS) {
            await jobs.setLastClaims([{ job, paidAfter: 0n }], 0); // the wallet did not execute the order
            this.entry.update({ lastClaimAt: 0, lastClaimPaid: 0n });
        }
        this.onChange();
        if ((['balance', 'paid', 'refundAt'] as const).some((field) => snapshot[field] !== previous[field])) {
            await jobs.setSnapshot(job, this.snapshot);
            this.entry.update(snapshot.paid > previous.paid ? { unclaimedSince: snapshot.at } : {});
        }
        if (reading.confirmed && snapshot.paid > this.entry.record.confirmedPaid) {
            await jobs.setConfirmedPaid(job, snapshot.paid, snapshot.at);
            this.entry.update({ confirmedPaid: snapshot.paid });
        }
    }

    private async revive(reading: ExistingChannel): Promise<void> {
        const snapshot = this.possible(reading);
        // After a last claim of this worker, vouchers are claimed and nothing new begins.
        const state = this.entry.hasLastClaim ? 'ending' : 'open';
        await this.context.store.jobs.revive(this.entry.record.job, state, snapshot);
        this.entry.update({ state, lastClaimAt: 0, lastClaimPaid: 0n });
        this.missing = false;
        [this.agreed, this.covered] = [0n, 0n];
        [this.noticeVerdict, this.isAgreedGone] = ['unsure', false];
        this.note(snapshot);
        this.onChange();
        this.context.log.warn(this.entry.logName, 'an ended job goes on, because its channel exists');
    }

    /** The snapshot of a reading. Throws when a channel cannot have come to it. */
    private possible({ balance, paid, refundAt, at }: ExistingChannel): ChannelSnapshot {
        const snapshot = { balance, paid, refundAt, at };
        const objection = this.objectionTo(snapshot);
        if (objection !== undefined) {
            throw objection;
        }
        return snapshot;
    }

    /** Why a channel cannot have come to a snapshot; undefined if it can. */
    private objectionTo({ paid, refundAt }: ChannelSnapshot): ChannelUnreadable | undefined {
        if (paid > this.entry.maxPaid) {
            return new ChannelUnreadable(
                new Error('The API says that it has paid more than any voucher here promises'),
            );
        }
        return refundAt > this.entry.terms.end
            ? new ChannelUnreadable(new Error('The API says that it lasts longer than its terms'))
            : undefined;
    }
}

/** What an endpoint says no by that must show so many nanoTON. */
const showsLess =
    (needed: bigint): SaysNo =>
    (snapshot) =>
        snapshot === undefined || heldBy(snapshot) < needed;

type ExistingChannel = Extract<ChannelReading, { exists: true }>;
