/** Keys, config files and processes of the demo's worker and gateway, made as the command line makes them. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encryptionKey } from '../offchain/link';
import { runCocoon, RunningProcess, startCocoon } from './processes';

/** The model in this repository. */
export const MODEL = 'cocoon-tiny';

/**
 * The prices of the demo's node, in nanoTON per million tokens. One short answer pays for the claim that ends its
 * job, because a worker sends no claim at a loss.
 */
export const RATES = {
    prompt: 50_000_000_000n,
    cached: 25_000_000_000n,
    completion: 250_000_000_000n,
    reasoning: 250_000_000_000n,
};

const inNano = (rates: typeof RATES) =>
    Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));

export interface WorkerKeys {
    keyFile: string;
    receiptKey: SigningKey;
    encryptionKey: Buffer; // public
    walletSeed: Buffer;
}

/** Makes a worker's key file with `cocoon worker keygen` and reads what the demo must register and fund. */
export async function workerKeys(folder: string): Promise<WorkerKeys> {
    const keyFile = join(folder, 'worker.key.json');
    await runCocoon(['worker', 'keygen', '--out', keyFile]);
    const seeds = JSON.parse(readFileSync(keyFile, 'utf8')) as Record<string, string>;
    const seed = (name: string) => Buffer.from(seeds[name], 'hex');
    const { publicKey } = await encryptionKey(seed('encryptionKey'));
    return {
        keyFile,
        receiptKey: signingKey(seed('receiptKey')),
        encryptionKey: publicKey,
        walletSeed: seed('wallet'),
    };
}

/** Makes a spend key file with `cocoon gateway keygen`; returns the public key the escrow must know. */
export async function gatewayKey(folder: string): Promise<{ keyFile: string; publicKey: Buffer }> {
    const keyFile = join(folder, 'spend.key');
    await runCocoon(['gateway', 'keygen', '--out', keyFile]);
    const seed = /[0-9a-f]{64}/.exec(readFileSync(keyFile, 'utf8'));
    if (seed === null) {
        throw new Error('cocoon gateway keygen wrote no seed');
    }
    return { keyFile, publicKey: signingKey(Buffer.from(seed[0], 'hex')).publicKey };
}

/** The endpoint of the chain and the id of its network, and how the process on it is started. */
export interface LocalChain {
    endpoint: string;
    network: number;
    detached?: boolean; // see StageOptions
}

export interface WorkerSettings extends LocalChain {
    folder: string;
    port: number;
    registry: Address;
    provider: Address;
    node: Address;
    keyFile: string;
}

/** Writes the config and starts `cocoon worker run`, or another program with those arguments. */
export async function startWorkerProcess(
    settings: WorkerSettings,
    more: object = {},
    entry?: string[],
): Promise<RunningProcess> {
    const { folder, port, endpoint, network, registry, provider, node, keyFile } = settings;
    const { claim, ...rest } = more as { claim?: object };
    const config = {
        endpoint,
        network,
        registry: registry.toRawString(),
        provider: provider.toRawString(),
        node: node.toRawString(),
        keyFile,
        store: join(folder, 'worker.sqlite'),
        listen: { host: '127.0.0.1', port },
        backends: [{ kind: 'embedded' }],
        offers: [{ model: MODEL, rates: inNano(RATES) }],
        claim: { seconds: 1, ...claim },
        chain: { pollSeconds: 0.05 },
        logLevel: 'warn',
        ...rest,
    };
    const file = join(folder, 'worker.json');
    writeFileSync(file, JSON.stringify(config, null, 4));
    return startCocoon(['worker', 'run', '--config', file], { entry, detached: settings.detached });
}

export interface GatewaySettings extends LocalChain {
    folder: string;
    registry: Address;
    owner: Address;
    keyFile: string;
    workers: string[];
}

/** Writes the config of a gateway; returns its path. */
export function writeGatewayConfig(settings: GatewaySettings, more: object = {}): string {
    const { folder, endpoint, network, registry, owner, keyFile, workers } = settings;
    const config = {
        endpoint,
        network,
        pollMs: 50,
        registry: registry.toRawString(),
        owner: owner.toRawString(),
        keyFile,
        store: join(folder, 'gateway.sqlite'),
        listen: { host: '127.0.0.1', port: 0 },
        workers,
        models: { [MODEL]: { maxPrice: inNano(RATES) } },
        attestation: { allowOpen: true },
        logLevel: 'warn',
        ...more,
    };
    const file = join(folder, 'gateway.json');
    writeFileSync(file, JSON.stringify(config, null, 4));
    return file;
}

/** Writes the config and starts `cocoon gateway up`. */
export async function startGatewayProcess(settings: GatewaySettings, more: object = {}): Promise<RunningProcess> {
    const { detached } = settings;
    return startCocoon(['gateway', 'up', '--config', writeGatewayConfig(settings, more)], { detached });
}
