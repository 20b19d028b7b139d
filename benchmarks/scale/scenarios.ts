/** The runs that `npm run scale` compares, and what each of them shows. */
import { Fees, type Level, LEVELS } from './fees';
import { BASE, COMPARED, DEFAULTS, HOUR, type Model, nodesOf, priceOf, SHORT } from './model';
import type { Totals } from './market';
import { Simulation } from './simulation';

/** What differs from {@link BASE}. */
interface Change {
    job?: Partial<Model['job']>;
    order?: Partial<Model['order']>;
    claim?: Partial<Model['claim']>;
    hours?: Pick<Model, 'fromHour' | 'hours'>;
}

interface Scenario extends Change {
    name: string;
    group: 'size' | 'order' | 'setting';
    inShort?: true;
}

const PEAK_HOUR = { fromHour: 19.75, hours: 1 };

const SCENARIOS: Scenario[] = [
    { name: 'jobs of 1,000 queries', group: 'size', job: { queries: 1_000 }, inShort: true },
    { name: 'jobs of 10,000 queries', group: 'size', inShort: true },
    { name: 'jobs of 100,000 queries', group: 'size', job: { queries: 100_000 }, inShort: true },
    { name: '1 escrow, 1 job an order', group: 'order', order: { escrows: 1 }, inShort: true },
    { name: '1 escrow, 4 jobs an order', group: 'order', order: { escrows: 1, jobs: 4 }, inShort: true },
    { name: '1 escrow, 16 jobs an order', group: 'order', order: { escrows: 1, jobs: 16 } },
    { name: '1 escrow, 128 jobs an order', group: 'order', order: { escrows: 1, jobs: 128 } },
    { name: '10 escrows, 1 job an order', group: 'order', order: { escrows: 10 } },
    { name: '10 escrows, 4 jobs an order', group: 'order', order: { escrows: 10, jobs: 4 } },
    { name: '100 escrows, 1 job an order', group: 'order', order: { escrows: 100 } },
    {
        name: '1 escrow, 1 job of 100,000 an order',
        group: 'order',
        order: { escrows: 1 },
        job: { queries: 100_000 },
    },
    {
        name: '10 escrows, 4 jobs of 1,000 an order',
        group: 'order',
        order: { jobs: 4 },
        job: { queries: 1_000 },
    },
    { name: 'claim.threshold of 0.1 TON', group: 'setting', claim: { threshold: DEFAULTS.threshold } },
    { name: 'claim.threshold of 3.4 TON', group: 'setting', claim: { threshold: 3_400_000_000 } },
    {
        name: '8 queries a job, 256 jobs a gateway',
        group: 'setting',
        job: { maxParallel: DEFAULTS.maxParallel },
        hours: PEAK_HOUR,
    },
    {
        name: '8 queries a job, 16 jobs a gateway',
        group: 'setting',
        job: { maxParallel: DEFAULTS.maxParallel, maxOpen: DEFAULTS.maxOpen },
        hours: PEAK_HOUR,
    },
];

/** The cost of a query by payer, nanoTON; `part`: of the query's price, by all payers. */
export interface Cost {
    client: number;
    claims: number;
    nodes: number;
    all: number;
    part: number;
}

export interface ScenarioResult {
    name: string;
    group: Scenario['group'];
    hours: number;
    queries: number;
    unservedPart: number; // of the queries
    jobsPerSecond: number;
    ordersPerSecond: number; // of one escrow
    orderSeconds: number; // from the reading of the escrow until its channels are seen
    claimsPerJob: number; // the last included
    cost: Record<Level, Cost>;
    lockedPart: number; // coins in channels, mean over time, as a part of a day's turnover
    maxLockedPart: number;
    failures: Pick<Totals, 'nodeFailures' | 'gatewayFailures' | 'cut' | 'lapsed'>;
    money: Pick<Totals, 'ended' | 'underpaid' | 'uncovered' | 'refused' | 'conserved' | 'lost' | 'allowedLoss'>;
    unserved: number[]; // parts, by minute; for sizes of jobs empty, because a day has many minutes
}

/** A scenario's model. */
export function modelOf({ job, order, claim, hours }: Change, base = BASE): Model {
    return {
        ...{ ...base, ...hours },
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

/** Runs one scenario of the long form. */
export function runNamed(name: string, base: Model): ScenarioResult {
    const scenario = SCENARIOS.find((one) => one.name === name);
    if (scenario === undefined) {
        throw new Error(`There is no scenario "${name}"`);
    }
    return run(scenario, base);
}

function run(scenario: Scenario, base: Model): ScenarioResult {
    const hours = scenario.hours ?? (scenario.group === 'size' ? undefined : COMPARED);
    return { name: scenario.name, group: scenario.group, ...resultOf(modelOf({ ...scenario, hours }, base)) };
}

/** One run. */
export function resultOf(model: Model): Omit<ScenarioResult, 'name' | 'group'> {
    const totals = new Simulation(model).run();
    const { operations, queries, unserved, minutes } = totals;
    const { ended, underpaid, uncovered, refused, conserved, lost, allowedLoss } = totals;
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
        orderSeconds: rounded(totals.orderSeconds / Math.max(1, sent)),
        claimsPerJob: rounded((operations.claims + operations.lastClaims) / Math.max(1, operations.lastClaims)),
        cost: Object.fromEntries(LEVELS.map((level) => [level, costOf(model, totals, level)])) as Record<Level, Cost>,
        lockedPart: rounded(locked.reduce((sum, part) => sum + part, 0) / locked.length),
        maxLockedPart: rounded(Math.max(...locked)),
        failures: { nodeFailures, gatewayFailures, cut, lapsed },
        money: { ended, underpaid, uncovered, refused, conserved, lost, allowedLoss },
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
