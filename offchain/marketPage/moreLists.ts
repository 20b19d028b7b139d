/** Lists of days, prices, supply, clients, cases and slashes. */
import type { IndexedJob } from '../indexer/jobs';
import { countBy } from '../indexer/models';
import { html, type Markup } from './html';
import { modelLink } from './lists';
import { isSelling, type Site } from './site';
import type { Column, List } from './table';

export const daysList = ({ snapshot }: Site) => {
    const rows = [...snapshot.view.days].reverse();
    type Day = (typeof rows)[number];
    const columns: Column<Day>[] = [
        { name: 'day', label: 'Day (UTC)', kind: 'text', value: ({ day }) => day, meaning: 'day' },
        { name: 'claimed', label: 'Paid, TON', kind: 'ton', value: ({ claimed }) => claimed, meaning: 'claimed' },
        { name: 'claims', label: 'Claims', kind: 'count', value: ({ claims }) => claims, meaning: 'claims' },
        { name: 'openings', label: 'Opened', kind: 'count', value: ({ openings }) => openings, meaning: 'openings' },
        {
            name: 'deposits',
            label: 'Deposits, TON',
            kind: 'ton',
            value: ({ deposits }) => deposits,
            meaning: 'openings',
        },
        { name: 'settled', label: 'Settled', kind: 'count', value: ({ settled }) => settled, meaning: 'settled' },
        { name: 'refunds', label: 'Refunds', kind: 'count', value: ({ refunds }) => refunds, meaning: 'refunds' },
        {
            name: 'refunded',
            label: 'Refunded, TON',
            kind: 'ton',
            value: ({ refunded }) => refunded,
            meaning: 'refunds',
        },
        { name: 'faults', label: 'Faults', kind: 'count', value: ({ faults }) => faults, meaning: 'faults' },
        { name: 'slashes', label: 'Slashes', kind: 'count', value: ({ slashes }) => slashes, data: true },
        { name: 'slashed', label: 'Slashed, TON', kind: 'ton', value: ({ slashed }) => slashed, meaning: 'slashed' },
    ];
    const about = 'What happened on each day on which anything did, newest first.';
    return { name: 'days', title: 'Days', about, columns, rows } satisfies List<Day>;
};

export const pricesList = (site: Site) => {
    const rows = site.snapshot.view.models.flatMap(({ model, prices }) => prices.map((price) => ({ model, ...price })));
    rows.sort((one, other) => (one.day > other.day ? -1 : one.day < other.day ? 1 : one.model < other.model ? -1 : 1));
    type Price = (typeof rows)[number];
    const columns: Column<Price>[] = [
        { name: 'day', label: 'Day (UTC)', kind: 'text', value: ({ day }) => day, meaning: 'prices' },
        {
            ...{ name: 'model', label: 'Model', kind: 'text', value: ({ model }) => model },
            show: ({ model }) => modelLink(model, site),
        },
        { name: 'modelId', label: 'Id', kind: 'text', value: ({ model }) => site.models.idOf(model), data: true },
        { name: 'nodes', label: 'Nodes', kind: 'count', value: ({ nodes }) => nodes },
        { name: 'prompt', label: 'Prompt, TON', kind: 'ton', value: ({ prompt }) => prompt, meaning: 'prices' },
        {
            name: 'completion',
            label: 'Answer, TON',
            kind: 'ton',
            value: ({ completion }) => completion,
            meaning: 'prices',
        },
    ];
    const about = 'Medians of a million tokens at the end of each day on which an offer changed, newest first.';
    return { name: 'prices', title: 'Prices over time', about, columns, rows } satisfies List<Price>;
};

export const supplyList = ({ snapshot }: Site) => {
    const rows = [...snapshot.view.supply].sort((one, other) => other.gpus - one.gpus);
    type Supply = (typeof rows)[number];
    const columns: Column<Supply>[] = [
        { name: 'gpu', label: 'GPU', kind: 'text', value: ({ gpu }) => gpu },
        { name: 'vram', label: 'VRAM, GB', kind: 'count', value: ({ vram }) => vram, meaning: 'vram' },
        { name: 'gpus', label: 'GPUs', kind: 'count', value: ({ gpus }) => gpus, meaning: 'supply' },
        { name: 'nodes', label: 'Nodes', kind: 'count', value: ({ nodes }) => nodes },
    ];
    return {
        name: 'supply',
        title: 'Supply',
        about: 'GPUs of nodes that sell now.',
        columns,
        rows,
    } satisfies List<Supply>;
};

/** GPUs and nodes that sell, by a text of the node. */
function countsBy({ snapshot }: Site, nameOf: (node: Site['snapshot']['view']['nodes'][number]) => string) {
    const selling = snapshot.view.nodes.filter(isSelling);
    const gpus = countBy(selling, nameOf, ({ hardware }) => hardware?.gpus ?? 0);
    const nodes = countBy(selling, nameOf);
    return Object.keys(gpus)
        .map((name) => ({ name, gpus: gpus[name], nodes: nodes[name] }))
        .sort((one, other) => other.gpus - one.gpus || (one.name < other.name ? -1 : 1));
}

type CountRow = { name: string; gpus: number; nodes: number };

const countColumns = (name: string, label: string, meaning: 'region' | 'tier'): Column<CountRow>[] => [
    { ...{ name, label, kind: 'text', meaning }, value: (row) => row.name },
    { name: 'gpus', label: 'GPUs', kind: 'count', value: ({ gpus }) => gpus, meaning: 'supply' },
    { name: 'nodes', label: 'Nodes', kind: 'count', value: ({ nodes }) => nodes },
];

export const regionsList = (site: Site): List<CountRow> => ({
    ...{ name: 'regions', title: 'Regions', about: 'GPUs of nodes that sell now, by their region.' },
    columns: countColumns('region', 'Region', 'region'),
    rows: countsBy(site, ({ service }) => service?.region ?? ''),
});

export const tiersList = (site: Site): List<CountRow> => ({
    ...{ name: 'tiers', title: 'Tiers', about: 'GPUs of nodes that sell now, by the attestation that they announced.' },
    columns: countColumns('tier', 'Tier', 'tier'),
    rows: countsBy(site, ({ tier }) => tier),
});

export const clientsList = ({ snapshot, accounts }: Site) => {
    const rows = [...snapshot.view.clients].sort((one, other) =>
        one.claimed7Days > other.claimed7Days ? -1 : one.claimed7Days < other.claimed7Days ? 1 : 0,
    );
    type Client = (typeof rows)[number];
    const columns: Column<Client>[] = [
        {
            ...{ name: 'client', label: 'Escrow', kind: 'text', value: ({ client }) => client, meaning: 'clients' },
            show: ({ client }) => accounts.show(client),
        },
        { name: 'jobs', label: 'Jobs', kind: 'count', value: ({ jobs }) => jobs },
        { name: 'openJobs', label: 'Open', kind: 'count', value: ({ openJobs }) => openJobs },
        { name: 'claims', label: 'Claims', kind: 'count', value: ({ claims }) => claims, meaning: 'claims' },
        {
            ...{ name: 'claimed7Days', label: 'Paid in 7 days, TON', kind: 'ton', meaning: 'claimed' },
            value: ({ claimed7Days }) => claimed7Days,
        },
        { name: 'claimed', label: 'Paid ever, TON', kind: 'ton', value: ({ claimed }) => claimed, meaning: 'claimed' },
        {
            name: 'refunded',
            label: 'Refunded, TON',
            kind: 'ton',
            value: ({ refunded }) => refunded,
            meaning: 'refunds',
        },
    ];
    const about = 'Who buys: escrows with the jobs that they opened.';
    return { name: 'clients', title: 'Clients', about, columns, rows } satisfies List<Client>;
};

export const casesList = ({ snapshot, accounts }: Site) => {
    const rows = [...snapshot.view.cases].sort((one, other) => other.openedAt - one.openedAt);
    type Case = (typeof rows)[number];
    const columns: Column<Case>[] = [
        {
            ...{ name: 'dispute', label: 'Case', kind: 'text', value: ({ dispute }) => dispute },
            show: ({ dispute }) => accounts.show(dispute),
        },
        {
            ...{ name: 'provider', label: 'Provider', kind: 'text', value: ({ provider }) => provider },
            show: ({ provider }) => accounts.show(provider, '/providers'),
        },
        { name: 'node', label: 'Node', kind: 'count', value: ({ node }) => node },
        { name: 'faultClass', label: 'Class', kind: 'text', value: ({ faultClass }) => faultClass, meaning: 'faults' },
        { name: 'job', label: 'Job', kind: 'text', value: ({ job }) => job, data: true },
        { name: 'query', label: 'Query', kind: 'count', value: ({ query }) => query, data: true },
        { name: 'amount', label: 'Frozen, TON', kind: 'ton', value: ({ amount }) => amount, meaning: 'frozen' },
        { name: 'bond', label: 'Bond, TON', kind: 'ton', value: ({ bond }) => bond, data: true },
        { name: 'openedAt', label: 'Opened', kind: 'time', value: ({ openedAt }) => openedAt },
        { name: 'endedAt', label: 'Ended', kind: 'time', value: ({ endedAt }) => endedAt },
        { name: 'outcome', label: 'Outcome', kind: 'text', value: ({ outcome }) => outcome ?? 'open' },
    ];
    const about = 'Faults that somebody reported, newest first.';
    return { name: 'cases', title: 'Cases', about, columns, rows } satisfies List<Case>;
};

export const slashesList = ({ snapshot, accounts }: Site) => {
    const rows = [...snapshot.view.slashes].sort((one, other) => other.at - one.at);
    type Slash = (typeof rows)[number];
    const columns: Column<Slash>[] = [
        { name: 'at', label: 'Time (UTC)', kind: 'time', value: ({ at }) => at },
        {
            ...{ name: 'provider', label: 'Provider', kind: 'text', value: ({ provider }) => provider },
            show: ({ provider }) => accounts.show(provider, '/providers'),
        },
        { name: 'node', label: 'Node', kind: 'count', value: ({ node }) => node },
        { name: 'faultClass', label: 'Class', kind: 'text', value: ({ faultClass }) => faultClass },
        { name: 'amount', label: 'Slashed, TON', kind: 'ton', value: ({ amount }) => amount, meaning: 'slashed' },
        { name: 'victim', label: 'To the victim', kind: 'ton', value: ({ victim }) => victim },
        { name: 'reward', label: 'To the reporter', kind: 'ton', value: ({ reward }) => reward },
        { name: 'insurance', label: 'To the insurance', kind: 'ton', value: ({ insurance }) => insurance },
        { name: 'job', label: 'Job', kind: 'text', value: ({ job }) => job, data: true },
        { name: 'lt', label: 'lt', kind: 'text', value: ({ lt }) => `${lt}`, data: true },
    ];
    const about = 'What was taken from stakes, newest first.';
    return { name: 'slashes', title: 'Slashes', about, columns, rows } satisfies List<Slash>;
};

/** How a job stands. */
export function jobState({ endedAt, how, leftAt, end }: IndexedJob, now: number): Markup {
    if (endedAt !== null) {
        return how === 'refunded' ? 'refunded' : 'settled';
    }
    if (end <= now) {
        return 'over, not ended';
    }
    return leftAt === null ? html`<span class="good">open</span>` : 'leaving';
}

export const jobColumns = ({ accounts, reading }: Site): Column<IndexedJob>[] => [
    {
        ...{ name: 'channel', label: 'Job', kind: 'text', value: ({ channel }) => channel },
        show: ({ channel }) => accounts.show(channel, '/jobs'),
    },
    {
        ...{ name: 'client', label: 'Client', kind: 'text', value: ({ client }) => client },
        show: ({ client }) => accounts.show(client),
    },
    { name: 'payout', label: 'Payout', kind: 'text', value: ({ payout }) => payout, data: true },
    { name: 'openedAt', label: 'Opened', kind: 'time', value: ({ openedAt }) => openedAt },
    { name: 'deposit', label: 'Deposit, TON', kind: 'ton', value: ({ deposit }) => deposit, meaning: 'openings' },
    { name: 'claims', label: 'Claims', kind: 'count', value: ({ claims }) => claims.length, meaning: 'claims' },
    { name: 'claimed', label: 'Paid, TON', kind: 'ton', value: ({ claimed }) => claimed, meaning: 'claimed' },
    { name: 'rest', label: 'Returned, TON', kind: 'ton', value: ({ rest }) => rest, data: true },
    { name: 'end', label: 'End', kind: 'time', value: ({ end }) => end, data: true },
    { name: 'leftAt', label: 'Left', kind: 'time', value: ({ leftAt }) => leftAt, data: true },
    { name: 'endedAt', label: 'Ended', kind: 'time', value: ({ endedAt }) => endedAt, data: true },
    {
        ...{ name: 'how', label: 'State', kind: 'text', value: ({ how }) => how },
        show: (job) => jobState(job, reading.now),
    },
];

export const latestJobsList = (site: Site): List<IndexedJob> => ({
    ...{ name: 'jobs', title: 'Latest jobs', about: 'Jobs in which something happened last. Any job has a page.' },
    columns: jobColumns(site),
    rows: site.snapshot.latest,
});
