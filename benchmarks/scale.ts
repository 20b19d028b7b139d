/** `npm run scale`: simulates a billion queries a day and prints what they cost, lock and need. */
import { parseArgs } from 'node:util';
import { BASE, type Model } from './scale/model';
import { recordReport } from './scale/page';
import { reportText, type ScaleReport } from './scale/report';
import { digestsOf, runAll } from './scale/scenarios';

const USAGE = `npm run scale -- [--short] [--seed S] [--cpu-ms N] [--json] [--record]
  --short     90 minutes of the market instead of all, in seconds
  --seed S    draws the random numbers; ${BASE.seed} unless given
  --cpu-ms N  CPU time of a query in milliseconds; ${BASE.machine.cpu.ms} unless given
  --json      one JSON object
  --record    also writes benchmarks/scale.json, and the tables and the plot of docs/scale.md`;

function main(): void {
    const { values } = parseArgs({
        options: {
            short: { type: 'boolean', default: false },
            json: { type: 'boolean', default: false },
            record: { type: 'boolean', default: false },
            seed: { type: 'string', default: `${BASE.seed}` },
            'cpu-ms': { type: 'string', default: `${BASE.machine.cpu.ms}` },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        console.log(USAGE);
        return;
    }
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
    console.error(`scale: ${(error as Error).message}`);
    process.exitCode = 1;
}
