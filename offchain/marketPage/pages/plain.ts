/** Lists, definitions, the search for a job, and pages that say what is missing. */
import { type DefinitionName, pageDefinitions } from '../definitions';
import { plural } from '../format';
import { html, type Html, type Markup } from '../html';
import { asObject, csvOf, type List, tableOf } from '../table';
import { latestJobsList } from '../moreLists';
import type { Page, Site } from '../site';
import type { Reading } from '../data';

const PAGE_ROWS = 100;
const DATA_ROWS = 1000; // of one page of JSON or CSV

/** Which rows of a list a request gets. */
export interface ListCut {
    page: number; // from 1 on
    isData: boolean;
}

/** How many pages a list has in this form. */
export const pagesOf = ({ rows }: { rows: readonly unknown[] }, isData: boolean): number =>
    Math.max(1, Math.ceil(rows.length / (isData ? DATA_ROWS : PAGE_ROWS)));

export function listPage<Row>(list: List<Row>, site: Site, { page, isData }: ListCut, above?: Markup): Page {
    const size = isData ? DATA_ROWS : PAGE_ROWS;
    const rows = list.rows.slice((page - 1) * size, page * size);
    const pages = pagesOf(list, isData);
    const meanings = list.columns.flatMap(({ name, meaning }) =>
        meaning === undefined ? [] : [[name, pageDefinitions[meaning]]],
    );
    return {
        title: list.title,
        json: () => ({
            ...{ asOf: site.snapshot.view.asOf, registry: site.snapshot.view.registry },
            ...{ page, pages, count: list.rows.length },
            rows: rows.map((row) => asObject(list.columns, row)),
            definitions: Object.fromEntries(meanings) as unknown,
        }),
        csv: () => csvOf(list.columns, rows),
        body: () =>
            html`<div class="title">
                    <h1>${list.title}</h1>
                    <p>${list.about}</p>
                </div>
                ${above}
                <section aria-label="${list.title}">
                    ${tableOf(list.columns, rows, { caption: plural(list.rows.length, 'row'), empty: 'There is none.' })}
                    ${pages > 1 && pager(list.name, page, pages)}
                </section>`,
    };
}

function pager(name: string, page: number, pages: number): Html {
    const link = (to: number, text: string) =>
        to >= 1 && to <= pages && html`<a href="/${name}?page=${to}">${text}</a>`;
    return html`<nav class="pager" aria-label="Pages of this list">
        ${link(page - 1, 'Previous')} <span>Page ${page} of ${pages}</span> ${link(page + 1, 'Next')}
    </nav>`;
}

/** The search for a job by its address, above the latest ones. */
export function jobsPage(site: Site, cut: ListCut, sought?: string): Page {
    const form = html`<form class="search" action="/jobs" method="get">
        <label for="address">Address of a job (its channel)</label>
        <div>
            <input
                id="address"
                name="address"
                required
                maxlength="80"
                spellcheck="false"
                autocomplete="off"
                value="${sought ?? ''}"
            />
            <button type="submit">Show its history</button>
        </div>
        ${sought !== undefined && html`<p class="bad" role="alert">This index has no job at that address.</p>`}
    </form>`;
    return { ...listPage(latestJobsList(site), site, cut, form), ...(sought !== undefined && { status: 404 }) };
}

/** Each number with its definition and window. */
export function definitionsPage(): Page {
    const entries = Object.entries(pageDefinitions) as [DefinitionName, string][];
    const columns = [
        { name: 'name', label: 'Name', kind: 'text', value: ([name]: (typeof entries)[number]) => name },
        { name: 'definition', label: 'Definition', kind: 'text', value: ([, text]: (typeof entries)[number]) => text },
    ] as const;
    return {
        title: 'Definitions',
        json: () => pageDefinitions,
        csv: () => csvOf(columns, entries),
        body: () =>
            html`<div class="title">
                    <h1>Definitions</h1>
                    <p>
                        What each number means, and over which time. Amounts are nanoTON in JSON and CSV, and TON here.
                    </p>
                </div>
                <section aria-label="Definitions">
                    <dl class="definitions">
                        ${entries.map(
                            ([name, text]) =>
                                html`<div id="${name}">
                                    <dt>${name}</dt>
                                    <dd>${text}</dd>
                                </div>`,
                        )}
                    </dl>
                </section>`,
    };
}

/** What is said instead of a page: that something is not found, or that there is no index. */
export function messagePage(status: number, title: string, sentence: Markup, error: string): Page {
    return {
        ...{ status, title },
        json: () => ({ error }),
        csv: () => csvOf([{ name: 'error', label: '', kind: 'text', value: (text: string) => text }], [error]),
        body: () =>
            html`<section class="hero">
                <h1>${title}</h1>
                <p>${sentence}</p>
            </section>`,
    };
}

export const notFound = (what: string): Page => messagePage(404, 'Not found', what, what);

/** There is nothing to show yet. */
export function absentPage({ problem, state }: Reading, store: string): Page {
    if (state === 'unread') {
        const words = 'The market is being read for the first time';
        const sentence =
            'What is read so far is not the whole market, so no number is shown yet. Look again in a minute.';
        return messagePage(503, words, sentence, words);
    }
    const error = problem === undefined ? 'There is no index yet' : 'The index cannot be read';
    return messagePage(
        503,
        error,
        html`This page shows what <code>cocoon index</code> has read from the chain, and the index at
            <code>${store}</code> has nothing. Run <code>cocoon index --registry ADDRESS --store ${store}</code> beside
            it, or start this page with <code>--follow --registry ADDRESS</code>. Whether the market lives cannot be
            said.`,
        error,
    );
}
