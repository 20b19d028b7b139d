/**
 * Puts a gateway together, floor by floor: book, sessions, closing, pool, router, server. Each knows only those below
 * it.
 */
import { Escrow, jobHash } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Server as HttpsServer } from 'node:https';
import type { Logger } from 'pino';
import { Chain, TonHttpChain } from '../chain';
import { addressText } from '../process/addresses';
import { unixSeconds } from '../process/clock';
import { listenAt } from '../process/doors';
import { reasonOf } from '../process/errors';
import { createLog, reporting } from '../process/log';
import { serveMetrics } from '../process/metrics';
import { PollLoop, Tasks } from '../process/tasks';
import type { GatewayStore, StoredJob } from '../store/gateway';
import { openGatewayStore } from '../store/open';
import { Activity } from './activity';
import { addAdmin } from './admin';
import { AdminToken } from './adminToken';
import { Answers } from './answers';
import { addModels } from './api/models';
import { JobBook } from './book';
import { Catalogue } from './catalogue';
import { ChainClock } from './chainClock';
import { JobChannels } from './channels';
import { Closing } from './closing';
import { allowsPrivate, findsNodes, type GatewayConfig } from './config';
import type { GatewayContext } from './context';
import { requireKeysBeyondLoopback } from './doorkeeper';
import { Endings } from './endings';
import { EscrowAccount } from './escrow';
import { JobRules } from './jobRules';
import { ClientKeys, readClientKeys } from './keys';
import { lockKey } from '../store/keyLock';
import { GatewayMetrics } from './metrics';
import { addSources } from './metricSources';
import { MarketNodes } from './marketNodes';
import { checksOnChain, NodeChecks } from './nodeChecks';
import { Nodes } from './nodes';
import { configuredNodes, type NodeSource } from './nodeSource';
import { NodeWatch } from './nodeWatch';
import { JobOpener } from './opener';
import { OrderTurns } from './orderTurns';
import { othersLoop } from './others';
import { addPage } from './page';
import { PageData } from './pageData';
import { People } from './people';
import { JobPool } from './pool';
import { Readiness } from './readiness';
import { Recovery } from './recovery';
import { Router } from './router';
import { makeServer } from './server';
import { Setbacks } from './setbacks';
import { SpendAccount } from './spending';
import { Sweep } from './sweep';
import { CertificateWatch } from './tls';

/** Parts that a test, or a program with its own discovery, puts in the place of the usual ones. */
export interface GatewayDeps {
    chain?: Chain;
    now?: () => number; // unix seconds
    nodes?: NodeSource; // default: the workers of the configuration
    checks?: NodeChecks; // of nodes on chain; default: made if the configuration names a registry
    keys?: ClientKeys;
    store?: GatewayStore;
    log?: Logger;
    sweepMs?: number; // between two sweeps over ending jobs
    findMs?: number; // between two readings of the registry's events
    watchMs?: number; // between two looks at the nodes of paying jobs
    turnMs?: number; // longest wait of a question for the orders of other processes
    longBytes?: number; // of memory, of long requests that wait or are answered
}

/** A running gateway. */
export interface Gateway {
    readonly url: string; // without a slash at the end; the API is at `${url}/v1`
    readonly metricsUrl: string | undefined; // where Prometheus reads
    readonly book: JobBook;
    readonly opener: JobOpener;
    readonly closing: Closing;
    readonly store: GatewayStore;
    readonly recovery: Recovery;
    /** Moves ending jobs on now, as the gateway does from time to time. */
    sweep(): Promise<void>;
    /** Lets running answers end for `shutdownSeconds`, cuts the others, keeps what they owe, and closes the store. */
    close(): Promise<void>;
}

const SWEEP_MS = 60_000;
const WATCH_MS = 10_000;
const CERTIFICATE_MS = 30_000; // between two looks at the files of the certificate

const SPEND_KEY_BUSY =
    'Another gateway uses this spend key, and only one may: stop the other one first, or make both processes of one ' +
    'cluster (docs/operations.md)';

/**
 * Starts a gateway and listens; jobs of an earlier run are taken up meanwhile.
 *
 * @throws if another process uses the spend key or the store, or others may read the key
 */
export async function startGateway(config: GatewayConfig, deps: GatewayDeps = {}): Promise<Gateway> {
    const keys = deps.keys ?? readClientKeys(config.keyFile);
    // A caller that passes keys makes sure that no other process uses them.
    const { publicKey } = keys.spend;
    const lock = deps.keys
        ? undefined
        : lockKey(publicKey, config.keyFile, undefined, SPEND_KEY_BUSY, config.cluster !== undefined);
    try {
        const gateway = await serve(config, keys, deps);
        return { ...gateway, close: () => gateway.close().finally(() => lock?.release()) };
    } catch (error) {
        lock?.release();
        throw error;
    }
}

async function serve(config: GatewayConfig, keys: ClientKeys, deps: GatewayDeps): Promise<Gateway> {
    const log = deps.log ?? createLog(config.logLevel);
    const { network, pollMs, confirmSeconds } = config;
    const now = deps.now ?? unixSeconds;
    const chain = deps.chain ?? new TonHttpChain(config);
    const address = config.escrow ?? (await Escrow.ofOwner(config.owner!)).address;
    const metrics = new GatewayMetrics();
    const store =
        deps.store ??
        (await openGatewayStore(config.store, {
            onBroken: (error) => killBroken(log, error),
            onCommit: metrics.addCommit,
            member: config.cluster && { ...config.cluster, identity: identityOf(config, address, keys) },
        }));
    const people = await openPeople(store, address, config, now);

    const onChain = config.registry === undefined ? undefined : checksOnChain(chain, config.registry, config);
    const checks = deps.checks ?? onChain;
    const escrow = new EscrowAccount(chain, address, keys.spend.publicKey, new ChainClock(now, config.clockTolerance));
    const turns = new OrderTurns(store, address, deps.turnMs);
    const spending = new SpendAccount(chain, pollMs, { account: escrow, key: keys.spend, turns, log, now });
    const setbacks = await Setbacks.load(store, config.job.maxSpoiled, now);
    const { maxNodes, everySeconds } = config.discovery;
    const found =
        findsNodes(config) && deps.nodes === undefined
            ? new MarketNodes(chain, config.registry!, { maxNodes, allowPrivate: allowsPrivate(config), log })
            : undefined;
    const nodes = new Nodes(config, now, deps.nodes ?? configuredNodes(config, found), checks, setbacks);
    const context: GatewayContext = {
        ...{ config, network, keys, nodes, escrow, spending, setbacks, people, metrics },
        ...{ store, log, now, activity: new Activity(Object.keys(config.models), now) },
    };

    const book = new JobBook(context);
    const channels = new JobChannels(chain, { confirmSeconds, pollMs, now: deps.now });
    const closing = new Closing(context, channels);
    const rules = new JobRules(context, book, new NodeWatch(checks, log, deps.now), closing);
    const asking = new Tasks();
    const endings = new Endings(context, closing, asking);
    const recovery = new Recovery(context, { book, channels, closing, endings, tasks: asking });
    recovery.start();
    const opener = new JobOpener(context, { book, closing, recovery });
    const pool = new JobPool(context, book, rules, opener, recovery);
    const sweep = new Sweep(context, { book, channels, closing, rules, pool, recovery });
    const router = new Router(context, { pool, recovery, endings, closing });
    const answers = new Answers();
    const token = new AdminToken();
    const server = makeServer(context, router, answers, deps.longBytes);
    const catalogue = new Catalogue(Object.keys(config.models), nodes, now);
    addModels(server, config, catalogue);
    addAdmin(server, context, { book, closing, token });
    addPage(server, new PageData(context, { book, answers, catalogue }), { people, token });

    const readiness = new Readiness(context, book, recovery);
    server.get('/readyz', async (_, reply) => {
        const view = await readiness.view();
        return reply.code(view.ready ? 200 : 503).send(view);
    });

    addSources(metrics, { context, book, answers, readiness });

    const { host, port, tls } = config.listen;
    const scraped = config.metrics && (await serveMetrics(metrics.registry, config.metrics));
    const url = await listenAt(server, { host, port }).catch(async (error: unknown) => {
        await scraped?.close();
        throw error;
    });
    if (!token.write(url)) {
        log.warn('no folder of this user can be written, so the commands of the gateway cannot reach it');
    }
    const unswept = reporting(log, 'error', 'the sweep over ending jobs failed');
    const unwatched = reporting(log, 'error', 'nodes are not watched');
    const loops = [
        new PollLoop(() => sweep.run(), deps.sweepMs ?? SWEEP_MS, unswept),
        new PollLoop(() => sweep.settleExhausted(), deps.sweepMs ?? WATCH_MS, unswept),
        new PollLoop(() => rules.retireEnded(book.paying), deps.watchMs ?? WATCH_MS, unwatched),
    ];
    if (tls !== undefined) {
        const watch = new CertificateWatch(tls, server.server as unknown as HttpsServer, log);
        loops.push(new PollLoop(() => watch.check(), CERTIFICATE_MS, reporting(log, 'error', 'no certificate')));
    }
    const others = othersLoop(context, recovery);
    if (others !== undefined) {
        loops.push(others);
    }
    loops.forEach((loop) => loop.startLater());
    if (found !== undefined) {
        const unread = reporting(log, 'warn', 'the events of the registry are not read');
        const finding = new PollLoop(() => found.refresh(), deps.findMs ?? everySeconds * 1000, unread);
        finding.start();
        loops.push(finding);
    }

    return {
        url,
        metricsUrl: scraped?.url,
        book,
        opener,
        closing,
        store,
        recovery,
        sweep: () => sweep.run(),
        async close() {
            const stopped = loops.map((loop) => loop.stop());
            await answers.stop(config.shutdownSeconds);
            spending.close();
            await server.close();
            await scraped?.close();
            await asking.close();
            book.all.forEach((job) => job.abandoned.abort()); // also queries whose apps went away before the first word
            await Promise.all(book.all.map((job) => job.whenIdle()));
            await Promise.all(book.all.map((job) => job.money.payPending()));
            await Promise.all(book.all.map((job) => job.money.stop()));
            await nodes.close();
            await closing.close();
            await Promise.all(stopped);
            await store.close();
            token.remove();
        },
    };
}

// Processes of another key or escrow would sign for other jobs than those of the store.
function identityOf({ network }: GatewayConfig, escrow: Address, { spend }: ClientKeys): string {
    return [network, escrow.toRawString(), spend.publicKey.toString('hex')].join(' ');
}

// Job numbers are an escrow's own, and so are voucher keys: two escrows in one store would overwrite each other's jobs.
async function openPeople(
    store: GatewayStore,
    escrow: Address,
    config: GatewayConfig,
    now: () => number,
): Promise<People> {
    try {
        assertOwn(await store.newestJob(), escrow, config);
        const people = await People.load(store, now);
        requireKeysBeyondLoopback(config, people);
        return people;
    } catch (error) {
        await store.close();
        throw error;
    }
}

/** `newest`: the newest job of the store. The others are of the same escrow, because every start compares one. */
function assertOwn(newest: StoredJob | undefined, escrow: Address, { network, store: path }: GatewayConfig): void {
    if (newest === undefined) {
        return;
    }
    const { terms, channel, hash } = newest;
    if (!terms.escrow.equals(escrow.hash)) {
        const other = addressText(new Address(0, terms.escrow), { network });
        throw new Error(`${path} has the jobs of the escrow ${other}: name another store for this escrow`);
    }
    if (!jobHash(network, channel, terms).equals(hash)) {
        throw new Error(`${path} has jobs of another network than ${network}: name another store for this one`);
    }
}

// What was not committed may exist at the next start or not: nothing may be decided on top of it.
function killBroken(log: Logger, error: Error): void {
    const cause = error.cause === undefined ? undefined : reasonOf(error.cause);
    log.fatal({ reason: error.message, cause }, 'the store failed');
    process.kill(process.pid, 'SIGKILL');
}
