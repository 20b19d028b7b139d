/** The market page: answers GET and HEAD, reads the index, and has no state, no cookie and no script. */
import { readAddress } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainJson } from '../indexer/export';
import { BytesInUse, createDoor, NoRoom } from '../process/doors';
import { placeOfAddress } from '../process/proxies';
import { isPostgres } from '../process/storeAddress';
import { MarketData, type Reading } from './data';
import { documentOf } from './layout';
import { demandList, modelsList, nodesList, providersList } from './lists';
import type { MeasuredSource } from './measured';
import {
    casesList,
    clientsList,
    daysList,
    pricesList,
    regionsList,
    slashesList,
    supplyList,
    tiersList,
} from './moreLists';
import { NameBook } from './names';
import { modelPage, nodePage, providerPage } from './pages/details';
import { homePage } from './pages/home';
import { jobPage } from './pages/job';
import { absentPage, definitionsPage, jobsPage, listPage, notFound, pagesOf } from './pages/plain';
import { accountsOf, type Page, type Site } from './site';
import type { List } from './table';

const HEADERS = {
    'content-security-policy':
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};
const SILENT_SECONDS = 30;
const MAX_URL = 512; // characters
const MIN_REFRESH = 5; // seconds
const UNREAD_BYTES = 64 << 20; // of pages that readers have not taken yet, which may take twice the memory

const CSS = readFileSync(join(__dirname, 'page.css'));
const ICON =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><ellipse cx="16" cy="16" rx="9" ry="14" fill="#2f72d6"/>' +
    '<path d="M8 12q8 5 16 0M7 17q9 5 18 0M9 22q7 4 14 0" stroke="#fff" stroke-width="1.6" fill="none"/></svg>';

export interface MarketServerOptions {
    store: string; // of the index
    models?: readonly string[]; // ids besides those of the catalogue
    measured?: MeasuredSource | undefined;
    now?: () => number; // unix seconds
    freshMs?: number; // for which a view is shown without a new one being read
    unreadBytes?: number; // of pages that readers have not taken yet
}

const LISTS: Record<string, (site: Site) => List<never>> = {
    providers: providersList as never,
    nodes: nodesList as never,
    models: modelsList as never,
    demand: demandList as never,
    days: daysList as never,
    prices: pricesList as never,
    supply: supplyList as never,
    regions: regionsList as never,
    tiers: tiersList as never,
    clients: clientsList as never,
    cases: casesList as never,
    slashes: slashesList as never,
};

type Form = 'html' | 'json' | 'csv';

interface PageRequest {
    path: string; // without its form
    segments: string[];
    form: Form;
    query: URLSearchParams;
}

/** The server, not yet listening. Closing it closes the index. */
export function makeMarketServer(options: MarketServerOptions): FastifyInstance {
    const server = createDoor({ silentSeconds: SILENT_SECONDS });
    const data = new MarketData(options);
    const models = new NameBook(options.models);
    const unread = new BytesInUse(options.unreadBytes ?? UNREAD_BYTES);
    server.addHook<string | Buffer | undefined>('onSend', async ({ socket }, reply, page) => {
        reply.headers(HEADERS);
        // Nothing of a page waits for a reader who left before it was made, and no event would give its bytes back.
        if (reply.statusCode !== 503 && !reply.raw.closed) {
            reply.raw.once('close', unread.take(placeOfAddress(socket.remoteAddress ?? ''), page?.length ?? 0));
        }
    });
    server.addHook('onClose', () => data.close());
    server.setErrorHandler((error: { statusCode?: number }, _, reply) => {
        const status = error.statusCode ?? 500;
        const text =
            status < 500
                ? 'The request cannot be read'
                : error instanceof NoRoom
                  ? error.message
                  : 'The page failed; the index and the chain are not touched by that';
        reply.header('cache-control', 'no-store'); // the page itself may be kept for a while
        return reply.code(status).type('text/plain; charset=utf-8').send(`${text}\n`);
    });
    server.setNotFoundHandler((_, reply) =>
        reply
            .code(405)
            .header('allow', 'GET, HEAD')
            .type('text/plain; charset=utf-8')
            .send('Only GET and HEAD are served\n'),
    );
    const file = (path: string, type: string, bytes: Buffer | string) =>
        server.get(path, async (_, reply) => reply.header('cache-control', 'max-age=300').type(type).send(bytes));
    file('/page.css', 'text/css; charset=utf-8', CSS);
    file('/icon.svg', 'image/svg+xml', ICON);
    file('/robots.txt', 'text/plain; charset=utf-8', 'User-agent: *\nAllow: /\n');

    server.get('/*', async (request, reply) => {
        const requested = requestedBy(request);
        if (requested === undefined) {
            return reply.code(400).type('text/plain; charset=utf-8').send('This address cannot be read\n');
        }
        const reading = await data.current();
        const sought = requested.path === '/jobs' ? requested.query.get('address') : null;
        if (sought !== null && addressIn(sought) !== undefined) {
            return reply.redirect(`/jobs/${addressIn(sought)!.toRawString()}`, 303);
        }
        const page = await pageFor(requested, reading);
        const hasData = page.status === undefined;
        return send(reply, requested, page, () =>
            documentOf(
                { title: page.title, path: requested.path, reading, hasData, query: queryOf(requested) },
                page.body(),
            ),
        );
    });
    return server;

    async function pageFor(requested: PageRequest, reading: Reading): Promise<Page> {
        const [kind = '', ...rest] = requested.segments;
        if (requested.path === '/definitions') {
            return definitionsPage();
        }
        const { snapshot } = reading;
        if (snapshot?.block === undefined) {
            return absentPage(reading, shownStore(options.store));
        }
        const measured = await options.measured?.current();
        const site: Site = { reading, snapshot, accounts: accountsOf(snapshot.view.network), models, measured };
        const isData = requested.form !== 'html';
        const cut = { page: Number(requested.query.get('page') ?? 1), isData };
        if (rest.length > 0) {
            return detailOf(site, kind, rest);
        }
        if (kind === '' || kind === 'market') {
            return homePage(site);
        }
        if (kind === 'jobs') {
            return jobsPage(site, { ...cut, page: 1 }, requested.query.get('address') ?? undefined);
        }
        const list = Object.hasOwn(LISTS, kind) ? LISTS[kind](site) : undefined;
        if (list === undefined || !Number.isInteger(cut.page) || cut.page < 1 || cut.page > pagesOf(list, isData)) {
            return notFound('There is no such page.');
        }
        return { ...listPage(list, site, cut), list };
    }

    async function detailOf(site: Site, kind: string, rest: string[]): Promise<Page> {
        const { view } = site.snapshot;
        const name = rest.join('/');
        const account = addressIn(rest[0])?.toRawString();
        if (kind === 'providers' && rest.length === 1) {
            const provider = view.providers.find((each) => each.provider === account);
            return provider === undefined
                ? notFound('This market has no such provider.')
                : providerPage(site, provider);
        }
        if (kind === 'nodes' && rest.length <= 2) {
            const number = rest.length === 2 && /^\d{1,10}$/.test(rest[1]) ? Number(rest[1]) : undefined;
            const node = view.nodes.find((each) =>
                rest.length === 1
                    ? account !== undefined && each.node === account
                    : each.provider === account && each.number === number,
            );
            return node === undefined ? notFound('This market has no such node.') : nodePage(site, node);
        }
        if (kind === 'models') {
            const model = view.models.find((each) => each.model === site.models.hashOf(name));
            return model === undefined
                ? notFound('No node offers this model, and nobody announced demand for it. Names are case-sensitive.')
                : modelPage(site, model);
        }
        if (kind === 'jobs' && rest.length === 1) {
            const job = account === undefined ? undefined : await data.job(account);
            return job === undefined ? jobsPage(site, { page: 1, isData: false }, rest[0]) : jobPage(site, job);
        }
        return notFound('There is no such page.');
    }
}

/** The address of a stranger's text, in any form; undefined if it is none. */
function addressIn(text: string | undefined): Address | undefined {
    try {
        return text === undefined ? undefined : readAddress(text.trim());
    } catch {
        return undefined;
    }
}

/** A store's name without what a stranger need not know of it. */
const shownStore = (store: string): string => (isPostgres(store) ? 'postgres://…' : store.replace(/^.*[/\\]/, ''));

function requestedBy({ url }: FastifyRequest): PageRequest | undefined {
    if (url.length > MAX_URL || !URL.canParse(url, 'http://page')) {
        return undefined;
    }
    const { pathname, searchParams } = new URL(url, 'http://page');
    const [, plain, form = 'html'] = /^(.*?)(?:\.(json|csv))?$/.exec(pathname)!;
    try {
        const segments = plain.split('/').slice(1).map(decodeURIComponent);
        return {
            path: plain === '/market' ? '/' : plain,
            segments: segments.at(-1) === '' ? segments.slice(0, -1) : segments,
            form: form as Form,
            query: searchParams,
        };
    } catch {
        return undefined;
    }
}

function queryOf({ query }: PageRequest): string {
    const page = query.get('page');
    return page === null || page === '1' ? '' : '?page=1';
}

function send(
    reply: FastifyReply,
    { path, form, query }: PageRequest,
    page: Page,
    document: () => string,
): FastifyReply {
    reply.code(page.status ?? 200).header('cache-control', 'no-cache');
    const refresh = Number(query.get('refresh') ?? 0);
    switch (form) {
        case 'html':
            if (Number.isInteger(refresh) && refresh >= MIN_REFRESH && refresh <= 86_400) {
                reply.header('refresh', String(refresh)); // for a screen on a wall
            }
            return reply.type('text/html; charset=utf-8').send(document());
        case 'json':
        case 'csv': {
            linkNext(reply, path, form, query, page);
            reply.header('access-control-allow-origin', '*'); // it is public, and has no cookie
            return form === 'json'
                ? reply.type('application/json; charset=utf-8').send(`${plainJson(page.json())}\n`)
                : reply
                      .type('text/csv; charset=utf-8; header=present')
                      .header('content-disposition', `attachment; filename="${fileName(path)}.csv"`)
                      .send(page.csv());
        }
    }
}

const fileName = (path: string): string =>
    `market${path
        .replace(/[^A-Za-z0-9]+/g, '-')
        .slice(0, 80)
        .replace(/-$/, '')}`;

function linkNext(reply: FastifyReply, path: string, form: Form, query: URLSearchParams, { list }: Page): void {
    const page = Number(query.get('page') ?? 1);
    if (list !== undefined && page < pagesOf(list, true)) {
        reply.header('link', `<${path}.${form}?page=${page + 1}>; rel="next"`);
    }
}
