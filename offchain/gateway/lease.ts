/** Who may end a query. Of each query there is one lease, held by one task: it books the ending, and nobody else can. */
import type { StoredEnding } from '../store/gateway';
import type { Job } from './job';

/**
 * A query's number and amount, one task's alone. A job makes it, once for a new query ({@link Job.allocate}) and once for a
 * query that was left without an ending ({@link Job.take}); ending a query takes its lease.
 */
export class Lease {
    private ended = false;

    constructor(
        readonly job: Job,
        readonly number: number,
        readonly ceiling: bigint, // nanoTON
    ) {}

    /** The query has an ending, durably, and its money is paid or free. */
    async end(ending: StoredEnding): Promise<void> {
        this.use();
        await this.job.store.endQuery(this.job.number, this.number, ending);
        this.job.release(this);
    }

    /** The number was never sent: its money is free. */
    drop(): void {
        this.use();
        this.job.release(this);
    }

    private use(): void {
        if (this.ended) {
            throw new Error(`Query ${this.number} of job ${this.job.number} has ended already`);
        }
        this.ended = true;
    }
}
