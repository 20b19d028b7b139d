/** One run of the benchmark as figures: ratios, which count, and what they were computed from. */
import { cpus } from 'node:os';
import type { Contestant } from './contestants';
import type { BenchRow } from './measure';
import { USED_JOBS, type VoucherRates } from './rates';

/** The rows of one case, with its title. */
export interface CaseRows {
    title: string;
    rows: BenchRow[];
}

export interface BenchReport {
    machine: { cores: number; model: string; node: string };
    rounds: number;
    cases: CaseRows[]; // the first one is that of streams
    perStream: {
        wireBytesPerToken: number; // between gateway and worker, both directions
        commits: Record<string, number>; // by role, one stream at a time; each waits for the disk once
    };
    /** The query of docs/scale.md, several at once: tokens come at the pace of a model, so each travels by itself. */
    query: {
        tokens: number;
        paceMs: number;
        concurrency: number;
        cpuMs: number; // of gateway and worker together, the median of the rounds
        cpuMsBy: Record<string, number>; // by role
        commits: Record<string, number>; // by role; queries at once may share one
    };
    memory: Record<string, number>; // bytes by role, at the end
    vouchers: VoucherRates[]; // by number of open jobs
}

/** What the numbers to reach are about. Each is undefined if this run did not measure it. */
export interface Ratios {
    paidOverPlainAt1?: number;
    paidOverPlainAt8?: number;
    paidOverPlainAt32?: number;
    paidOverPortkeyAt1?: number;
    paidOverPortkeyAt8?: number;
    paidOverPortkeyAt32?: number;
    addedFirstTokenMs?: number; // over plain, at 1
    cpuOverPlainAt32?: number;
    cpuMsAt32?: number; // of gateway and worker together
    vouchersOverVerified?: number; // with one open job, over signatures that the same threads verify
    manyJobsOverOne?: number; // time of a voucher of any of the most open jobs, over that with one open job
    manyJobsOverThousand?: number; // time of a voucher of 1,000 jobs in memory, the most open jobs over 1,000
    coldOverUsed?: number; // with the most open jobs: time of a voucher of a job that is not in memory, over one that is
    bytesPerUsedJob?: number; // on the disk, with the most open jobs, each with a voucher and a query
}

export type RatioName = keyof Ratios;

export function machine(): BenchReport['machine'] {
    const all = cpus();
    return { cores: all.length, model: all[0]?.model ?? 'unknown', node: process.version };
}

export function ratiosOf({ cases: [streams], vouchers }: Pick<BenchReport, 'cases' | 'vouchers'>): Ratios {
    const row = (contestant: Contestant['name'], concurrency: number) =>
        streams.rows.find((one) => one.contestant === contestant && one.concurrency === concurrency);
    const over = (other: 'plain' | 'portkey', concurrency: number) =>
        quotient(row('ours', concurrency)?.perSecond.median, row(other, concurrency)?.perSecond.median);
    const [ours, plain] = [row('ours', 1)?.firstTokenMs.median, row('plain', 1)?.firstTokenMs.median];
    const withJobs = (count: number) => vouchers.find(({ jobs }) => jobs === count);
    const [one, thousand, many] = [withJobs(1), withJobs(USED_JOBS), vouchers.at(-1)];
    const ratios: Ratios = {
        paidOverPlainAt1: over('plain', 1),
        paidOverPlainAt8: over('plain', 8),
        paidOverPlainAt32: over('plain', 32),
        paidOverPortkeyAt1: over('portkey', 1),
        paidOverPortkeyAt8: over('portkey', 8),
        paidOverPortkeyAt32: over('portkey', 32),
        addedFirstTokenMs: ours === undefined || plain === undefined ? undefined : ours - plain,
        cpuOverPlainAt32: quotient(row('ours', 32)?.cpuMs.median, row('plain', 32)?.cpuMs.median),
        cpuMsAt32: row('ours', 32)?.cpuMs.median,
        vouchersOverVerified: quotient(one?.perSecond, one?.verifiedPerSecond),
        manyJobsOverOne: quotient(one?.perSecond, many?.perSecond),
        manyJobsOverThousand: quotient(thousand?.usedPerSecond, many?.usedPerSecond),
        coldOverUsed: quotient(many?.usedPerSecond, many?.coldPerSecond),
        bytesPerUsedJob: many?.bytesPerJob,
    };
    return Object.fromEntries(Object.entries(ratios).filter(([, value]) => value !== undefined));
}

const quotient = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a / b;
