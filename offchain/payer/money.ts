/** The money of one job: what it owes, the vouchers that pay it, and their way to the worker while queries run. */
import { type SignedVoucher, type SigningKey, Verifier, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { isSignedVoucher, VOUCHER_ACCEPT_MS, VOUCHER_DELAY_MS } from '../link';
import { Ledger, type ResultEntry, type VoucherAmounts } from './ledger';
import type { WorkerCalls } from './jobLink';
import { ForeignVoucher, WorkerRefusal } from './workerErrors';

const RETRY_MS = [200, 500, 1000, 2000, 5000];

type Timer = ReturnType<typeof setTimeout> | undefined;

const NONE: VoucherAmounts = { cumulative: 0n, count: 0 };

const isSame = (one: VoucherAmounts, other: VoucherAmounts): boolean =>
    one.cumulative === other.cumulative && one.count === other.count;

/** A job that is paid. `voucher`: the newest one that is on the disk. */
export interface PaidJob {
    readonly channel: Buffer; // account
    readonly hash: Buffer;
    readonly terms: { readonly step: bigint };
    voucher: SignedVoucher | null;
}

/** What the money of a job works with. */
export interface PaymentParts {
    key: SigningKey; // of the job's vouchers
    worker: Pick<WorkerCalls, 'voucher'>;
    /** Resolves when the voucher is on the disk. */
    store: { saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void> };
    /** Throws if another process may be paying this job: then nothing leaves. Nothing is awaited after it. */
    requireMember: () => void;
    network: number;
    maxSigned?: bigint; // nanoTON that no voucher exceeds; default: what is owed
    /** Called with the error of a voucher that was not taken in the background. */
    onUnpaid: (error: unknown) => void;
}

/** One post is in flight at a time, always with the newest voucher. */
export class JobMoney {
    readonly ledger = new Ledger();
    /**
     * Why nothing is signed any more: a voucher of our key says more than this store knows, so there is another signer;
     * or what the store has of this job cannot be, so the store is damaged.
     */
    signingStop: string | undefined;
    private readonly verifier: Verifier; // of our own vouchers
    private posting: Promise<void> | undefined;
    private again = false; // there is something to post after the post in flight
    private stopped = false;
    private pauseReason: string | undefined;
    private failures = 0;
    private timer: Timer; // of the next attempt
    private soon: Timer; // of a payment that may become unnecessary
    private onItsWay: Timer; // while a query that was sent brings the newest voucher
    private delivered = NONE; // the worker has confirmed it
    private signed: { amounts: VoucherAmounts; stored: Promise<SignedVoucher> } | undefined; // on its way to the disk

    constructor(
        private readonly stored: PaidJob,
        private readonly parts: PaymentParts,
    ) {
        this.verifier = new Verifier(parts.key.publicKey);
        if (stored.voucher !== null) {
            if (this.isOwn(stored.voucher)) {
                this.ledger.setVoucher(stored.voucher);
            } else {
                this.signingStop = 'the store is damaged: this key did not sign the newest voucher in it';
            }
        }
    }

    /** Takes the verified results of the store. Nothing is signed on top of results that do not fit each other. */
    restore(entries: readonly ResultEntry[]): void {
        for (const entry of entries) {
            const objection = this.ledger.objection(entry);
            if (objection === undefined) {
                this.ledger.addResult(0, entry);
            } else {
                this.signingStop ??= `the store is damaged: of result ${entry.index}, ${objection}`;
            }
        }
    }

    /** Why nothing is paid now; undefined while vouchers are posted. */
    get paused(): string | undefined {
        return this.signingStop ?? this.pauseReason;
    }

    /** Pays nothing while there is a reason, and goes on once there is none. */
    pause(reason: string | undefined): void {
        const resumes = this.pauseReason !== undefined && reason === undefined;
        this.pauseReason = reason;
        if (resumes) {
            this.payUndelivered(); // a voucher may be signed already, and the pause ended its posts
        }
    }

    /** The worker says which voucher it has: what it does not have is posted, if that is not on its way. */
    noteTaken(voucher: VoucherAmounts | null): void {
        this.delivered = voucher ?? NONE;
        if (!this.isDelivered && this.onItsWay === undefined && this.posting === undefined) {
            this.start();
        }
    }

    /** Pays if a quarter of a step is unpaid. */
    payIfDue(): void {
        if (this.pauseReason === undefined && this.ledger.isDue(this.stored.terms.step)) {
            this.start();
        }
    }

    /**
     * Pays what a verified result added, however little: after a moment, in which the next query may bring the voucher,
     * or more results come under it.
     */
    payResult(): void {
        if (this.pauseReason === undefined && this.ledger.hasGrown) {
            this.soon ??= setTimeout(() => this.payUndelivered(), VOUCHER_DELAY_MS);
        }
    }

    /**
     * Signs what a result added, for a query that brings it and is sent next. Resolves when the voucher is on the disk.
     */
    async signResult(): Promise<void> {
        if (this.soon !== undefined && !this.stopped && this.paused === undefined) {
            clearTimeout(this.soon);
            this.soon = undefined;
            clearTimeout(this.onItsWay);
            this.onItsWay = setTimeout(() => this.payUndelivered(), VOUCHER_ACCEPT_MS);
            await this.newestVoucher();
        }
    }

    /** The worker took the query that brought this voucher, and the voucher with it. */
    noteDelivered(voucher: VoucherAmounts | null): void {
        if (voucher !== null && voucher.cumulative >= this.delivered.cumulative) {
            this.delivered = voucher;
            if (this.isDelivered) {
                clearTimeout(this.onItsWay);
                this.onItsWay = undefined;
            }
        }
    }

    /** The worker did not take a query that may have brought the newest voucher. */
    noteUndelivered(): void {
        if (this.onItsWay !== undefined) {
            this.payUndelivered();
        }
    }

    /** Posts at once what no query brought, for the end of the process. Resolves when nothing is in flight. */
    async payPending(): Promise<void> {
        if (this.soon !== undefined || this.onItsWay !== undefined) {
            this.payUndelivered();
        }
        await this.posting?.catch(() => undefined);
    }

    private payUndelivered(): void {
        this.clearDelays();
        if (this.ledger.hasGrown || !this.isDelivered) {
            this.start();
        }
    }

    private get isDelivered(): boolean {
        const { voucher } = this.ledger;
        return voucher.cumulative <= this.delivered.cumulative && voucher.count <= this.delivered.count;
    }

    /** Posts the newest voucher in the background, after the post in flight if there is one. */
    start(): void {
        if (this.stopped) {
            return;
        }
        this.again = true;
        this.clearTimers();
        this.posting ??= this.run();
    }

    /** Signs and posts what is owed now. Throws if the worker does not take it. */
    async flush(): Promise<void> {
        await this.posting?.catch(() => undefined);
        if (!this.stopped) {
            await this.postOnce();
        }
    }

    /** No more payments: the node broke the protocol, or the gateway ends. Resolves when nothing is in flight. */
    async stop(): Promise<void> {
        this.stopped = true;
        this.clearTimers();
        await this.posting?.catch(() => undefined);
    }

    /**
     * Takes a voucher of the worker that says more than ours. If this store was not lost, the machine was restored or
     * its key is used by another gateway: nothing is signed on top of it.
     *
     * @throws {ForeignVoucher} if our key did not sign it; what the store throws
     */
    async adopt(voucher: SignedVoucher): Promise<void> {
        const { cumulative, count } = this.ledger.voucher;
        if (voucher.cumulative < cumulative || voucher.count < count) {
            return;
        }
        if (isSame(voucher, this.ledger.voucher)) {
            return;
        }
        if (!this.isOwn(voucher)) {
            throw new ForeignVoucher();
        }
        this.signingStop = 'the worker has a voucher of this key that says more than this store knows';
        await this.keep(voucher);
        this.ledger.setVoucher(voucher);
    }

    private async run(): Promise<void> {
        try {
            while (this.again && !this.stopped) {
                this.again = false;
                await this.postOnce();
                this.failures = 0;
            }
        } catch (error) {
            this.parts.onUnpaid(error);
            // What the worker could not decide now is posted again; what it decided stays.
            if (!(error instanceof WorkerRefusal) || error.status >= 500) {
                this.startLater();
            }
        } finally {
            this.posting = undefined;
        }
        if (this.again && this.failures === 0) {
            this.start();
        }
    }

    /** Hands the newest voucher to the worker, and adopts the newest one that the worker has. */
    private async postOnce(): Promise<void> {
        if (this.paused !== undefined) {
            return;
        }
        const voucher = await this.newestVoucher();
        if (voucher !== null && !this.stopped && this.paused === undefined) {
            this.parts.requireMember();
            await this.adopt(await this.parts.worker.voucher(this.stored.hash, voucher));
            this.noteDelivered(voucher);
        }
    }

    private clearTimers(): void {
        clearTimeout(this.timer);
        this.clearDelays();
    }

    private clearDelays(): void {
        clearTimeout(this.soon);
        clearTimeout(this.onItsWay);
        this.soon = undefined;
        this.onItsWay = undefined;
    }

    private startLater(): void {
        const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
        if (!this.stopped) {
            this.timer = setTimeout(() => this.start(), wait);
            (this.timer as { unref?: () => void }).unref?.(); // a browser's timer is a number
        }
    }

    /**
     * Signs what is owed now if it is more than the newest voucher says; nothing signed leaves before it is on the
     * disk. Null if nothing is owed yet.
     */
    private async newestVoucher(): Promise<SignedVoucher | null> {
        const { hasGrown, voucher } = this.ledger;
        if (!hasGrown && isSame(voucher, this.stored.voucher ?? NONE)) {
            return this.stored.voucher;
        }
        if (!hasGrown && this.signed !== undefined && isSame(voucher, this.signed.amounts)) {
            return this.signed.stored; // it is on its way to the disk
        }
        // Again, if the store did not take it.
        const owed = this.ledger.nextVoucher();
        const { maxSigned } = this.parts;
        if (maxSigned !== undefined && owed.cumulative > maxSigned) {
            throw new RangeError(`A voucher of ${owed.cumulative} nanoTON is above the limit of ${maxSigned}`);
        }
        this.ledger.setVoucher(owed);
        const signature = this.parts.key.sign(this.hashOf(owed.cumulative, owed.count));
        const signed = { amounts: owed, stored: this.keep({ ...owed, signature }) };
        this.signed = signed;
        try {
            return await signed.stored;
        } finally {
            this.signed = this.signed === signed ? undefined : this.signed;
        }
    }

    private async keep(voucher: SignedVoucher): Promise<SignedVoucher> {
        await this.parts.store.saveVoucher(this.stored.channel, voucher);
        return (this.stored.voucher = voucher);
    }

    private isOwn(voucher: SignedVoucher): boolean {
        return isSignedVoucher(this.verifier, this.parts.network, this.stored.channel, voucher);
    }

    private hashOf(cumulative: bigint, count: number): Buffer {
        return Voucher.hash(voucherFor(this.parts.network, new Address(0, this.stored.channel), cumulative, count));
    }
}
