/** The program of the client's README, run as a new user runs it: packed packages, and a market on this machine. */
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

/** The program as an ES module and as CommonJS, with the second check of its receipt before the client is closed. */
export function programs() {
    const page = readFileSync(join(root, 'client/README.md'), 'utf8');
    const [program, check] = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text]) => text);
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

/** Starts what `npm run play` starts; calls `use` with what it prints. */
export async function withMarket(use) {
    const child = spawn(process.execPath, [...program('play'), '--json', '--port', '0'], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
        const lines = createInterface(child.stdout);
        const [line] = await Promise.race([once(lines, 'line'), ended.then(() => [])]);
        if (line === undefined) throw new Error('the market did not start');
        return await use(JSON.parse(line));
    } finally {
        child.kill('SIGTERM');
        await ended;
    }
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
    assert.match(stdout, /A voucher is/);
    assert.match(stdout, /phase: 'ended', spent: [1-9]\d*n/);
    assert.match(stdout, /\{"right":true,"checks":\d+\}/);
}
