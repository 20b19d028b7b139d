/** Every list of the market, each with one description for page, JSON and CSV. */
import type { MarketNode } from '../indexer/models';
import { html, type Markup } from './html';
import { stranger, ton, tonText } from './format';
import { isSelling, type Site } from './site';
import type { Column, List } from './table';

/** The number of a node as people write it. */
export const nodePath = ({ provider, number }: { provider: string; number: number }, { accounts }: Site): string =>
    `/nodes/${accounts.friendly(provider)}/${number}`;

export const modelLink = (hash: string, { models }: Site): Markup =>
    html`<a href="${models.path(hash)}">${stranger(models.display(hash), 40)}</a>`;

export const providersList = (site: Site) => {
    const { accounts, snapshot } = site;
    const rows = [...snapshot.view.providers].sort(
        (one, other) => descending(one.claimed7Days, other.claimed7Days) || other.openNodes - one.openNodes,
    );
    type Provider = (typeof rows)[number];
    const columns: Column<Provider>[] = [
        {
            ...{ name: 'provider', label: 'Provider', kind: 'text', value: ({ provider }) => provider },
            show: ({ provider }) => accounts.show(provider, '/providers'),
        },
        { name: 'owner', label: 'Owner', kind: 'text', value: ({ owner }) => owner, data: true },
        { name: 'openNodes', label: 'Open nodes', kind: 'count', value: ({ openNodes }) => openNodes },
        { name: 'gpus', label: 'GPUs', kind: 'count', value: ({ account }) => account?.gpus, meaning: 'gpus' },
        { name: 'openJobs', label: 'Open jobs', kind: 'count', value: ({ openJobs }) => openJobs, meaning: 'jobs' },
        { name: 'jobs', label: 'Jobs', kind: 'count', value: ({ jobs }) => jobs, data: true },
        {
            ...{ name: 'claimed7Days', label: 'Paid in 7 days, TON', kind: 'ton', meaning: 'claimed' },
            value: ({ claimed7Days }) => claimed7Days,
        },
        { name: 'claimed', label: 'Paid ever, TON', kind: 'ton', value: ({ claimed }) => claimed, meaning: 'claimed' },
        { name: 'stake', label: 'Stake, TON', kind: 'ton', value: ({ account }) => account?.stake, meaning: 'stake' },
        {
            ...{ name: 'requiredStake', label: 'Required', kind: 'ton', data: true, meaning: 'stakeRequired' },
            value: ({ account }) => account?.requiredStake,
        },
        { name: 'frozen', label: 'Frozen', kind: 'ton', value: ({ account }) => account?.frozen, data: true },
        { name: 'unbonding', label: 'Unbonding', kind: 'ton', value: ({ account }) => account?.unbonding, data: true },
        {
            ...{ name: 'stakeUse', label: 'Stake used', kind: 'share', meaning: 'stakeUse' },
            value: ({ stakeUse }) => stakeUse,
        },
        {
            ...{ name: 'slashed', label: 'Slashed, TON', kind: 'ton', meaning: 'slashed' },
            value: ({ slashed }) => slashed,
        },
        {
            ...{ name: 'jailed', label: 'State', kind: 'flag', value: ({ jailed }) => jailed, meaning: 'jailed' },
            show: ({ jailed, knownCode, openNodes }) => providerState({ jailed, knownCode, openNodes }),
        },
        { name: 'knownCode', label: 'Known code', kind: 'flag', value: ({ knownCode }) => knownCode, data: true },
        { name: 'joinedAt', label: 'Joined', kind: 'time', value: ({ joinedAt }) => joinedAt, meaning: 'joinedAt' },
    ];
    const about = 'Who sells, with stake, jobs and faults. Sorted by what was paid in 7 days.';
    return { name: 'providers', title: 'Providers', about, columns, rows } satisfies List<Provider>;
};

export function providerState(provider: { jailed: boolean | null; knownCode: boolean; openNodes: number }): Markup {
    if (!provider.knownCode) {
        return html`<span class="bad">unknown code</span>`;
    }
    if (provider.jailed === true) {
        return html`<span class="bad">jailed</span>`;
    }
    return provider.openNodes > 0 ? html`<span class="good">sells</span>` : 'no open node';
}

export const nodesList = (site: Site) => {
    const { accounts, snapshot, measured } = site;
    const rows = [...snapshot.view.nodes].sort((one, other) => Number(isSelling(other)) - Number(isSelling(one)));
    const speedOf = ({ service }: MarketNode) => measured?.byEndpoint.get(service?.endpoint.replace(/\/+$/, '') ?? '');
    const columns: Column<MarketNode>[] = [
        {
            ...{ name: 'key', label: 'Node', kind: 'text', value: ({ key }) => key },
            show: (node) =>
                html`<a href="${nodePath(node, site)}"
                    ><code>${accounts.short(node.provider)}/${node.number}</code></a
                >`,
        },
        { name: 'node', label: 'Account', kind: 'text', value: ({ node }) => node, data: true },
        { name: 'provider', label: 'Provider', kind: 'text', value: ({ provider }) => provider, data: true },
        { name: 'number', label: 'Number', kind: 'count', value: ({ number }) => number, data: true },
        { name: 'gpus', label: 'GPUs', kind: 'count', value: ({ hardware }) => hardware?.gpus, meaning: 'gpus' },
        { name: 'gpu', label: 'GPU', kind: 'text', value: ({ hardware }) => hardware?.model },
        { name: 'vram', label: 'VRAM, GB', kind: 'count', value: ({ hardware }) => hardware?.vram, meaning: 'vram' },
        { name: 'region', label: 'Region', kind: 'text', value: ({ service }) => service?.region, meaning: 'region' },
        { name: 'tier', label: 'Tier', kind: 'text', value: ({ tier }) => tier, meaning: 'tier' },
        { name: 'uptime', label: 'Uptime', kind: 'share', value: ({ service }) => service?.uptime, meaning: 'uptime' },
        { name: 'models', label: 'Models', kind: 'count', value: ({ offers }) => offers.length },
        { name: 'endpoint', label: 'Endpoint', kind: 'text', value: ({ service }) => service?.endpoint, data: true },
        {
            ...{ name: 'open', label: 'State', kind: 'flag', value: ({ open }) => open },
            show: (node) => nodeState(node),
        },
        { name: 'selling', label: 'Sells', kind: 'flag', value: isSelling, data: true },
        ...(measured === undefined
            ? []
            : ([
                  {
                      ...{ name: 'tokensPerSecond', label: 'Tokens/s', kind: 'count', meaning: 'measured' },
                      value: (node) => rounded(speedOf(node)?.tokensPerSecond),
                  },
                  {
                      ...{ name: 'firstTokenMs', label: 'First token, ms', kind: 'count', meaning: 'measured' },
                      value: (node) => rounded(speedOf(node)?.firstTokenMs),
                  },
              ] satisfies Column<MarketNode>[])),
        { name: 'listedAt', label: 'Listed', kind: 'time', value: ({ listedAt }) => listedAt, data: true },
        { name: 'changedAt', label: 'Changed', kind: 'time', value: ({ changedAt }) => changedAt },
    ];
    const about = 'Machines with their hardware and place, as their providers announced them.';
    return { name: 'nodes', title: 'Nodes', about, columns, rows } satisfies List<MarketNode>;
};

const rounded = (value: number | null | undefined): number | null =>
    value === null || value === undefined ? null : Math.round(value);

export function nodeState(node: MarketNode): Markup {
    if (!node.knownCode) {
        return html`<span class="bad">unknown code</span>`;
    }
    if (!node.open) {
        return 'closed';
    }
    return node.providerJailed === true
        ? html`<span class="bad">provider jailed</span>`
        : html`<span class="good">open</span>`;
}

export const modelsList = (site: Site) => {
    const { snapshot, models } = site;
    const rows = [...snapshot.view.models].sort(
        (one, other) => other.gpus - one.gpus || other.demand - one.demand || (one.model < other.model ? -1 : 1),
    );
    type Model = (typeof rows)[number];
    const spread = (kind: 'prompt' | 'cached' | 'completion' | 'reasoning', label: string): Column<Model>[] => [
        ...(['min', 'median', 'max'] as const).map((which): Column<Model> => ({
            ...{ name: `${kind}${which[0].toUpperCase()}${which.slice(1)}`, label: `${label}, ${which}`, kind: 'ton' },
            ...{ value: ({ price }: Model) => price?.[kind][which], data: true },
        })),
    ];
    const columns: Column<Model>[] = [
        {
            ...{ name: 'model', label: 'Model', kind: 'text', value: ({ model }) => model, meaning: 'models' },
            show: ({ model }) => modelLink(model, site),
        },
        { name: 'id', label: 'Id', kind: 'text', value: ({ model }) => models.idOf(model), data: true },
        {
            ...{ name: 'promptPrice', label: 'Prompt, TON', kind: 'ton', meaning: 'price' },
            value: ({ price }) => price?.prompt.median,
        },
        {
            ...{ name: 'completionPrice', label: 'Answer, TON', kind: 'ton', meaning: 'price' },
            value: ({ price }) => price?.completion.median,
        },
        {
            ...{ name: 'range', label: 'Answer from – to', kind: 'text', meaning: 'completion' },
            value: ({ price }) => price && `${tonText(price.completion.min)} – ${tonText(price.completion.max)}`,
            show: ({ price }) => price && html`${ton(price.completion.min)} – ${ton(price.completion.max)}`,
        },
        ...spread('prompt', 'Prompt'),
        ...spread('cached', 'Cached'),
        ...spread('completion', 'Answer'),
        ...spread('reasoning', 'Reasoning'),
        { name: 'nodes', label: 'Nodes', kind: 'count', value: ({ nodes }) => nodes },
        { name: 'gpus', label: 'GPUs', kind: 'count', value: ({ gpus }) => gpus, meaning: 'supply' },
        { name: 'demand', label: 'Queries a day', kind: 'count', value: ({ demand }) => demand, meaning: 'demand' },
        { name: 'clients', label: 'Clients', kind: 'count', value: ({ clients }) => clients, meaning: 'demand' },
    ];
    const about = 'Prices of a million tokens as open nodes ask them now, with supply and announced demand.';
    return { name: 'models', title: 'Models', about, columns, rows } satisfies List<Model>;
};

const descending = (one: bigint, other: bigint): number => (one > other ? -1 : one < other ? 1 : 0);

export const demandList = (site: Site) => {
    const { snapshot, accounts, models } = site;
    const { asOf, demands } = snapshot.view;
    const rows = [...demands].sort((one, other) => other.queriesPerDay - one.queriesPerDay);
    type Demand = (typeof rows)[number];
    const columns: Column<Demand>[] = [
        {
            ...{ name: 'client', label: 'Client', kind: 'text', value: ({ client }) => client },
            show: ({ client }) => accounts.show(client),
        },
        { name: 'escrow', label: 'Escrow', kind: 'text', value: ({ escrow }) => escrow, data: true },
        {
            ...{ name: 'model', label: 'Model', kind: 'text', value: ({ model }) => model },
            show: ({ model }) => modelLink(model, site),
        },
        { name: 'modelId', label: 'Id', kind: 'text', value: ({ model }) => models.idOf(model), data: true },
        {
            ...{ name: 'queriesPerDay', label: 'Queries a day', kind: 'count', meaning: 'demand' },
            value: ({ queriesPerDay }) => queriesPerDay,
        },
        { name: 'announcedAt', label: 'Announced', kind: 'time', value: ({ announcedAt }) => announcedAt },
        { name: 'endsAt', label: 'Until', kind: 'time', value: ({ endsAt }) => endsAt },
        { name: 'isCurrent', label: 'Current', kind: 'flag', value: ({ endsAt }) => endsAt > asOf },
    ];
    const about = 'What clients announced that they want to buy. It binds nobody.';
    return { name: 'demand', title: 'Demand', about, columns, rows } satisfies List<Demand>;
};
