/**
 * What the simulation assumes, each number with its source. What is a setting of gateway or worker comes from their
 * schemas. Other files say in their comments how jobs, gateways and failures are simplified. Amounts are nanoTON as
 * plain numbers: a day's turnover is 3.4 × 10¹⁴, and numbers are exact up to 9 × 10¹⁵.
 */
import { gatewayConfig } from '../../offchain/gateway/config';
import { BUSY } from '../../offchain/gateway/forecast';
import { SETTLE_SECONDS } from '../../offchain/gateway/closing';
import { VALID_SECONDS } from '../../offchain/gateway/spending';
import { RENT } from '../../offchain/link';
import { workerConfig } from '../../offchain/worker/schema';
import { newestCpu, type QueryCpu } from './cpu';

export const HOUR = 3600;
export const DAY = 24 * HOUR;
const MILLION = 1_000_000;

const job = gatewayConfig.shape.job.parse(undefined);
const pollSeconds = gatewayConfig.shape.pollMs.parse(undefined) / 1000;
const { maxNodes } = gatewayConfig.shape.discovery.parse(undefined);
const worker = workerConfig.shape;
const limits = worker.limits.parse(undefined);
const claim = worker.claim.parse(undefined);

export interface Model {
    seed: number;
    fromHour: number; // of the day, when the simulation begins
    hours: number;
    /** Assumed: a billion queries a day, 100 gateway processes of one client, 300 providers with 10 nodes each. */
    market: { queriesADay: number; gateways: number; providers: number; nodesPerProvider: number };
    /** Assumed: the busiest hour has 1.5 times the traffic of the mean, as a cosine over the day. */
    traffic: { peak: number; peakHour: number };
    /**
     * 500 + 300 tokens at the rates of a 32B model in params/fleet.example.yaml (0.2 and 0.8 TON per million).
     * `seconds`: assumed, half a second to the first token and 50 tokens a second after it. `voucherSeconds`: assumed,
     * from the end of a frame to the voucher that pays it: an fsync on both sides and one way through the network.
     */
    query: {
        prompt: number;
        completion: number;
        rates: { prompt: number; completion: number };
        seconds: number;
        voucherSeconds: number;
    };
    /**
     * What a query may cost at most, as a multiple of its price. Assumed: apps ask for at most 1,024 tokens, and the
     * bound of the prompt is half above its count.
     */
    ceiling: number;
    /** The gateway's job. `queries` sets the deposit: so many at the base rates. */
    job: {
        queries: number;
        maxParallel: number; // of gateway and worker
        maxOpen: number;
        notice: number; // seconds
        step: number;
        startSteps: number;
        openAhead: number; // part of the deposit
        aheadSeconds: number;
        busy: number; // part of the slots
        rent: number; // that no query may reserve
        nodes: number; // that one gateway uses for a model
    };
    /**
     * The client's escrows, and how many waiting jobs one order opens. Gateways share an escrow only as a cluster on
     * one PostgreSQL database. The contract allows orders of 1 to 4 jobs, and a gateway makes orders of one.
     */
    order: { escrows: number; jobs: number; validSeconds: number; settleSeconds: number };
    claim: { threshold: number; minAmount: number; maxAgeSeconds: number; seconds: number; marginSeconds: number };
    /**
     * Blocks of 0.4 s: TON's documentation says so of mainnet since April 2026 (ton-blockchain/docs,
     * content/foundations/config.mdx). Assumed: the block after the one that takes an order deploys its channels, and a
     * request to an API of the chain takes 0.1 s.
     * `stalls`: hours of the day at which no block comes for `stallSeconds`; one of them is the busiest hour.
     */
    chain: {
        blockSeconds: number;
        apiSeconds: number;
        pollSeconds: number;
        stallHours: number[];
        stallSeconds: number;
    };
    /**
     * Assumed. A node fails every ten days, and is away for ten minutes on average and forty at most. A gateway fails
     * once a day. Within 10 s its jobs are served again: it starts again, or another process of its cluster takes them
     * over. One in a hundred gateways never comes back: its vouchers end where they are, and its owner leaves the jobs
     * after an hour.
     */
    failures: {
        nodeDays: number;
        nodeSeconds: number;
        maxNodeSeconds: number;
        gatewayDays: number;
        takeOverSeconds: number;
        goneShare: number;
        leaveSeconds: number;
        creditSeconds: number;
    };
    /** Assumed: each node changes its rates once a day, by up to a tenth. Open jobs keep theirs: terms are fixed. */
    prices: { changeDays: number; range: number };
    machine: MachineModel;
}

interface MachineModel {
    /** As `npm run bench:offchain` measured it. `--cpu-ms` sets another time. */
    cpu: QueryCpu;
    /**
     * Commits of a query by the rules of the stream in docs/protocol.md. Gateway: its number (1), the accept (3), the
     * ending (10), a voucher (7). Worker: the accept (3), the result (9), a voucher (8). Frames need none, because the
     * price of such a query is below an eighth of a step (4). A voucher goes with the next query only if that comes
     * at once (7), and the accept is stored with the ending only of short queries. Both happen in the short streams of
     * `npm run bench:offchain`, so it counts fewer commits there. It also counts those of the query of this model.
     */
    gatewayWrites: number;
    workerWrites: number;
    /** Assumed: how long an fsync takes. Writes that arrive meanwhile share one (offchain/store/groupCommit.ts). */
    commitSeconds: number;
}

/** The price of a query at rates that are `factor` times the base rates: docs/protocol.md, "Price". */
export function priceOf({ prompt, completion, rates }: Model['query'], factor = 1): number {
    const rate = (base: number) => Math.round(base * factor);
    return Math.ceil((prompt * rate(rates.prompt) + completion * rate(rates.completion)) / MILLION);
}

/** nanoTON with which a job begins. */
export const depositOf = ({ job: { queries, rent }, query }: Model): number => queries * priceOf(query) + rent;

export const nodesOf = ({ market: { providers, nodesPerProvider } }: Model): number => providers * nodesPerProvider;

const query = {
    prompt: 500,
    completion: 300,
    rates: { prompt: 200_000_000, completion: 800_000_000 },
    seconds: 6.5,
    voucherSeconds: 0.2,
};

/** Jobs of 10,000 queries. Each gateway has its own escrow, so that none needs a cluster. */
export const BASE: Model = {
    seed: 1,
    fromHour: 0,
    hours: 24,
    market: { queriesADay: 1_000_000_000, gateways: 100, providers: 300, nodesPerProvider: 10 },
    traffic: { peak: 1.5, peakHour: 20 },
    query,
    ceiling: 3,
    job: {
        queries: 10_000,
        maxParallel: 64,
        maxOpen: 256,
        notice: job.notice,
        step: Number(job.step),
        startSteps: limits.startSteps,
        openAhead: job.openAhead,
        aheadSeconds: job.aheadSeconds,
        busy: BUSY,
        rent: Number(RENT),
        nodes: maxNodes,
    },
    order: { escrows: 100, jobs: 1, validSeconds: VALID_SECONDS, settleSeconds: SETTLE_SECONDS },
    claim: {
        threshold: 1_000_000_000,
        minAmount: 6_000_000, // a claim at the prices of 2025, rounded up, in both years
        maxAgeSeconds: claim.maxAgeSeconds,
        seconds: claim.seconds,
        marginSeconds: worker.marginSeconds.parse(undefined),
    },
    chain: {
        blockSeconds: 0.4,
        apiSeconds: 0.1,
        pollSeconds,
        stallHours: [3, 20],
        stallSeconds: 600,
    },
    failures: {
        nodeDays: 10,
        nodeSeconds: 600,
        maxNodeSeconds: 2400,
        gatewayDays: 1,
        takeOverSeconds: 10,
        goneShare: 0.01,
        leaveSeconds: HOUR,
        creditSeconds: worker.creditSeconds.parse(undefined),
    },
    prices: { changeDays: 1, range: 0.1 },
    machine: { cpu: newestCpu(query.completion), gatewayWrites: 4, workerWrites: 3, commitSeconds: 0.001 },
};

/** The default settings that {@link BASE} replaces, and the queries that a gateway runs at once. */
export const DEFAULTS = {
    threshold: Number(claim.threshold),
    maxParallel: job.maxParallel,
    maxOpen: job.maxOpen,
    maxQueries: gatewayConfig.shape.maxQueries.parse(undefined),
};

const coins = (nanoTON: number): string => `${nanoTON / 1e9} TON`;

/** The settings of gateway and worker that are not the defaults: their names, the defaults, and what the model has. */
export function changedSettings(model: Model): [name: string, standard: string, here: string][] {
    const settings: [string, string, string][] = [
        ['gateway: `job.deposit`', coins(Number(job.deposit)), coins(depositOf(model))],
        ['gateway: `job.maxParallel`', `${job.maxParallel}`, `${model.job.maxParallel}`],
        ['gateway: `job.maxOpen`', `${job.maxOpen}`, `${model.job.maxOpen}`],
        ['gateway: `maxQueries`', `${DEFAULTS.maxQueries}`, 'no limit'],
        ['worker: `limits.maxParallel`', `${limits.maxParallel}`, `${model.job.maxParallel}`],
        ['worker: `claim.threshold`', coins(DEFAULTS.threshold), coins(model.claim.threshold)],
        ['worker: `claim.minAmount`', 'what a claim costs', coins(model.claim.minAmount)],
    ];
    return settings.filter(([, standard, here]) => standard !== here);
}

/** Three hours around the busiest one, with one stall of the chain. */
export const COMPARED: Pick<Model, 'fromHour' | 'hours'> = { fromHour: 18.5, hours: 3 };

/** What the short form runs. */
export const SHORT: Pick<Model, 'fromHour' | 'hours'> = { fromHour: 19.5, hours: 1.5 };
