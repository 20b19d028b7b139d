/** The jobs in a worker's SQLite file: what every query and voucher needs has prepared statements. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import type { Database } from './database';
import type { GroupCommit } from './groupCommit';
import type { JobRows } from './jobRows';
import { SqlJobs } from './sqlJobs';
import type { WorkerSchema } from './workerTables';

export class SqliteJobs extends SqlJobs {
    constructor(
        db: Database<WorkerSchema>,
        private readonly group: GroupCommit<WorkerSchema>,
        private readonly rows: JobRows,
    ) {
        super(db, group);
    }

    override get(job: Buffer) {
        return this.group.read(() => this.rows.read(job));
    }

    override addVoucher(job: Buffer, voucher: SignedVoucher, at: number) {
        return this.group.runHot(() => this.rows.addVoucher(job, voucher, at));
    }
}
