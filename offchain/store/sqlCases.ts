/** The demands and cases in a worker's database. */
import type { Kysely } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { CaseRecord, CaseStore, NewCase } from './worker';
import type { WorkerSchema } from './workerTables';
import type { Writes } from './writeQueue';

export class SqlCases implements CaseStore {
    constructor(
        private readonly db: Kysely<WorkerSchema>,
        private readonly writes: Writes<WorkerSchema>,
    ) {}

    async cursor() {
        return amountFromBytes((await this.db.selectFrom('watched').select('lt').executeTakeFirstOrThrow()).lt);
    }

    async add(cases: NewCase[], lt: bigint) {
        await this.writes.run(async (t) => {
            for (const { follows = false, ...added } of cases) {
                const reopened = { reportedAt: added.reportedAt, standing: 'open' } as const;
                if (follows) {
                    const { class: faultClass, dispute, job, number } = added;
                    await t
                        .deleteFrom('cases')
                        .where('dispute', '=', dispute)
                        .where(({ eb, or }) =>
                            or([eb('class', '!=', faultClass), eb('job', '!=', job), eb('number', '!=', number)]),
                        )
                        .execute();
                }
                await t
                    .insertInto('cases')
                    .values({ ...added, ...reopened, answerBy: 0 })
                    .onConflict((conflict) =>
                        conflict.column('dispute').doUpdateSet(reopened).where('cases.standing', '=', 'absent'),
                    )
                    .execute();
            }
            const watched = { lt: amountToBytes(lt) };
            await t.updateTable('watched').set(watched).execute();
        });
    }

    async set(dispute: Buffer, change: Partial<Pick<CaseRecord, 'answerBy' | 'standing'>>) {
        await this.writes.run((t) => t.updateTable('cases').set(change).where('dispute', '=', dispute).execute());
    }

    open() {
        const open = this.db.selectFrom('cases').selectAll().where('standing', '=', 'open');
        return open.orderBy('reportedAt').execute();
    }
}
