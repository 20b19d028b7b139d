/** A page for each provider, node and model. */
import type { MarketModel, MarketNode } from '../../indexer/models';
import type { ProviderView } from '../../indexer/view';
import { countText, none, percent, plural, stranger, time, tonNumber, tonText, tonWithUnit } from '../format';
import { html, type Html, type Markup } from '../html';
import { section } from '../layout';
import { demandList, modelLink, modelsList, nodesList, nodeState, providersList, providerState } from '../lists';
import { casesList, jobColumns, slashesList } from '../moreLists';
import { stairs, type PlotStep } from '../plots';
import { type Column, csvOf, facts, meant, tableOf } from '../table';
import type { Page, Site } from '../site';
import { axisText, lastDays, paidPlot } from './home';
import { measuredNote } from './measuredNote';

const MAX_ROWS = 50; // of a table on one of these pages

export function providerPage(site: Site, provider: ProviderView): Page {
    const list = providersList(site);
    const { view } = site.snapshot;
    const nodes = view.nodes.filter((node) => node.provider === provider.provider);
    const slashes = view.slashes.filter((slash) => slash.provider === provider.provider);
    const cases = view.cases.filter((each) => each.provider === provider.provider);
    const jobs = site.snapshot.latestOf(provider.payouts);
    return {
        title: `Provider ${site.accounts.short(provider.provider)}`,
        json: () => ({ ...provider, nodes, cases, slashes, latestJobs: jobs }),
        csv: () => csvOf(list.columns, [provider]),
        body: () =>
            html`${heading('Provider', site.accounts.friendly(provider.provider))}
                <div class="cards">
                    ${section('money', 'Stake and money', providerFacts(site, provider))}
                    ${section('paid', 'Paid each day', paidDays(site, provider))}
                    ${section('nodes', plural(nodes.length, 'node'), tableOf(without(nodesList(site).columns, 'provider'), nodes.slice(0, MAX_ROWS), { caption: 'What it announced', empty: 'It has no node.' }), { kind: 'full' })}
                    ${section('jobs', 'Latest jobs', tableOf(jobColumns(site), jobs, { caption: 'That pay a payout of this provider', empty: 'No job yet.' }), { kind: 'full' })}
                    ${section(
                        'faults',
                        'Faults',
                        html`${tableOf(without(casesList(site).columns, 'provider'), cases.slice(0, MAX_ROWS), { caption: 'Cases', empty: 'No case was ever opened against it.' })}
                        ${slashes.length > 0 && tableOf(without(slashesList(site).columns, 'provider'), slashes.slice(0, MAX_ROWS), { caption: 'Slashes', empty: '' })}`,
                        { kind: 'full' },
                    )}
                </div>`,
    };
}

const without = <Row>(columns: readonly Column<Row>[], name: string): Column<Row>[] =>
    columns.filter((column) => column.name !== name);

export function heading(kind: string, name: Markup, id = html`<code class="long">${name}</code>`): Html {
    return html`<div class="title">
        <p class="kind">${kind}</p>
        <h1>${id}</h1>
    </div>`;
}

function providerFacts({ accounts }: Site, provider: ProviderView): Html {
    const { account } = provider;
    return facts([
        ['State', providerState(provider)],
        ['Owner', accounts.show(provider.owner)],
        [meant('Joined', 'joinedAt'), time(provider.joinedAt)],
        [meant('Stake', 'stake'), tonWithUnit(account?.stake)],
        [meant('Required', 'stakeRequired'), tonWithUnit(account?.requiredStake)],
        [meant('Frozen', 'frozen'), tonWithUnit(account?.frozen)],
        [meant('Unbonding', 'unbonding'), tonWithUnit(account?.unbonding)],
        [meant('Stake used', 'stakeUse'), percent(provider.stakeUse)],
        [meant('Paid in 7 days', 'claimed'), tonWithUnit(provider.claimed7Days)],
        [meant('Paid ever', 'claimed'), tonWithUnit(provider.claimed)],
        [meant('Jobs', 'jobs'), html`${countText(provider.jobs)}<small>, ${countText(provider.openJobs)} open</small>`],
        [meant('Slashed', 'slashed'), tonWithUnit(provider.slashed)],
        [
            'Payouts',
            provider.payouts.length === 0 ? none : provider.payouts.map((payout) => html`${accounts.show(payout)} `),
        ],
        ...(provider.sharesPayout
            ? ([['Note', 'It shares a payout with another provider, and so its jobs.']] as const)
            : []),
        ...(provider.busyPayouts.length > 0
            ? ([['Note', 'A payout is too busy to follow, or one too many: jobs may be missing.']] as const)
            : []),
    ]);
}

function paidDays({ snapshot, reading }: Site, { payouts }: ProviderView): Html {
    const paid = snapshot.paidByDay(payouts);
    return paidPlot(
        lastDays(reading.now, (day) => paid.get(day) ?? 0n).map(({ day, value }) => ({ day, paid: value })),
    );
}

export function nodePage(site: Site, node: MarketNode): Page {
    const { accounts, measured } = site;
    const { hardware, service, attestation } = node;
    const speed = measured?.byEndpoint.get(service?.endpoint.replace(/\/+$/, '') ?? '');
    const text = (words: string | undefined) => stranger(words, 200);
    return {
        title: `Node ${accounts.short(node.provider)}/${node.number}`,
        json: () => ({
            ...node,
            measured: speed === undefined ? null : { source: measured!.source, at: measured!.at, ...speed },
        }),
        csv: () => csvOf(nodesList(site).columns, [node]),
        body: () =>
            html`${heading('Node', html`${accounts.friendly(node.provider)}/${node.number}`)}
                <div class="cards">
                    ${section(
                        'announced',
                        'As announced',
                        facts([
                            ['State', nodeState(node)],
                            ['Provider', accounts.show(node.provider, '/providers')],
                            ['Account', accounts.show(node.node)],
                            ['GPU', text(hardware?.model)],
                            [meant('GPUs', 'gpus'), hardware?.gpus ?? none],
                            [meant('VRAM of one', 'vram'), hardware === undefined ? none : `${hardware.vram} GB`],
                            [meant('Region', 'region'), text(service?.region)],
                            ['Endpoint', text(service?.endpoint)],
                            [meant('Tier', 'tier'), node.tier],
                            ['Attested until', time(attestation?.expiresAt ?? null)],
                            [meant('Uptime promised', 'uptime'), percent(service?.uptime ?? null)],
                            ['Listed', time(node.listedAt)],
                            ['Changed', time(node.changedAt)],
                        ]),
                    )}
                    ${section('offers', 'Offers', offersTable(site, node))}
                    ${section(
                        'measured',
                        'Speed and success',
                        html`${
                            speed !== undefined &&
                            facts([
                                [
                                    meant('Tokens a second', 'measured'),
                                    speed.tokensPerSecond === null ? none : speed.tokensPerSecond.toFixed(1),
                                ],
                                [
                                    meant('First token', 'measured'),
                                    speed.firstTokenMs === null ? none : `${Math.round(speed.firstTokenMs)} ms`,
                                ],
                            ])
                        }
                        ${measuredNote(site)}`,
                    )}
                </div>`,
    };
}

function offersTable(site: Site, { offers }: MarketNode): Html {
    type Offer = MarketNode['offers'][number];
    const price = (name: 'prompt' | 'cached' | 'completion' | 'reasoning', label: string): Column<Offer> => ({
        ...{ name, label, kind: 'ton', meaning: name, value: (offer) => offer[name] },
    });
    const columns: Column<Offer>[] = [
        {
            name: 'model',
            label: 'Model',
            kind: 'text',
            value: ({ model }) => model,
            show: ({ model }) => modelLink(model, site),
        },
        ...[
            price('prompt', 'Prompt'),
            price('cached', 'Cached'),
            price('completion', 'Answer'),
            price('reasoning', 'Reasoning'),
        ],
    ];
    return tableOf(columns, offers, { caption: 'TON for a million tokens', empty: 'It offers no model.' });
}

export function modelPage(site: Site, model: MarketModel): Page {
    const { models, snapshot, reading } = site;
    const id = models.idOf(model.model);
    const sellers = snapshot.view.nodes.filter(
        (node) => node.open && node.knownCode && node.offers.some((offer) => offer.model === model.model),
    );
    const offerOf = (node: MarketNode) => node.offers.find((offer) => offer.model === model.model)!;
    sellers.sort((one, other) => tonNumber(offerOf(one).completion) - tonNumber(offerOf(other).completion));
    const demands = demandList(site).rows.filter((demand) => demand.model === model.model);
    const price = (name: 'prompt' | 'completion', label: string): Column<MarketNode> => ({
        ...{ name, label, kind: 'ton', meaning: name, value: (node) => offerOf(node)[name] },
    });
    const nodes = nodesList(site).columns.filter(({ name }) =>
        ['key', 'gpus', 'gpu', 'region', 'tier', 'tokensPerSecond'].includes(name),
    );
    const spread = (name: keyof NonNullable<MarketModel['price']>): Markup =>
        model.price === null
            ? none
            : html`${tonWithUnit(model.price[name].median)}
                  <span class="under">${tonText(model.price[name].min)} – ${tonText(model.price[name].max)}</span>`;
    return {
        title: models.display(model.model),
        json: () => ({ ...model, id, sellers: sellers.map((node) => ({ key: node.key, ...offerOf(node) })), demands }),
        csv: () => csvOf(modelsList(site).columns, [model]),
        body: () =>
            html`${heading('Model', '', html`${stranger(models.display(model.model))}`)}
                <div class="cards">
                    ${section(
                        'price',
                        'Price of a million tokens',
                        html`${facts([
                                [meant('Prompt', 'prompt'), spread('prompt')],
                                [meant('Cached', 'cached'), spread('cached')],
                                [meant('Answer', 'completion'), spread('completion')],
                                [meant('Reasoning', 'reasoning'), spread('reasoning')],
                            ])}
                            <p class="small">
                                The median of open nodes now, and the lowest and highest that one asks.
                            </p>`,
                    )}
                    ${section('history', 'Price over time', priceHistory(model, reading.now), { path: '/prices', text: 'All prices' })}
                    ${section(
                        'market',
                        'Supply and demand',
                        facts([
                            ['Open nodes', countText(model.nodes)],
                            [meant('GPUs', 'supply'), countText(model.gpus)],
                            [meant('Queries a day', 'demand'), countText(model.demand)],
                            [meant('Clients', 'demand'), countText(model.clients)],
                            ...Object.entries(model.tiers).map(
                                ([tier, count]) => [html`Tier ${tier}`, plural(count, 'node')] as const,
                            ),
                            ['SHA-256 on chain', html`<code class="long">${model.model}</code>`],
                        ]),
                    )}
                    ${section('sellers', 'Who sells it', tableOf([...nodes, price('prompt', 'Prompt, TON'), price('completion', 'Answer, TON')], sellers.slice(0, MAX_ROWS), { caption: 'Open nodes, the cheapest answer first', empty: 'No open node offers it.' }), { kind: 'full' })}
                    ${section('buyers', 'Who wants it', tableOf(without(demandList(site).columns, 'model'), demands.slice(0, MAX_ROWS), { caption: 'Announced demand', empty: 'Nobody announced demand.' }), { kind: 'full' })}
                </div>`,
    };
}

function priceHistory({ prices }: MarketModel, now: number): Html {
    if (prices.length === 0) {
        return html`<p class="empty">No node ever offered it.</p>`;
    }
    const begin = Date.parse(prices[0].day) / 1000;
    const span = Math.max(now - begin, 1);
    const line = (name: 'prompt' | 'completion'): PlotStep[] =>
        prices.map((price, i) => ({
            at: i === 0 ? 0 : Math.min(0.98, (Date.parse(price.day) / 1000 + 43_200 - begin) / span),
            value: price[name] === null ? null : tonNumber(price[name]),
        }));
    const middle = new Date((begin + span / 2) * 1000).toISOString().slice(0, 10);
    return html`${stairs(
            [
                { kind: 'completion', steps: line('completion') },
                { kind: 'prompt', steps: line('prompt') },
            ],
            {
                label: `Median price of a million tokens of answers and prompts, from ${prices[0].day} to today`,
                unit: axisText,
                names: [prices[0].day, middle, 'today'],
            },
        )}
        <p class="legend"><span class="completion">Answer</span> <span class="prompt">Prompt</span></p>
        ${tableOf(
            [
                { name: 'day', label: 'Day (UTC)', kind: 'text', value: ({ day }) => day },
                { name: 'nodes', label: 'Nodes', kind: 'count', value: ({ nodes }) => nodes },
                { name: 'prompt', label: 'Prompt, TON', kind: 'ton', value: ({ prompt }) => prompt },
                { name: 'completion', label: 'Answer, TON', kind: 'ton', value: ({ completion }) => completion },
            ],
            [...prices].reverse().slice(0, 7),
            { caption: 'Medians at the end of the last days on which an offer changed', empty: '' },
        )}`;
}
