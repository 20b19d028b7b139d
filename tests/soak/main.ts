/**
 * `npm run soak`: a market under load whose processes are killed at random moments. Exit code 0 if everything holds at
 * the end, 1 if not.
 */
import { formatTon } from '@cocoon-market/wrappers';
import { longRun } from './command';
import { checksText, countsText } from './report';
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

longRun({
    ...{ name: 'soak', usage: USAGE, defaults: { minutes: '20', apps: '4', 'kill-every': '12' }, textOf },
    read: (number) => ({
        minutes: number('minutes', 0.1),
        apps: number('apps', 1),
        killEveryMs: 1000 * number('kill-every', 1),
    }),
    run: soak,
});
