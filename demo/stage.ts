/** A market on a local chain with processes around it: what the demo and the journeys' tests play on. */
import { Localnet, PriceLevel, startLocalnet } from '@cocoon-market/localnet';
import '@cocoon-market/localnet/fast';
import { Actor, Escrow, Node, Provider, type Rates, Registry, signingKey } from '@cocoon-market/wrappers';
import { Address, OpenedContract, toNano } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HotWallet, TonHttpChain } from '../offchain/chain';
import { deposit, joinAsProvider, launch, registerMachine } from './market';
import { RunningProcess } from './processes';
import { freePort } from './ports';
import type { WorkerKeys } from './setup';
import {
    gatewayKey,
    MODEL,
    RATES,
    startGatewayProcess,
    startWorkerProcess,
    workerKeys,
    writeGatewayConfig,
} from './setup';

export const NETWORK = -3;
const FUNDS = toNano('100'); // for each owner's wallet
const HOT_FUNDS = toNano('1'); // a hot wallet holds little
const POLL_MS = 20;

/** The provider's half: stake, node, worker. */
export interface Seller {
    owner: HotWallet;
    hot: HotWallet; // the worker's own wallet, where jobs pay out
    provider: OpenedContract<Provider>;
    node: OpenedContract<Node>;
    keys: WorkerKeys;
    port: number;
    folder: string;
}

/** What must be known of a seller to start its worker. */
export interface WorkerPlace {
    provider: { address: Address };
    node: { address: Address };
    keys: { keyFile: string };
    port: number;
    folder: string;
}

/** A client's half: wallet, escrow, gateway's key. */
export interface Buyer {
    wallet: HotWallet;
    escrow: OpenedContract<Escrow>;
    keyFile: string;
    folder: string;
}

/** What must be known of a buyer to start its gateway. */
export interface GatewayPlace {
    wallet: { address: Address };
    keyFile: string;
    folder: string;
}

export interface StageOptions {
    /** Where keys, stores and configurations are; default a temporary folder, which goes with the stage. */
    folder?: string;
    /** File that holds the chain's state over restarts; default none. */
    state?: string;
    /** Seeds of wallets and of the committee by name; default random. */
    seedOf?: (name: string) => Buffer;
    /** Processes get a group of their own, so that Ctrl-C reaches them only through their parent. */
    detached?: boolean;
}

/** What a stage needs of its network, which may run in another process. */
export type StageNetwork = Pick<Localnet, 'url' | 'close'> & {
    faucet(address: Address, nanoTON: bigint): Promise<unknown>;
};

export class Stage<Network extends StageNetwork = Localnet> {
    readonly chain: TonHttpChain;
    readonly folder: string;
    readonly committeeSeeds: Buffer[];
    readonly names = new Map<string, string>(); // of accounts, by their raw address
    private readonly seedOf: (name: string) => Buffer;

    constructor(
        readonly network: Network,
        private readonly options: StageOptions = {},
    ) {
        this.chain = new TonHttpChain({ endpoint: network.url, network: NETWORK });
        this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'cocoon-'));
        this.seedOf = options.seedOf ?? (() => randomBytes(32));
        this.committeeSeeds = [1, 2, 3].map((i) => this.seedOf(`committee ${i}`));
    }

    static async open(prices: PriceLevel = '2026', options: StageOptions = {}): Promise<Stage> {
        const network = await startLocalnet({ networkId: NETWORK, prices, state: options.state });
        return new Stage(network, options);
    }

    /** A funded wallet. */
    async wallet(name: string, seed = this.seedOf(name), funds = FUNDS): Promise<HotWallet> {
        const wallet = new HotWallet(this.chain, seed, POLL_MS);
        this.names.set(wallet.address.toRawString(), name);
        await this.network.faucet(wallet.address, funds);
        return wallet;
    }

    actor(wallet: HotWallet): Actor {
        return { sender: wallet.sender(), open: (contract) => this.chain.open(contract) };
    }

    /** nanoTON */
    async balanceOf(address: Address): Promise<bigint> {
        return (await this.chain.account(address)).balance;
    }

    async launch(): Promise<OpenedContract<Registry>> {
        const registry = await launch(
            this.actor(await this.wallet('governor')),
            this.committeeSeeds.map((seed) => signingKey(seed)),
        );
        this.names.set(registry.address.toRawString(), 'Registry');
        return registry;
    }

    /** Makes a GPU owner with a worker's keys and joins the market; `name` is the folder's. */
    async join(registry: Address, name = 'worker'): Promise<Omit<Seller, 'node' | 'port'>> {
        const folder = this.subfolder(name);
        const keys = await workerKeys(folder);
        const owner = await this.wallet('GPU owner');
        const hot = await this.wallet('worker', keys.walletSeed, HOT_FUNDS);
        const provider = await joinAsProvider(this.actor(owner), registry, hot.address);
        this.names.set(provider.address.toRawString(), 'Provider');
        return { owner, hot, provider, keys, folder };
    }

    /** Registers the GPU owner's machine, which offers one model. */
    async register(
        joined: Omit<Seller, 'node' | 'port'>,
        { model = MODEL, rates = RATES }: { model?: string; rates?: Rates } = {},
    ): Promise<Seller> {
        const port = await freePort();
        const node = await registerMachine(this.actor(joined.owner), joined.provider.address, {
            receiptKey: joined.keys.receiptKey.publicKey,
            encryptionKey: joined.keys.encryptionKey,
            endpoint: `http://127.0.0.1:${port}`,
            model,
            rates,
        });
        this.names.set(node.address.toRawString(), 'Node');
        return { ...joined, node, port };
    }

    /** Makes an app developer with a gateway's key and deposits. */
    async buyer(name: string, amount: bigint): Promise<Buyer> {
        const folder = this.subfolder(name.replace(/\W+/g, '-'));
        const { keyFile, publicKey } = await gatewayKey(folder);
        const wallet = await this.wallet(name);
        const escrow = await deposit(this.actor(wallet), publicKey, amount);
        this.names.set(escrow.address.toRawString(), name === 'app developer' ? 'Escrow' : `Escrow of ${name}`);
        return { wallet, escrow, keyFile, folder };
    }

    /** Starts the seller's worker, or `entry` in its place; `more` is merged into its config. */
    startWorker(registry: Address, seller: WorkerPlace, more: object = {}, entry?: string[]): Promise<RunningProcess> {
        const { folder, port, provider, node, keys } = seller;
        return startWorkerProcess(
            {
                ...this.chainSettings(),
                folder,
                port,
                registry,
                provider: provider.address,
                node: node.address,
                keyFile: keys.keyFile,
            },
            more,
            entry,
        );
    }

    /** Starts the buyer's gateway; `more` is merged into its config. */
    startGateway(
        registry: Address,
        buyer: GatewayPlace,
        workers: string[],
        more: object = {},
    ): Promise<RunningProcess> {
        return startGatewayProcess(this.gatewaySettings(registry, buyer, workers), more);
    }

    /** Writes the config of the buyer's gateway and returns its path. For tests that run the gateway themselves. */
    configureGateway(registry: Address, buyer: GatewayPlace, workers: string[], more: object = {}): string {
        return writeGatewayConfig(this.gatewaySettings(registry, buyer, workers), more);
    }

    async close(): Promise<void> {
        await this.network.close();
        if (this.options.folder === undefined) {
            rmSync(this.folder, { recursive: true, force: true });
        }
    }

    private gatewaySettings(registry: Address, { folder, keyFile, wallet }: GatewayPlace, workers: string[]) {
        return { ...this.chainSettings(), folder, registry, owner: wallet.address, keyFile, workers };
    }

    private chainSettings() {
        return { endpoint: this.network.url, network: NETWORK, detached: this.options.detached };
    }

    private subfolder(name: string): string {
        const folder = join(this.folder, name);
        mkdirSync(folder, { recursive: true });
        return folder;
    }
}
