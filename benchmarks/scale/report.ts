/** The results as tables in Markdown, which also read well in a terminal. */
import { Fees, innerCells, maxTree } from './fees';
import { machinesAt, rampSeconds } from './machines';
import { DAY, DEFAULTS, type Model, nodesOf, priceOf } from './model';
import type { ScenarioResult } from './scenarios';

/** A report of one form, as benchmarks/scale.json stores the long one. */
export interface ScaleReport {
    model: Model;
    scenarios: ScenarioResult[];
}

/** Gas that an order of one to four jobs uses until it is accepted, and that the network lends: `npm run bench:gas`. */
const CREDIT = { used: 3_507, lent: 10_000 };
const ORDER_SIZES = [1, 2, 4, 16, 64, 128];

const percent = (part: number, digits = 2): string => `${(part * 100).toFixed(digits)} %`;
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

function table(head: string[], rows: string[][]): string[] {
    const all = [head, ...rows];
    const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
    const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
    const line = (row: string[]) => `| ${row.map(pad).join(' | ')} |`;
    const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
    return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

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
        .map(({ name, cost, lockedPart, jobsPerSecond, ordersPerSecond, orderSeconds, unservedPart }) => [
            name,
            percent(unservedPart),
            jobsPerSecond.toFixed(2),
            ordersPerSecond.toFixed(3),
            orderSeconds === 0 ? '' : (1 / orderSeconds).toFixed(2),
            percent(cost['2026'].part),
            percent(cost['2025'].part),
            lockedPart.toFixed(4),
        ]);
}

const COMPARISON = ['', 'unserved', 'jobs/s', 'orders/s', 'at most', 'cost, 2026', 'cost, 2025', 'locked'];

function orderRows({ model }: ScaleReport): string[][] {
    const levels = [new Fees('2026'), new Fees('2025')];
    const job = priceOf(model.query) * 10_000;
    return ORDER_SIZES.map((jobs) => [
        `${jobs}`,
        ...levels.flatMap((fees) => {
            const each = fees.order(jobs) / jobs;
            return [whole(each), percent(each / job, 4)];
        }),
        `${innerCells(jobs)}`,
    ]);
}

function moneyLines({ scenarios }: ScaleReport): string[] {
    const sum = (of: (result: ScenarioResult) => number) => scenarios.reduce((all, result) => all + of(result), 0);
    const ton = (amount: number) => (amount / 1e9).toFixed(2);
    const isConserved = scenarios.every(({ money }) => money.conserved);
    return [
        `Jobs that ended, over all runs: ${whole(sum(({ money }) => money.ended))}. ` +
            `Underpaid: ${sum(({ money }) => money.underpaid)}.`,
        `Failures: ${whole(sum(({ failures }) => failures.nodeFailures))} of nodes and ` +
            `${whole(sum(({ failures }) => failures.gatewayFailures))} of gateways, while ` +
            `${whole(sum(({ failures }) => failures.cut))} queries ran.`,
        `Lost with gateways that never came back: ${ton(sum(({ money }) => money.lost))} TON, of ` +
            `${ton(sum(({ money }) => money.allowedLoss))} TON that the rules allow (one step for each running query).`,
        `Results that a gateway had to refuse by rule 14: ${sum(({ money }) => money.refused)}. ` +
            `Times that a job promised more than it had (rule 2): ${sum(({ money }) => money.uncovered)}.`,
        `Orders that lapsed because no block came: ${whole(sum(({ failures }) => failures.lapsed))}.`,
        `Deposits are the sum of what was claimed, what went home and what is locked: ${isConserved ? 'yes' : 'NO'}.`,
    ].flatMap(bullet);
}

function machineRows({ model }: ScaleReport): string[][] {
    const [mean, peak] = [1, model.traffic.peak].map((times) => machinesAt(model, times));
    const row = (title: string, of: (machines: typeof mean) => number) => [title, whole(of(mean)), whole(of(peak))];
    return [
        row('queries a second', ({ queries }) => queries),
        row(`cores, at ${model.machine.cpuMs} ms of CPU a query`, ({ cores }) => cores),
        row('writes a second of one gateway', ({ gatewayWrites }) => gatewayWrites),
        row('fsyncs a second of one gateway', ({ gatewayFsyncs }) => gatewayFsyncs),
        row('writes a second of one worker', ({ workerWrites }) => workerWrites),
        row('fsyncs a second of one worker', ({ workerFsyncs }) => workerFsyncs),
        row('writes a second of all', ({ writes }) => writes),
        row('fsyncs a second of all', ({ fsyncs }) => fsyncs),
        row('writes a second of all gateways, if they share a store', ({ clusterWrites }) => clusterWrites),
        row('PostgreSQL databases that these need', ({ databases }) => databases),
    ];
}

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
        lines.push(
            `**The orders of one escrow.** An order takes ${single.orderSeconds.toFixed(1)} s until its channel is seen, ` +
                `so an escrow with one job an order opens ${perSecond.toFixed(2)} jobs a second. That is enough for ` +
                `${whole(queries)} million queries a day in jobs of ${whole(model.job.queries)}. At the peak ` +
                `${percent(single.unservedPart, 0)} of the queries find no job; with four jobs an order ` +
                `${percent(four.unservedPart, 1)}. With one job an order the peak needs ${escrows[0]} escrows for jobs of ` +
                `1,000 queries, ${escrows[1]} for jobs of 10,000, and ${escrows[2]} for jobs of 100,000.`,
        );
    }
    const low = find('claim.threshold of 0.1 TON');
    if (low !== undefined) {
        lines.push(
            `**The default of \`claim.threshold\`.** With 0.1 TON a job has ${low.claimsPerJob.toFixed(0)} claims, and a ` +
                `query costs ${percent(low.cost['2026'].part)} of its price at the prices of 2026, ` +
                `${percent(low.cost['2025'].part)} at those of 2025.`,
        );
    }
    const few = find('8 queries a job, 16 jobs a gateway');
    if (few !== undefined) {
        const running = (peak.queries * model.query.seconds) / model.market.gateways;
        lines.push(
            `**Default settings of a gateway.** With 8 queries of a job at once (\`job.maxParallel\`) and 16 open jobs ` +
                `(\`job.maxOpen\`) ${percent(few.unservedPart, 0)} of the queries find no job in the busiest hour. A ` +
                `gateway runs ${whole(running)} queries at once then, and \`maxQueries\` is ${DEFAULTS.maxQueries} by ` +
                'default.',
        );
    }
    const running = Math.round((peak.queries * model.query.seconds) / nodesOf(model));
    const [ramp, fast] = [model.job.step, model.job.step / 5].map((step) =>
        rampSeconds({ ...model, job: { ...model.job, step } }, running),
    );
    lines.push(
        `**One database for all gateways.** At the peak they write ${whole(peak.clusterWrites)} times a second, as much ` +
            `as ${peak.databases} PostgreSQL databases took when they were measured.`,
        `**The credit of a new client (rule 5).** An escrow that a node does not know yet needs ${whole(ramp)} s until ` +
            `it may run ${running} queries there at once, and ${whole(fast)} s with a fifth of the default step.`,
    );
    return lines.flatMap(bullet);
}

/** A point of a list, in lines of at most 120 characters. */
function bullet(text: string): string[] {
    const lines = ['-'];
    for (const word of text.split(' ')) {
        const line = `${lines[lines.length - 1]} ${word}`;
        if (line.length > 120) {
            lines.push(`  ${word}`);
        } else {
            lines[lines.length - 1] = line;
        }
    }
    return lines;
}

/** The report as text, without its first heading. */
export function reportText(report: ScaleReport): string {
    const sizes = report.scenarios.filter(({ group }) => group === 'size').map(({ name }) => name);
    const others = report.scenarios.some(({ group }) => group === 'setting');
    return [
        '### Jobs of different sizes',
        '',
        ...table(['', ...sizes], sizeRows(report)),
        '',
        '### Escrows and orders',
        '',
        'Unserved queries find no job with room. Orders a second are those of one escrow; "at most" is how many it could',
        "send one after the other. Cost is a part of the price, and locked coins are a part of a day's turnover.",
        '',
        ...table(COMPARISON, comparisonRows(report, 'order')),
        '',
        ...(others ? ['### Settings', '', ...table(COMPARISON, comparisonRows(report, 'setting')), ''] : []),
        '### What an order costs for each job',
        '',
        ...table(
            ['jobs of an order', 'nanoTON, 2026', 'of the price', 'nanoTON, 2025', 'of the price', 'more cells'],
            orderRows(report),
        ),
        '',
        'The price is that of a job of 10,000 queries. More than four jobs are a tree, which the contract does not take.',
        `An escrow could look at the cells of ${maxTree(CREDIT.lent, CREDIT.used)} jobs with the gas that the network ` +
            'lends it.',
        '',
        '### Money',
        '',
        ...moneyLines(report),
        '',
        '### Machines',
        '',
        ...table(['', 'mean', 'peak'], machineRows(report)),
        '',
        '### Limits',
        '',
        ...limitLines(report),
    ].join('\n');
}
