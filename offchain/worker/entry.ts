/** One entry of the book: a job's record in memory. Its vouchers and results are on the disk already. */
import { larger, type Terms, Verifier } from '@cocoon-market/wrappers';
import type { JobRecord, JobStage } from '../store/worker';
import type { WorkerContext } from './context';

const MAX_BEHIND = 86_400; // seconds by which this machine's clock may be behind: an endpoint may tell any later time

/**
 * True when the newest voucher of a job counts results that this store does not hold. Then the store is not the newest,
 * and nothing is signed for this job. Its vouchers are taken and claimed.
 */
export function isStale({ voucher, index }: JobRecord): boolean {
    return (voucher?.count ?? 0) > index;
}

export class JobEntry {
    private readonly name: string;
    private voucherVerifier: Verifier | undefined;
    private signed = 0n; // nanoTON, see noteSigned

    constructor(
        protected readonly context: WorkerContext,
        private current: JobRecord,
        readonly terms: Terms,
    ) {
        this.name = current.job.toString('hex');
    }

    get record(): JobRecord {
        return this.current;
    }

    /** The job as logs name it. */
    get logName(): { job: string } {
        return { job: this.name };
    }

    /** Checks signatures of the voucher key. */
    get verifier(): Verifier {
        return (this.voucherVerifier ??= new Verifier(this.terms.voucherKey));
    }

    /** nanoTON that the newest voucher promises. */
    get promised(): bigint {
        return this.current.voucher?.cumulative ?? 0n;
    }

    /** Notes a voucher that its key has signed (nanoTON), also if it is not taken. */
    noteSigned(promised: bigint): void {
        this.signed = larger(this.signed, promised);
    }

    /** The most that the channel can have paid (nanoTON). A store from a backup may not have the newest voucher. */
    get maxPaid(): bigint {
        return larger(this.promised, this.signed);
    }

    /** nanoTON of the newest voucher that the channel has not yet confirmed to have paid. */
    get unconfirmed(): bigint {
        return this.promised - this.current.confirmedPaid;
    }

    /** nanoTON answered or promised that the channel has not yet confirmed to have paid. */
    get exposed(): bigint {
        return larger(this.promised, this.current.cumulative) - this.current.confirmedPaid;
    }

    /** True from when the worker's last claim of this job was handed to its wallet. */
    get hasLastClaim(): boolean {
        return this.current.lastClaimAt > 0;
    }

    update(change: Partial<JobRecord>): void {
        this.current = { ...this.current, ...change };
    }

    /** Stores a new state; an ended job stays ended. */
    async setState(state: JobStage): Promise<void> {
        const { job, state: stored, snapshot } = this.current;
        if (stored !== 'ended') {
            const now = this.context.now();
            const at = Math.max(now, Math.min(snapshot.at, now + MAX_BEHIND)); // the chain's time if that is later
            const isPaid = await this.context.store.jobs.setState(job, state, at);
            this.update({ state, ...(!isPaid && { lastClaimAt: 0, lastClaimPaid: 0n }) });
        }
    }
}
