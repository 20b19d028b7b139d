/** Puts a gateway together: store, chain, nodes, jobs, server. */
import { Escrow, isTestOnly, jobHash } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Logger } from 'pino';
import { Chain, TonHttpChain } from '../chain';
import { unixSeconds } from '../process/clock';
import { reasonOf } from '../process/errors';
import { createLog } from '../process/log';
import { PollLoop } from '../process/tasks';
import { GatewayStore, openGatewayStore } from '../store/gateway';
import { addAdmin } from './admin';
import { AdminToken } from './adminToken';
import { Answers } from './answers';
import { Clock } from './check';
import { GatewayConfig } from './config';
import { JobContext, Jobs } from './jobs';
import { ClientKeys, readClientKeys } from './keys';
import { configuredNodes, NodeRecord, Nodes, NodeSource } from './nodes';
import { recordOnChain } from './record';
import { Recovery } from './recovery';
import { Router } from './router';
import { makeServer } from './server';
import { Settlement } from './settle';
import { Setbacks } from './setbacks';
import { SpendAccount } from './spending';
import { ChainClock } from './time';
import { NodeWatch } from './watch';

/** Parts that a test, or a program with its own discovery, puts in the place of the usual ones. */
export interface GatewayDeps {
    chain?: Chain;
    now?: () => number; // unix seconds
    nodes?: NodeSource; // default: the workers of the configuration
    record?: NodeRecord; // what the chain says of a node; default: asked when the configuration names a registry
    keys?: ClientKeys;
    store?: GatewayStore;
    log?: Logger;
    sweepMs?: number; // between two looks at ending jobs
    watchMs?: number; // between two looks at the nodes of paying jobs
}

/** A running gateway. */
export interface Gateway {
    readonly url: string; // without a slash at the end; the API is at `${url}/v1`
    readonly jobs: Jobs;
    readonly settlement: Settlement;
    readonly store: GatewayStore;
    /** Resolves once orders of the last run are known and its jobs' workers were asked. */
    readonly recovered: Promise<unknown>;
    /** Lets running answers end for `shutdownSeconds`, cuts the rest, keeps what they owe, and lets go of the store. */
    close(): Promise<void>;
}

const SWEEP_MS = 60_000;
const WATCH_MS = 10_000; // between two looks at whether nodes of paying jobs are to be read again

/** Starts a gateway and listens; jobs of an earlier run are taken up beside. */
export async function startGateway(config: GatewayConfig, deps: GatewayDeps = {}): Promise<Gateway> {
    const log = deps.log ?? createLog(config.logLevel);
    const now = deps.now ?? unixSeconds;
    const { network, pollMs } = config;
    const chain = deps.chain ?? new TonHttpChain(config);
    const keys = deps.keys ?? readClientKeys(config.keyFile);
    const escrow = config.escrow ?? (await Escrow.ofOwner(config.owner!)).address;
    const store = deps.store ?? (await openGatewayStore(config.store, (error) => stop(log, error)));

    try {
        await requireOwnStore(store, escrow, config);
    } catch (error) {
        await store.close();
        throw error;
    }
    const onChain = config.registry === undefined ? undefined : recordOnChain(chain, config.registry, config);
    const record = deps.record ?? onChain;
    const setbacks = await Setbacks.load(store, config.job.maxUnproductive, now);
    const nodes = new Nodes(config, network, now, deps.nodes ?? configuredNodes(config), record, setbacks);
    const spending = new SpendAccount(chain, escrow, keys, pollMs, {
        goneSeconds: config.goneSeconds,
        clock: new ChainClock(now),
        log,
        ...(deps.now === undefined ? {} : { now: deps.now }),
    });
    const chainClock = spending.clock;
    const watch = new NodeWatch(record, log, deps.now);
    const context: JobContext = { config, network, keys, nodes, spending, setbacks, watch, store, log, now };
    const clock = (): Clock => ({ now: now(), tolerance: config.clockTolerance, offset: chainClock.offset });
    const jobs = new Jobs(context);
    const settlement = new Settlement(context, jobs, pollMs);
    const recovery = new Recovery(context, jobs, {
        clock,
        onBreach: (job, reason) => settlement.abandon(job, reason),
        onOutcome: (job, outcome) => router.note(job, outcome),
    });
    const router: Router = new Router(context, jobs, recovery, settlement, clock);

    jobs.hooks = {
        connect: (job) => recovery.connect(job),
        reconnect: (job) => void recovery.reconnect(job),
        refused: (job, cause) => settlement.refused(job, cause),
        retire: (job, reason) => settlement.retire(job, reason),
    };

    const answers = new Answers();
    const server = makeServer(context, router, answers);
    const token = new AdminToken();
    addAdmin(server, context, jobs, settlement, token);
    const recovered = recovery.start();
    recovered.catch((error: unknown) => log.error({ reason: reasonOf(error) }, 'recovery failed'));
    jobs.recovered = recovered;
    jobs.searched = recovery.searched;
    const url = await server.listen(config.listen);
    if (!token.write(url)) {
        log.warn('no folder of this user can be written, so the commands of the gateway cannot reach it');
    }

    const paying = () =>
        jobs.all.filter(
            ({ phase, running, unfinished }) =>
                (phase === 'open' || phase === 'settling') && (running > 0 || unfinished.length > 0),
        );
    const loops = [
        new PollLoop(
            () => settlement.sweep(),
            deps.sweepMs ?? SWEEP_MS,
            (error) => log.error({ reason: reasonOf(error) }, 'ending jobs are not looked at'),
        ),
        new PollLoop(
            () => jobs.watch(paying()),
            deps.watchMs ?? WATCH_MS,
            (error) => log.error({ reason: reasonOf(error) }, 'nodes are not watched'),
        ),
    ];
    loops.forEach((loop) => loop.startLater());

    return {
        url,
        jobs,
        settlement,
        store,
        recovered,
        async close() {
            const stopped = loops.map((loop) => loop.stop());
            await answers.stop(config.shutdownSeconds);
            spending.close();
            await server.close();
            await recovery.close();
            await Promise.all(jobs.all.map((job) => job.whenIdle()));
            await Promise.all(jobs.all.map((job) => job.post.stop()));
            await nodes.close();
            await settlement.close();
            await Promise.all(stopped);
            await store.close();
            token.remove();
        },
    };
}

// Job numbers are an escrow's own, and so are voucher keys: two escrows in one store would overwrite each other's jobs.
async function requireOwnStore(store: GatewayStore, escrow: Address, { network, store: path }: GatewayConfig) {
    for (const { terms, channel, hash } of await store.jobs()) {
        if (!terms.escrow.equals(escrow.hash)) {
            const other = new Address(0, terms.escrow).toString({ testOnly: isTestOnly(network) });
            throw new Error(`${path} holds the jobs of the escrow ${other}: name another store for this escrow`);
        }
        if (!jobHash(network, channel, terms).equals(hash)) {
            throw new Error(`${path} holds jobs of another network than ${network}: name another store for this one`);
        }
    }
}

// What was not committed may be there at the next start or not: nothing may be decided on top of it.
function stop(log: Logger, error: Error): void {
    log.fatal({ reason: error.message }, 'the store failed');
    process.kill(process.pid, 'SIGKILL');
}
