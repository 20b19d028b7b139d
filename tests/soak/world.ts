/** A market on a local network, with two workers, a gateway and a model server, each as a process of its own. */
import { LocalnetClient, RPC_PATH } from '@cocoon-market/localnet/client';
import { Address, toNano } from '@ton/core';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { freePort, type Buyer, type Seller, Stage, type StageNetwork } from '../../demo/stage';
import { program } from '../../tooling/programs';
import { MODEL } from './backend';
import type { Victim } from './plan';
import { Recorder, WireLog } from './recorder';
import { Supervised } from './supervised';

const NETWORK = -3;
const DEPOSIT = toNano('90');

/** nanoTON for a million tokens: an answer costs a few mTON. */
const RATES = {
    prompt: 10_000_000_000n,
    cached: 5_000_000_000n,
    completion: 100_000_000_000n,
    reasoning: 100_000_000_000n,
};

/** Each small, so that jobs end and follow each other all the time. */
export const JOB = { deposit: '250000000', step: '20000000', notice: 3600, maxOpen: 4 }; // nanoTON, seconds

/** A worker with the proxy before it. */
export interface SoakWorker {
    seller: Seller;
    store: string;
    config: string; // file
    metricsUrl: string;
    recorder: Recorder;
}

export class World {
    readonly wire = new WireLog();
    readonly workers: SoakWorker[] = [];
    readonly processes = {} as Record<Victim, Supervised>;
    buyer!: Buyer;
    gatewayUrl!: string;
    gatewayMetricsUrl!: string;
    gatewayStore!: string;
    private mirrorUrl!: string; // a second address of the one endpoint, which is killed with it
    private mirror: Server | undefined;

    private constructor(
        readonly folder: string,
        readonly network: LocalnetClient,
        readonly stage: Stage<StageNetwork>,
    ) {}

    /** Sets everything up and starts it. `say` is told each step before it begins. */
    static async open(folder: string, seed: number, say: (step: string) => void): Promise<World> {
        mkdirSync(folder, { recursive: true });
        const port = await freePort();
        const network = new LocalnetClient(`http://127.0.0.1:${port}${RPC_PATH}`);
        const { url } = network;
        const faucet = (address: Address, nanoTON: bigint) => network.faucet(address, nanoTON);
        const stage = new Stage({ url, faucet, close: async () => undefined }, { folder });
        const world = new World(folder, network, stage);
        try {
            say('local network and model server');
            await world.startEndpoint(port);
            await world.startMirror(port);
            const backend = await world.startBackend(seed);
            say('market, two nodes, one client');
            const registry = await stage.launch();
            for (const name of ['worker-1', 'worker-2'] as const) {
                const seller = await stage.register(await stage.join(registry.address, name), {
                    model: MODEL,
                    rates: RATES,
                });
                await world.addWorker(name, { seller, registry: registry.address, backend });
            }
            world.buyer = await stage.buyer('app developer', DEPOSIT);
            say('workers and gateway');
            await Promise.all([world.processes['worker-1'].start(), world.processes['worker-2'].start()]);
            await world.startGateway(registry.address);
            return world;
        } catch (error) {
            world.abort();
            throw error;
        }
    }

    get all(): Supervised[] {
        return Object.values(this.processes);
    }

    /** Ends everything at once. */
    abort(): void {
        this.all.forEach((each) => each.abort());
        this.workers.forEach(({ recorder }) => recorder.close());
        this.mirror?.close();
    }

    private supervise(name: Victim, args: string[], probe: string): Supervised {
        const log = join(this.folder, `${name}.log`);
        return (this.processes[name] = new Supervised(name, { args, log, probe }));
    }

    private async startEndpoint(port: number): Promise<void> {
        const state = ['--port', `${port}`, '--state', join(this.folder, 'chain.json')];
        const args = [program('localnet'), ...state, `--network-id=${NETWORK}`];
        await this.supervise('endpoint', args, `http://127.0.0.1:${port}/healthz`).start();
    }

    private async startMirror(endpointPort: number): Promise<void> {
        const port = await freePort();
        this.mirror = createServer((incoming) => {
            const upstream = connect(endpointPort, '127.0.0.1');
            incoming.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
            upstream.on('error', () => incoming.destroy()).on('close', () => incoming.destroy());
            incoming.pipe(upstream).pipe(incoming);
        });
        await new Promise<void>((resolve) => this.mirror!.listen(port, '127.0.0.1', resolve));
        this.mirrorUrl = `http://127.0.0.1:${port}${RPC_PATH}`;
    }

    private async startBackend(seed: number): Promise<string> {
        const port = await freePort();
        const args = [program('soakBackend'), `${port}`, `${seed}`];
        const url = `http://127.0.0.1:${port}/v1`;
        await this.supervise('backend', args, `${url}/models`).start();
        return url;
    }

    private async addWorker(
        name: Victim,
        { seller, registry, backend }: { seller: Seller; registry: Address; backend: string },
    ): Promise<void> {
        const { folder, keys, provider, node, owner } = seller;
        const [port, metricsPort] = [await freePort(), await freePort()];
        const recorder = new Recorder(this.wire, seller.port, port);
        await recorder.start();
        const store = join(folder, 'worker.sqlite');
        const config = {
            endpoint: [this.network.url, this.mirrorUrl], // it sweeps by itself only with two
            network: NETWORK,
            registry: registry.toRawString(),
            provider: provider.address.toRawString(),
            node: node.address.toRawString(),
            keyFile: keys.keyFile,
            store,
            listen: { host: '127.0.0.1', port },
            metrics: { port: metricsPort },
            backends: [{ kind: 'openai', url: backend, server: 'vllm' }],
            offers: [{ model: MODEL, rates: inNano(RATES) }],
            marginSeconds: 60, // it reads channels four times in it
            claim: { seconds: 2, threshold: '60000000' },
            sweep: { to: owner.address.toRawString(), above: '560000000', keep: '500000000' },
            cases: { seconds: 10 },
            chain: { pollSeconds: 0.2, confirmSeconds: 5 },
            logLevel: 'warn',
        };
        const file = join(folder, 'worker.json');
        writeFileSync(file, JSON.stringify(config, null, 4));
        this.supervise(
            name,
            [program('cocoon'), 'worker', 'run', '--config', file],
            `http://127.0.0.1:${port}/v1/node`,
        );
        this.workers.push({
            seller,
            store,
            config: file,
            recorder,
            metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
        });
    }

    private async startGateway(registry: Address): Promise<void> {
        const [port, metricsPort] = [await freePort(), await freePort()];
        const workers = this.workers.map(({ seller }) => `http://127.0.0.1:${seller.port}`);
        const file = this.stage.configureGateway(registry, this.buyer, workers, {
            listen: { host: '127.0.0.1', port },
            metrics: { port: metricsPort },
            models: { [MODEL]: { maxPrice: inNano(RATES) } },
            job: { ...JOB, maxSpoiled: 1000 },
            pollMs: 200,
            confirmSeconds: 5,
            banSeconds: 5, // its nodes are killed all the time
        });
        this.gatewayUrl = `http://127.0.0.1:${port}`;
        this.gatewayMetricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
        this.gatewayStore = join(this.buyer.folder, 'gateway.sqlite');
        await this.supervise(
            'gateway',
            [program('cocoon'), 'gateway', 'up', '--config', file],
            `${this.gatewayUrl}/healthz`,
        ).start();
    }
}

const inNano = (rates: typeof RATES) =>
    Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));
