/** The programs of the client's and the local network's READMEs, run as a new user runs them: with packed packages. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { root } from '../../tooling/files.mjs';

const run = promisify(execFile);
const COINS = '100000000000'; // nanoTON

/** The programs in a package's README, in order. */
function programsIn(name) {
    const page = readFileSync(join(root, name, 'README.md'), 'utf8');
    return [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text]) => text);
}

/**
 * The client's program as an ES module and as CommonJS, with the second check of its receipt before the client is
 * closed.
 */
export function programs() {
    const [program, check] = programsIn('client');
    const [first, ...rest] = check.split('\n');
    const closing = 'await client.close();\n';
    assert(program.endsWith(closing), 'the program closes its client at last');
    const print = 'console.log(JSON.stringify({ right, checks: checks.length }));\n';
    const whole = `${first}\n${program.slice(0, -closing.length)}${rest.join('\n')}${print}${closing}`;
    const required = whole.replace(/^import (\{.*\}) from ('.*');$/gm, 'const $1 = require($2);');
    const [head, body] = required.split(/(?=^const NETWORK)/m);
    return { module: whole, commonjs: `${head}async function main() {\n${body}}\nmain();\n` };
}

const program = (name) => [join(root, `build/programs/${name}.mjs`)];

/** Calls `use` with the first line that a command prints, and ends the command; returns its exit code. */
async function withCommand(file, args, cwd, use) {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
        const lines = createInterface(child.stdout);
        const [line] = await Promise.race([once(lines, 'line'), ended.then(() => [])]);
        if (line === undefined) throw new Error(`${file} did not start`);
        await use(line);
    } finally {
        child.kill('SIGTERM');
        await ended;
    }
    return child.exitCode;
}

/** Starts what `npm run play` starts; calls `use` with what it prints. */
export function withMarket(use) {
    return withCommand(process.execPath, [...program('play'), '--json', '--port', '0'], root, (line) =>
        use(JSON.parse(line)),
    );
}

/** The local network's programs: one with a network in its own process, one that asks a network elsewhere. */
export function networkPrograms() {
    const [pay, ask] = programsIn('localnet');
    return { pay, ask };
}

/** Runs a program of the local network's README; it prints the numbers with which the comments of its lines begin. */
async function runAsStated(folder, text, env = {}) {
    writeFileSync(join(folder, 'program.mjs'), text);
    const options = { cwd: folder, env: { ...process.env, ...env }, timeout: 120_000 };
    const { stdout } = await run(process.execPath, ['program.mjs'], options);
    const stated = Array.from(text.matchAll(/^console\.log\(.*\); \/\/ (\d[\w.]*)?/gm), ([, value]) => value);
    const printed = stdout.trim().split('\n');
    assert.deepEqual(
        printed.map((value, i) => stated[i] && value),
        stated,
    );
}

/** The program that starts a network and sends coins there. */
export const payOnNetwork = runAsStated;

/** The installed command, and the program that gives coins and reads a balance on its network. */
export async function askNetwork(folder, text) {
    const command = join(folder, 'node_modules/.bin/cocoon-localnet');
    const args = ['--port', '0', '--clock', 'manual', '--now', '1800000000'];
    const code = await withCommand(command, args, folder, async (line) => {
        const [TON_ENDPOINT] = /http:\S+/.exec(line);
        await runAsStated(folder, text, { TON_ENDPOINT });
    });
    assert.equal(code, 0, 'the command ends on SIGTERM');
}

/** Runs the program in a folder with the packages; what it prints shows a paid answer, and a job that ended. */
export async function buy(folder, file, text, { chainUrl, registry, model }) {
    const printed = (await run(process.execPath, [...program('localnet'), 'wallet'], { cwd: root })).stdout;
    const [, WALLET_MNEMONIC] = /WALLET_MNEMONIC="(.*)"/.exec(printed);
    const [, address] = /v5r1: (\S+)/.exec(printed);
    const request = { id: '1', jsonrpc: '2.0', method: 'localnet_faucet', params: { address, amount: COINS } };
    const headers = { 'content-type': 'application/json' };
    await globalThis.fetch(chainUrl, { method: 'POST', headers, body: JSON.stringify(request) });
    writeFileSync(join(folder, file), text);
    const settings = { TON_ENDPOINT: chainUrl, REGISTRY: registry, WALLET_MNEMONIC, MODEL: model };
    const env = { ...process.env, ...settings, SPEND_SEED: randomBytes(32).toString('hex') };
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env, timeout: 120_000 });
    assert.match(stdout, /^\w[^{}]+\{\s+number: 1,/, 'the text of the answer, then its receipt'); // the text varies
    assert.match(stdout, /phase: 'ended', spent: [1-9]\d*n/);
    assert.match(stdout, /\{"right":true,"checks":\d+\}/);
}
