/** What the commands of long runs share: their flags, their folder, and how their report is printed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { toWire } from '../../offchain/link';
import { readFlags } from '../../tooling/flags';
import { numberOf, wholeNumberOf } from './report';

/** What a run gets besides its own flags. */
export interface CommonOptions {
    seed: number;
    folder: string;
    say: (line: string) => void;
}

export interface LongRun<Own, Report extends { passed: boolean }> {
    name: string; // its errors begin with it, and so does its temporary folder
    usage: string;
    defaults: Record<string, string>; // of the flags that take a number, besides `--seed`
    /** What the flags say. `number`: of a flag that must be at least so much. */
    read: (number: (flag: string, min: number) => number) => Own;
    run: (options: CommonOptions & Own) => Promise<Report>;
    textOf: (report: Report) => string;
}

/**
 * Runs a command: exit code 0 if everything holds at the end, 1 if not, 2 for wrong flags. Standard output has the
 * report, and standard error the progress. A temporary folder stays if a check fails.
 */
export function longRun<Own, Report extends { passed: boolean }>(command: LongRun<Own, Report>): void {
    runCommand(command).catch((error: unknown) => {
        console.error(`${command.name}: ${(error as Error).stack ?? String(error)}`);
        process.exitCode = 1;
    });
}

async function runCommand<Own, Report extends { passed: boolean }>(command: LongRun<Own, Report>): Promise<void> {
    const { name, usage, run, textOf } = command;
    const options = readFlags(name, usage, () => optionsOf(command));
    if (options === undefined) {
        return;
    }
    const { seed, folder, json, isKept } = options;
    console.error(`seed ${seed}, folder ${folder}`);
    const report = await run(options);
    console.log(json ? JSON.stringify(toWire(report)) : textOf(report));
    process.exitCode = report.passed ? 0 : 1;
    if (report.passed && !isKept) {
        rmSync(folder, { recursive: true });
    }
}

/** Undefined where only the usage is asked for; throws what is wrong with the flags. */
function optionsOf<Own, Report extends { passed: boolean }>({ name, defaults, read }: LongRun<Own, Report>) {
    const own = Object.entries(defaults).map(([flag, value]) => [flag, { type: 'string', default: value }] as const);
    const { values } = parseArgs({
        options: {
            ...(Object.fromEntries(own) as Record<string, { type: 'string'; default: string }>),
            seed: { type: 'string' },
            folder: { type: 'string' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        return undefined;
    }
    const options = read((flag, min) => numberOf(flag, (values as unknown as Record<string, string>)[flag], min));
    const seed = wholeNumberOf('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 32)}`, 0);
    const folder = values.folder === undefined ? mkdtempSync(join(tmpdir(), `${name}-`)) : resolve(values.folder);
    return { ...options, seed, folder, say: console.error, json: values.json, isKept: values.folder !== undefined };
}
