/** A worker that is fit to serve: its files, its model server, its node on a chain in memory, and an endpoint. */
import { freePort } from '../../../demo/ports';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginCell, Cell } from '@ton/core';
import {
    bytesToNumber,
    channelLibrary,
    Library,
    Node,
    nodeStates,
    offersCell,
    Provider,
    serviceCell,
    signingKey,
} from '@cocoon-market/wrappers';
import { HotWallet } from '../../../offchain/chain';
import { encryptionKey, modelHash } from '../../../offchain/link';
import { type DoctorReport, examine, type Finding } from '../../../offchain/worker';
import type { Machine } from '../../../offchain/worker/doctor/machine';
import { readKeys, writeKeys } from '../../../offchain/worker/config';
import { ECHO } from './backend';
import { FakeChain } from './chain';
import { chunk, ModelServer } from './modelServer';
import { account, RATES } from './worker';

const GiB = 2 ** 30;
export const REGISTRY = account(0x44);
const OWNER = account(0x55);
const YEAR = 31_536_000;

/** An endpoint of TON HTTP API v2 that knows its network and empty accounts. */
class FakeEndpoint {
    url = '';
    network = -239;
    private server!: Server;

    async start(): Promise<this> {
        this.server = createServer((request, response) => {
            let text = '';
            request.on('data', (bytes) => (text += bytes));
            request.on('end', () => {
                const { method } = JSON.parse(text) as { method: string };
                response.end(JSON.stringify({ ok: true, result: this.answer(method) }));
            });
        });
        await once(this.server.listen(0, '127.0.0.1'), 'listening');
        this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/api/v2/jsonRPC`;
        return this;
    }

    private answer(method: string): object {
        if (method === 'getConfigParam') {
            const bytes = beginCell().storeInt(this.network, 32).endCell().toBoc().toString('base64');
            return { config: { bytes } };
        }
        const id = { '@type': 'internal.transactionId', lt: '0', hash: Buffer.alloc(32).toString('base64') };
        const block = { '@type': 'ton.blockIdExt', workchain: -1, shard: '0', seqno: 1, root_hash: '', file_hash: '' };
        return {
            ...{ balance: '0', code: '', data: '', last_transaction_id: id, block_id: block, frozen_hash: '' },
            ...{ sync_utime: Math.floor(Date.now() / 1000), state: 'uninitialized', extra_currencies: [] },
        };
    }

    async stop(): Promise<void> {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, 'close');
    }
}

/** What a test changes before the examination. */
export interface Changes {
    settings?: Record<string, unknown>;
    machine?: Partial<Machine>;
    provider?: { stake?: bigint; jailed?: boolean };
    listing?: { endpoint?: string; receiptKey?: Buffer; prompt?: bigint; state?: bigint; slashable?: bigint };
    coins?: bigint; // nanoTON in the worker's wallet
    libraryDays?: number;
}

export class ExaminedWorker {
    readonly chain = new FakeChain();
    readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-doctor-'));
    readonly keyFile = join(this.folder, 'keys.json');
    readonly store = join(this.folder, 'worker.db');
    readonly models = new ModelServer();
    readonly endpoint = new FakeEndpoint();
    port = 0;

    static async start(): Promise<ExaminedWorker> {
        return new ExaminedWorker().open();
    }

    async open(): Promise<this> {
        writeKeys(this.keyFile);
        await Promise.all([this.models.start(), this.endpoint.start()]);
        const usage = { prompt_tokens: 5, completion_tokens: 2 };
        this.models.events(chunk({ content: 'one ' }), chunk({ content: 'two' }, 'stop'), { choices: [], usage });
        this.port = await freePort();
        return this;
    }

    /** The chain with the worker's keys, as its own context has them. */
    async subject() {
        const seeds = readKeys(this.keyFile);
        const encryption = await encryptionKey(seeds.encryptionKey);
        return { chain: this.chain, receiptKey: signingKey(seeds.receiptKey), encryptionKey: encryption };
    }

    /** The report of a worker with these changes. */
    async examine(changes: Changes = {}): Promise<DoctorReport> {
        const { node, provider } = await this.putOnChain(changes);
        const settings = {
            network: -239,
            endpoint: this.endpoint.url,
            registry: REGISTRY.toString(),
            node: node.toString(),
            provider: provider.toString(),
            keyFile: 'keys.json',
            store: 'worker.db',
            listen: { host: '127.0.0.1', port: this.port },
            backends: [{ kind: 'openai', url: this.models.url }],
            offers: [{ model: ECHO, rates: RATES }],
            ...changes.settings,
        };
        const path = join(this.folder, 'worker.json');
        writeFileSync(path, JSON.stringify(settings));
        const machine: Machine = {
            nodeVersion: process.versions.node,
            freeBytes: () => 100 * GiB,
            totalBytes: () => 100 * GiB,
            assertWritable: () => undefined,
            ...changes.machine,
        };
        return examine(path, { chain: this.chain, machine });
    }

    /** The failed findings. */
    async failures(changes: Changes = {}): Promise<Finding[]> {
        return (await this.examine(changes)).findings.filter(({ state }) => state === 'failed');
    }

    /** Puts node, provider and wallet on chain. */
    async putOnChain({ provider = {}, listing = {}, coins, libraryDays = 100 }: Changes) {
        const { chain } = this;
        const seeds = existing(() => readKeys(this.keyFile));
        const owned = await Provider.ofOwner(REGISTRY, OWNER);
        const node = await Node.ofProvider(owned.address, 7);
        const blank = await Node.ofProvider(REGISTRY, 0);
        const anything = { data: Cell.EMPTY, balance: 10n ** 9n };
        chain.set(node.address, { ...anything, code: blank.init!.code });
        chain.set(owned.address, { ...anything, code: owned.init!.code });
        const receiptKey = listing.receiptKey ?? signingKey(seeds?.receiptKey ?? Buffer.alloc(32, 1)).publicKey;
        const encryption = (await encryptionKey(seeds?.encryptionKey ?? Buffer.alloc(32, 2))).publicKey;
        const rates = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, BigInt(rate)]));
        const offer = { model: bytesToNumber(modelHash(ECHO)), ...(rates as never as Record<'prompt', bigint>) };
        const prompt = listing.prompt ?? offer.prompt;
        const endpoint = listing.endpoint ?? `http://127.0.0.1:${this.port}`;
        chain.getters.set(node.address.toRawString(), {
            getNodeState: async () => ({
                state: listing.state ?? nodeStates.open,
                provider: owned.address,
                number: 7n,
                receiptKey: bytesToNumber(receiptKey),
                encryptionKey: bytesToNumber(encryption),
                share: 10n ** 9n,
            }),
            getNodeListing: async () => ({
                service: serviceCell({ region: 'home', uptime: 9900, endpoint }),
                offers: offersCell([{ ...offer, prompt } as never]),
            }),
            getKeyLiability: async () => ({
                state: nodeStates.open,
                endsAt: BigInt(chain.now() + YEAR),
                slashable: listing.slashable ?? 10n ** 9n,
            }),
        });
        chain.getters.set(owned.address.toRawString(), {
            getProviderState: async () => ({
                owner: OWNER,
                stake: provider.stake ?? 2n * 10n ** 9n,
                requiredStake: 10n ** 9n,
            }),
            getStanding: async () => ({ jailed: provider.jailed ?? false, jailedUntil: 0n, strikes: 3n, cases: 0n }),
        });
        if (seeds !== undefined) {
            const { address } = new HotWallet(chain, seeds.wallet);
            chain.set(address, { ...anything, code: Cell.EMPTY, balance: coins ?? 10n ** 9n });
        }
        const library = await Library.ofHash((await channelLibrary()).hash);
        chain.set(library.address, { ...anything, code: Cell.EMPTY });
        chain.getters.set(library.address.toRawString(), { getRunway: async () => BigInt(libraryDays * 86_400) });
        return { node: node.address, provider: owned.address };
    }

    async stop(): Promise<void> {
        await Promise.all([this.models.stop().catch(() => undefined), this.endpoint.stop().catch(() => undefined)]);
        rmSync(this.folder, { recursive: true, force: true });
    }
}

function existing<T>(read: () => T): T | undefined {
    try {
        return read();
    } catch {
        return undefined;
    }
}
