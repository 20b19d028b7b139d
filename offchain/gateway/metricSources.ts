/** What Prometheus reads of the gateway's parts at each scrape. */
import { steadySeconds } from '../process/clock';
import { type GaugeValue, tonNumber } from '../process/metrics';
import type { Answers } from './answers';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import type { Purse } from './escrow';
import { type GatewayMetrics, MAX_LABELS } from './metrics';
import type { Readiness } from './readiness';

const REMEMBERED = 60; // seconds that an answer of the chain or of the nodes is shown

/** What is read of the gateway at each scrape. */
export interface MetricSources {
    context: GatewayContext;
    book: Pick<JobBook, 'phases'>;
    answers: Pick<Answers, 'count'>;
    readiness: Pick<Readiness, 'view'>;
}

/** Adds what is read at each scrape. */
export function addSources(metrics: GatewayMetrics, { context, book, answers, readiness }: MetricSources): void {
    const { log, escrow, nodes, config, people } = context;
    const purse = remembered(() => escrow.purse());
    const states = remembered(() =>
        Promise.all(Object.keys(config.models).map(async (model) => ({ model, nodes: await nodes.states(model) }))),
    );
    const ton = (name: string, help: string, amount: (purse: Purse) => bigint) =>
        metrics.gauge(log, name, help, async () => [{ value: tonNumber(amount(await purse())) }]);
    ton('escrow_balance_ton', 'TON in the escrow', ({ balance }) => balance);
    ton('escrow_available_ton', 'TON in the escrow that can be spent', ({ available }) => available);
    ton('escrow_day_remaining_ton', 'TON of the day limit (UTC) that remain', ({ dayRemaining }) => dayRemaining);
    ton('escrow_day_limit_ton', 'TON that the spend key may spend in a day (UTC)', ({ dayLimit }) => dayLimit);
    metrics.gauge(log, 'running_queries', 'Requests that are being answered', () => [{ value: answers.count }]);
    metrics.gauge(log, 'ready', '1 if the gateway can answer', async () => [
        { value: (await readiness.view()).ready ? 1 : 0 },
    ]);
    metrics.gauge(log, 'clock_offset_seconds', "How far the chain's clock is ahead of this machine's", () =>
        escrow.clock.offset === undefined ? [] : [{ value: escrow.clock.offset }],
    );
    metrics.gauge(log, 'jobs', 'Jobs of this process by phase', () => phasesOf(book), ['phase']);
    metrics.gauge(log, 'nodes', 'Nodes by model and state', async () => (await states()).flatMap(countStates), [
        'model',
        'state',
    ]);
    metrics.gauge(
        log,
        'key_spent_ton',
        'TON that a key spent or has reserved at all processes, today and in this month (UTC)',
        async () => {
            const views = people.apiKeys.all.slice(0, MAX_LABELS).map(async (key) =>
                Object.entries(await people.budgets.viewsOfAll(key)).map(([period, { spent, reserved }]) => ({
                    ...{ labels: { key: key.name, period }, value: tonNumber(spent + reserved) },
                })),
            );
            return (await Promise.all(views)).flat();
        },
        ['key', 'period'],
    );
    metrics.gauge(
        log,
        'key_limit_ton',
        'TON that a key may spend in a day and in a month (UTC)',
        () =>
            people.apiKeys.all
                .slice(0, MAX_LABELS)
                .flatMap((key) =>
                    Object.entries(people.budgets.views(key)).flatMap(([period, { limit }]) =>
                        limit === null ? [] : [{ labels: { key: key.name, period }, value: tonNumber(limit) }],
                    ),
                ),
        ['key', 'period'],
    );
}

/**
 * The states under which nodes are counted, by how `cocoon gateway status` begins them. The last one takes the rest.
 */
const STATES = [
    ['cooling', 'ok, comes last'],
    ['ok', 'ok'],
    ['banned', 'not used for a while'],
    ['unfit', ''],
];

/** The nodes of a model by state. A state without a node is 0, because an alert can match no series that is missing. */
function countStates({ model, nodes }: { model: string; nodes: { state: string }[] }) {
    const names = nodes.map(({ state }) => STATES.find(([, start]) => state.startsWith(start))?.[0]);
    return STATES.map(([state]) => ({
        labels: { model, state },
        value: names.filter((name) => name === state).length,
    }));
}

function phasesOf({ phases }: Pick<JobBook, 'phases'>): GaugeValue<'phase'>[] {
    return Object.entries(phases).map(([phase, value]) => ({ labels: { phase }, value }));
}

/** Asks anew after a while only, so that scrapes do not use up the calls that the API allows. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
    let last: { at: number; answer: Promise<T> } | undefined;
    return () => {
        if (last === undefined || steadySeconds() - last.at >= REMEMBERED) {
            last = { at: steadySeconds(), answer: ask() };
        }
        return last.answer;
    };
}
