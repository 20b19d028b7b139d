/** One run of the benchmark as figures: ratios, which count, and what they were computed from. */
import { cpus } from 'node:os';
import type { Contestant } from './contestants';
import type { BenchRow } from './measure';
import type { VoucherRates } from './vouchers';

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
    vouchersOverVerify?: number; // with one open job
    manyJobsOverOne?: number; // time per voucher with the most open jobs over that with one
    bytesPerJob?: number; // on the disk, with the most open jobs
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
    const [one, many] = [vouchers.find(({ jobs }) => jobs === 1), vouchers.at(-1)];
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
        vouchersOverVerify: one && quotient(one.perSecond, one.verifiedPerSecond),
        manyJobsOverOne: one && many && quotient(one.perSecond, many.perSecond),
        bytesPerJob: many?.bytesPerJob,
    };
    return Object.fromEntries(Object.entries(ratios).filter(([, value]) => value !== undefined));
}

const quotient = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a / b;
