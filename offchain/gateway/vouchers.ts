/** Brings vouchers to the worker: one post in flight per job, always with the newest, while queries run. */
import type { SignedVoucher, Terms } from '@cocoon-market/wrappers';
import type { Ledger } from './ledger';
import { WorkerRefusal } from './workers';

const RETRY_MS = [200, 500, 1000, 2000, 5000];

/** The job whose vouchers are posted. */
export interface Payer {
    readonly ledger: Ledger;
    readonly terms: Pick<Terms, 'step'>;
    /** Why nothing is signed any more; undefined while vouchers are. */
    readonly signingStop: string | undefined;
    /** The newest voucher, which covers what is owed now and is on the disk; null if nothing is owed yet. */
    newestVoucher(): Promise<SignedVoucher | null>;
    /** Hands a voucher to the worker. */
    deliver(voucher: SignedVoucher): Promise<void>;
}

export class VoucherPost {
    private posting: Promise<void> | undefined;
    private again = false; // there is something to post after the post in flight
    private stopped = false;
    private pauseReason: string | undefined;
    private failures = 0;
    private timer: NodeJS.Timeout | undefined;

    /** `onFailure` is called with the error of a post that failed in the background. */
    constructor(
        private readonly payer: Payer,
        private readonly onFailure: (error: unknown) => void,
    ) {}

    /** Why nothing is paid now; undefined while vouchers are posted. */
    get paused(): string | undefined {
        return this.payer.signingStop ?? this.pauseReason;
    }

    /** Pays nothing while there is a reason, and goes on once there is none. */
    pause(reason: string | undefined): void {
        const resumes = this.pauseReason !== undefined && reason === undefined;
        this.pauseReason = reason;
        if (resumes && this.payer.ledger.hasGrown) {
            this.start();
        }
    }

    /** Pays if a quarter of a step is unpaid. */
    payIfDue(): void {
        if (this.pauseReason === undefined && this.payer.ledger.isDue(this.payer.terms.step)) {
            this.start();
        }
    }

    /** Pays what a verified result added, however little. */
    payResult(): void {
        if (this.pauseReason === undefined && this.payer.ledger.hasGrown) {
            this.start();
        }
    }

    /** Posts the newest voucher in the background, after the post in flight if there is one. */
    start(): void {
        if (this.stopped) {
            return;
        }
        this.again = true;
        clearTimeout(this.timer);
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
        clearTimeout(this.timer);
        await this.posting?.catch(() => undefined);
    }

    private async run(): Promise<void> {
        try {
            while (this.again && !this.stopped) {
                this.again = false;
                await this.postOnce();
                this.failures = 0;
            }
        } catch (error) {
            this.onFailure(error);
            if (!(error instanceof WorkerRefusal)) {
                this.startLater();
            }
        } finally {
            this.posting = undefined;
        }
        if (this.again && this.failures === 0) {
            this.start();
        }
    }

    private async postOnce(): Promise<void> {
        if (this.paused !== undefined) {
            return;
        }
        const voucher = await this.payer.newestVoucher();
        if (voucher !== null && !this.stopped && this.paused === undefined) {
            await this.payer.deliver(voucher);
        }
    }

    private startLater(): void {
        const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
        if (!this.stopped) {
            this.timer = setTimeout(() => this.start(), wait).unref();
        }
    }
}
