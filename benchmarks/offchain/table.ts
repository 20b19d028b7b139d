/** A report as people read it in a terminal. */
import type { BenchRow } from './measure';
import { type BenchReport, ratiosOf } from './report';
import type { Spread } from './spread';
import type { StoresReport } from './stores';
import { reachOffchain } from './targets';

const MEBIBYTE = 2 ** 20;

const spread = ({ min, median, max }: Spread, digits: number) =>
    `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;

function lineOf({ contestant, concurrency, perSecond, firstTokenMs, cpuMs, cpuMsBy, databaseMs }: BenchRow): string[] {
    const shares = Object.entries(cpuMsBy).map(([role, ms]) => `${role} ${ms.toFixed(2)}`);
    shares.push(...(databaseMs === undefined ? [] : [`and the database ${databaseMs.median.toFixed(2)}`]));
    return [
        ...[`${concurrency}`, contestant, spread(perSecond, 0), spread(firstTokenMs, 1), spread(cpuMs, 2)],
        shares.length > 1 ? shares.join(', ') : '',
    ];
}

const HEAD = ['at once', '', 'a second', 'first token, ms', 'CPU each, ms', ''];

/** Columns with two spaces between them. */
function columns(rows: string[][]): string {
    const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
    return rows
        .map((row) =>
            row
                .map((cell, i) => cell.padEnd(widths[i]))
                .join('  ')
                .trimEnd(),
        )
        .join('\n');
}

const machineText = ({ cores, model, node }: BenchReport['machine'], rounds: number) =>
    `${cores} × ${model}, Node.js ${node}, median (minimum–maximum) of ${rounds} rounds in turn`;

/** The rows of the stores, and their ratios. */
export function storesText({ machine, rounds, rows, ratios }: StoresReport): string {
    return [
        machineText(machine, rounds),
        '',
        columns([HEAD, ...rows.map(lineOf)]),
        '',
        ...ratios.map(
            ({ concurrency, perSecond, cpu, cpuOverSqlite }) =>
                `${concurrency} at once: two of each over one of each: ${perSecond.toFixed(2)} × the streams, ` +
                `${cpu.toFixed(2)} × the CPU of a stream; one of each over SQLite: ${cpuOverSqlite.toFixed(2)} × the CPU`,
        ),
    ].join('\n');
}

export function offchainText(report: BenchReport): string {
    const { machine, rounds, cases, perStream, query, memory, vouchers } = report;
    const list = (values: Record<string, number>, text: (value: number) => string) =>
        Object.entries(values)
            .map(([role, value]) => `${role} ${text(value)}`)
            .join(', ');
    const targets = reachOffchain(ratiosOf(report)).map(({ row, figure, must, aim, isMax, reached }) => [
        ...[reached ? '✓' : figure === undefined ? '–' : '✗', row, figure?.toFixed(2) ?? 'not measured'],
        `must ${isMax ? '≤' : '≥'} ${must}${aim === undefined ? '' : `, aim ${aim}`}`,
    ]);
    return [
        machineText(machine, rounds),
        ...cases.flatMap(({ title, rows }) => ['', title, columns([HEAD, ...rows.map(lineOf)])]),
        '',
        `one stream at a time: commits that wait for the disk: ${list(perStream.commits, (one) => one.toFixed(2))};`,
        `${perStream.wireBytesPerToken.toFixed(0)} bytes a token between gateway and worker`,
        `${query.tokens} tokens, one each ${query.paceMs} ms, ${query.concurrency} at once: CPU each ` +
            `${query.cpuMs.toFixed(2)} ms (${list(query.cpuMsBy, (one) => one.toFixed(2))}), ` +
            `commits ${list(query.commits, (one) => one.toFixed(2))}`,
        `memory: ${list(memory, (bytes) => `${(bytes / MEBIBYTE).toFixed(0)} MiB`)}`,
        '',
        'vouchers a second',
        columns([
            ['open jobs', 'of any job', 'of jobs in memory', 'of jobs that are not', 'only verified', 'bytes a job'],
            ...vouchers.map(({ jobs, perSecond, usedPerSecond, coldPerSecond, verifiedPerSecond, bytesPerJob }) => [
                ...[`${jobs}`, perSecond.toFixed(0), usedPerSecond.toFixed(0), coldPerSecond?.toFixed(0) ?? ''],
                ...[verifiedPerSecond.toFixed(0), bytesPerJob.toFixed(0)],
            ]),
        ]),
        '',
        columns(targets),
    ].join('\n');
}
