/**
 * `npm run test:signatures`: crafted signatures, each shown to every verifier off chain and to contracts in the
 * sandbox. Exit code 0 if all agree, 1 if not.
 */
import '../support/faster';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readFlags } from '../../tooling/flags';
import type * as keys from '../../wrappers/keys';
import { wholeNumberOf } from '../soak/report';
import { compareSignatures, type SignatureReport } from './compare';

const USAGE = `npm run test:signatures -- [--cases N] [--seed N] [--nodes 20,22,24] [--fast] [--json]
  --cases N      signatures and payloads; 10,000 unless given
  --seed N       decides them; random unless given
  --nodes LIST   versions of Node.js, of the npm package "node"; this one alone unless given
  --fast         leaves out libraries that the market does not use and that are slow, as --nodes does
  --json         one JSON object on standard output; progress goes to standard error`;

const ROOT = join(__dirname, '../..');

/* eslint-disable @typescript-eslint/no-require-imports -- one module is loaded twice, the second time with another */
/** The keys as browsers get them, with the other file for their platform. */
function keysOfBrowsers(): typeof keys {
    const [node, web, own] = ['node', 'web', '../keys'].map((name) =>
        require.resolve(join(ROOT, 'wrappers/platform', name)),
    );
    require(web);
    const cached = { [node]: require.cache[node], [own]: require.cache[own] };
    require.cache[node] = require.cache[web];
    delete require.cache[own];
    const found = require(own) as typeof keys;
    Object.assign(require.cache, cached);
    return found;
}
/* eslint-enable @typescript-eslint/no-require-imports */

const everyThousand = (done: number) => {
    if (done % 1000 === 0) console.error(`${done} cases`);
};

/** The same run by another version of Node.js. */
function runBy(version: string, cases: number, seed: number): SignatureReport {
    console.error(`Node.js ${version}`);
    const flags = ['--cases', `${cases}`, '--seed', `${seed}`, '--fast', '--json'];
    const script = ['-r', './offchain/bin/node.js', '-r', './tooling/typescript.js', 'tests/signatures/main.ts'];
    const { status, stdout, error } = spawnSync('npx', ['-y', `node@${version}`, ...script, ...flags], {
        cwd: ROOT,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (error !== undefined || stdout === '') {
        throw new Error(`Node.js ${version} did not run (exit code ${status})`, { cause: error });
    }
    return (JSON.parse(stdout) as SignatureReport[])[0];
}

function textOf(report: SignatureReport): string {
    const { node, openssl, cases, good, families, disagreements, others } = report;
    return [
        `Node.js ${node}, OpenSSL ${openssl}: ${cases} cases of ${families} families, ${good} good`,
        ...Object.entries(others).map(
            ([name, { takesMore, takesLess, families: where }]) =>
                `  ${name.padEnd(18)} takes ${takesMore} that the chain refuses, refuses ${takesLess} that it takes: ` +
                where.join(', '),
        ),
        ...disagreements.map((each) => `  DISAGREEMENT ${JSON.stringify(each)}`),
    ].join('\n');
}

function flagsOf() {
    const { values } = parseArgs({
        options: {
            cases: { type: 'string', default: '10000' },
            seed: { type: 'string' },
            nodes: { type: 'string' },
            fast: { type: 'boolean', default: false },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const seed = wholeNumberOf('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 31)}`, 0);
    const cases = wholeNumberOf('cases', values.cases, 1);
    return values.help ? undefined : { ...values, seed, cases };
}

async function main(): Promise<void> {
    const flags = readFlags('test:signatures', USAGE, flagsOf);
    if (flags === undefined) {
        return;
    }
    const { seed, cases, nodes, fast, json } = flags;
    console.error(`${cases} cases, seed ${seed}`);
    const reports =
        nodes === undefined
            ? [
                  await compareSignatures({
                      ...{ cases, seed, withSlow: !fast, onProgress: everyThousand },
                      browser: keysOfBrowsers(),
                  }),
              ]
            : nodes.split(',').map((version) => runBy(version, cases, seed));
    console.log(json ? JSON.stringify(reports) : reports.map(textOf).join('\n'));
    const isSame = new Set(reports.map(({ digest }) => digest)).size === 1;
    if (!isSame) {
        console.error('The versions of Node.js did not give the same verdicts on the same cases');
    }
    process.exitCode = isSame && reports.every(({ disagreements }) => disagreements.length === 0) ? 0 : 1;
}

main().catch((error: unknown) => {
    console.error(`test:signatures: ${(error as Error).stack ?? String(error)}`);
    process.exitCode = 1;
});
