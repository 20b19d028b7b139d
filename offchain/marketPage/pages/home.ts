/** The first page: whether the market lives, what it pays, and what it sells. */
import type { DayView } from '../../indexer/sums';
import { emptyDay } from '../../indexer/sums';
import { dayOf } from '../../indexer/listings';
import type { DefinitionName } from '../definitions';
import { countText, plural, spanText, stranger, tonNumber, tonText, tonWithUnit } from '../format';
import { html, type Html, type Markup } from '../html';
import { freshness, section, STATE_WORDS } from '../layout';
import { modelsList } from '../lists';
import { jobColumns, regionsList, slashesList, supplyList, tiersList } from '../moreLists';
import { bar, columns, spark, type PlotStep } from '../plots';
import { csvOf, facts, meant, tableOf, type Value } from '../table';
import { isSelling, type Page, type Site } from '../site';
import { measuredNote } from './measuredNote';

const DAYS = 30; // of the plots
const DAY_SECONDS = 86_400;
const ROWS = 8; // of a table on this page

interface Figure {
    name: string;
    value: Value;
    label: string;
    meaning: DefinitionName;
}

/** The numbers of the first page, one each, for JSON and CSV. */
function figuresOf({ snapshot: { view, block }, reading }: Site): Figure[] {
    const gpus = view.supply.reduce((sum, group) => sum + group.gpus, 0);
    const sum = (amount: (account: NonNullable<(typeof view.providers)[number]['account']>) => bigint) =>
        view.providers.reduce((total, { account }) => total + (account === null ? 0n : amount(account)), 0n);
    const figure = (name: string, value: Value, label: string, meaning: DefinitionName): Figure => ({
        ...{ name, value, label, meaning },
    });
    const selling = view.nodes.filter(isSelling);
    return [
        figure('state', reading.state, 'State', 'alive'),
        figure('block', block?.seqno ?? null, 'Block', 'block'),
        figure('blockReadAt', block?.readAt ?? null, 'Read at', 'block'),
        figure('paused', view.paused, 'Registry paused', 'alive'),
        figure('today', view.today.day, 'Today', 'today'),
        figure('paidToday', view.today.claimed, 'Paid today', 'paid'),
        figure('settledToday', view.today.settled, 'Jobs settled today', 'settled'),
        figure('openedToday', view.today.openings, 'Jobs opened today', 'openings'),
        figure('paid7Days', view.totals.claimed7Days, 'Paid in 7 days', 'paid'),
        figure(
            'paidPerGpuDay',
            gpus === 0 ? null : view.totals.claimed7Days / BigInt(7 * gpus),
            'Earned by a GPU a day',
            'perGpuDay',
        ),
        figure('paid', view.totals.claimed, 'Paid ever', 'claimed'),
        figure('openJobs', view.totals.openJobs, 'Open jobs', 'jobs'),
        figure('jobs', view.totals.jobs, 'Jobs ever', 'jobs'),
        figure('settled', view.totals.settled, 'Jobs settled ever', 'settled'),
        figure('providers', new Set(selling.map(({ provider }) => provider)).size, 'Providers that sell', 'supply'),
        figure('openNodes', selling.length, 'Open nodes', 'supply'),
        figure('gpus', gpus, 'GPUs for rent', 'supply'),
        figure('models', view.models.filter(({ nodes }) => nodes > 0).length, 'Models on offer', 'models'),
        figure(
            'demand',
            view.models.reduce((total, { demand }) => total + demand, 0),
            'Queries a day announced',
            'demand',
        ),
        figure('stake', view.totals.stake, 'Stake', 'stake'),
        figure(
            'requiredStake',
            sum(({ requiredStake }) => requiredStake),
            'Required stake',
            'stakeRequired',
        ),
        figure(
            'frozen',
            sum(({ frozen }) => frozen),
            'Frozen by cases',
            'frozen',
        ),
        figure(
            'unbonding',
            sum(({ unbonding }) => unbonding),
            'Unbonding',
            'unbonding',
        ),
        figure('openCases', view.cases.filter(({ endedAt }) => endedAt === null).length, 'Open cases', 'faults'),
        figure('cases', view.cases.length, 'Cases ever', 'faults'),
        figure('slashed', view.totals.slashed, 'Slashed ever', 'slashed'),
        figure('jailed', view.providers.filter(({ jailed }) => jailed === true).length, 'Providers in jail', 'jailed'),
    ];
}

export function homePage(site: Site): Page {
    const figures = figuresOf(site);
    return {
        title: STATE_WORDS[site.reading.state],
        json: () => ({
            registry: site.snapshot.view.registry,
            network: site.snapshot.view.network,
            ...Object.fromEntries(figures.map(({ name, value }) => [name, value])),
            definitions: Object.fromEntries(figures.map(({ name, meaning }) => [name, meaning])),
        }),
        csv: () =>
            csvOf(
                [
                    { name: 'name', label: '', kind: 'text', value: (row: Figure) => row.name },
                    { name: 'value', label: '', kind: 'text', value: (row: Figure) => row.value },
                    { name: 'definition', label: '', kind: 'text', value: (row: Figure) => row.meaning },
                ],
                figures,
            ),
        body: () => bodyOf(site, new Map(figures.map((figure) => [figure.name, figure]))),
    };
}

const HEADLINES = {
    alive: 'The market is alive',
    paused: 'The market is paused',
    empty: 'Nobody sells here now',
    stale: 'The index is not up to date',
    unread: 'The market is not read yet',
    absent: 'There is no index yet',
} as const;

function saying({ reading, snapshot: { view } }: Site): Markup {
    switch (reading.state) {
        case 'paused':
            return 'The governor has paused new work. Open jobs go on, and everybody can claim and leave.';
        case 'empty':
            return 'No node of a provider in good standing is open.';
        case 'stale':
        case 'unread':
        case 'absent':
            return 'Whether the market lives now cannot be said.';
        case 'alive': {
            const last = Math.max(0, ...view.cases.map(({ openedAt }) => openedAt), lastPayment(reading));
            return last === 0
                ? 'Nodes are open, and no job has been paid yet.'
                : html`Last paid ${spanText(reading.now - last)} ago.`;
        }
    }
}

const lastPayment = ({ snapshot }: Site['reading']): number =>
    Math.max(0, ...(snapshot?.latest ?? []).flatMap(({ claims }) => claims.map(({ at }) => at)));

function bodyOf(site: Site, figures: ReadonlyMap<string, Figure>): Html {
    const { reading, snapshot } = site;
    const { view } = snapshot;
    const amount = (name: string) => tonWithUnit(figures.get(name)!.value as bigint | null);
    const count = (name: string) => countText(figures.get(name)!.value as number);
    const big = (name: string, value: Markup, note?: Markup) => {
        const { label, meaning } = figures.get(name)!;
        return html`<div>
            <dt>${meant(label, meaning)}</dt>
            <dd>${value}</dd>
            ${note !== undefined && html`<dd class="under">${note}</dd>`}
        </div>`;
    };
    return html`<section class="hero ${reading.state}" aria-labelledby="headline">
            <h1 id="headline">${HEADLINES[reading.state]}</h1>
            <p>${saying(site)} ${freshness(reading)}</p>
            <dl class="big">
                ${big('paidToday', amount('paidToday'), html`${amount('paid7Days')} in 7 days`)}
                ${big('settledToday', count('settledToday'), html`${count('openedToday')} opened today, ${count('openJobs')} open now`)}
                ${big('paidPerGpuDay', amount('paidPerGpuDay'), 'mean of 7 days')}
                ${big('gpus', count('gpus'), html`${plural(figures.get('openNodes')!.value as number, 'node')} of ${plural(figures.get('providers')!.value as number, 'provider')}`)}
            </dl>
        </section>
        <div class="cards">
            ${section('prices', 'Prices now', pricesTable(site), { path: '/models', text: 'All models', kind: 'wide' })}
            ${section('days', 'Paid each day', daysPlot(site), { path: '/days', text: 'All days' })}
            ${section('supply', 'Supply', supply(site), { path: '/nodes', text: 'All nodes' })}
            ${section('demand', 'Demand against supply', demandTable(site), { path: '/demand', text: 'All demand' })}
            ${section('stake', 'Stake and faults', stakeAndFaults(site, amount, count), { path: '/providers', text: 'All providers' })}
            ${section('latest', 'Latest jobs', latestJobs(site), { path: '/jobs', text: 'Find a job', kind: 'widest' })}
            ${section('measured', 'Speed and success', measuredNote(site))}
        </div>
        ${view.providers.length === 0 && html`<p class="note">No provider has joined this registry yet.</p>`}`;
}

/** The medians of 30 days as steps; what was before the first day goes on into it. */
function priceSteps(prices: Site['snapshot']['view']['models'][number]['prices'], now: number): PlotStep[] {
    const begin = now - DAYS * DAY_SECONDS;
    const places = prices.map(({ day, completion }) => ({
        at: (Date.parse(day) / 1000 + DAY_SECONDS - begin) / (DAYS * DAY_SECONDS),
        value: completion === null ? null : tonNumber(completion),
    }));
    const earlier = places.filter(({ at }) => at <= 0).at(-1);
    const within = places.filter(({ at }) => at > 0).map(({ at, value }) => ({ at: Math.min(at, 0.98), value }));
    return [...(earlier === undefined ? [] : [{ at: 0, value: earlier.value }]), ...within];
}

function pricesTable(site: Site): Html {
    const list = modelsList(site);
    const offered = list.rows.filter(({ price }) => price !== null);
    const names = ['model', 'promptPrice', 'completionPrice', 'range', 'nodes'];
    const displayed = list.columns.filter(({ name }) => names.includes(name));
    displayed.splice(4, 0, {
        ...{ name: 'trend', label: '30 days', kind: 'text', meaning: 'prices', value: () => null },
        show: ({ model, prices }) =>
            spark(
                priceSteps(prices, site.reading.now),
                `Median price of an answer of ${site.models.display(model)} over 30 days`,
            ),
    });
    return tableOf(displayed, offered.slice(0, ROWS), {
        caption: 'TON for a million tokens: the median that open nodes ask',
        empty: 'No open node offers a model.',
        slim: ['range', 'trend', 'nodes'],
    });
}

/** The last 30 days up to now, also those on which nothing happened. */
export function lastDays<T>(now: number, valueOf: (day: string) => T): { day: string; value: T }[] {
    return Array.from({ length: DAYS }, (_, i) => {
        const day = dayOf(now - (DAYS - 1 - i) * DAY_SECONDS);
        return { day, value: valueOf(day) };
    });
}

function daysPlot({ snapshot: { view }, reading: { now } }: Site): Html {
    const byDay = new Map(view.days.map((day) => [day.day, day]));
    const days = lastDays(now, (day): DayView => byDay.get(day) ?? emptyDay(day));
    return html`${paidPlot(days.map(({ day, value }) => ({ day, paid: value.claimed, more: plural(value.settled, 'job') })))}
        <p class="small">
            ${tonText(days.reduce((sum, { value }) => sum + value.claimed, 0n))} TON in 30 days, in
            ${countText(days.reduce((sum, { value }) => sum + value.claims, 0))} claims.
            ${countText(days.reduce((sum, { value }) => sum + value.settled, 0))} jobs ended. A provider can pay itself,
            so this proves no use.
        </p>`;
}

/** What was paid each day, as bars. */
export function paidPlot(days: { day: string; paid: bigint; more?: string }[]): Html {
    return columns(
        days.map(({ day, paid, more }) => ({
            value: tonNumber(paid),
            text: `${day}: ${tonText(paid)} TON${more === undefined ? '' : `, ${more} settled`}`,
        })),
        {
            label: `TON paid on each of the last ${DAYS} days, at most ${tonText(maxOf(days.map(({ paid }) => paid)))} on one`,
            unit: axisText,
            names: [days[0].day.slice(5), days[DAYS >> 1].day.slice(5), 'today'],
        },
    );
}

const maxOf = (amounts: readonly bigint[]): bigint => amounts.reduce((max, each) => (each > max ? each : max), 0n);

/** A number on an axis of TON. */
export const axisText = (value: number): string =>
    value === 0 ? '0' : tonText(BigInt(Math.round(value * 1e9))) || '0';

function supply(site: Site): Html {
    const [byGpu, byRegion, byTier] = [supplyList(site), regionsList(site), tiersList(site)] as const;
    const rows = byGpu.rows.map(({ gpu, vram, gpus }) => ({
        name: html`${stranger(gpu, 40)} <small>${vram} GB</small>`,
        gpus,
    }));
    const groups = [
        { path: '/supply', title: 'By GPU and VRAM', rows },
        {
            path: '/regions',
            title: 'By region',
            rows: byRegion.rows.map(({ name, gpus }) => ({ name: stranger(name), gpus })),
        },
        {
            path: '/tiers',
            title: 'By tier',
            rows: byTier.rows.map(({ name, gpus }) => ({ name: stranger(name), gpus })),
        },
    ];
    const all = byTier.rows.reduce((sum, { gpus }) => sum + gpus, 0);
    return html`<div class="groups">
        ${groups.map(
            (group) =>
                html`<div>
                    <h3><a href="${group.path}">${group.title}</a></h3>
                    ${group.rows.length === 0 && html`<p class="empty">None.</p>`}
                    <ul class="bars">
                        ${group.rows.slice(0, ROWS).map(
                            ({ name, gpus }) =>
                                html`<li>
                                    <span class="name">${name}</span> <span class="value">${plural(gpus, 'GPU')}</span>
                                    ${bar(all === 0 ? 0 : gpus / all)}
                                </li>`,
                        )}
                    </ul>
                    ${group.rows.length > ROWS && html`<p class="small">${plural(group.rows.length - ROWS, 'more group')}.</p>`}
                </div>`,
        )}
    </div>`;
}

function demandTable(site: Site): Html {
    const list = modelsList(site);
    const rows = list.rows.filter(({ demand, gpus }) => demand > 0 || gpus > 0);
    rows.sort((one, other) => other.demand - one.demand);
    const columns = list.columns.filter(({ name }) => ['model', 'gpus', 'demand', 'clients'].includes(name));
    columns.push({
        ...{ name: 'perGpu', label: 'A GPU', kind: 'count', meaning: 'queriesPerGpu', value: () => null },
        show: ({ demand, gpus }) =>
            demand === 0
                ? 'no demand'
                : gpus === 0
                  ? html`<span class="bad">no supply</span>`
                  : countText(Math.round(demand / gpus)),
    });
    return tableOf(columns, rows.slice(0, ROWS), {
        caption: 'Announced queries a day, and the GPUs that offer the model',
        empty: 'Nobody announced demand, and nobody sells.',
        slim: ['clients'],
    });
}

function stakeAndFaults(site: Site, amount: (name: string) => Html, count: (name: string) => string): Html {
    const { view } = site.snapshot;
    const total = view.totals.stake;
    const required = view.providers.reduce((sum, { account }) => sum + (account?.requiredStake ?? 0n), 0n);
    const slashes = slashesList(site);
    const names = ['at', 'provider', 'faultClass', 'amount'];
    return html`${facts([
            [meant('Stake', 'stake'), amount('stake')],
            [meant('Required by nodes', 'stakeRequired'), amount('requiredStake')],
            [meant('Frozen by cases', 'frozen'), amount('frozen')],
            [meant('Slashed ever', 'slashed'), amount('slashed')],
            [meant('Cases', 'faults'), html`${count('cases')}<small>, ${count('openCases')} open</small>`],
            [meant('Providers in jail', 'jailed'), count('jailed')],
        ])}
        <p class="small">${total > 0n && html`Nodes use ${Number((required * 1000n) / total) / 10} % of the stake.`}</p>
        ${total > 0n && bar(Number((required * 1000n) / total) / 1000)}
        ${tableOf(
            slashes.columns.filter(({ name }) => names.includes(name)),
            slashes.rows.slice(0, 3),
            { caption: 'Last slashes', empty: 'Nobody was ever slashed.', slim: ['provider'] },
        )}
        <p class="small"><a href="/cases">All cases</a> · <a href="/slashes">all slashes</a></p>`;
}

function latestJobs(site: Site): Html {
    const names = ['channel', 'openedAt', 'claimed', 'how'];
    return tableOf(
        jobColumns(site).filter(({ name }) => names.includes(name)),
        site.snapshot.latest.slice(0, ROWS),
        { caption: 'Where something happened last', empty: 'No job was opened yet.', slim: ['openedAt'] },
    );
}
