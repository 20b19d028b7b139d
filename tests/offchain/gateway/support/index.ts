/** A gateway, its market and its workers for one test; everything ends with the test. */
import { issueTestCa } from '../../../../offchain/attest';
import { adminHeaders } from '../../../../offchain/gateway/adminToken';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import pino from 'pino';
import { request } from 'undici';
import {
    clientKeys,
    Gateway,
    gatewayConfig,
    GatewayConfigInput,
    GatewayDeps,
    startGateway,
} from '../../../../offchain/gateway';
import { Market, testKey } from '../../../support/market';
import { SandboxChain } from './chain';
import { FakeWorker, MODEL } from './worker';

export { newGate, until } from '../../support/until';
export { SandboxChain } from './chain';
export { FakeWorker, MODEL, RATES } from './worker';

/** Seed of the key that `tests/support/market` sets up as the escrow's spend key. */
export const SEED = Buffer.alloc(32, 1);

export const ask = { model: MODEL, messages: [{ role: 'user' as const, content: 'Say hello' }] };

/** A measurement of a test authority: the policy that allows it, and what has a worker attest it (unix seconds). */
export function testMeasurement(byte = 5) {
    const authority = testKey(60);
    const measurement = Buffer.alloc(48, byte);
    return {
        policy: { authority: authority.publicKey.toString('hex'), measurements: [measurement.toString('hex')] },
        attest: (worker: FakeWorker, expiry: number) => {
            worker.attestation = issueTestCa(authority, worker.keys, { measurement, expiry });
        },
    };
}

/** A body of the gateway, whatever it is. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Answer = any;

export interface Bench {
    market: Market;
    chain: SandboxChain;
    workers: FakeWorker[];
    worker: FakeWorker; // the first
    gateway: Gateway;
    folder: string;
    log: string[]; // lines of the gateway's log
    openai: OpenAI;
    config: (overrides?: Partial<GatewayConfigInput>) => GatewayConfigInput;
    /** Ends the gateway and starts another on the same store. */
    restart(overrides?: Partial<GatewayConfigInput>, deps?: GatewayDeps): Promise<void>;
    post(
        body: unknown,
        headers?: Record<string, string>,
    ): Promise<{ status: number; headers: Record<string, unknown>; body: Answer }>;
    /** What an admin path answers, to a body if there is one. */
    admin(path: string, body?: object): Promise<Answer>;
    close(): Promise<void>;
}

export interface BenchOptions {
    workers?: number;
    config?: Partial<GatewayConfigInput>;
    deps?: GatewayDeps;
    before?: (bench: Bench) => Promise<void> | void; // before the gateway starts
}

/** A gateway with its own store and workers on a market that is set up. */
export async function startBench(market: Market, options: BenchOptions = {}): Promise<Bench> {
    const folder = mkdtempSync(join(tmpdir(), 'gateway-'));
    const chain = new SandboxChain(market);
    const workers = await Promise.all(
        Array.from({ length: options.workers ?? 1 }, (_, i) =>
            new FakeWorker(market.payout.address, () => market.now, testKey(40 + i)).start(),
        ),
    );
    const log: string[] = [];
    const config = (overrides: Partial<GatewayConfigInput> = {}): GatewayConfigInput => ({
        network: chain.network,
        endpoint: 'http://127.0.0.1:1/',
        pollMs: 10,
        escrow: market.escrow.address.toString(),
        keyFile: 'unused',
        store: join(folder, 'gateway.sqlite'),
        listen: { port: 0 },
        workers: workers.map(({ url }) => url),
        models: {
            [MODEL]: {
                maxPrice: {
                    prompt: '100000000',
                    cached: '100000000',
                    completion: '1000000000',
                    reasoning: '1000000000',
                },
            },
        },
        attestation: { allowOpen: true },
        shutdownSeconds: 0.2,
        job: { deposit: '1000000000', step: '40000', notice: 3600, lifetime: 86400, maxParallel: 4 },
        ...options.config,
        ...overrides,
    });
    const bench: Bench = {
        market,
        chain,
        workers,
        worker: workers[0],
        folder,
        log,
        config,
        gateway: undefined as unknown as Gateway,
        openai: undefined as unknown as OpenAI,
        async restart(overrides = {}, deps = {}) {
            await this.gateway?.close();
            await start(overrides, deps);
        },
        async post(body, headers = {}) {
            const response = await request(`${this.gateway.url}/v1/chat/completions`, {
                method: 'POST',
                headers: { 'content-type': 'application/json', ...headers },
                body: typeof body === 'string' ? body : JSON.stringify(body),
            });
            const text = await response.body.text();
            return {
                status: response.statusCode,
                headers: response.headers,
                body: text.startsWith('{') ? JSON.parse(text) : text,
            };
        },
        async admin(path, body) {
            const { url } = this.gateway;
            const headers = { ...adminHeaders(url), ...(body && { 'content-type': 'application/json' }) };
            const post = body && ({ method: 'POST', body: JSON.stringify(body) } as const);
            return (await request(`${url}/admin/${path}`, { headers, ...post })).body.json();
        },
        async close() {
            await this.gateway.close();
            await Promise.all(workers.map((worker) => worker.stop()));
            rmSync(folder, { recursive: true });
        },
    };
    const start = async (overrides: Partial<GatewayConfigInput>, deps: GatewayDeps) => {
        bench.gateway = await startGateway(gatewayConfig.parse(config(overrides)), {
            chain,
            keys: clientKeys(SEED),
            now: () => market.now,
            log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
            sweepMs: 3_600_000,
            ...options.deps,
            ...deps,
        });
        bench.openai = new OpenAI({ baseURL: `${bench.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    };
    await options.before?.(bench);
    await start({}, {});
    return bench;
}
