/**
 * `npm run attacks`: runs exactly the tests that tests/attacks/ names and prints attack, what stopped it, test and
 * whether it did; `--json` prints one object instead. Exits 1 if a named test is missing, skipped or fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attack, attacks } from '../tests/attacks';

const USAGE = 'npm run attacks [-- --json]';
const ROOT = join(__dirname, '..');
const WIDTH = [44, 44, 48]; // columns of the table, in characters

/** What jest says of one test: its file from the root, its full name, `passed`, `failed`, `pending` or another word. */
export interface TestOutcome {
    file: string;
    name: string;
    status: string;
}

export type AttackVerdict = Attack & { outcome: 'stopped' | 'failed' | 'skipped' | 'missing' };

/** What became of each attack. A name that stands for no test, or for more than one, counts as missing. */
export function judge(list: Attack[], outcomes: TestOutcome[]): AttackVerdict[] {
    return list.map((attack) => {
        const found = outcomes.filter(({ file, name }) => file === attack.file && name === attack.test);
        return { ...attack, outcome: found.length === 1 ? outcomeOf(found[0].status) : 'missing' };
    });
}

function outcomeOf(status: string): AttackVerdict['outcome'] {
    if (status === 'passed') {
        return 'stopped';
    }
    return status === 'failed' ? 'failed' : 'skipped';
}

/** The last line of the report. */
export function summary(verdicts: AttackVerdict[]): string {
    const count = (outcome: AttackVerdict['outcome']) =>
        verdicts.filter((verdict) => verdict.outcome === outcome).length;
    const bad = (['failed', 'missing'] as const).flatMap((outcome) => {
        return count(outcome) > 0 ? [`${count(outcome)} ${outcome}`] : [];
    });
    return [`${verdicts.length} attacks`, `${count('stopped')} stopped`, `${count('skipped')} skipped`, ...bad].join(
        ', ',
    );
}

/** One line for each attack that was not stopped, with its test. */
export function notStopped(verdicts: AttackVerdict[]): string[] {
    return verdicts
        .filter(({ outcome }) => outcome !== 'stopped')
        .map(({ attack, file, test, outcome }) => `${outcome}: ${attack} Test: ${file}: ${test}`);
}

/** Runs these tests and no others; what jest prints goes to standard error. */
function run(list: Attack[]): TestOutcome[] {
    const folder = mkdtempSync(join(tmpdir(), 'attacks-'));
    try {
        const names = list.map(({ test }) => test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
        const files = [...new Set(list.map(({ file }) => file))];
        const outcomes = join(folder, 'outcomes.json');
        const result = spawnSync(
            process.execPath,
            [
                join(ROOT, 'node_modules/jest/bin/jest.js'),
                '--reporters=default',
                `--reporters=${join(ROOT, 'tooling/outcomes.mjs')}`,
                `--testNamePattern=^(${names.join('|')})$`,
                '--runTestsByPath',
                ...files,
            ],
            { cwd: ROOT, env: { ...process.env, OUTCOMES: outcomes }, stdio: ['ignore', 2, 2] },
        );
        if (result.error !== undefined) {
            throw result.error;
        }
        return JSON.parse(readFileSync(outcomes, 'utf8')) as TestOutcome[];
    } finally {
        rmSync(folder, { recursive: true });
    }
}

function wrapped(text: string, width: number): string[] {
    const lines = [''];
    for (const word of text.split(' ')) {
        const line = lines[lines.length - 1];
        if (line !== '' && line.length + 1 + word.length > width) {
            lines.push(word);
        } else {
            lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
        }
    }
    return lines;
}

function row(cells: string[]): string {
    const columns = cells.map((cell, i) => wrapped(cell, WIDTH[i] ?? 8));
    const height = Math.max(...columns.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) => {
        return columns
            .map((column, i) => (column[line] ?? '').padEnd(WIDTH[i] ?? 0))
            .join(' | ')
            .trimEnd();
    }).join('\n');
}

function table(verdicts: AttackVerdict[]): string {
    const rule = [...WIDTH, 8].map((width) => '-'.repeat(width)).join('-|-');
    const rows = verdicts.map(({ source, attack, stoppedBy, file, test, outcome }) => {
        return row([`${attack} (${source})`, stoppedBy, `${file}: ${test}`, outcome === 'stopped' ? 'ok' : outcome]);
    });
    return [row(['attack', 'stopped by', 'test', 'ok']), ...rows].join(`\n${rule}\n`);
}

if (require.main === module) {
    const unknown = process.argv.slice(2).filter((flag) => !['--json', '--help'].includes(flag));
    if (unknown.length > 0) {
        console.error(`${unknown[0]} is no flag of this: ${USAGE}`);
        process.exit(2);
    }
    if (process.argv.includes('--help')) {
        console.log(USAGE);
        process.exit();
    }
    const verdicts = judge(attacks, run(attacks));
    const of = (outcome: AttackVerdict['outcome']) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
    if (process.argv.includes('--json')) {
        const counts = { stopped: of('stopped'), failed: of('failed'), skipped: of('skipped'), missing: of('missing') };
        console.log(JSON.stringify({ attacks: verdicts.length, ...counts, list: verdicts }, undefined, 2));
    } else {
        console.log([table(verdicts), '', ...notStopped(verdicts), summary(verdicts)].join('\n'));
    }
    process.exitCode = of('stopped') === verdicts.length ? 0 : 1;
}
