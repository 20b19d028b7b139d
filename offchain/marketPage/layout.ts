/** The frame of every page: head, navigation, notes about the index, footer. */
import { spanText, time } from './format';
import { html, type Html, type Markup } from './html';
import type { MarketState, Reading } from './data';
import { visibleText } from './text';

const PLACES = [
    ['/', 'Market'],
    ['/models', 'Models'],
    ['/nodes', 'Nodes'],
    ['/providers', 'Providers'],
    ['/jobs', 'Jobs'],
    ['/demand', 'Demand'],
    ['/days', 'Days'],
    ['/definitions', 'Definitions'],
] as const;

export const STATE_WORDS: Record<MarketState, string> = {
    alive: 'Alive',
    paused: 'Paused',
    empty: 'Nobody sells',
    stale: 'Not up to date',
    unread: 'Not read yet',
    absent: 'No index',
};

export const stateMark = (state: MarketState): Html =>
    html`<span class="state ${state}"><span class="dot" aria-hidden="true"></span>${STATE_WORDS[state]}</span>`;

/** How fresh the index is, as a sentence. */
export function freshness({ snapshot, now }: Reading): Markup {
    if (snapshot?.block === undefined) {
        return 'The index has no whole reading of the market yet.';
    }
    const { seqno, readAt, at } = snapshot.block;
    const age = spanText(now - readAt);
    const still =
        readAt - at > 120 && html` Its endpoint has named no newer block for ${spanText(readAt - at)} before that.`;
    return html`Block <a href="/definitions#block">${seqno}</a>, read ${age} ago.${still}`;
}

function notes({ state, problem, snapshot, now }: Reading): Markup {
    const sentences: Markup[] = [];
    if (problem !== undefined) {
        const rest = snapshot === undefined ? 'Nothing can be shown.' : 'What it said before is shown.';
        sentences.push(html`The index cannot be read: ${visibleText(problem, 300)}. ${rest}`);
    }
    if (state === 'stale' && snapshot?.block !== undefined) {
        sentences.push(
            html`The chain was last read ${spanText(now - snapshot.block.readAt)} ago. What happened since is missing,
            also from the numbers of today.`,
        );
    }
    if (snapshot !== undefined && snapshot.view.unreadable.length > 0) {
        sentences.push(
            html`${snapshot.view.unreadable.length} events of the registry are of a kind that this version cannot read.
            Update cocoon.`,
        );
    }
    const busy = snapshot?.view.providers.filter(({ busyPayouts }) => busyPayouts.length > 0).length ?? 0;
    if (busy > 0) {
        sentences.push(
            html`${busy} providers have payouts that are too busy or too many to follow: jobs may be missing in every
            number.`,
        );
    }
    return sentences.map((sentence) => html`<p class="note">${sentence}</p>`);
}

export interface Framed {
    title: string;
    path: string; // of the page, without .json
    reading: Reading;
    hasData: boolean; // whether JSON and CSV exist
    query?: string; // of the forms of this page, with its question mark
}

/** A whole document. */
export function documentOf({ title, path, reading, hasData, query = '' }: Framed, body: Markup): string {
    const form = path === '/' ? '/market' : path;
    const current = PLACES.find(([place]) => place !== '/' && path.startsWith(place))?.[0] ?? (path === '/' ? '/' : '');
    const content = html`<!doctype html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <title>${title} · Cocoon Market</title>
                <link rel="icon" href="/icon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href="/page.css" />
            </head>
            <body>
                <a class="skip" href="#content">Skip to the content</a>
                <header>
                    <a class="brand" href="/">Cocoon Market</a>
                    ${stateMark(reading.state)}
                    <nav aria-label="Pages">
                        ${PLACES.map(
                            ([place, name]) =>
                                html`<a href="${place}" ${place === current ? html`aria-current="page"` : ''}
                                    >${name}</a
                                >`,
                        )}
                    </nav>
                </header>
                <main id="content" tabindex="-1">${notes(reading)}${body}</main>
                <footer>
                    <p>
                        Everything here comes from the chain, and anyone can count it again with
                        <code>cocoon index</code>. Amounts are in TON, times in UTC. Names of models, GPUs, regions and
                        endpoints are texts of strangers.
                    </p>
                    <p>
                        ${hasData && html`This page as <a href="${form}.json${query}">JSON</a> or <a href="${form}.csv${query}">CSV</a>. `}
                        Written at ${time(reading.now)}. <a href="/definitions">What each number means</a>.
                    </p>
                </footer>
            </body>
        </html>`;
    return content.text;
}

/** A part of a page. `more`: the list with everything, and how wide the part is. */
export function section(
    id: string,
    title: string,
    content: Markup,
    more: { path?: string; text?: string; kind?: 'wide' | 'widest' | 'full' } = {},
): Html {
    return html`<section class="${more.kind}" aria-labelledby="${id}">
        <div class="head">
            <h2 id="${id}">${title}</h2>
            ${more.path !== undefined && html`<a href="${more.path}">${more.text}</a>`}
        </div>
        ${content}
    </section>`;
}
