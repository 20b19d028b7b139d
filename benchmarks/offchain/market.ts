/** A market on this machine with our workers and gateways, as processes on any store. */
import { RPC_PATH, LocalnetClient } from '@cocoon-market/localnet/client';
import { toNano } from '@ton/core';
import type { OpenedContract } from '@ton/core';
import type { Registry } from '@cocoon-market/wrappers';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import type { RunningProcess } from '../../demo/processes';
import { freePort } from '../../demo/ports';
import { type Seller, Stage, type StageNetwork } from '../../demo/stage';
import { program } from '../../tooling/programs';
import { MODEL } from './backend';

const NETWORK = -3;

/** nanoTON for a million tokens: those of a 32B model in params/fleet.example.yaml. */
const RATES = {
    prompt: 200_000_000n,
    cached: 100_000_000n,
    completion: 800_000_000n,
    reasoning: 800_000_000n,
};
const MAX_PARALLEL = 64; // of one job, and as many start at once: the client counts as one that has paid for a while

export type Start = (args: string[], entry: string[]) => Promise<RunningProcess>;

/** A node with its worker: more than one process shares a database. */
export interface BenchWorker {
    seller: Seller;
    processes: RunningProcess[];
    urls: string[];
    /** Commits of its store so far. */
    commits(): Promise<number>;
}

export interface BenchGateway {
    processes: RunningProcess[];
    urls: string[]; // each ends with /v1
    commits(): Promise<number>;
}

export interface BenchPlace {
    name: string; // of folders
    count?: number; // of processes; 1 unless given
    store?: string; // a database; a file unless given
}

export class BenchMarket {
    private constructor(
        private readonly stage: Stage<StageNetwork>,
        private readonly registry: OpenedContract<Registry>,
        private readonly backendUrl: string,
    ) {}

    static async open(folder: string, backendUrl: string, start: Start): Promise<BenchMarket> {
        const port = await freePort();
        await start(['--port', `${port}`, `--network-id=${NETWORK}`], [program('localnet')]);
        const network = new LocalnetClient(`http://127.0.0.1:${port}${RPC_PATH}`);
        const stage = new Stage<StageNetwork>(
            {
                url: network.url,
                faucet: (address, nanoTON) => network.faucet(address, nanoTON),
                close: async () => undefined,
            },
            { folder },
        );
        return new BenchMarket(stage, await stage.launch(), backendUrl);
    }

    async addWorker({ name, count = 1, store }: BenchPlace): Promise<BenchWorker> {
        const { stage, registry } = this;
        const seller = await stage.register(await stage.join(registry.address, name), { model: MODEL, rates: RATES });
        const [processes, metrics, urls]: [RunningProcess[], number[], string[]] = [[], [], []];
        for (let i = 0; i < count; i++) {
            const metricsPort = await freePort();
            const port = i === 0 ? seller.port : await freePort();
            const url = `http://127.0.0.1:${port}`;
            const folder = join(seller.folder, `${i}`);
            mkdirSync(folder);
            const more = {
                backends: [{ kind: 'openai', url: this.backendUrl, server: 'vllm', maxParallel: 2 * MAX_PARALLEL }],
                offers: [{ model: MODEL, rates: inNano(RATES) }],
                limits: { maxParallel: MAX_PARALLEL, startSteps: MAX_PARALLEL },
                metrics: { port: metricsPort },
                claim: { seconds: 3600 },
                chain: {},
                ...shared({ count, store, url }),
            };
            processes.push(await stage.startWorker(registry.address, { ...seller, folder, port }, more));
            metrics.push(metricsPort);
            urls.push(url);
        }
        return { seller, processes, urls, commits: () => commitsOf(metrics, 'worker') };
    }

    async addGateway({ name, count = 1, store }: BenchPlace, workers: string[]): Promise<BenchGateway> {
        const { stage, registry } = this;
        const buyer = await stage.buyer(name, toNano('90'));
        const [processes, metrics]: [RunningProcess[], number[]] = [[], []];
        for (let i = 0; i < count; i++) {
            const metricsPort = await freePort();
            const port = await freePort();
            const folder = join(buyer.folder, `${i}`);
            mkdirSync(folder);
            const more = {
                listen: { host: '127.0.0.1', port },
                metrics: { port: metricsPort },
                models: { [MODEL]: { maxPrice: inNano(RATES) } },
                job: { deposit: toNano('10').toString(), maxParallel: MAX_PARALLEL },
                pollMs: 1000,
                ...shared({ count, store, url: `http://127.0.0.1:${port}` }),
            };
            processes.push(await stage.startGateway(registry.address, { ...buyer, folder }, workers, more));
            metrics.push(metricsPort);
        }
        const urls = processes.map(({ url }) => `${url}/v1`);
        return { processes, urls, commits: () => commitsOf(metrics, 'gateway') };
    }
}

const shared = ({ count, store, url }: { count: number; store: string | undefined; url: string }) => ({
    ...(store !== undefined && { store }),
    ...(count > 1 && { cluster: { url } }),
});

async function commitsOf(ports: readonly number[], role: string): Promise<number> {
    const counts = ports.map(async (port) => {
        const { body } = await request(`http://127.0.0.1:${port}/metrics`);
        const [, count] =
            new RegExp(`^cocoon_${role}_store_commit_seconds_count (\\d+)$`, 'm').exec(await body.text()) ?? [];
        return Number(count);
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

const inNano = (rates: typeof RATES) =>
    Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));
