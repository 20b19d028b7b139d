/** The part of a worker's SQLite file that knows of demands and cases on chain. */
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { amountFromBytes, amountToBytes } from './database';
import type { Migration } from './database';
import type { GroupCommit } from './groupCommit';
import type { CaseRecord, CaseStanding, CaseStore, Denial } from './worker';

interface CaseTable {
    dispute: Buffer;
    class: 'A3' | 'B1';
    job: Buffer;
    number: number;
    reported_at: number;
    answer_by: number;
    standing: CaseStanding;
}

/** The tables that {@link caseTables} makes. */
export interface CaseSchema {
    watched: { lt: Buffer }; // one row
    cases: CaseTable;
    denials: Denial;
}

export const caseTables: Migration = async (db) => {
    await sql`CREATE TABLE watched (lt BLOB NOT NULL) STRICT`.execute(db);
    await sql`INSERT INTO watched (lt) VALUES (${amountToBytes(0n)})`.execute(db);
    await sql`CREATE TABLE cases (
        dispute BLOB PRIMARY KEY,
        class TEXT NOT NULL,
        job BLOB NOT NULL,
        number INTEGER NOT NULL,
        reported_at INTEGER NOT NULL,
        answer_by INTEGER NOT NULL,
        standing TEXT NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE INDEX open_cases ON cases (job) WHERE standing = 'open'`.execute(db);
    await sql`CREATE TABLE denials (
        job BLOB NOT NULL, -- may be unknown here
        number INTEGER NOT NULL,
        request BLOB NOT NULL,
        receipt BLOB NOT NULL,
        PRIMARY KEY (job, number, request)
    ) STRICT`.execute(db);
};

/** A {@link CaseStore} in the file of a worker's store. */
export class SqliteCases<Schema extends CaseSchema> implements CaseStore {
    private readonly db: Kysely<CaseSchema>;
    private readonly writes: GroupCommit<CaseSchema>;

    constructor(db: Kysely<Schema>, writes: GroupCommit<Schema>) {
        this.db = db as unknown as Kysely<CaseSchema>;
        this.writes = writes as unknown as GroupCommit<CaseSchema>;
    }

    async readUntil() {
        return amountFromBytes((await this.db.selectFrom('watched').select('lt').executeTakeFirstOrThrow()).lt);
    }

    async found(cases: Omit<CaseRecord, 'answerBy' | 'standing'>[], lt: bigint) {
        await this.writes.run(async (t) => {
            for (const { reportedAt, ...found } of cases) {
                await t
                    .insertInto('cases')
                    .values({ ...found, reported_at: reportedAt, answer_by: 0, standing: 'open' })
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
