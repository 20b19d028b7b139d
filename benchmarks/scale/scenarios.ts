/** The runs that `npm run scale` compares, and what each of them shows. */
import { createHash } from 'node:crypto';
import { Fees, type Level, LEVELS } from './fees';
import { BASE, COMPARED, DEFAULTS, HOUR, type Model, nodesOf, priceOf, SHORT } from './model';
import type { Totals } from './market';
import { Simulation } from './simulation';

/** What differs from {@link BASE}. */
interface Change {
    market?: Partial<Model['market']>;
    query?: Partial<Model['query']>;
    failures?: Partial<Model['failures']>;
    job?: Partial<Model['job']>;
    order?: Partial<Model['order']>;
    claim?: Partial<Model['claim']>;
    hours?: Pick<Model, 'fromHour' | 'hours'>;
}

interface Scenario extends Change {
    name: string;
    group: 'size' | 'order' | 'setting' | 'money';
    needs?: string; // more than a gateway with its own escrow
    inShort?: true;
}

const CLUSTER = 'cluster';
const CLUSTER_OF_FOURS = 'cluster, fours';
const CLUSTER_OF_TREES = 'cluster, trees';

/** Gateways fail often, and one failure in ten is for ever. */
const FAILING = { gatewayDays: 0.1, goneShare: 0.1 };

const PEAK_HOUR = { fromHour: 19.75, hours: 1 };

const SCENARIOS: Scenario[] = [
    { name: 'jobs of 1,000 queries', group: 'size', job: { queries: 1_000 }, inShort: true },
    { name: 'jobs of 10,000 queries', group: 'size', inShort: true },
    { name: 'jobs of 100,000 queries', group: 'size', job: { queries: 100_000 }, inShort: true },
    { name: '100 escrows, 1 job an order', group: 'order', inShort: true },
    { name: '10 escrows, 1 job an order', group: 'order', order: { escrows: 10 }, needs: CLUSTER },
    { name: '1 escrow, 1 job an order', group: 'order', order: { escrows: 1 }, needs: CLUSTER, inShort: true },
    {
        name: '1 escrow, 1 job of 100,000 an order',
        group: 'order',
        order: { escrows: 1 },
        job: { queries: 100_000 },
        needs: CLUSTER,
    },
    { name: '100 escrows, 1 job of 1,000 an order', group: 'order', job: { queries: 1_000 } },
    {
        name: '1 escrow, 4 jobs an order',
        group: 'order',
        order: { escrows: 1, jobs: 4 },
        needs: CLUSTER_OF_FOURS,
        inShort: true,
    },
    { name: '10 escrows, 4 jobs an order', group: 'order', order: { escrows: 10, jobs: 4 }, needs: CLUSTER_OF_FOURS },
    {
        name: '10 escrows, 4 jobs of 1,000 an order',
        group: 'order',
        order: { escrows: 10, jobs: 4 },
        job: { queries: 1_000 },
        needs: CLUSTER_OF_FOURS,
    },
    { name: '1 escrow, 16 jobs an order', group: 'order', order: { escrows: 1, jobs: 16 }, needs: CLUSTER_OF_TREES },
    { name: '1 escrow, 128 jobs an order', group: 'order', order: { escrows: 1, jobs: 128 }, needs: CLUSTER_OF_TREES },
    {
        name: `claim.threshold of ${DEFAULTS.threshold / 1e9} TON`,
        group: 'setting',
        claim: { threshold: DEFAULTS.threshold },
    },
    { name: 'claim.threshold of 3.4 TON', group: 'setting', claim: { threshold: 3_400_000_000 } },
    {
        name: `${DEFAULTS.maxParallel} queries a job, ${BASE.job.maxOpen} jobs a gateway`,
        group: 'setting',
        job: { maxParallel: DEFAULTS.maxParallel },
        hours: PEAK_HOUR,
    },
    {
        name: `${DEFAULTS.maxParallel} queries a job, ${DEFAULTS.maxOpen} jobs a gateway`,
        group: 'setting',
        job: { maxParallel: DEFAULTS.maxParallel, maxOpen: DEFAULTS.maxOpen },
        hours: PEAK_HOUR,
    },
    { name: 'answers of 300 tokens, step of 0.01 TON', group: 'money', failures: FAILING },
    {
        name: 'answers of 300 tokens, step of 0.0004 TON',
        group: 'money',
        job: { step: 400_000 },
        failures: FAILING,
    },
    {
        // As many tokens a day, at 50 a second. A query costs 1.6 steps.
        name: 'answers of 20,000 tokens, step of 0.01 TON',
        group: 'money',
        market: { queriesADay: 15_000_000 },
        query: { completion: 20_000, seconds: 400.5 },
        job: { queries: 500 },
        failures: FAILING,
    },
    {
        name: 'answers of 20,000 tokens, step of 0.001 TON',
        group: 'money',
        market: { queriesADay: 15_000_000 },
        query: { completion: 20_000, seconds: 400.5 },
        job: { queries: 500, step: 1_000_000 },
        failures: FAILING,
    },
];

/** The cost of a query by payer, nanoTON; `part`: of the query's price, by all payers. */
interface Cost {
    client: number;
    claims: number;
    nodes: number;
    all: number;
    part: number;
}

type MoneyField =
    'ended' | 'underpaid' | 'uncovered' | 'refused' | 'maxLatePart' | 'conserved' | 'lost' | 'allowedLoss';

export interface ScenarioResult {
    name: string;
    group: Scenario['group'];
    needs?: string;
    hours: number;
    queries: number;
    unservedPart: number; // of the queries
    jobsPerSecond: number;
    ordersPerSecond: number; // of one escrow
    orderSeconds: number; // outside stalls, from the reading of the escrow until its channels are seen
    claimsPerJob: number; // the last included
    cost: Record<Level, Cost>;
    lockedPart: number; // coins in channels, mean over time, as a part of a day's turnover
    maxLockedPart: number;
    failures: Pick<Totals, 'nodeFailures' | 'gatewayFailures' | 'cut' | 'lapsed'>;
    money: Pick<Totals, MoneyField>;
    unserved: number[]; // parts, by minute; for sizes of jobs empty, because a day has many minutes
}

/** A scenario's model. */
function modelOf({ market, query, job, order, claim, failures, hours }: Change, base: Model): Model {
    return {
        ...{ ...base, ...hours },
        market: { ...base.market, ...market },
        query: { ...base.query, ...query },
        failures: { ...base.failures, ...failures },
        job: { ...base.job, ...job },
        order: { ...base.order, ...order },
        claim: { ...base.claim, ...claim },
    };
}

/**
 * Runs the scenarios: sizes of jobs over a whole day, the others over three hours around the busiest one. The short
 * form runs a few of them over an hour and a half.
 */
export function runAll({ short, base }: { short: boolean; base: Model }): ScenarioResult[] {
    return SCENARIOS.filter(({ inShort }) => !short || inShort).map((scenario) =>
        run(short ? { ...scenario, hours: SHORT } : scenario, base),
    );
}

function run(scenario: Scenario, base: Model): ScenarioResult {
    const { name, group, needs } = scenario;
    const hours = scenario.hours ?? (group === 'size' ? undefined : COMPARED);
    return {
        name,
        group,
        ...(needs === undefined ? {} : { needs }),
        ...resultOf(modelOf({ ...scenario, hours }, base)),
    };
}

const SMALLER = 25;

/**
 * A digest of each scenario's result in a small market, by its name: a twenty-fifth of gateways, nodes, escrows and
 * queries, in the hours of the short form. A test runs them again, so no scenario changes unnoticed.
 */
export function digestsOf(base: Model): Record<string, string> {
    return Object.fromEntries(
        SCENARIOS.map((scenario) => {
            const { market, order, ...rest } = modelOf({ ...scenario, hours: SHORT }, base);
            const result = resultOf({
                ...rest,
                market: {
                    queriesADay: market.queriesADay / SMALLER,
                    gateways: market.gateways / SMALLER,
                    providers: market.providers / SMALLER,
                    nodesPerProvider: market.nodesPerProvider,
                },
                order: { ...order, escrows: Math.max(1, Math.floor(order.escrows / SMALLER)) },
            });
            const digest = createHash('sha256').update(JSON.stringify(result)).digest('hex');
            return [scenario.name, digest.slice(0, 16)];
        }),
    );
}

/** One run. */
export function resultOf(model: Model): Omit<ScenarioResult, 'name' | 'group'> {
    const totals = new Simulation(model).run();
    const { operations, queries, unserved, minutes } = totals;
    const { ended, underpaid, uncovered, refused, maxLatePart, conserved, lost, allowedLoss } = totals;
    const { nodeFailures, gatewayFailures, cut, lapsed } = totals;
    const seconds = model.hours * HOUR;
    const orders = operations.orders.reduce((sum, count) => sum + (count ?? 0), 0);
    const sent = orders + operations.leaves;
    const day = model.market.queriesADay * priceOf(model.query);
    const locked = minutes.map((minute) => minute.locked / day);
    return {
        hours: model.hours,
        queries,
        unservedPart: rounded(unserved / (queries + unserved)),
        jobsPerSecond: rounded(totals.opened / seconds),
        ordersPerSecond: rounded(sent / seconds / model.order.escrows),
        orderSeconds: rounded(totals.orderSeconds / Math.max(1, totals.timedOrders)),
        claimsPerJob: rounded((operations.claims + operations.lastClaims) / Math.max(1, operations.lastClaims)),
        cost: Object.fromEntries(LEVELS.map((level) => [level, costOf(model, totals, level)])) as Record<Level, Cost>,
        lockedPart: rounded(locked.reduce((sum, part) => sum + part, 0) / locked.length),
        maxLockedPart: rounded(Math.max(...locked)),
        failures: { nodeFailures, gatewayFailures, cut, lapsed },
        money: {
            ended,
            underpaid,
            uncovered,
            refused,
            maxLatePart: rounded(maxLatePart),
            conserved,
            lost,
            allowedLoss,
        },
        unserved: model.hours > COMPARED.hours ? [] : minutes.map((minute) => rounded(minute.unserved)),
    };
}

function costOf(model: Model, { operations, queries, turnover }: Totals, level: Level): Cost {
    const fees = new Fees(level);
    const each = (amount: number) => rounded(amount / queries);
    const parts = [
        fees.ofClient(operations),
        fees.ofClaims(operations),
        fees.ofNodes(operations, nodesOf(model), model.hours / 24),
    ];
    const all = parts.reduce((sum, part) => sum + part, 0);
    const [client, claims, nodes] = parts.map(each);
    return { client, claims, nodes, all: each(all), part: rounded(all / turnover) };
}

/** Four digits are more than the model is worth. */
const rounded = (value: number): number => Number(value.toPrecision(4));
