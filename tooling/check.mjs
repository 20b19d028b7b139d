// npm run check [-- step...]: everything that is not a test. One line per step, then the output of what failed.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

const steps = {
    format: [tools.prettier, '--check', '--log-level', 'warn', '.'],
    'tact-fmt': [tools.tactFmt, '--check', 'contracts', 'benchmarks/floors'],
    lint: [tools.eslint, '--max-warnings', '0', '.'],
    types: [tools.tsc, '--noEmit', '-p', '.'],
    spelling: [tools.cspell, 'lint', '--no-progress', '--no-summary', '--dot'],
    words: ['tooling/words.mjs', '--check'],
    conventions: ['tooling/conventions.mjs'],
    unused: [tools.knip, '--no-progress'],
    misti: ['tooling/misti.mjs'],
    links: ['tooling/links.mjs'],
    package: ['tooling/packed.mjs'],
};

// Generated wrappers have to be there and fresh before types and lint look at them.
const build = ['tooling/build.mjs'];

const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };

function run(args) {
    const started = performance.now();
    return new Promise((resolve) => {
        const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
        const output = [];
        child.stdout.on('data', (data) => output.push(data));
        child.stderr.on('data', (data) => output.push(data));
        child.on('close', (code) => {
            const seconds = (performance.now() - started) / 1000;
            resolve({ ok: code === 0, seconds, output: Buffer.concat(output).toString().trim() });
        });
    });
}

function report(name, result) {
    console.log(`${result.ok ? 'ok    ' : 'FAILED'} ${name.padEnd(11)} ${result.seconds.toFixed(1).padStart(5)} s`);
    if (!result.ok) failed.push({ name, ...result });
}

const failed = [];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => name !== 'build' && !(name in steps));
if (unknown.length > 0) {
    console.error(`no such step: ${unknown.join(', ')}; there are: build, ${Object.keys(steps).join(', ')}`);
    process.exit(2);
}
const wanted = Object.keys(steps).filter((name) => asked.length === 0 || asked.includes(name));

const started = performance.now();
if (asked.length === 0 || asked.includes('build')) report('build', await run(build));

const queue = [...wanted];
async function work() {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) report(name, await run(steps[name]));
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));

for (const { name, output } of failed) console.log(`\n--- ${name}\n${output}`);
const total = ((performance.now() - started) / 1000).toFixed(1);
console.log(
    failed.length === 0
        ? `check: all steps passed in ${total} s`
        : `check: failed: ${failed.map(({ name }) => name).join(', ')} (${total} s); npm run check:fix fixes formatting`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
