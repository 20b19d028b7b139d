/** A worker as one object: everything it needs can be given to it, everything else comes from its config. */
import { channelCodes, Finish, signingKey } from '@cocoon-market/wrappers';
import { HotWallet, NodeClosed, readNode, TonHttpChain } from '../chain';
import type { Chain } from '../chain';
import { createBackend } from '../backend';
import type { Backend } from '../backend';
import { encryptionKey } from '../link';
import type { NodeInfo } from '../link';
import type { Logger } from 'pino';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadySeconds, unixSeconds } from '../process/clock';
import { createLog } from '../process/log';
import { lockKey } from '../store/keyLock';
import { SqliteWorkerStore } from '../store/sqliteWorker';
import type { CaseRecord, WorkerStore, WorkerTotals } from '../store/worker';
import { Cases } from './cases';
import { accountAddress, Channels } from './channels';
import { Claims } from './claims';
import { Clients } from './clients';
import type { ClaimReport, ClaimWallet } from './claims';
import { readKeys } from './config';
import type { WorkerConfig, WorkerSeeds } from './config';
import type { WorkerContext } from './context';
import { Costs } from './costs';
import { Evidence } from './evidence';
import { Jobs } from './jobs';
import { assertNode } from './node';
import type { NodeRecord } from './node';
import { recover } from './recovery';
import { createServer } from './server';

/** Parts that take the place of those the config names. */
export interface WorkerParts {
    chain?: Chain;
    backend?: Backend;
    wallet?: ClaimWallet;
    store?: WorkerStore;
    seeds?: WorkerSeeds;
    log?: Logger;
    /** What the chain says of the node; undefined when it is not there yet. */
    node?: (chain: Chain) => Promise<NodeRecord | undefined>;
    /** Unix seconds. */
    now?: () => number;
}

export interface WorkerStatus extends WorkerTotals {
    node: string;
    running: number; // queries
    wallet: { address: string; balance: bigint | undefined }; // nanoTON; undefined when the API does not answer
    cases: CaseView[]; // that are open
    unreadable: number; // messages to the node that could not be read and were passed since the start
}

/** An open demand (A3), which the worker answers by itself, or a case before the committee (B1). */
export interface CaseView extends Pick<CaseRecord, 'class' | 'job' | 'number' | 'answerBy'> {
    dispute: string; // raw address
}

/** A worker that serves. */
export interface Worker {
    readonly url: string;
    readonly nodeInfo: NodeInfo;
    /** Rejects when the worker can no longer keep what it promises; the process must then end. */
    readonly failed: Promise<never>;
    claimNow(): Promise<ClaimReport>;
    status(): Promise<WorkerStatus>;
    /** Lets running queries end for a while, cuts the rest, and leaves everything on the disk. */
    close(): Promise<void>;
}

interface Assembled {
    context: WorkerContext;
    jobs: Jobs;
    claims: Claims;
    cases: Cases;
    failed: Promise<never>;
    status(): Promise<WorkerStatus>;
    release(): Promise<void>;
}

/** `serving`: whether it is to sign receipts, for which the chain must know keys and offers. */
async function assemble(config: WorkerConfig, parts: WorkerParts, serving: boolean): Promise<Assembled> {
    const log = parts.log ?? createLog(config.logLevel);
    const seeds = parts.seeds ?? readKeys(config.keyFile);
    const chain = parts.chain ?? new TonHttpChain(config);
    const wallet = parts.wallet ?? new HotWallet(chain, seeds.wallet, config.chain.pollSeconds * 1000);
    const keys = { receiptKey: signingKey(seeds.receiptKey), encryptionKey: await encryptionKey(seeds.encryptionKey) };
    if (serving) {
        const { registry } = config;
        const onChain = registry && ((from: Chain) => readNode(from, registry, config.node));
        const record = await (parts.node ?? onChain)?.(chain).catch((error: unknown) => {
            if (!(error instanceof NodeClosed)) {
                throw error;
            }
            log.warn(
                `${error.message}: clients leave it; vouchers are claimed and demands answered until that is done`,
            );
            return undefined;
        });
        if (record !== undefined) {
            assertNode(record, keys, config.offers);
        }
    }
    let fail!: (error: Error) => void;
    const failed = new Promise<never>((_resolve, reject) => (fail = reject));
    failed.catch(() => undefined); // whoever asks for it is told
    const fatal = (error: Error) => {
        log.fatal({ err: error }, 'the worker stops');
        fail(error);
    };
    const backend = parts.backend ?? createBackend(config.backend);
    const store = parts.store ?? (await SqliteWorkerStore.open(config.store, fatal));
    const codes = config.channelCodes ?? (await channelCodes());
    // What was said for how long is measured by a clock that nobody sets.
    const steady = parts.now ?? steadySeconds;
    const channels = new Channels(chain, codes, config.chain.goneSeconds, steady);
    const payout = config.payout ?? wallet.address;
    const now = parts.now ?? unixSeconds;
    const boot = randomBytes(16);
    const clients = new Clients(config.limits.startSteps);
    const costs = new Costs(config, chain, log, steady);
    const context: WorkerContext = {
        config,
        store,
        chain,
        channels,
        clients,
        costs,
        backend,
        ...keys,
        payout,
        log,
        boot,
        now,
        fatal,
    };
    const jobs = new Jobs(context);
    const [claims, cases] = [new Claims(context, jobs, wallet), new Cases(context, wallet)];
    const status = async (): Promise<WorkerStatus> => ({
        node: config.node.toRawString(),
        running: (await jobs.running()).length,
        wallet: {
            address: wallet.address.toRawString(),
            balance: await wallet.balance('routine').catch(() => undefined),
        },
        cases: (await store.cases.open()).map(viewOf),
        unreadable: cases.unreadable,
        ...(await store.totals()),
    });
    const release = async () => {
        await backend.close();
        await store.close();
    };
    return { context, jobs, claims, cases, failed, status, release };
}

function viewOf({ class: faultClass, job, number, answerBy, dispute }: CaseRecord): CaseView {
    return { class: faultClass, job, number, answerBy, dispute: accountAddress(dispute).toRawString() };
}

async function assertModels({ backend, config, log }: WorkerContext): Promise<void> {
    let models: string[];
    try {
        models = await backend.models();
    } catch (error) {
        log.warn({ err: error }, 'the backend does not answer yet');
        return;
    }
    const missing = config.offers.find(({ model }) => !models.includes(model));
    if (missing !== undefined) {
        throw new Error(`The backend does not serve ${missing.model}; it serves ${models.join(', ') || 'nothing'}`);
    }
}

function nodeInfoOf(
    { config, channels, costs, payout, receiptKey, encryptionKey }: WorkerContext,
    evidence: Evidence,
): NodeInfo {
    const { minStep, maxStep, maxParallel, maxAnswer, minNotice } = config.limits;
    const { minDeposit } = costs;
    return {
        network: config.network,
        node: config.node.toRawString(),
        provider: config.provider.toRawString(),
        payout: payout.toRawString(),
        receiptKey: receiptKey.publicKey,
        encryptionKey: encryptionKey.publicKey,
        attestation: evidence.current(),
        offers: config.offers,
        limits: { minStep, maxStep, maxParallel, maxAnswer, minNotice, minDeposit },
        channelCodes: channels.codes.map((code) => code.hash()),
    };
}

/**
 * Starts a worker; resolves once it has ended what an earlier process left behind, and listens.
 *
 * @throws if another process uses keys or store, others may read the keys, the store may not be the newest, or config,
 * backend and chain disagree
 */
export async function startWorker(config: WorkerConfig, parts: WorkerParts = {}): Promise<Worker> {
    const seeds = parts.seeds ?? readKeys(config.keyFile);
    // Whoever hands keys over sees to it that nobody else uses them.
    const lock = parts.seeds ? undefined : lockKey(signingKey(seeds.receiptKey).publicKey, config.keyFile);
    try {
        return await serve(await assemble(config, { ...parts, seeds }, true), () => lock?.release());
    } catch (error) {
        lock?.release();
        throw error;
    }
}

async function serve(
    { context, jobs, claims, cases, failed, status, release }: Assembled,
    unlock: () => void,
): Promise<Worker> {
    const { config } = context;
    let closing: Promise<void> | undefined;
    let evidence: Evidence | undefined;
    try {
        const { receiptKey, encryptionKey, log, now } = context;
        await context.store.guard(receiptKey.publicKey, `${config.keyFile}.mark`);
        const keys = {
            node: config.node.hash,
            receiptKey: receiptKey.publicKey,
            encryptionKey: encryptionKey.publicKey,
        };
        evidence = await Evidence.open({ source: config.attestation, keys, log, now });
        const shown = evidence;
        const nodeInfo = () => nodeInfoOf(context, shown);
        await assertModels(context);
        const recovered = await recover(context, jobs);
        const server = createServer(context, jobs, {
            nodeInfo,
            onEnding: () => claims.wake(),
            claimsAtEnd: (job) => claims.claimsAtEnd(job),
            closing: () => closing !== undefined,
        });
        const url = await server.listen(config.listen);
        claims.start();
        cases.start();
        context.log.info({ url, recovered, node: config.node.toRawString() }, 'worker listens');
        const close = async () => {
            const until = performance.now() + config.shutdownSeconds * 1000;
            while (performance.now() < until && (await jobs.running()).length > 0) {
                await sleep(50);
            }
            await Promise.allSettled((await jobs.running()).map((query) => query.cut(Finish.CutByWorker)));
            await Promise.all([claims.stop(), cases.stop()]);
            shown.close();
            await server.close();
            await release();
            unlock();
        };
        return {
            url,
            get nodeInfo() {
                return nodeInfo();
            },
            failed,
            status,
            claimNow: () => claims.claimNow(),
            close: () => (closing ??= close()),
        };
    } catch (error) {
        evidence?.close();
        await release();
        throw error;
    }
}

/** Claims everything of a worker that does not run, whatever the chain says of its node: vouchers outlive keys and prices. */
export async function claimOnce(config: WorkerConfig, parts: WorkerParts = {}): Promise<ClaimReport> {
    const { claims, release } = await assemble(config, parts, false);
    try {
        return await claims.claimNow();
    } finally {
        await release();
    }
}

/** What the store of a worker that does not run says. */
export async function statusOnce(config: WorkerConfig, parts: WorkerParts = {}): Promise<WorkerStatus> {
    const { status, release } = await assemble(config, parts, false);
    try {
        return await status();
    } finally {
        await release();
    }
}
