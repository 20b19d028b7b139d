/** A market, a worker and a gateway that stay: set up in a new folder, or started again as they were. */
import { Address, toNano } from '@ton/core';
import { join, relative } from 'node:path';
import { Place, type Setting } from './place';
import { JOB } from './play';
import type { RunningProcess } from './processes';
import { MODEL } from './setup';
import { NETWORK, Stage } from './stage';

const DEPOSIT = toNano('80');
const SHUTDOWN_SECONDS = 2; // for running answers, when the playground ends

/** What runs, and where. */
export interface Playground {
    baseUrl: string; // for OpenAI's SDKs
    pageUrl: string; // for a browser
    model: string;
    chainUrl: string;
    workerUrl: string;
    network: number; // -3, testnet's
    registry: string;
    escrow: string;
    gatewayConfig: string; // path
    resumed: boolean; // true if an earlier run set it up
}

export interface RunningPlayground {
    playground: Playground;
    /** Resolves with a sentence when the worker or the gateway has ended though nobody asked for it. */
    readonly failed: Promise<string>;
    /** Ends the processes and saves the chain. */
    close(): Promise<void>;
}

/** Starts everything. `say` is told each step before it begins; `folder`: see {@link Place}, temporary if left out. */
export async function startPlayground(
    { folder, port }: { folder: string | undefined; port: number },
    say: (step: string) => void,
): Promise<RunningPlayground> {
    const place = folder === undefined ? undefined : Place.open(folder);
    const processes: RunningProcess[] = [];
    let stage: Stage | undefined;
    const close = async () => {
        await Promise.all(processes.reverse().map((each) => each.end()));
        await stage?.close();
        place?.close();
    };
    try {
        say('Local network');
        stage = await Stage.open('2026', {
            ...(place && { folder: place.folder, state: place.chainFile }),
            ...(place && { seedOf: (name: string) => place.seedOf(name) }),
            detached: true,
        });
        const stored = place?.setting;
        const setting = stored ?? (await setUp(stage, say));
        place?.complete(setting);
        const at = (path: string) => join(stage!.folder, path);
        const registry = Address.parseRaw(setting.registry);

        say('Worker, with the model of this repository');
        const seller = {
            provider: { address: Address.parseRaw(setting.provider) },
            node: { address: Address.parseRaw(setting.node) },
            keys: { keyFile: at(setting.workerKeys) },
            port: setting.workerPort,
            folder: at(setting.workerFolder),
        };
        const worker = await stage.startWorker(registry, seller, { shutdownSeconds: SHUTDOWN_SECONDS });
        processes.push(worker);
        say('Gateway');
        const buyer = {
            wallet: { address: Address.parseRaw(setting.client) },
            keyFile: at(setting.gatewayKey),
            folder: at(setting.gatewayFolder),
        };
        const listen = { host: '127.0.0.1', port };
        const more = { job: JOB, listen, shutdownSeconds: SHUTDOWN_SECONDS };
        const gateway = await stage.startGateway(registry, buyer, [worker.url], more);
        processes.push(gateway);
        const ends = [worker.ended.then((words) => `The worker ended: ${words}`)];
        return {
            playground: {
                baseUrl: `${gateway.url}/v1`,
                pageUrl: `${gateway.url}/`,
                model: MODEL,
                chainUrl: stage.network.url,
                workerUrl: worker.url,
                network: NETWORK,
                registry: setting.registry,
                escrow: setting.escrow,
                gatewayConfig: join(buyer.folder, 'gateway.json'),
                resumed: stored !== undefined,
            },
            failed: Promise.race([...ends, gateway.ended.then((words) => `The gateway ended: ${words}`)]),
            close,
        };
    } catch (error) {
        await close();
        throw error;
    }
}

/** Launches a market with one provider, one node and one client. */
async function setUp(stage: Stage, say: (step: string) => void): Promise<Setting> {
    say('Market: the registry and its rules');
    const registry = (await stage.launch()).address;
    say('A GPU owner stakes 60 TON and registers a node');
    const { provider, node, keys, port, folder } = await stage.register(await stage.join(registry));
    say('An app developer deposits 80 TON in an escrow');
    const buyer = await stage.buyer('app developer', DEPOSIT);
    const inFolder = (path: string) => relative(stage.folder, path);
    return {
        registry: registry.toRawString(),
        provider: provider.address.toRawString(),
        node: node.address.toRawString(),
        client: buyer.wallet.address.toRawString(),
        escrow: buyer.escrow.address.toRawString(),
        workerFolder: inFolder(folder),
        workerKeys: inFolder(keys.keyFile),
        workerPort: port,
        gatewayFolder: inFolder(buyer.folder),
        gatewayKey: inFolder(buyer.keyFile),
    };
}
