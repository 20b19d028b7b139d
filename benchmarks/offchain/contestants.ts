/** What is compared: our gateway and worker, two plain proxies, and Portkey's gateway where it is installed. */
import { RPC_PATH, LocalnetClient } from '@cocoon-market/localnet/client';
import { toNano } from '@ton/core';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { type RunningProcess, startCocoon } from '../../demo/processes';
import { freePort, Stage, type StageNetwork } from '../../demo/stage';
import { program } from '../../tooling/programs';
import { MODEL } from './backend';
import { Relay } from './relay';

const NETWORK = -3;

/** nanoTON for a million tokens: those of a 32B model in params/fleet.example.yaml. */
const RATES = {
    prompt: 200_000_000n,
    cached: 100_000_000n,
    completion: 800_000_000n,
    reasoning: 800_000_000n,
};
const MAX_PARALLEL = 64; // of one job, and as many start at once: the client counts as one that has paid for a while

/** One that is measured. */
export interface Contestant {
    name: 'ours' | 'plain' | 'portkey';
    url: string; // ends with /v1
    headers?: Record<string, string>;
    processes: Record<string, number>; // process ids by role
}

export interface Contest {
    contestants: Contestant[];
    /** Counts of the stores' commits so far, by role; each waits for the disk once. */
    commits(): Promise<Record<string, number>>;
    /** Starts one more gateway, which reaches the worker through a relay, and returns what passed while `run` ran. */
    wireBytes(run: (gateway: Contestant) => Promise<unknown>): Promise<number>;
    close(): Promise<void>;
}

/** Where `npm ci --prefix benchmarks/portkey` puts it. */
const PORTKEY = join(__dirname, '../portkey');
const PORTKEY_START = join(PORTKEY, 'node_modules/@portkey-ai/gateway/build/start-server.js');

/** Starts everything. `say` is told each step before it begins. */
export async function openContest(folder: string, say: (step: string) => void): Promise<Contest> {
    const started: RunningProcess[] = [];
    const start = async (args: string[], entry: string[]) => {
        const process = await startCocoon(args, { entry });
        started.push(process);
        return process;
    };
    const closers: (() => unknown)[] = [];
    try {
        say('model server and plain proxies');
        const backend = await start([`${await freePort()}`], [program('benchBackend')]);
        const inner = await start([`${await freePort()}`, `${backend.url}/v1`], [program('benchProxy')]);
        const outer = await start([`${await freePort()}`, `${inner.url}/v1`], [program('benchProxy')]);
        say('local network, market, worker and gateway');
        const ours = await openOurs(folder, `${backend.url}/v1`, start);
        closers.push(ours.close);
        const contestants: Contestant[] = [
            ours.contestant,
            { name: 'plain', url: `${outer.url}/v1`, processes: { outer: outer.pid, inner: inner.pid } },
        ];
        if (existsSync(PORTKEY_START)) {
            say("Portkey's gateway");
            const portkey = await startPortkey(`${backend.url}/v1`);
            closers.push(portkey.close);
            contestants.push(portkey.contestant);
        }
        return { contestants, commits: ours.commits, wireBytes: ours.wireBytes, close };
    } catch (error) {
        await close();
        throw error;
    }

    async function close(): Promise<void> {
        await Promise.all(closers.map((each) => each()));
        await Promise.all(started.reverse().map((process) => process.end()));
    }
}

type Start = (args: string[], entry: string[]) => Promise<RunningProcess>;

async function openOurs(folder: string, backendUrl: string, start: Start) {
    const chainPort = await freePort();
    await start(['--port', `${chainPort}`, `--network-id=${NETWORK}`], [program('localnet')]);
    const network = new LocalnetClient(`http://127.0.0.1:${chainPort}${RPC_PATH}`);
    const stage = new Stage<StageNetwork>(
        {
            url: network.url,
            faucet: (address, nanoTON) => network.faucet(address, nanoTON),
            close: async () => undefined,
        },
        { folder },
    );
    const registry = await stage.launch();
    const seller = await stage.register(await stage.join(registry.address), { model: MODEL, rates: RATES });
    const [workerMetrics, gatewayMetrics] = [await freePort(), await freePort()];
    const worker = await stage.startWorker(registry.address, seller, {
        backends: [{ kind: 'openai', url: backendUrl, server: 'vllm', maxParallel: 2 * MAX_PARALLEL }],
        offers: [{ model: MODEL, rates: inNano(RATES) }],
        limits: { maxParallel: MAX_PARALLEL, startSteps: MAX_PARALLEL },
        metrics: { port: workerMetrics },
        claim: { seconds: 3600 },
        chain: {},
    });
    const workerUrl = `http://127.0.0.1:${seller.port}`;
    const startGateway = async (name: string, workers: string[], metricsPort: number): Promise<Gateway> => {
        const buyer = await stage.buyer(name, toNano('90'));
        const process = await stage.startGateway(registry.address, buyer, workers, {
            metrics: { port: metricsPort },
            models: { [MODEL]: { maxPrice: inNano(RATES) } },
            job: { deposit: toNano('10').toString(), maxParallel: MAX_PARALLEL },
            pollMs: 1000,
        });
        const { url, pid } = process;
        return {
            process,
            contestant: { name: 'ours', url: `${url}/v1`, processes: { gateway: pid, worker: worker.pid } },
        };
    };
    const gateway = await startGateway('app developer', [workerUrl], gatewayMetrics);
    return {
        contestant: gateway.contestant,
        commits: async () => ({
            gateway: await commitsOf(gatewayMetrics, 'gateway'),
            worker: await commitsOf(workerMetrics, 'worker'),
        }),
        wireBytes: async (run: (gateway: Contestant) => Promise<unknown>) => {
            const relayPort = await freePort();
            const relay = await Relay.open(relayPort, seller.port);
            const other = await startGateway('other developer', [`http://127.0.0.1:${relayPort}`], await freePort());
            await run({ ...other.contestant, processes: {} }); // opens its job
            const bytesBefore = relay.bytes;
            await run(other.contestant);
            const bytes = relay.bytes - bytesBefore;
            await other.process.end();
            relay.close();
            return bytes;
        },
        close: async () => {
            await gateway.process.end();
            await worker.end();
        },
    };
}

interface Gateway {
    process: RunningProcess;
    contestant: Contestant;
}

async function commitsOf(port: number, role: string): Promise<number> {
    const { body } = await request(`http://127.0.0.1:${port}/metrics`);
    const [, count] =
        new RegExp(`^cocoon_${role}_store_commit_seconds_count (\\d+)$`, 'm').exec(await body.text()) ?? [];
    return Number(count);
}

async function startPortkey(backendUrl: string) {
    const port = await freePort();
    const args = ['-r', join(PORTKEY, 'preload.cjs'), PORTKEY_START, `--port=${port}`, '--headless'];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}`;
    for (let poll = 0; ; poll++) {
        const answers = await request(url)
            .then(({ body }) => body.dump())
            .catch(() => 'no');
        if (answers !== 'no') {
            break;
        }
        if (poll > 200 || child.exitCode !== null) {
            throw new Error('Portkey does not start');
        }
        await sleep(100);
    }
    const headers = {
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': backendUrl,
        authorization: 'Bearer none',
    };
    return {
        contestant: { name: 'portkey' as const, url: `${url}/v1`, headers, processes: { portkey: child.pid! } },
        close: () => child.kill(),
    };
}

const inNano = (rates: typeof RATES) =>
    Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));
