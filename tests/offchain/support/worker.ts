import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import {
    startWorker,
    type Worker,
    workerConfig,
    type WorkerConfigInput,
    type WorkerParts,
} from '../../../offchain/worker';
import { Cases } from '../../../offchain/worker/cases';
import { Claims } from '../../../offchain/worker/claims';
import type { Disk } from '../../../offchain/worker/doctor/machine';
import { ECHO, ScriptedBackend } from './backend';
import { FakeChain, FakeWallet } from './chain';

export const account = (byte: number): Address => new Address(0, Buffer.alloc(32, byte));

/** 10,000 nanoTON a token of prompt or answer, a tenth for a cached one, double for reasoning. */
export const RATES = {
    prompt: '10000000000',
    cached: '1000000000',
    completion: '10000000000',
    reasoning: '20000000000',
};
export const TOKEN = 10_000n; // nanoTON

export const SEEDS = {
    receiptKey: Buffer.alloc(32, 1),
    encryptionKey: Buffer.alloc(32, 2),
    wallet: Buffer.alloc(32, 3),
};

export type Overrides = Partial<WorkerConfigInput>;

/** The config of a worker under test; it takes any free port and logs nothing. */
export function configFor(folder: string, overrides: Overrides = {}) {
    return workerConfig.parse({
        network: -239,
        endpoint: 'http://127.0.0.1:1/',
        node: account(0x11).toRawString(),
        provider: account(0x22).toRawString(),
        keyFile: join(folder, 'keys.json'),
        store: join(folder, 'worker.db'),
        listen: { port: 0 },
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1' }],
        offers: [{ model: ECHO, rates: RATES }],
        chain: { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 0 },
        creditSeconds: 0.3,
        shutdownSeconds: 0,
        logLevel: 'silent',
        ...overrides,
        limits: { minStep: '1000', minDeposit: '0', startSteps: 1000, ...overrides.limits },
        claim: { seconds: 1000, minAmount: '0', ...overrides.claim },
    });
}

export interface Fixture {
    folder: string;
    chain: FakeChain;
    backend: ScriptedBackend;
    wallet: FakeWallet;
    worker: Worker;
    /** Ends the worker and starts another on the same store. */
    restart(overrides?: Overrides): Promise<Worker>;
    stop(): Promise<void>;
}

/** Counts the rounds of the workers of this test file; returns what resolves after a whole round from now on. */
function countRounds(loop: object, method: string): () => Promise<void> {
    const methods = loop as Record<string, () => Promise<void>>;
    const round = methods[method];
    let ended = 0;
    methods[method] = async function (this: unknown) {
        try {
            await round.call(this);
        } finally {
            ended++;
        }
    };
    return async () => {
        const target = ended + 2; // one may be under way
        while (ended < target) await new Promise((resolve) => setTimeout(resolve, 1));
    };
}

/** Resolves after a whole round of claims, and its sweep, by the worker's own interval. */
export const claimRound = countRounds(Claims.prototype, 'runDue');
/** Resolves after a whole round about cases, by the worker's own interval. */
export const caseRound = countRounds(Cases.prototype, 'round');

/** Has readings of accounts wait until the returned function is called. */
export function holdReadings(chain: FakeChain): () => void {
    const read = chain.account.bind(chain);
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    chain.account = async (address) => {
        await held;
        return read(address);
    };
    return release;
}

/** A disk that has room, whatever that of this machine has. */
export const EMPTY_DISK: Disk = { freeBytes: () => 2 ** 40, totalBytes: () => 2 ** 40 };

/** A worker with a scripted backend on a chain in memory. */
export async function startFixture(overrides: Overrides = {}, parts: WorkerParts = {}): Promise<Fixture> {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-worker-'));
    const chain = new FakeChain();
    const backend = new ScriptedBackend();
    const wallet = new FakeWallet(chain, account(0x33));
    const start = (changes: Overrides) =>
        startWorker(configFor(folder, changes), {
            chain,
            backend,
            wallet,
            seeds: SEEDS,
            disk: EMPTY_DISK,
            now: () => chain.now(),
            ...parts,
        });
    const fixture: Fixture = {
        folder,
        chain,
        backend,
        wallet,
        worker: await start(overrides),
        restart: async (changes = overrides) => {
            await fixture.worker.close();
            fixture.worker = await start(changes);
            return fixture.worker;
        },
        stop: async () => {
            await fixture.worker.close();
            rmSync(folder, { recursive: true });
        },
    };
    return fixture;
}
