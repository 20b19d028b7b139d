/**
 * `npm run test:cluster`: gateways and workers on one PostgreSQL database, each of which is killed at random moments.
 * Exit code 0 if everything holds at the end, 1 if not.
 */
import { formatTon } from '@cocoon-market/wrappers';
import { longRun } from '../soak/command';
import { checksText, countsText } from '../soak/report';
import { type ClusterReport, runCluster } from './cluster';

const USAGE = `npm run test:cluster -- [--rounds N] [--seed N] [--folder DIR] [--apps N] [--json]
  --rounds N   with one kill or two each; 200 unless given
  --seed N     decides the load and the kills; random unless given
  --folder DIR for keys, stores, logs, the database and the chain; a temporary one unless given, which stays if a
               check fails
  --processes N  gateways, and as many workers; 2 unless given
  --apps N     that ask at once; 6 unless given
  --allowance SECONDS  beyond the 10 s of a takeover, for a machine that is busy; 5 unless given
  SIGINT to this process alone ends the run after the round that runs, with all checks
  --json       one JSON object on standard output; progress goes to standard error`;

function textOf({ load, kills, pauses, times, checks, ...report }: ClusterReport): string {
    const seconds = (ms: number) => (ms / 1000).toFixed(1).padStart(5);
    return [
        `rounds     ${report.rounds} in ${report.seconds} s`,
        `kills      ${countsText(kills)}`,
        `pauses     ${countsText(pauses)}`,
        `answers    ${load.answered}, which cost ${formatTon(load.cost)} TON; ${load.left} left by the app`,
        `refusals   ${countsText(load.refused)}`,
        `wire       ${report.receipts} receipts, ${report.vouchers} acknowledged vouchers`,
        `seconds until${' '.repeat(36)}median   p95   max`,
        ...Object.entries(times).map(
            ([name, { count, median, p95, max }]) =>
                `  ${`${name} (${count})`.padEnd(47)} ${seconds(median)} ${seconds(p95)} ${seconds(max)}`,
        ),
        ...checksText(checks),
    ].join('\n');
}

longRun({
    ...{ name: 'cluster', usage: USAGE, textOf },
    defaults: { rounds: '200', processes: '2', apps: '6', allowance: '5' },
    read: (number) => ({
        rounds: number('rounds', 1),
        processes: number('processes', 1),
        apps: number('apps', 1),
        allowanceMs: 1000 * number('allowance', 0),
    }),
    run: (options) => {
        const ending = new AbortController();
        process.once('SIGINT', () => ending.abort());
        return runCluster({ ...options, signal: ending.signal });
    },
});
