/**
 * From query to payout on one machine: a local network, a worker and a gateway as processes of their own, a real model,
 * real contracts. Every message on chain is shown; at the end every nanoTON is accounted for. Exit code 1 if any check
 * fails.
 */
import { PRICE_LEVELS } from '@cocoon-market/localnet/levels';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { tellFailure } from '../offchain/cli/failure';
import type { Options } from './play';

const LEVELS = PRICE_LEVELS.filter((level) => level !== 'tenfold'); // at which the registry refuses the demo's rules
const PROMPTS = ['What is a voucher?', 'Who can read my prompt?', 'What happens if the worker disappears?'];

const USAGE = `npm run demo -- [--prompt TEXT]... [--queries N] [--prices LEVEL] [--json]
  --prompt TEXT   asks this instead of the three default questions; may be given more than once
  --queries N     how many queries are sent, repeating the prompts; 1 to 1000
  --prices LEVEL  fees of the chain: ${LEVELS.join(', ')}; 2026, the ones in force, unless given
  --json          one JSON object on standard output, and nothing else there`;

function readOptions(): Options | undefined {
    const { values } = parseArgs({
        options: {
            prompt: { type: 'string', multiple: true },
            queries: { type: 'string' },
            prices: { type: 'string', default: '2026' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        console.log(USAGE);
        return undefined;
    }
    const prices = LEVELS.find((level) => level === values.prices);
    if (prices === undefined) {
        throw new Error(`--prices is one of ${LEVELS.join(', ')}, not "${values.prices}"`);
    }
    const prompts = values.prompt ?? PROMPTS;
    const count = values.queries === undefined ? prompts.length : Number(values.queries);
    if (!Number.isInteger(count) || count < 1 || count > 1000) {
        throw new Error(`--queries is a number from 1 to 1000, not "${values.queries}"`);
    }
    return { prompts: Array.from({ length: count }, (_, i) => prompts[i % prompts.length]), prices, json: values.json };
}

async function main(): Promise<void> {
    const options = readOptions();
    if (options === undefined) {
        return;
    }
    // Loaded after the options are checked, because loading takes longer than checking.
    const { play } = await import('./play');
    const { Stage } = await import('./stage');
    const { endAll } = await import('./processes');
    const stage = await Stage.open(options.prices);
    for (const [signal, code] of [
        ['SIGINT', 130],
        ['SIGTERM', 143],
    ] as const) {
        process.once(signal, () => {
            endAll();
            rmSync(stage.folder, { recursive: true, force: true });
            process.exit(code);
        });
    }
    try {
        process.exitCode = (await play(stage, options)) ? 0 : 1;
    } finally {
        endAll();
        await stage.close();
    }
}

main().catch((error: unknown) => {
    console.error(`demo: ${tellFailure(error)}`);
    process.exitCode = 1;
});
