/**
 * `npm run mutate:off-chain`: mutants of what counts money off chain, each run against the tests that reach it. Exit
 * code 1 if fewer than 95 % of a module are killed, or one lives that survivors.json does not list.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { modules } from './modules.mjs';
import { MIN_KILLED, mutantsOf, scoreOf, withoutStaticSurvivors } from './report.mjs';

const USAGE = `npm run mutate:off-chain -- [--modules LIST] [--concurrency N] [--fresh] [--json]
  --modules LIST   of ${Object.keys(modules).join(', ')}; all unless given
  --concurrency N  processes that run tests; one less than cores unless given
  --fresh          runs every mutant again; else only those whose code or tests changed since the last run
  --json           one JSON object on standard output; progress goes to standard error`;

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const folder = join(root, 'temp/mutation');
const listed = JSON.parse(readFileSync(join(here, 'survivors.json'), 'utf8'));

function mutate(name, { concurrency, fresh }) {
    const { mutate: files, tests } = modules[name];
    const env = {
        ...process.env,
        MUTATION_MODULE: name,
        MUTATION_FILES: JSON.stringify(files),
        MUTATION_TESTS: JSON.stringify(tests),
        MUTATION_CONCURRENCY: String(concurrency),
    };
    const stored = join(folder, `${name}.incremental.json`);
    if (fresh) rmSync(stored, { force: true });
    if (existsSync(stored)) {
        writeFileSync(stored, JSON.stringify(withoutStaticSurvivors(JSON.parse(readFileSync(stored, 'utf8')))));
    }
    const stryker = join(here, 'node_modules/@stryker-mutator/core/bin/stryker.js');
    const { status } = spawnSync(process.execPath, [stryker, 'run', 'tests/mutation/stryker.config.mjs'], {
        ...{ cwd: root, env },
        stdio: ['ignore', 2, 2],
    });
    if (status !== 0) throw new Error(`Stryker ended with ${status} for ${name}`);
    return mutantsOf(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')));
}

function optionsOf() {
    const { values } = parseArgs({
        options: {
            modules: { type: 'string', default: Object.keys(modules).join(',') },
            concurrency: { type: 'string', default: String(Math.max(1, availableParallelism() - 1)) },
            fresh: { type: 'boolean', default: false },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const names = values.modules.split(',');
    const unknown = names.filter((name) => !(name in modules));
    if (unknown.length > 0) {
        throw new Error(`no such module: ${unknown.join(', ')}; there are: ${Object.keys(modules).join(', ')}`);
    }
    const concurrency = Number(values.concurrency);
    if (!Number.isInteger(concurrency) || concurrency < 1) {
        throw new Error(`--concurrency is a whole number from 1 on, not "${values.concurrency}"`);
    }
    return { ...values, names, concurrency };
}

try {
    const options = optionsOf();
    if (options.help) {
        console.log(USAGE);
    } else {
        mkdirSync(folder, { recursive: true });
        const scores = {};
        for (const name of options.names) {
            scores[name] = scoreOf(mutate(name, options), listed);
            const { killed, survived, percent, unlisted } = scores[name];
            console.error(`${name}: ${killed} killed, ${survived} survived, ${percent.toFixed(1)} %`);
            unlisted.forEach((mutant) => console.error(`  lives and is not listed: ${JSON.stringify(mutant)}`));
        }
        if (options.json) {
            console.log(JSON.stringify(scores));
        } else {
            for (const [name, { killed, survived, percent, passed }] of Object.entries(scores)) {
                const share = `${percent.toFixed(1).padStart(5)} %`;
                console.log(
                    `${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(13)} ${share}, ${killed} of ${killed + survived}`,
                );
            }
            console.log(`at least ${MIN_KILLED} % are to be killed, and survivors.json says why the others live`);
        }
        process.exitCode = Object.values(scores).every(({ passed }) => passed) ? 0 : 1;
    }
} catch (error) {
    console.error(`mutate:off-chain: ${error.message}`);
    process.exitCode = 1;
}
