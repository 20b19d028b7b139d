/** `cocoon worker doctor`. */
import type { Command } from 'commander';
import { examine, type Finding, type WorkerParts } from '../../worker';
import { print } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

const SIGNS: Readonly<Record<Finding['state'], string>> = { ok: '✓', warning: '!', failed: '✗', skipped: '-' };

export function addDoctor(worker: Command, parts: WorkerParts): void {
    worker
        .command('doctor')
        .description('check everything that a worker needs; exits with 1 if a check fails. Sends nothing')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config, json = false }: ConfigFlags) => {
            let count = 0;
            const showProgress = () => process.stderr.write(`\r${++count} checks are done`);
            const isWatched = !json && process.stderr.isTTY;
            const report = await examine(config, { ...parts, ...(isWatched && { onFinding: showProgress }) });
            process.stderr.write(isWatched ? '\r\x1b[K' : '');
            print({ json }, report, () => [...report.findings.map(findingText), summaryOf(report.findings)].join('\n'));
            process.exitCode = report.passed ? 0 : 1;
        });
}

/** A finding for people: what was found and, below it, what to do. */
export function findingText({ check, state, message, remedy }: Finding): string {
    const line = `${SIGNS[state]} ${check.padEnd(14)} ${message}`;
    return remedy === undefined ? line : `${line}\n  → ${remedy}`;
}

function summaryOf(findings: Finding[]): string {
    const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
    return `${findings.length} checks: ${count('failed')} failed, ${count('warning')} warnings`;
}
