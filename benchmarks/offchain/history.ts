/** What the figures were: benchmarks/offchain.json has one entry for each recorded run, the newest last. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordSpeedPage } from './page';
import { type BenchReport, type Ratios, ratiosOf } from './report';

const FILE = join(__dirname, '..', 'offchain.json');
const DIGITS = 3;

/** Ratios, and what else a reader needs to check what other pages say. */
export interface OffchainEntry {
    date: string; // YYYY-MM-DD, UTC
    reason: string;
    machine: BenchReport['machine'];
    rounds: number;
    ratios: Ratios;
    perSecond: Record<string, number>; // medians of streams, by contestant and concurrency
    /** The first entry has none of these. */
    measured?: Pick<BenchReport, 'perStream' | 'query' | 'memory' | 'vouchers'>;
}

export function readOffchain(): OffchainEntry[] {
    return JSON.parse(readFileSync(FILE, 'utf8')) as OffchainEntry[];
}

/** The entry of a report. Throws without a reason. */
export function entryOf(report: BenchReport, reason: string, date = new Date()): OffchainEntry {
    if (reason.trim() === '') {
        throw new Error('An entry needs a reason: npm run bench:offchain -- --record "what changed"');
    }
    const [{ rows }] = report.cases;
    const perSecond = rows.map(({ contestant, concurrency, perSecond: { median } }) => [
        `${contestant}At${concurrency}`,
        Math.round(median),
    ]);
    const { machine, rounds, perStream, query, memory, vouchers } = report;
    const entry: OffchainEntry = {
        date: date.toISOString().slice(0, 10),
        reason: reason.trim(),
        ...{ machine, rounds, ratios: ratiosOf(report) },
        perSecond: Object.fromEntries(perSecond) as Record<string, number>,
        measured: { perStream, query, memory, vouchers },
    };
    return rounded(entry);
}

/** Adds an entry, and writes its figures into docs/decisions/011-speed.md. */
export function recordOffchain(report: BenchReport, reason: string): void {
    const entry = entryOf(report, reason);
    writeFileSync(FILE, `${JSON.stringify([...readOffchain(), entry], null, 4)}\n`);
    recordSpeedPage(entry);
}

/** More digits say nothing. */
const rounded = (entry: OffchainEntry): OffchainEntry =>
    JSON.parse(JSON.stringify(entry), (_, value: unknown) =>
        typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value,
    ) as OffchainEntry;
