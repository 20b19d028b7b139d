/** What the ratios were: benchmarks/offchain.json has one entry for each recorded run, the newest last. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchReport, type Ratios, ratiosOf } from './report';

const FILE = join(__dirname, '..', 'offchain.json');
const DIGITS = 3;

export interface OffchainEntry {
    date: string; // YYYY-MM-DD, UTC
    reason: string;
    machine: BenchReport['machine'];
    rounds: number;
    ratios: Ratios;
    perSecond: Record<string, number>; // medians of streams, by contestant and concurrency
}

export function readOffchain(): OffchainEntry[] {
    return JSON.parse(readFileSync(FILE, 'utf8')) as OffchainEntry[];
}

/** Adds an entry. Throws without a reason. */
export function recordOffchain(report: BenchReport, reason: string, date = new Date()): OffchainEntry {
    if (reason.trim() === '') {
        throw new Error('An entry needs a reason: npm run bench:offchain -- --record "what changed"');
    }
    const [{ rows }] = report.cases;
    const perSecond = rows.map(({ contestant, concurrency, perSecond: { median } }) => [
        `${contestant}At${concurrency}`,
        Math.round(median),
    ]);
    const ratios = Object.entries(ratiosOf(report)).map(([name, value]) => [name, Number(value.toFixed(DIGITS))]);
    const entry: OffchainEntry = {
        date: date.toISOString().slice(0, 10),
        reason: reason.trim(),
        machine: report.machine,
        rounds: report.rounds,
        ratios: Object.fromEntries(ratios) as Ratios,
        perSecond: Object.fromEntries(perSecond) as Record<string, number>,
    };
    writeFileSync(FILE, `${JSON.stringify([...readOffchain(), entry], null, 4)}\n`);
    return entry;
}
