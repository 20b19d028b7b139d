/** `npm run bench:gas`: prints what every operation costs. */
import { parseArgs } from 'node:util';
import { readFlags } from '../tooling/flags';
import { changeText, figuresOf, record } from './history';
import { jsonOf } from './json';
import { LEVELS, LevelReport, reportOf, reportOfBatches } from './report';
import { reportText } from './table';
import { reach } from './targets';

const USAGE = `npm run bench:gas -- [--json] [--record REASON]
  --json           one JSON object
  --record REASON  adds an entry to benchmarks/gas.json with what changed since the newest one, and prints that alone`;

function flagsOf() {
    const flag = { type: 'boolean', default: false } as const;
    const { values } = parseArgs({ options: { json: flag, record: { type: 'string' }, help: flag } });
    return values.help ? undefined : values;
}

async function main(): Promise<void> {
    const values = readFlags('bench:gas', USAGE, flagsOf);
    if (values === undefined) {
        return;
    }
    if (values.record !== undefined) {
        const changed = record(figuresOf(await reportOf('2025'), await reportOf('2026')), values.record);
        console.log(changed.map(changeText).join('\n'));
        return;
    }
    const levels: LevelReport[] = [];
    for (const level of LEVELS) {
        levels.push(await reportOf(level));
    }
    const whole = { levels, batches: await reportOfBatches(), reached: reach(levels[0]) };
    console.log(values.json ? JSON.stringify(jsonOf(whole), null, 2) : reportText(whole));
}

main().catch((error: Error) => {
    console.error(`bench:gas: ${error.message}`);
    process.exitCode = 1;
});
