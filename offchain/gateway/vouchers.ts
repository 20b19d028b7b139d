/** Brings vouchers to the worker: one post in flight per job, always with the newest, beside the running queries. */
import type { Job } from './job';
import { WorkerRefusal } from './workers';

const RETRY_MS = [200, 500, 1000, 2000, 5000];

export class VoucherPost {
    private posting: Promise<void> | undefined;
    private wanted = false;
    private stopped = false;
    private pausedFor: string | undefined;
    private failures = 0;
    private timer: NodeJS.Timeout | undefined;

    constructor(
        private readonly job: Job,
        private readonly onFault: (error: unknown) => void,
    ) {}

    /** Why nothing is paid now; undefined when it is. */
    get paused(): string | undefined {
        return this.job.foreign ?? this.pausedFor;
    }

    /** Pays nothing while there is a reason; goes on when there is none any more. */
    pause(reason: string | undefined): void {
        const resumes = this.pausedFor !== undefined && reason === undefined;
        this.pausedFor = reason;
        if (resumes && this.job.ledger.grown) {
            this.kick();
        }
    }

    /** Pays when a quarter of a step is unpaid, or, with `arrived`, whatever a verified result added. */
    consider(arrived = false): void {
        if (
            !this.stopped &&
            this.pausedFor === undefined &&
            (arrived ? this.job.ledger.grown : this.job.ledger.isDue(this.job.terms.step))
        ) {
            this.kick();
        }
    }

    /** Posts the newest voucher, after the post in flight if there is one. */
    kick(): void {
        if (this.stopped) {
            return;
        }
        this.wanted = true;
        clearTimeout(this.timer);
        this.posting ??= this.run();
    }

    /** Signs and posts what is owed now. Throws when the worker does not take it. */
    async flush(): Promise<void> {
        await this.posting?.catch(() => undefined);
        if (!this.stopped) {
            await this.once();
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
            while (this.wanted && !this.stopped) {
                this.wanted = false;
                await this.once();
                this.failures = 0;
            }
        } catch (error) {
            this.onFault(error);
            if (!(error instanceof WorkerRefusal)) {
                this.later();
            }
        } finally {
            this.posting = undefined;
        }
        if (this.wanted && this.failures === 0) {
            this.kick();
        }
    }

    private async once(): Promise<void> {
        const { job } = this;
        if (this.paused !== undefined) {
            return;
        }
        const voucher = job.ledger.grown ? await job.sign() : job.stored.voucher;
        if (voucher === null || this.stopped || this.paused !== undefined) {
            return;
        }
        await job.adopt(await job.worker.voucher(job.stored.hash, voucher));
    }

    private later(): void {
        const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
        if (!this.stopped) {
            this.timer = setTimeout(() => this.kick(), wait).unref();
        }
    }
}
