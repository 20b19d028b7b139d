/**
 * `npm run test:traces`: a real gateway and a real worker follow traces of the model. Exit code 0 if they are where the
 * model is after each step, 1 if not.
 */
import '../../support/faster';
import { parseArgs } from 'node:util';
import { readFlags } from '../../../tooling/flags';
import { countsText, wholeNumberOf } from '../../soak/report';
import { Market } from '../../support/market';
import { START } from '../../support/chain';
import { replay } from './replay';
import { tracesOf } from './traces';

const USAGE = `npm run test:traces -- [--traces N] [--seed N] [--from N] [--depth N] [--json]
  --traces N  to follow; 200 unless given
  --seed N    decides them; random unless given
  --from N    begins with this one of them; 1 unless given
  --depth N   most steps of the shortest traces to kinds of states; 9 unless given
  --json      one JSON object on standard output; progress goes to standard error`;

function flagsOf() {
    const { values } = parseArgs({
        options: {
            traces: { type: 'string', default: '200' },
            seed: { type: 'string' },
            from: { type: 'string', default: '1' },
            depth: { type: 'string', default: '9' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const count = wholeNumberOf('traces', values.traces, 1);
    const seed = wholeNumberOf('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 32)}`, 0);
    const from = wholeNumberOf('from', values.from, 1);
    if (from > count) {
        throw new Error(`--from is at most --traces, ${count}`);
    }
    const depth = wholeNumberOf('depth', values.depth, 1);
    return values.help ? undefined : { count, seed, from, depth, json: values.json };
}

async function main(): Promise<void> {
    const flags = readFlags('test:traces', USAGE, flagsOf);
    if (flags === undefined) {
        return;
    }
    const { count, seed, from, depth, json } = flags;
    const traces = tracesOf(count, seed, depth).slice(from - 1);
    console.error(`seed ${seed}, ${traces.length} traces`);
    const market = await Market.deploy();
    const fresh = market.blockchain.snapshot();
    const steps: Record<string, number> = {};
    const failures: string[] = [];
    const started = performance.now();
    for (const [i, { name, scope, steps: trace }] of traces.entries()) {
        await market.blockchain.loadFrom(fresh);
        market.blockchain.now = START;
        try {
            await replay(market, scope, trace);
            trace.forEach((step) => (steps[step] = (steps[step] ?? 0) + 1));
        } catch (error) {
            failures.push(`trace ${from + i} (${name}): ${(error as Error).message}`);
            console.error(failures.at(-1));
        }
        console.error(`trace ${from + i} of ${count} (${name}): ${trace.length} steps`);
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    const total = Object.values(steps).reduce((sum, times) => sum + times, 0);
    if (json) {
        console.log(JSON.stringify({ seed, traces: traces.length, steps, seconds, failures }));
    } else {
        console.log(
            `${traces.length - failures.length} of ${traces.length} traces followed, ${total} steps in ${seconds} s`,
        );
        console.log(countsText(steps));
    }
    process.exitCode = failures.length === 0 ? 0 : 1;
}

main().then(
    () => process.exit(),
    (error: unknown) => {
        console.error(`test:traces: ${(error as Error).message}`);
        process.exit(1);
    },
);
