/**
 * A GPU owner's first hour with the installed package and nothing else: `init`, `doctor`, `run`, and a gateway of the
 * same package that pays for an answer. The market, the owner's coins and the client's escrow are prepared by this
 * checkout.
 */
import { freePort } from '../../demo/ports';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toNano } from '@ton/core';
import { startCocoon } from '../../demo/processes';
import { MODEL } from '../../demo/setup';
import { Stage } from '../../demo/stage';

const DEPOSIT = toNano('30');
const SETTLE_SECONDS = 20;

export interface Market {
    stage: Stage;
    endpoint: string;
    registry: string;
    ownerWallet: string; // file with the seed of the owner's wallet, which has coins
    gateway(workerUrl: string): string; // configuration of a gateway that can pay
}

/** A market on a local network, an owner with coins and a client with an escrow. */
export async function prepareMarket(folder: string): Promise<Market> {
    mkdirSync(folder, { recursive: true });
    const stage = await Stage.open('2026', { folder });
    try {
        return await marketOn(stage, folder);
    } catch (error) {
        await stage.close();
        throw error;
    }
}

async function marketOn(stage: Stage, folder: string): Promise<Market> {
    const registry = await stage.launch();
    const seed = randomBytes(32);
    await stage.wallet('GPU owner', seed);
    const ownerWallet = join(folder, 'owner.seed');
    writeFileSync(ownerWallet, seed.toString('hex'), { mode: 0o600 });
    const buyer = await stage.buyer('app developer', DEPOSIT);
    return {
        stage,
        endpoint: stage.network.url,
        registry: registry.address.toRawString(),
        ownerWallet,
        gateway: (workerUrl) => stage.configureGateway(registry.address, buyer, [workerUrl]),
    };
}

/** Runs the steps with the `cocoon` at `bin`; `tell` gets each step when it is done. Throws at the first that fails. */
export async function firstAnswer(
    bin: string,
    market: Market,
    folder: string,
    tell: (step: string) => void,
): Promise<string> {
    mkdirSync(folder, { recursive: true });
    const cocoon = (...args: string[]) => runToEnd(bin, args, folder);
    const port = await freePort();
    const workerUrl = `http://127.0.0.1:${port}`;

    await cocoon('--version');
    tell('cocoon --version');

    const chain = ['--network=-3', '--endpoint', market.endpoint, '--registry', market.registry];
    const machine = [
        '--backend',
        'embedded',
        '--model',
        MODEL,
        '--gpu-model',
        'Demo GPU',
        '--gpus',
        '1',
        '--vram',
        '24',
    ];
    const prices = ['--prompt', '50', '--completion', '250', '--any-price', '--speed', '100'];
    const door = ['--listen', `127.0.0.1:${port}`, '--url', workerUrl];
    await cocoon('worker', 'init', '--yes', '--wallet', market.ownerWallet, ...chain, ...machine, ...prices, ...door);
    tell('cocoon worker init');

    await cocoon('worker', 'doctor', '--config', 'worker.json');
    tell('cocoon worker doctor');

    const worker = await startCocoon(['worker', 'run', '--config', join(folder, 'worker.json')], { entry: [bin] });
    try {
        tell('cocoon worker run');
        const gateway = await startCocoon(['gateway', 'up', '--config', market.gateway(worker.url)], { entry: [bin] });
        try {
            tell('cocoon gateway up');
            const answer = await ask(gateway.url);
            tell('first answer');
            await until(async () => BigInt(await unclaimed(cocoon)) > 0n, 'the worker has no voucher for its answer');
            tell('paid by a voucher');
            return answer;
        } finally {
            await gateway.end();
        }
    } finally {
        await worker.end();
    }
}

/** nanoTON under vouchers that no channel has paid yet. */
async function unclaimed(cocoon: (...args: string[]) => Promise<{ stdout: string }>): Promise<string> {
    const { stdout } = await cocoon('worker', 'status', '--config', 'worker.json', '--json');
    return (JSON.parse(stdout) as { unclaimed: string }).unclaimed;
}

async function ask(gatewayUrl: string): Promise<string> {
    const response = await fetch(`${gatewayUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
            model: MODEL,
            max_tokens: 30,
            messages: [{ role: 'user', content: 'What is a voucher?' }],
        }),
    });
    const body = (await response.json()) as { choices?: { message: { content: string } }[] };
    const content = body.choices?.[0].message.content;
    if (content === undefined) {
        throw new Error(`The gateway answered ${response.status}: ${JSON.stringify(body)}`);
    }
    return content;
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
    for (let poll = 0; poll < SETTLE_SECONDS * 2; poll++) {
        if (await holds()) {
            return;
        }
        await sleep(500);
    }
    throw new Error(otherwise);
}

/** Throws with what the command printed if it ends with another exit code than 0. */
async function runToEnd(bin: string, args: string[], cwd: string): Promise<{ stdout: string }> {
    const child = spawn(process.execPath, [bin, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) {
        throw new Error(`cocoon ${args.slice(0, 2).join(' ')} ended with ${code}: ${stderr}${stdout}`);
    }
    return { stdout };
}
