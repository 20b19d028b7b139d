/** The rows that the queries and vouchers of a worker change, in its SQLite file: jobs, earnings and sums over jobs. */
import type { SignedVoucher, TokenCounts } from '@cocoon-market/wrappers';
import type { Database as Sqlite } from 'better-sqlite3';
import type { Selectable } from 'kysely';
import { amountToBytes } from './database';
import type { EarningsGroup, EarningsRow } from './earnings';
import type { GroupCommit } from './groupCommit';
import { HotRows } from './hotRows';
import { amountNames, type JobSums, NO_JOBS, replaceSums, sumsOf } from './jobSums';
import { dateOf, dayOf } from './people';
import type { JobRecord, JobStage, QueryId, ResultEnd } from './worker';
import { jobOf, type WorkerSchema } from './workerTables';

/** What of a job its queries and vouchers change, and what the sums follow from. */
interface JobRow extends Pick<
    JobRecord,
    | 'job'
    | 'state'
    | 'model'
    | 'client'
    | 'highest'
    | 'lowWater'
    | 'index'
    | 'cumulative'
    | 'claimed'
    | 'unclaimedSince'
> {
    voucher: SignedVoucher | undefined;
    snapshot: { paid: bigint; balance: bigint };
    sums: JobSums; // as far as the sums over jobs have them
    changes: 'numbers' | 'results'; // `results`: also those
}

interface SumsRow {
    state: JobStage;
    sums: JobSums;
}

type EarnedRow = Omit<EarningsRow, 'claimed'> & { by: EarningsGroup };

/** The jobs of hot writes. What each changes is on the disk at the end of its group, each row once. */
export class JobRows {
    private readonly jobs: HotRows<JobRow>;
    private readonly sums: HotRows<SumsRow>;
    private readonly earned: HotRows<EarnedRow>;
    private readonly statements: ReturnType<typeof prepare>;

    constructor(file: Sqlite, writes: GroupCommit<WorkerSchema>) {
        this.statements = prepare(file);
        this.jobs = new HotRows((row) => this.writeJob(row));
        this.sums = new HotRows(({ state, sums }) => {
            const amounts = amountNames.map((name) => String(sums[name]));
            this.statements.writeSums.run(sums.jobs, sums.results, ...amounts, state);
        });
        this.earned = new HotRows(({ by, group, results, prompt, cached, completion, reasoning, earned }) => {
            const counts = [results, prompt, cached, completion, reasoning] as const;
            this.statements.writeEarned.run(by, group, ...counts, String(earned));
        });
        writes.defer(this.jobs, this.sums, this.earned);
    }

    /** Uses a query number of a job. Throws when it was used, as far as the job knows, or the job is unknown. */
    useNumber({ job, number }: QueryId): void {
        const row = this.find(job);
        if (row === undefined || row.lowWater >= number) {
            throw new Error(`Query number ${number} was used`);
        }
        if (number > row.highest) {
            row.highest = number;
            this.jobs.mark(row);
        }
    }

    /** Adds a result to its job and to the earnings. Throws when it is not the next one. */
    addResult({ job, index, cumulative, counts, finishedAt }: QueryId & ResultEnd): void {
        const row = this.find(job);
        if (row?.index !== index - 1) {
            throw new Error(`Result ${index} does not follow the job's newest one`);
        }
        const price = cumulative - row.cumulative;
        row.index = index;
        row.cumulative = cumulative;
        row.changes = 'results';
        this.jobs.mark(row);
        this.addEarned('day', dateOf(dayOf(finishedAt)), counts, price);
        this.addEarned('model', row.model, counts, price);
        this.addEarned('client', row.client, counts, price);
    }

    /** See `JobStore.addVoucher`. */
    addVoucher(job: Buffer, voucher: SignedVoucher, at: number): boolean {
        const row = this.find(job);
        const promised = row?.voucher?.cumulative ?? 0n;
        if (row === undefined || voucher.cumulative < promised || voucher.count < (row.voucher?.count ?? 0)) {
            return false;
        }
        row.unclaimedSince = promised <= row.snapshot.paid ? at : row.unclaimedSince;
        row.voucher = voucher;
        this.jobs.mark(row);
        return true;
    }

    /** A job as it is on the disk. A write that follows does not read it again. */
    read(job: Buffer): JobRecord | undefined {
        const stored = this.statements.readJob.get(job);
        const record = stored && jobOf(stored);
        if (record !== undefined) {
            this.jobs.offer(job.toString('latin1'), () => jobRowOf(record));
        }
        return record;
    }

    private find(job: Buffer): JobRow | undefined {
        return this.jobs.get(job.toString('latin1'), () => {
            const stored = this.statements.readJob.get(job);
            return stored && jobRowOf(jobOf(stored));
        });
    }

    private writeJob(row: JobRow): void {
        const { job, highest, index, voucher, unclaimedSince } = row;
        const promised = amountToBytes(voucher?.cumulative ?? 0n);
        const numbers = [highest, promised, voucher?.count ?? 0, voucher?.signature ?? null, unclaimedSince] as const;
        if (row.changes === 'results') {
            this.statements.writeResults.run(...numbers, index, amountToBytes(row.cumulative), job);
        } else {
            this.statements.writeNumbers.run(...numbers, job);
        }
        const over = this.sums.get(row.state, () => sumsRowOf(this.statements.readSums.get(row.state)!));
        const sums = sumsOf(row);
        over.sums = replaceSums(over.sums, row.sums, sums);
        this.sums.mark(over);
        row.sums = sums;
        row.changes = 'numbers';
    }

    private addEarned(by: EarningsGroup, group: string, counts: TokenCounts, price: bigint): void {
        const none = { by, group, results: 0, prompt: 0, cached: 0, completion: 0, reasoning: 0, earned: 0n };
        const row = this.earned.get(`${by} ${group}`, (): EarnedRow => {
            const stored = this.statements.readEarned.get(by, group);
            return stored === undefined ? none : { by, group, ...stored, earned: BigInt(stored.earned) };
        });
        row.results += 1;
        row.prompt += counts.prompt;
        row.cached += counts.cached;
        row.completion += counts.completion;
        row.reasoning += counts.reasoning;
        row.earned += price;
        this.earned.mark(row);
    }
}

type StoredEarned = Omit<EarnedRow, 'by' | 'group' | 'earned'> & { earned: string };

function prepare(file: Sqlite) {
    const amounts = amountNames.map((name) => `${name} = ?`).join(', ');
    const numbers = 'highest = ?, voucherCumulative = ?, voucherCount = ?, voucherSignature = ?, unclaimedSince = ?';
    const counts = ['results', 'prompt', 'cached', 'completion', 'reasoning'];
    const columns = [...counts, 'earned'].join(', ');
    const replaced = [...counts, 'earned'].map((name) => `${name} = excluded.${name}`).join(', ');
    return {
        readJob: file.prepare<[Buffer], Selectable<WorkerSchema['allJobs']>>('SELECT * FROM "allJobs" WHERE job = ?'),
        writeNumbers: file.prepare(`UPDATE jobs SET ${numbers} WHERE job = ?`),
        writeResults: file.prepare(`UPDATE jobs SET ${numbers}, "index" = ?, cumulative = ? WHERE job = ?`),
        readSums: file.prepare<[JobStage], WorkerSchema['jobSums']>('SELECT * FROM jobSums WHERE state = ?'),
        writeSums: file.prepare(`UPDATE jobSums SET jobs = ?, results = ?, ${amounts} WHERE state = ?`),
        readEarned: file.prepare<[EarningsGroup, string], StoredEarned>(
            `SELECT ${columns} FROM earnings WHERE "by" = ? AND "group" = ?`,
        ),
        writeEarned: file.prepare(
            `INSERT INTO earnings ("by", "group", ${columns}, claimed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '0')
            ON CONFLICT DO UPDATE SET ${replaced}`,
        ),
    };
}

function jobRowOf(record: JobRecord): JobRow {
    const { job, state, model, client, highest, lowWater, index, cumulative, claimed, unclaimedSince } = record;
    const { voucher, snapshot } = record;
    return {
        ...{ job, state, model, client, highest, lowWater, index, cumulative, claimed, unclaimedSince },
        ...{ voucher, snapshot, sums: sumsOf(record), changes: 'numbers' },
    };
}

/** A row of sums as a record. */
export function sumsRowOf({ state, jobs, results, ...amounts }: WorkerSchema['jobSums']): SumsRow {
    const sums = { ...NO_JOBS, jobs, results };
    amountNames.forEach((name) => (sums[name] = BigInt(amounts[name])));
    return { state, sums };
}
