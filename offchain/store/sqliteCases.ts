/** The demands and cases in a worker's SQLite file. */
import type { Kysely } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { GroupCommit } from './groupCommit';
import type { CaseRecord, CaseStore } from './worker';
import type { WorkerSchema } from './workerTables';

export class SqliteCases implements CaseStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: GroupCommit<WorkerSchema>,
    ) {}

    async cursor() {
        return amountFromBytes((await this.db.selectFrom('watched').select('lt').executeTakeFirstOrThrow()).lt);
    }

    async add(cases: Omit<CaseRecord, 'answerBy' | 'standing'>[], lt: bigint) {
        await this.writes.run(async (t) => {
            for (const { reportedAt, ...rest } of cases) {
                await t
                    .insertInto('cases')
                    .values({ ...rest, reported_at: reportedAt, answer_by: 0, standing: 'open' })
                    .onConflict((conflict) =>
                        conflict
                            .column('dispute')
                            .doUpdateSet({ reported_at: reportedAt, standing: 'open' })
                            .where('cases.standing', '=', 'absent'),
                    )
                    .execute();
            }
            await t
                .updateTable('watched')
                .set({ lt: amountToBytes(lt) })
                .execute();
        });
    }

    async set(dispute: Buffer, { answerBy, standing }: Partial<Pick<CaseRecord, 'answerBy' | 'standing'>>) {
        const row = {
            ...(answerBy === undefined ? {} : { answer_by: answerBy }),
            ...(standing === undefined ? {} : { standing }),
        };
        await this.writes.run((t) => t.updateTable('cases').set(row).where('dispute', '=', dispute).execute());
    }

    async open() {
        const rows = this.db.selectFrom('cases').selectAll().where('standing', '=', 'open').orderBy('reported_at');
        return (await rows.execute()).map(({ reported_at: reportedAt, answer_by: answerBy, ...row }) => ({
            ...row,
            reportedAt,
            answerBy,
        }));
    }
}
