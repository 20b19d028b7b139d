/** The jobs in a worker's SQLite file: what every query and voucher needs has prepared statements. */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import type { Statement } from 'better-sqlite3';
import type { Selectable } from 'kysely';
import type { Database } from './database';
import type { GroupCommit } from './groupCommit';
import type { JobRows } from './jobRows';
import { SqlJobs } from './sqlJobs';
import { jobOf, type JobTable, type WorkerSchema } from './workerTables';

export class SqliteJobs extends SqlJobs {
    private readonly one: Statement<[Buffer], Selectable<JobTable>>;

    constructor(
        db: Database<WorkerSchema>,
        private readonly group: GroupCommit<WorkerSchema>,
        private readonly rows: JobRows,
    ) {
        super(db, group);
        this.one = db.file.prepare('SELECT * FROM jobs WHERE job = ?');
    }

    override get(job: Buffer) {
        return this.group.read(() => {
            const row = this.one.get(job);
            return row && jobOf(row);
        });
    }

    override addVoucher(job: Buffer, voucher: SignedVoucher, at: number) {
        return this.group.runHot(() => this.rows.addVoucher(job, voucher, at));
    }
}
