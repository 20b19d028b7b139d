/**
 * `npm run scale`: simulates a billion queries a day and prints what they cost, lock and need. `-- --short` does it in
 * seconds, `-- --json` prints one JSON object, `-- --seed 7` draws other random numbers, `-- --cpu-ms 20` sets the CPU
 * time of a query, `-- --record` writes benchmarks/scale.json, the plot and the tables of docs/scale.md.
 */
import { parseArgs } from 'node:util';
import { BASE, type Model } from './scale/model';
import { recordReport } from './scale/page';
import { reportText, type ScaleReport } from './scale/report';
import { digestsOf, runAll } from './scale/scenarios';

function main(): void {
    const { values } = parseArgs({
        options: {
            short: { type: 'boolean', default: false },
            json: { type: 'boolean', default: false },
            record: { type: 'boolean', default: false },
            seed: { type: 'string', default: `${BASE.seed}` },
            'cpu-ms': { type: 'string', default: `${BASE.machine.cpu.ms}` },
        },
    });
    const { short, json, record } = values;
    const model: Model = {
        ...BASE,
        seed: numberOf(values.seed, '--seed'),
        machine: { ...BASE.machine, cpu: { ...BASE.machine.cpu, ms: numberOf(values['cpu-ms'], '--cpu-ms') } },
    };
    if (record && short) {
        throw new Error('--record stores the long form: leave --short out');
    }
    const report: ScaleReport = {
        model,
        scenarios: runAll({ short, base: model }),
        digests: record ? digestsOf(model) : {},
    };
    if (record) {
        recordReport(report);
    }
    console.log(json ? JSON.stringify(report, null, 2) : reportText(report));
}

function numberOf(text: string, flag: string): number {
    const value = Number(text);
    if (!(value > 0)) {
        throw new Error(`${flag} takes a number above 0, not ${text}`);
    }
    return value;
}

try {
    main();
} catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
}
