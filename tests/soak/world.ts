/** A market on a local network with its workers, gateways and model server, each as a process of its own. */
import { freePort } from '../../demo/ports';
import { LocalnetClient, RPC_PATH } from '@cocoon-market/localnet/client';
import { Address, toNano } from '@ton/core';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { type Buyer, type Seller, Stage, type StageNetwork } from '../../demo/stage';
import { program } from '../../tooling/programs';
import { PostgresFiles } from '../offchain/support/postgres';
import { MODEL } from './backend';
import { Recorder, WireLog } from './recorder';
import { Supervised, type SupervisedOptions } from './supervised';

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

/** Which processes a world has. Their names are those of their logs. */
export interface Shape {
    /** By node: its processes share keys and store. */
    workers: readonly (readonly string[])[];
    /** They share a spend key and a store. */
    gateways: readonly string[];
    /** The PostgreSQL server that has all stores. SQLite files unless given. */
    database?: string;
}

/** A process of a worker, with the proxy before it. */
export interface WorkerProcess {
    name: string;
    config: string; // file
    address: { store: string; cluster: { url: string } | undefined }; // for commands
    url: string; // of the proxy
    metricsUrl: string;
    recorder: Recorder;
}

/** A node with its worker. */
export interface SoakWorker {
    seller: Seller;
    store: string;
    processes: WorkerProcess[];
}

export interface SoakGateway {
    name: string;
    url: string;
}

export class World {
    readonly wire = new WireLog();
    readonly workers: SoakWorker[] = [];
    readonly gateways: SoakGateway[] = [];
    readonly processes: Record<string, Supervised> = {};
    buyer!: Buyer;
    gatewayStore!: string;
    private mirrorUrl!: string; // a second address of the one endpoint, which is killed with it
    private mirror: Server | undefined;
    private postgres: PostgresFiles | undefined;

    private constructor(
        readonly folder: string,
        readonly network: LocalnetClient,
        readonly stage: Stage<StageNetwork>,
    ) {}

    /** Sets everything up and starts it. `say` is told each step before it begins. */
    static async open(folder: string, shape: Shape, seed: number, say: (step: string) => void): Promise<World> {
        mkdirSync(folder, { recursive: true });
        const port = await freePort();
        const network = new LocalnetClient(`http://127.0.0.1:${port}${RPC_PATH}`);
        const { url } = network;
        const faucet = (address: Address, nanoTON: bigint) => network.faucet(address, nanoTON);
        const stage = new Stage({ url, faucet, close: async () => undefined }, { folder });
        const world = new World(folder, network, stage);
        try {
            say(`local network, model server${shape.database === undefined ? '' : ' and database'}`);
            await world.startEndpoint(port);
            await world.startMirror(port);
            const backendUrl = await world.startBackend(seed);
            if (shape.database !== undefined) {
                await world.startDatabase(shape.database);
            }
            say(`market, ${shape.workers.length === 1 ? 'a node' : `${shape.workers.length} nodes`}, one client`);
            const registry = await stage.launch();
            for (const names of shape.workers) {
                const seller = await stage.register(await stage.join(registry.address, names[0]), {
                    model: MODEL,
                    rates: RATES,
                });
                await world.addWorker(names, { seller, registry: registry.address, backend: backendUrl });
            }
            world.buyer = await stage.buyer('app developer', DEPOSIT);
            say('workers and gateways');
            await Promise.all(shape.workers.flat().map((name) => world.processes[name].start()));
            await world.addGateways(shape.gateways, registry.address);
            await Promise.all(shape.gateways.map((name) => world.processes[name].start()));
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
        this.workers.forEach(({ processes }) => processes.forEach(({ recorder }) => recorder.close()));
        this.mirror?.close();
    }

    private supervise(name: string, options: Omit<SupervisedOptions, 'log'>): Supervised {
        const log = join(this.folder, `${name}.log`);
        return (this.processes[name] = new Supervised(name, { ...options, log }));
    }

    private async startEndpoint(port: number): Promise<void> {
        const state = ['--port', `${port}`, '--state', join(this.folder, 'chain.json')];
        const args = [program('localnet'), ...state, `--network-id=${NETWORK}`];
        await this.supervise('endpoint', { args, probe: `http://127.0.0.1:${port}/healthz` }).start();
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
        await this.supervise('backend', { args, probe: `${url}/models` }).start();
        return url;
    }

    private async startDatabase(name: string): Promise<void> {
        chmodSync(this.folder, 0o711); // PostgreSQL may run as another user
        const folder = join(this.folder, name);
        mkdirSync(folder, { mode: 0o755 });
        const postgres = (this.postgres = PostgresFiles.install(folder));
        const { file, args, options } = postgres.command({ max_connections: '100' });
        await this.supervise(name, {
            ...{ file, args, spawn: options, hasChildren: true, stopSignal: 'SIGINT' },
            probe: () => answers(postgres.url()),
        }).start();
    }

    private async addWorker(
        names: readonly string[],
        { seller, registry, backend }: { seller: Seller; registry: Address; backend: string },
    ): Promise<void> {
        const { folder, keys, provider, node, owner } = seller;
        const store = this.postgres?.url() ?? join(folder, 'worker.sqlite');
        const processes: WorkerProcess[] = [];
        for (const [i, name] of names.entries()) {
            const [port, metricsPort] = [await freePort(), await freePort()];
            const ownPort = i === 0 ? seller.port : await freePort();
            const recorder = new Recorder(this.wire, name, { own: ownPort, worker: port });
            await recorder.start();
            const url = `http://127.0.0.1:${ownPort}`;
            const cluster = names.length > 1 ? { url } : undefined;
            const config = {
                endpoint: [this.network.url, this.mirrorUrl], // it sweeps by itself only with two
                network: NETWORK,
                registry: registry.toRawString(),
                provider: provider.address.toRawString(),
                node: node.address.toRawString(),
                keyFile: keys.keyFile,
                store,
                cluster,
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
            const file = join(folder, `${name}.json`);
            writeFileSync(file, JSON.stringify(config, null, 4));
            this.supervise(name, {
                args: [program('cocoon'), 'worker', 'run', '--config', file],
                probe: `http://127.0.0.1:${port}/v1/node`,
            });
            const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
            processes.push({ name, config: file, address: { store, cluster }, url, metricsUrl, recorder });
        }
        this.workers.push({ seller, store, processes });
    }

    private async addGateways(names: readonly string[], registry: Address): Promise<void> {
        const { buyer } = this;
        this.gatewayStore = this.postgres?.url() ?? join(buyer.folder, 'gateway.sqlite');
        const workers = this.workers.flatMap(({ processes }) => processes.map(({ url }) => url));
        for (const name of names) {
            const port = await freePort();
            const url = `http://127.0.0.1:${port}`;
            const folder = join(buyer.folder, name);
            mkdirSync(folder);
            const file = this.stage.configureGateway(registry, { ...buyer, folder }, workers, {
                store: this.gatewayStore,
                ...(names.length > 1 && { cluster: { url } }),
                listen: { host: '127.0.0.1', port },
                models: { [MODEL]: { maxPrice: inNano(RATES) } },
                job: { ...JOB, maxSpoiled: 1000 },
                pollMs: 200,
                confirmSeconds: 5,
                banSeconds: 5, // its nodes are killed all the time
            });
            this.gateways.push({ name, url });
            this.supervise(name, {
                args: [program('cocoon'), 'gateway', 'up', '--config', file],
                probe: `${url}/healthz`,
            });
        }
    }
}

async function answers(url: string): Promise<boolean> {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined);
    try {
        await client.connect();
        await client.query('SELECT 1');
        return true;
    } finally {
        await client.end().catch(() => undefined);
    }
}

const inNano = (rates: typeof RATES) =>
    Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));
