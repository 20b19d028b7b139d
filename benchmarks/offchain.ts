/**
 * `npm run bench:offchain`: our gateway and worker beside two plain proxies and Portkey's gateway, on this machine.
 * Ratios count; absolute figures depend on the machine and on what else runs. Exit code 1 if it cannot be measured.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readOffchain, recordOffchain } from './offchain/history';
import { ratiosOf } from './offchain/report';
import { runBench } from './offchain/run';
import { runStores } from './offchain/stores';
import { offchainText, storesText } from './offchain/table';

const USAGE = `npm run bench:offchain -- [--rounds N] [--portkey] [--postgres] [--short] [--json] [--record "what changed"]
  --rounds N   of everyone, in turn; 5 unless given
  --portkey    installs Portkey's gateway first, from npm; then it takes part from then on
  --postgres   measures stores in PostgreSQL instead, with one and two of each process, beside files of SQLite
  --short      a tenth of the requests, one round, no more than 1,000 open jobs: shows that it runs
  --json       one JSON object on standard output; progress goes to standard error
  --record R   also adds the figures to benchmarks/offchain.json, with the reason R, and writes them into
               docs/decisions/011-speed.md; then \`npm run scale -- --record\` takes the new CPU times over`;

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: {
            rounds: { type: 'string', default: '5' },
            portkey: { type: 'boolean', default: false },
            postgres: { type: 'boolean', default: false },
            short: { type: 'boolean', default: false },
            json: { type: 'boolean', default: false },
            record: { type: 'string' },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        console.log(USAGE);
        return;
    }
    const rounds = values.short ? 1 : Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) {
        throw new Error(`--rounds is a whole number from 1 on, not "${values.rounds}"`);
    }
    if (values.record !== undefined && values.short) {
        throw new Error('A short run is too short to be recorded');
    }
    if (values.portkey) {
        const prefix = join(__dirname, 'portkey');
        const args = ['ci', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', prefix];
        execFileSync('npm', args, { stdio: ['ignore', 2, 2] });
    }
    const scale = values.short ? 0.1 : 1;
    const say = (text: string) => console.error(text);
    if (values.postgres) {
        if (values.record !== undefined) {
            throw new Error('The figures of --postgres are not recorded');
        }
        const stores = await runStores(rounds, scale, say);
        console.log(values.json ? JSON.stringify(stores, null, 2) : storesText(stores));
        return;
    }
    const report = await runBench({
        rounds,
        scale,
        openJobs: values.short ? [1, 1000] : [1, 1000, 100_000],
        ...(values.short ? { paceMs: 2 } : {}),
        say,
    });
    if (values.record !== undefined) {
        recordOffchain(report, values.record);
        console.error(`recorded: entry ${readOffchain().length} of benchmarks/offchain.json`);
        console.error('next: npm run scale -- --record');
    }
    console.log(values.json ? JSON.stringify({ ...report, ratios: ratiosOf(report) }, null, 2) : offchainText(report));
}

main().catch((error: unknown) => {
    console.error(`bench:offchain: ${(error as Error).message}`);
    process.exitCode = 1;
});
