/** One job: a channel's money, and what gateway and worker count. Amounts are nanoTON. */
import { payEvery } from '../../offchain/link';
import { type Model, priceOf } from './model';
import { maxRunning, mayAccept, mayPayLate, maySend } from './rules';

type Phase = 'open' | 'settling' | 'leaving' | 'ended';

/** What the model of a job needs besides its own parameters. */
interface JobPlace {
    gateway: number;
    node: number;
    escrow: number;
    factor: number; // of the node's rates when the job was opened, which are the job's rates
}

export class Job {
    phase: Phase = 'open';
    results = 0; // of all results
    vouchers = 0; // the newest voucher's cumulative
    claimed = 0; // what the channel paid
    running = 0; // queries
    unclaimedSince: number; // seconds
    refundAt = Infinity; // seconds
    endsAt = Infinity; // seconds, when its gateway began to settle it
    cut = 0; // queries that were running when gateway or node failed, and have no voucher for their end yet
    isAbandoned = false; // its client never comes back
    allowedLoss = 0; // what the rules allow the node to lose with a client that never comes back
    readonly price: number;
    private readonly ceiling: number;
    private readonly payAt: number; // rule 7: a voucher is signed when so much is unpaid

    constructor(
        private readonly model: Model,
        readonly place: JobPlace,
        readonly deposit: number,
        readonly openedAt: number,
    ) {
        this.price = priceOf(model.query, place.factor);
        this.ceiling = model.ceiling * this.price;
        this.payAt = Number(payEvery(BigInt(model.job.step)));
        this.unclaimedSince = openedAt;
    }

    get unpaid(): number {
        return this.results - this.vouchers;
    }

    /** True if its gateway may give it queries. */
    get isUsable(): boolean {
        return this.phase === 'open' && this.cut === 0 && !this.isAbandoned;
    }

    get due(): number {
        return this.vouchers - this.claimed;
    }

    /** What new queries may be promised. */
    get available(): number {
        return this.deposit - this.model.job.rent - this.results - this.running * this.ceiling;
    }

    /** True while it has enough for the pool not to open another in its place. */
    get lasts(): boolean {
        const { openAhead, rent } = this.model.job;
        return this.available >= openAhead * (this.deposit - rent);
    }

    /** Queries that may run at once: by the terms, by rule 2, and by rule 5 with what vouchers have promised. */
    slots(promised: number): number {
        const byCredit = maxRunning(Math.max(0, this.unpaid), promised, this.model.job);
        return Math.max(0, Math.min(this.model.job.maxParallel, Math.floor(this.room / this.ceiling), byCredit));
    }

    /** Queries that it can start in so many seconds, by its slots and its money. */
    capacity(slots: number, seconds: number): number {
        const byMoney = this.room < this.ceiling ? 0 : 1 + Math.floor((this.room - this.ceiling) / this.price);
        return Math.min(Math.floor((slots * seconds) / this.model.query.seconds), byMoney);
    }

    /** True if no query can be promised its ceiling any more. */
    get isUsedUp(): boolean {
        return this.room < this.ceiling;
    }

    /** Starts queries in so many seconds, and ends those that are over. */
    serve(started: number, slots: number, seconds: number): void {
        const { room } = this;
        const all = this.running + started;
        const lasting = Math.round((started * this.model.query.seconds) / seconds);
        const byRule2 = Math.floor((room - started * this.price) / (this.ceiling - this.price));
        this.running = Math.max(0, Math.min(all, lasting, slots, byRule2));
        this.results += (all - this.running) * this.price;
        this.pay(
            this.running === 0 ? 0 : this.payAt + (started / seconds) * this.model.query.voucherSeconds * this.price,
        );
    }

    /** Rule 2 holds for what runs now. Meters that vouchers paid are a part of their queries' ceilings. */
    get isCovered(): boolean {
        const { deposit, model, running, unpaid, vouchers } = this;
        return mayAccept({ ceilings: running * this.ceiling, unpaid, funds: deposit - model.job.rent, vouchers });
    }

    /** What late results are worth, as a part of what rule 14 lets the gateway pay. */
    get latePart(): number {
        return this.unpaid === 0 ? 0 : this.unpaid / (this.model.job.step * this.cut);
    }

    /** Ends what runs, pays everything, and lets the worker end the job. */
    settle(now: number): void {
        this.results += this.running * this.price;
        this.running = 0;
        this.pay(0);
        this.phase = 'settling';
        this.endsAt = now;
    }

    /** The node died: what it stored of running queries becomes their results at its start (rule 13). */
    loseNode(unpaidPart: number): void {
        this.pay(this.running === 0 ? 0 : unpaidPart * this.payAt);
        this.results = Math.max(this.vouchers, this.results + this.meters);
        this.cut = this.running;
        this.running = 0;
    }

    /**
     * The gateway died: the worker goes on until it may send no more (rule 5), at most for so many seconds. Returns
     * how many queries ended meanwhile.
     */
    loseGateway(unpaidPart: number, seconds: number): number {
        const { query, job } = this.model;
        const unpaidBefore = this.running === 0 ? 0 : unpaidPart * this.payAt;
        this.pay(unpaidBefore);
        const maxEnded = this.running * Math.min(1, seconds / query.seconds);
        const unpaidAfter = (ended: number) => {
            const part = this.running === 0 ? 0 : ended / this.running;
            return unpaidBefore + this.running * this.price * (part - (part * part) / 2);
        };
        let ended = 0;
        while (ended + 1 <= maxEnded && maySend(unpaidAfter(ended + 1), this.running - ended - 1, job.step)) {
            ended++;
        }
        this.cut = this.running;
        this.results = Math.max(this.vouchers, this.vouchers + Math.round(unpaidAfter(ended)));
        this.running = 0;
        return ended;
    }

    /** Another process of the client pays what was owed. False if the rules would not let it (rule 14). */
    recover(): boolean {
        const isAllowed = this.unpaid === 0 || mayPayLate(this.unpaid, this.cut, this.model.job.step);
        this.cut = 0;
        this.pay(0);
        return isAllowed;
    }

    /** The client never comes back: what is unpaid is lost. Returns it. */
    abandon(): number {
        this.isAbandoned = true;
        this.allowedLoss = this.model.job.step * this.cut;
        return this.unpaid;
    }

    /** Deposit that new queries may use, once those that run have ended. */
    private get room(): number {
        return this.deposit - this.model.job.rent - this.results - this.running * this.price;
    }

    /** What running queries were metered: half of each on average. */
    private get meters(): number {
        return Math.round((this.running * this.price) / 2);
    }

    /** The newest voucher leaves at most so much unpaid; it never falls (rule 7). */
    private pay(unpaid: number): void {
        this.vouchers = Math.max(this.vouchers, this.results + this.meters - Math.round(unpaid));
    }
}
