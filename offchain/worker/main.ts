/**
 * Puts a worker together, floor by floor: channels, clients, costs, book, claims, cases, server. Each knows only those
 * below it. The parts of its context come from its config, or from the caller.
 */
import { channelCodes, Finish, signingKey } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Backend, createBackend } from '../backend';
import { type Chain, ChainError, ChainStream, HotWallet, type StreamSettings, TonHttpChain } from '../chain';
import { type ComparedNode, encryptionKey, type NodeInfo } from '../link';
import { steadySeconds, unixSeconds } from '../process/clock';
import { listenAt } from '../process/doors';
import { createLog } from '../process/log';
import { serveMetrics } from '../process/metrics';
import { waitUntil } from '../process/tasks';
import { lockKey } from '../store/keyLock';
import type { EarningsGroup } from '../store/earnings';
import { openWorkerStore } from '../store/open';
import type { IntakeMode, WorkerStore } from '../store/worker';
import { AlertWatch } from './alerts/watch';
import { NO_ATTESTATION, NodeAttestation } from './attestation';
import { WorkerBook } from './book';
import { Cases } from './cases';
import { Backends } from './backends';
import { Channels } from './channels';
import { Claims } from './claims';
import type { ClaimReport, ClaimWallet } from './claimSender';
import { Clients } from './clients';
import { readKeys, type WorkerConfig, type WorkerSeeds } from './config';
import type { WorkerContext } from './context';
import { Costs } from './costs';
import { earningsOf, type EarningsView } from './earnings';
import { DiskRoom, NO_ROOM } from './diskRoom';
import { DisputedJobs, MAX_TRUSTED } from './disputedJobs';
import { type Disk, thisMachine } from './doctor/machine';
import { Drain, type IntakeView } from './drain';
import { WorkerIntake } from './intake';
import { NodeOnChain } from './listed';
import { WorkerMetrics } from './metrics';
import { nodeInfoOf } from './nodeInfo';
import { OTHER_NODE, readinessOf } from './readiness';
import { Processes } from './processes';
import { QueryRecovery } from './recovery';
import { ChangingOffers } from './offers';
import { reload, type Reloaded } from './reload';
import { createServer } from './server';
import type { Server } from './servers';
import { Sweeper, type SweepOptions, type SweepPlan, type SweepReport } from './sweeper';
import { WalletLedger } from './walletLedger';
import { statusOf, type WorkerStatus } from './status';

const FIRST_MS = 3000; // for the first answers of model servers and attestation

/** Parts that replace those of the config. */
export interface WorkerParts {
    chain?: Chain;
    /** Serves all offers in the place of the configured backends. */
    backend?: Backend;
    wallet?: ClaimWallet;
    store?: WorkerStore;
    seeds?: WorkerSeeds;
    log?: Logger;
    /** The disk of the store; those of this machine unless given. */
    disk?: Disk;
    /** Reads the node from the chain; undefined when it does not exist yet. */
    node?: (chain: Chain) => Promise<ComparedNode | undefined>;
    /** Unix seconds. */
    now?: () => number;
    /** Seconds of a clock that nobody sets; as `now` unless given. */
    steady?: () => number;
}

/** A worker that serves. */
export interface Worker {
    readonly url: string;
    readonly nodeInfo: NodeInfo;
    /** Rejects when the worker can no longer do what it has signed; the process must then end. */
    readonly failed: Promise<never>;
    claimNow(): Promise<ClaimReport>;
    /** Changes whether new jobs and queries are taken. */
    setIntake(mode: IntakeMode): Promise<IntakeView>;
    intake(): Promise<IntakeView>;
    /** Takes the offers of a new configuration. Throws, and changes nothing, unless they are on chain. */
    reload(next: WorkerConfig): Promise<Reloaded>;
    status(): Promise<WorkerStatus>;
    earnings(by: EarningsGroup): Promise<EarningsView>;
    sweepNow(options?: SweepOptions): Promise<SweepReport>;
    sweepPlan(options?: SweepOptions): Promise<SweepPlan>;
    /**
     * Lets running queries end for a while, cuts the others, and leaves everything on the disk. `cause`: for the log,
     * such as a signal.
     */
    close(cause?: string): Promise<void>;
}

/** The floors below the server. */
interface Floors {
    channels: Channels;
    costs: Costs;
    book: WorkerBook;
    claims: Claims;
    cases: Cases;
    drain: Drain;
    wallet: ClaimWallet;
    sweeper: Sweeper;
    ledger: WalletLedger;
}

export interface Assembled {
    context: WorkerContext;
    floors: Floors;
    steady: () => number; // seconds of a clock that nobody sets
    failed: Promise<never>;
}

/** A worker without a server, on its store. */
export async function assemble(config: WorkerConfig, parts: WorkerParts): Promise<Assembled> {
    const log = parts.log ?? createLog(config.logLevel);
    const seeds = parts.seeds ?? readKeys(config.keyFile);
    const chain = parts.chain ?? new TonHttpChain(config);
    const wallet = parts.wallet ?? new HotWallet(chain, seeds.wallet, config.chain.pollSeconds * 1000);
    const steady = parts.steady ?? parts.now ?? steadySeconds;
    let fail!: (error: Error) => void;
    const failed = new Promise<never>((_resolve, reject) => (fail = reject));
    failed.catch(() => undefined); // the caller of startWorker handles it
    const fatal = (error: Error) => {
        log.fatal({ err: error }, 'the worker stops');
        fail(error);
    };
    const { offers: configured, ...settings } = config;
    const offers = new ChangingOffers(configured, steady);
    const backends = new Backends(serversOf(config, parts.backend), { ...settings, offers }, log);
    const metrics = new WorkerMetrics();
    const payout = config.payout ?? wallet.address;
    const keys = [signingKey(seeds.receiptKey), await encryptionKey(seeds.encryptionKey)] as const;
    // Processes of other keys or another node would sign for other jobs than those of the store.
    const shared = [config.network, config.node.toRawString(), payout.toRawString()];
    const identity = [...shared, ...keys.map(({ publicKey }) => publicKey.toString('hex'))].join(' ');
    const member = config.cluster && { ...config.cluster, identity };
    const events = { onBroken: fatal, onCommit: metrics.addCommit, member };
    const store = parts.store ?? (await openWorkerStore(config.store, events));
    const processes = await Processes.read(store);
    if (!store.cluster.isShared) {
        await processes.takeOver(); // what a cluster left, before this process had the store alone
    }
    const codes = config.channelCodes ?? (await channelCodes());
    const context: WorkerContext = {
        ...{ config: settings, store, log, chain, backends, offers, metrics, fatal },
        receiptKey: keys[0],
        encryptionKey: keys[1],
        payout,
        boot: randomBytes(16),
        intake: await WorkerIntake.read(store),
        disk: new DiskRoom(config, parts.disk ?? thisMachine, store, steady),
        processes,
        now: parts.now ?? unixSeconds,
        steady,
    };
    context.intake.addObstacle(() => (context.disk.hasRoom ? undefined : NO_ROOM));
    const disputes = new DisputedJobs(MAX_TRUSTED * config.claim.threshold, log, steady);
    const channels = new Channels(chain, codes, disputes, config.chain.confirmSeconds, steady);
    const clients = new Clients(config.limits.startSteps, context);
    const costs = new Costs(context, wallet, steady);
    const book = new WorkerBook(context, { channels, clients, costs });
    const ledger = new WalletLedger(context, wallet);
    const sweeper = new Sweeper(context, wallet, ledger);
    const claims = new Claims(context, book, costs, wallet, disputes, async (assertAlone) => {
        // An API that does not answer has an alert of its own.
        const note = (error: unknown) =>
            log[error instanceof ChainError ? 'debug' : 'error']({ err: error }, 'nothing was swept');
        await sweeper.sweepDue(assertAlone).catch(note);
    });
    const cases = new Cases(context, wallet);
    const drain = new Drain(context, book, claims);
    return {
        context,
        floors: { channels, costs, book, claims, cases, drain, wallet, sweeper, ledger },
        steady,
        failed,
    };
}

/** Wakes claims and cases when the provider or the wallet changes on chain. */
function streamOf({ config, log }: WorkerContext, settings: StreamSettings, { claims, cases, wallet }: Floors) {
    const wake = () => {
        claims.wake();
        cases.wake();
    };
    return new ChainStream(settings, [config.provider, wallet.address], wake, (error) =>
        log.warn({ err: error }, 'the stream of the chain is away: the worker reads the chain at its intervals'),
    );
}

export async function release({ backends, store }: WorkerContext): Promise<void> {
    await backends.close();
    await store.close();
}

/** The backends of a configuration; a replacement takes the place of all. */
export function serversOf(config: WorkerConfig, replacement: Backend | undefined): Server[] {
    return replacement === undefined
        ? config.backends.map((one) => ({ ...one, backend: createBackend(one, config.limits.maxAnswer) }))
        : [{ ...config.backends[0], backend: replacement, models: undefined }];
}

/**
 * Starts a worker. Resolves once it listens, the open queries of an earlier process are ended, and model servers and
 * attestation were asked; those that do not answer soon are waited for in the background.
 *
 * @throws if another process uses keys or store, others may read the keys, the store may not be the newest, or the
 * chain knows another node
 */
export async function startWorker(config: WorkerConfig, parts: WorkerParts = {}): Promise<Worker> {
    const seeds = parts.seeds ?? readKeys(config.keyFile);
    // A caller that passes seeds makes sure that no other process uses them.
    const lock = parts.seeds
        ? undefined
        : lockKey(
              signingKey(seeds.receiptKey).publicKey,
              config.keyFile,
              undefined,
              undefined,
              config.cluster !== undefined,
          );
    try {
        return await serve(await assemble(config, { ...parts, seeds }), parts.node, () => lock?.release());
    } catch (error) {
        lock?.release();
        throw error;
    }
}

async function serve(
    { context, floors, steady, failed }: Assembled,
    readListed: WorkerParts['node'],
    unlock: () => void,
): Promise<Worker> {
    const { config, store, log, now, processes } = context;
    const { book, claims, cases, costs, drain, ledger, sweeper, wallet } = floors;
    const stopping = new AbortController();
    const [receiptKey, encryptionKey] = [context.receiptKey.publicKey, context.encryptionKey.publicKey];
    const keys = { node: config.node.hash, receiptKey, encryptionKey };
    const attestation = new NodeAttestation({ source: config.attestation, keys, log, now });
    const listed = new NodeOnChain(context, readListed);
    context.intake.addObstacle(() => (attestation.current() === undefined ? NO_ATTESTATION : undefined));
    context.intake.addObstacle(() => (listed.difference === undefined ? undefined : OTHER_NODE));
    try {
        await listed.open();
        await store.guard(receiptKey, `${config.keyFile}.mark`);
        const recovery = new QueryRecovery(context, book);
        const recovered = await recovery.run();
        const nodeInfo = () => nodeInfoOf(context, { ...floors, attestation });
        const watch = new AlertWatch({
            ...{ context, wallet, attestation, steady },
            minClaim: () => costs.minClaim,
            claimRounds: () => claims.roundsEnded,
            disputes: () => floors.channels.disputes.view(),
        });
        const hasModel = () => context.offers.current.some(({ model }) => context.backends.isAvailable(model));
        // New jobs are refused as soon as a call fails, and the alert waits longer.
        const silence = () => (floors.channels.isSilent ? [{ alert: 'chain' as const }] : []);
        const readiness = () =>
            readinessOf({
                ...{ isStopping: stopping.signal.aborted, intake: context.intake },
                ...{ alerts: [...watch.board.active, ...silence()], hasModel: hasModel() },
            });
        const server = createServer({ context, book, claims, nodeInfo, readiness, stopping: stopping.signal });
        context.metrics.addSources(log, {
            store,
            running: async () => (await book.running()).length,
            readiness,
            alerts: () => watch.board.active,
            walletBalance: () => watch.walletBalance,
            load: () => context.backends.view(),
        });
        const scraped = config.metrics && (await serveMetrics(context.metrics.registry, config.metrics));
        const url = await listenAt(server, config.listen).catch(async (error: unknown) => {
            await scraped?.close();
            throw error;
        });
        processes.start(context, {
            onTakeover: async () => {
                const recovered = await recovery.run();
                log.info({ recovered }, 'the queries of stopped processes have ended');
                claims.wake();
                cases.wake();
            },
            onIntake: async () => {
                log.info({ intake: context.intake.mode }, 'what the worker takes has changed');
                drain.wake();
            },
        });
        claims.start();
        ledger.start();
        cases.start();
        drain.start();
        listed.start();
        const stream = config.chain.stream && streamOf(context, config.chain.stream, floors);
        stream?.start();
        log.info({ url, recovered, node: config.node.toRawString() }, 'worker listens');
        // Money and demands do not wait for these, and a caller only as long as they are likely to take.
        const opened = attestation.open().catch((error: unknown) => {
            log.error({ err: error }, 'attestation: there is none, so the worker takes no new work');
        });
        await Promise.race([
            Promise.all([context.backends.start(), opened]),
            sleep(FIRST_MS, undefined, { ref: false }),
        ]);
        watch.start();
        const close = async (cause: string | undefined) => {
            log.info({ cause, running: (await book.running()).length }, 'the worker stops: running queries end first');
            const isIdle = async () => (await book.running()).length === 0;
            await waitUntil(isIdle, { maxMs: config.shutdownSeconds * 1000 });
            await Promise.allSettled((await book.running()).map((query) => query.cut(Finish.CutByWorker)));
            const loops = [processes, drain, claims, ledger, cases, listed, watch, stream];
            await Promise.all(loops.map(async (loop) => loop?.stop()));
            attestation.close();
            await server.close();
            await scraped?.close();
            await release(context);
            unlock();
            log.info('the worker has stopped');
        };
        let closed: Promise<void> | undefined;
        return {
            url,
            get nodeInfo() {
                return nodeInfo();
            },
            failed,
            status: () => statusOf(context, floors, { alerts: watch.board.active, readiness: readiness() }),
            earnings: (by) => earningsOf(context, ledger, by),
            sweepNow: (options) => sweeper.sweepNow(options, (send) => claims.exclusively(send)),
            sweepPlan: (options) => sweeper.planNow(options),
            claimNow: () => claims.claimNow(),
            setIntake: (mode) => drain.set(mode),
            intake: () => drain.view(),
            reload: (next) => reload(context, next, (offers) => listed.assertListed(offers)),
            close: (cause) => {
                stopping.abort();
                return (closed ??= close(cause));
            },
        };
    } catch (error) {
        attestation.close();
        await release(context);
        throw error;
    }
}
