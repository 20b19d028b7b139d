/**
 * `npm run soak`: a market under load whose processes are killed at random moments. Exit code 0 if everything holds at
 * the end, 1 if not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTon } from '@cocoon-market/wrappers';
import { toWire } from '../../offchain/link';
import { checksText, countsText, numberOf } from './report';
import { soak, type SoakReport } from './soak';

const USAGE = `npm run soak -- [--minutes N] [--seed N] [--folder DIR] [--apps N] [--json]
  --minutes N  of load; 20 unless given
  --seed N     decides the load and the kills; random unless given
  --folder DIR for keys, stores, logs and the chain; a temporary one unless given, which stays if a check fails
  --apps N     that ask at once; 4 unless given
  --kill-every SECONDS  between two kills, on average; 12 unless given
  --json       one JSON object on standard output; progress goes to standard error`;

function textOf({ load, kills, trends, checks, ...report }: SoakReport): string {
    const trendLines = Object.entries(trends).map(([name, { memory, handles, samples }]) => {
        const [from, to] = memory.map((bytes) => (bytes / 2 ** 20).toFixed(0));
        return `  ${name.padEnd(9)} ${from} → ${to} MiB, ${handles[0]} → ${handles[1]} handles (${samples} samples)`;
    });
    return [
        `answers    ${load.answered}, which cost ${formatTon(load.cost)} TON; ${load.left} left by the app`,
        `refusals   ${countsText(load.refused)}`,
        `kills      ${countsText(kills)}`,
        `wire       ${report.receipts} receipts, ${report.vouchers} acknowledged vouchers`,
        'last lives',
        ...trendLines,
        ...checksText(checks),
    ].join('\n');
}

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: {
            minutes: { type: 'string', default: '20' },
            seed: { type: 'string' },
            folder: { type: 'string' },
            apps: { type: 'string', default: '4' },
            'kill-every': { type: 'string', default: '12' },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        console.log(USAGE);
        return;
    }
    const seed = numberOf('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 32)}`, 0);
    const folder = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'soak-')) : resolve(values.folder);
    console.error(`seed ${seed}, folder ${folder}`);
    const report = await soak({
        minutes: numberOf('minutes', values.minutes, 0.1),
        seed,
        folder,
        apps: numberOf('apps', values.apps, 1),
        killEveryMs: 1000 * numberOf('kill-every', values['kill-every'], 1),
        say: console.error,
    });
    console.log(values.json ? JSON.stringify(toWire(report)) : textOf(report));
    process.exitCode = report.passed ? 0 : 1;
    if (report.passed && values.folder === undefined) {
        rmSync(folder, { recursive: true });
    }
}

main().catch((error: unknown) => {
    console.error(`soak: ${(error as Error).stack ?? String(error)}`);
    process.exitCode = 1;
});
