/** The results as tables in Markdown, which also read well in a terminal. */
import { markdownPoint, markdownTable } from '../markdown';
import { Fees, innerCells, maxTree } from './fees';
import { machinesAt, rampSeconds } from './machines';
import { changedSettings, DAY, DEFAULTS, type Model, nodesOf, priceOf } from './model';
import type { ScenarioResult } from './scenarios';

/** A report of one form, as benchmarks/scale.json stores the long one. */
export interface ScaleReport {
    model: Model;
    scenarios: ScenarioResult[];
    digests: Record<string, string>; // of the scenarios in a small market, by name
}

/**
 * Gas that an order of one to four jobs uses until it is accepted, and that the network lends. A test compares both
 * with `npm run bench:gas`.
 */
export const CREDIT = { used: 3_507, lent: 10_000 };
const ORDER_SIZES = [1, 2, 4, 16, 64, 128];

const percent = (part: number, digits = 2): string => `${(part * 100).toFixed(digits)} %`;
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

function sizeRows({ scenarios }: ScaleReport): string[][] {
    const sizes = scenarios.filter(({ group }) => group === 'size');
    const row = (title: string, of: (result: ScenarioResult) => string) => [title, ...sizes.map(of)];
    return [
        row('cost of a query, nanoTON, 2026', ({ cost }) => whole(cost['2026'].all)),
        row('as a part of its price, 2026', ({ cost }) => percent(cost['2026'].part)),
        row('cost of a query, nanoTON, 2025', ({ cost }) => whole(cost['2025'].all)),
        row('as a part of its price, 2025', ({ cost }) => percent(cost['2025'].part)),
        row('of it orders and leaving (client), 2025', ({ cost }) => whole(cost['2025'].client)),
        row('of it claims (node), 2025', ({ cost }) => whole(cost['2025'].claims)),
        row('of it prices and rent (node), 2025', ({ cost }) => whole(cost['2025'].nodes)),
        row("coins locked, part of a day's turnover", ({ lockedPart }) => lockedPart.toFixed(4)),
        row('the same, at most', ({ maxLockedPart }) => maxLockedPart.toFixed(4)),
        row('jobs opened a second', ({ jobsPerSecond }) => jobsPerSecond.toFixed(3)),
        row('orders a second of each of the escrows', ({ ordersPerSecond }) => ordersPerSecond.toFixed(3)),
        row('claims of a job', ({ claimsPerJob }) => claimsPerJob.toFixed(1)),
        row('unserved queries', ({ unservedPart }) => percent(unservedPart)),
    ];
}

function comparisonRows({ scenarios }: ScaleReport, group: ScenarioResult['group']): string[][] {
    return scenarios
        .filter((result) => result.group === group)
        .map(({ name, needs = '', cost, lockedPart, jobsPerSecond, ordersPerSecond, unservedPart }) => [
            name,
            percent(unservedPart),
            jobsPerSecond.toFixed(2),
            ordersPerSecond.toFixed(3),
            percent(cost['2026'].part),
            percent(cost['2025'].part),
            lockedPart.toFixed(4),
            ...(group === 'order' ? [needs] : []),
        ]);
}

const COMPARISON = ['', 'unserved', 'jobs/s', 'orders/s', '2026', '2025', 'locked'];

function orderRows({ model }: ScaleReport): string[][] {
    const levels = [new Fees('2026'), new Fees('2025')];
    const job = priceOf(model.query) * model.job.queries;
    return ORDER_SIZES.map((jobs) => [
        `${jobs}`,
        ...levels.flatMap((fees) => {
            const each = fees.order(jobs) / jobs;
            return [whole(each), percent(each / job, 4)];
        }),
        `${innerCells(jobs)}`,
    ]);
}

const MONEY = ['', 'queries that ran', 'lost, TON', 'allowed, TON', 'most late'];

function moneyRows({ scenarios }: ScaleReport): string[][] {
    const ton = (amount: number) => (amount / 1e9).toFixed(3);
    return scenarios
        .filter(({ group }) => group === 'money')
        .map(({ name, failures, money: { lost, allowedLoss, maxLatePart } }) => [
            ...[name, whole(failures.cut), ton(lost), ton(allowedLoss), percent(maxLatePart, 1)],
        ]);
}

function moneyLines({ scenarios }: ScaleReport): string[] {
    const sum = (of: (result: ScenarioResult) => number) => scenarios.reduce((all, result) => all + of(result), 0);
    const isConserved = scenarios.every(({ money }) => money.conserved);
    return [
        `Jobs that ended, over all runs: ${whole(sum(({ money }) => money.ended))}. Jobs that ended with less than ` +
            `their results, beyond what the rules allow: ${sum(({ money }) => money.underpaid)} of these.`,
        `Failures: ${whole(sum(({ failures }) => failures.nodeFailures))} of nodes and ` +
            `${whole(sum(({ failures }) => failures.gatewayFailures))} of gateways, while ` +
            `${whole(sum(({ failures }) => failures.cut))} queries ran.`,
        `Orders that lapsed because no block came: ${whole(sum(({ failures }) => failures.lapsed))}.`,
        `Checks of the program itself, which no parameter can make fail as long as it follows its rules: deposits are ` +
            `the sum of what was claimed, what went home and what is locked: ${isConserved ? 'yes' : 'NO'}; jobs that ` +
            `promised more than they had (rule 2): ${sum(({ money }) => money.uncovered)}; late results beyond rule 14: ` +
            `${sum(({ money }) => money.refused)}.`,
    ].flatMap(markdownPoint);
}

function machineRows({ model }: ScaleReport): string[][] {
    const { cpu } = model.machine;
    const [mean, peak] = [1, model.traffic.peak].map((times) => machinesAt(model, times));
    const row = (title: string, of: (machines: typeof mean) => number | undefined, text = whole) => {
        const figures = [of(mean), of(peak)];
        return figures.includes(undefined) ? [] : [[title, ...figures.map((figure) => text(figure!))]];
    };
    const up = (value: number) => whole(Math.ceil(value));
    return [
        ...row('queries a second', ({ queries }) => queries),
        ...row(`cores, at ${cpu.ms} ms of CPU a query`, ({ cores }) => cores, up),
        ...row(
            'cores of one gateway',
            ({ gatewayCores }) => gatewayCores,
            (value) => value.toFixed(2),
        ),
        ...row(
            `cores, at ${cpu.maxPlainTimes} times the CPU of a plain stream`,
            ({ coresToReach }) => coresToReach,
            up,
        ),
        ...row('writes a second of one gateway', ({ gatewayWrites }) => gatewayWrites),
        ...row('fsyncs a second of one gateway', ({ gatewayFsyncs }) => gatewayFsyncs),
        ...row('writes a second of one worker', ({ workerWrites }) => workerWrites),
        ...row('fsyncs a second of one worker', ({ workerFsyncs }) => workerFsyncs),
        ...row('writes a second of all', ({ writes }) => writes),
        ...row('fsyncs a second of all', ({ fsyncs }) => fsyncs),
        ...row('writes a second of a cluster of 10 gateways', ({ gatewayWrites }) => 10 * gatewayWrites),
        ...row('writes a second of a cluster of all gateways', ({ clusterWrites }) => clusterWrites),
    ];
}

function cpuText({ model: { machine, query } }: ScaleReport): string[] {
    const { cpu } = machine;
    return [
        `CPU time is that of the entry of ${cpu.date} in [offchain.json](../benchmarks/offchain.json). Its machine took ` +
            `${cpu.ms} ms for a query of ${query.completion} tokens, ` +
            (cpu.tokens === query.completion
                ? 'measured with tokens at the pace of this market. '
                : `in proportion to an answer of ${cpu.tokens} tokens that came at once. Tokens at the pace of a model ` +
                  'were not measured. ') +
            `A short stream took ${cpu.plainTimes.toFixed(1)} times the CPU of a plain one there, and the number to reach ` +
            `is ${cpu.maxPlainTimes}.` +
            (cpu.gatewayMs === undefined ? '' : ' A gateway is one process, so it has little more than one core.'),
    ].flatMap(wrap);
}

/** A paragraph, in lines of at most 120 characters. */
const wrap = (text: string): string[] => markdownPoint(text).map((line) => line.slice(2));

/** The limits that the results show, with their figures. */
function limitLines({ model, scenarios }: ScaleReport): string[] {
    const find = (name: string) => scenarios.find((result) => result.name === name);
    const peak = machinesAt(model, model.traffic.peak);
    const lines: string[] = [];
    const single = find('1 escrow, 1 job an order');
    const four = find('1 escrow, 4 jobs an order');
    if (single !== undefined && four !== undefined) {
        const perSecond = 1 / single.orderSeconds;
        const queries = (perSecond * DAY * model.job.queries) / 1e6;
        const escrows = [1_000, 10_000, 100_000].map((size) => Math.ceil(peak.queries / size / perSecond));
        const { stallHours, stallSeconds } = model.chain;
        lines.push(
            `**The orders of one escrow.** Outside stalls an order takes ${single.orderSeconds.toFixed(2)} s until its ` +
                `channel is seen, ` +
                `so an escrow with one job an order opens ${perSecond.toFixed(2)} jobs a second. That is enough for ` +
                `${whole(queries)} million queries a day in jobs of ${whole(model.job.queries)}, less the ` +
                `${(stallHours.length * stallSeconds) / 60} minutes of stalls. Around the peak ` +
                `${percent(single.unservedPart, 0)} of the queries find no job; with four jobs an order ` +
                `${percent(four.unservedPart, 1)}. With one job an order the peak needs ${escrows[0]} escrows for jobs of ` +
                `1,000 queries, ${escrows[1]} for jobs of 10,000, and ${escrows[2]} for jobs of 100,000.`,
        );
    }
    const threshold = `${DEFAULTS.threshold / 1e9} TON`;
    const low = find(`claim.threshold of ${threshold}`);
    if (low !== undefined) {
        lines.push(
            `**The default of \`claim.threshold\`.** With ${threshold} a job has ${low.claimsPerJob.toFixed(0)} claims, and a ` +
                `query costs ${percent(low.cost['2026'].part)} of its price at the prices of 2026, ` +
                `${percent(low.cost['2025'].part)} at those of 2025.`,
        );
    }
    const few = find(`${DEFAULTS.maxParallel} queries a job, ${DEFAULTS.maxOpen} jobs a gateway`);
    if (few !== undefined) {
        const running = (peak.queries * model.query.seconds) / model.market.gateways;
        lines.push(
            `**Default settings of a gateway.** With ${DEFAULTS.maxParallel} queries of a job at once (\`job.maxParallel\`) and ` +
                `${DEFAULTS.maxOpen} open jobs (\`job.maxOpen\`) ${percent(few.unservedPart, 0)} of the queries find no job in the busiest hour. A ` +
                `gateway runs ${whole(running)} queries at once then, and \`maxQueries\` is ${DEFAULTS.maxQueries} by ` +
                'default.',
        );
    }
    const running = Math.round((peak.queries * model.query.seconds) / nodesOf(model));
    const [ramp, fast] = [model.job.step, model.job.step / 5].map((step) =>
        rampSeconds({ ...model, job: { ...model.job, step } }, running),
    );
    lines.push(
        `**One database for many gateways.** At the peak a cluster of 10 gateways writes ` +
            `${whole(10 * peak.gatewayWrites)} times a second, and one of all gateways ${whole(peak.clusterWrites)} ` +
            'times. Each write is a transaction of several statements. `npm run bench:offchain -- --postgres` measures what ' +
            'processes on a database cost, and not how many writes it takes at most.',
        `**The credit of a new client (rule 5).** An escrow that a node does not know yet needs ${whole(ramp)} s until ` +
            `it may run ${running} queries there at once, and ${whole(fast)} s with a fifth of the default step.`,
    );
    return lines.flatMap(markdownPoint);
}

/** The report as text, without its first heading. */
export function reportText(report: ScaleReport): string {
    const sizes = report.scenarios.filter(({ group }) => group === 'size').map(({ name }) => name);
    const others = report.scenarios.some(({ group }) => group === 'setting');
    const settings = changedSettings(report.model).map((row) => [...row]);
    return [
        '### Settings that are not the defaults',
        '',
        ...markdownTable(['', 'default', 'here'], settings),
        '',
        '### Jobs of different sizes',
        '',
        ...markdownTable(['', ...sizes], sizeRows(report)),
        '',
        '### Escrows and orders',
        '',
        'Unserved queries find no job with room. Those that a failure cut are not among them, and the apps of a gateway that',
        'fails ask the others at once. Orders a second are those of one escrow. Below the years is the cost of a query, by the',
        "prices of the year, as a part of its own price. Locked coins are a part of a day's turnover.",
        '',
        '"Cluster": gateways share an escrow. "Fours": orders of four jobs, which the contract takes and no gateway makes.',
        '"Trees": larger orders, which the contract does not take.',
        '',
        ...markdownTable([...COMPARISON, 'needs'], comparisonRows(report, 'order')),
        '',
        ...(others ? ['### Settings', '', ...markdownTable(COMPARISON, comparisonRows(report, 'setting')), ''] : []),
        '### What an order costs for each job',
        '',
        ...markdownTable(
            ['jobs of an order', 'nanoTON, 2026', 'of the price', 'nanoTON, 2025', 'of the price', 'more cells'],
            orderRows(report),
        ),
        '',
        `The price is that of a job of ${whole(report.model.job.queries)} queries. More than four jobs are a tree, which the contract does not take.`,
        `An escrow could look at the cells of ${maxTree(CREDIT.lent, CREDIT.used)} jobs with the gas that the network ` +
            'lends it.',
        '',
        '### Money',
        '',
        ...(others
            ? [
                  'Here each gateway fails ten times a day, and one failure in ten is for ever. "Lost" is what nodes lost with',
                  'these, and "allowed" a step for each query that ran there. "Most late" is the most that late results were,',
                  'as a part of what rule 14 lets a gateway pay.',
                  '',
                  ...markdownTable(MONEY, moneyRows(report)),
                  '',
              ]
            : []),
        ...moneyLines(report),
        '',
        '### Machines',
        '',
        ...markdownTable(['', 'mean', 'peak'], machineRows(report)),
        '',
        ...cpuText(report),
        '',
        '### Limits',
        '',
        ...limitLines(report),
    ].join('\n');
}
