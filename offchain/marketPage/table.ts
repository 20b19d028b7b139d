/** Lists with one description for page, JSON and CSV. */
import type { DefinitionName } from './definitions';
import { countText, none, percent, stranger, time, ton } from './format';
import { html, type Html, type Markup } from './html';
import { csvField } from './text';

export type Value = string | number | bigint | boolean | null;

/** `ton`: nanoTON; `time`: unix seconds; `share`: basis points; `text`: perhaps of a stranger. */
export type Kind = 'ton' | 'time' | 'count' | 'share' | 'text' | 'flag';

export interface Column<Row> {
    name: string; // in JSON and CSV
    label: string;
    kind: Kind;
    value: (row: Row) => Value | undefined;
    /** How the page shows it, if not as its kind is columnsOnPage. */
    show?: (row: Row) => Markup;
    /** Only in JSON and CSV. */
    data?: true;
    meaning?: DefinitionName;
}

/** A list at `/name`, `/name.json` and `/name.csv`. */
export interface List<Row> {
    name: string;
    title: string;
    about: string;
    columns: readonly Column<Row>[];
    rows: readonly Row[];
}

export const asObject = <Row>(columns: readonly Column<Row>[], row: Row): Record<string, Value> =>
    Object.fromEntries(columns.map(({ name, value }) => [name, value(row) ?? null]));

/** Lines of CSV, with the names in the first one. */
export function csvOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
    const lines = rows.map((row) => columns.map(({ value }) => csvField(value(row) ?? null)).join(','));
    return [columns.map(({ name }) => csvField(name)).join(','), ...lines].map((line) => `${line}\r\n`).join('');
}

function shownAs(kind: Kind, value: Value | undefined): Markup {
    if (value === null || value === undefined) {
        return none;
    }
    switch (kind) {
        case 'ton':
            return ton(value as bigint);
        case 'time':
            return time(value as number);
        case 'count':
            return countText(value as number);
        case 'share':
            return percent(value as number);
        case 'flag':
            return value === true ? 'yes' : 'no';
        case 'text':
            return stranger(String(value));
    }
}

const isNumber = (kind: Kind): boolean => kind === 'ton' || kind === 'count' || kind === 'share';

/** The heading of a number, which leads to its definition. */
export const meant = (label: Markup, meaning: DefinitionName | undefined): Markup =>
    meaning === undefined ? label : html`<a class="meant" href="/definitions#${meaning}">${label}</a>`;

interface Drawn {
    caption: string;
    empty: string; // is said instead of a table without rows
    /** On a phone it stays a table, without the columns of these names. */
    slim?: readonly string[];
}

/** A table whose rows become lists of their own on a phone, unless it is a slim one. */
export function tableOf<Row>(
    columns: readonly Column<Row>[],
    rows: readonly Row[],
    { caption, empty, slim }: Drawn,
): Html {
    if (rows.length === 0) {
        return html`<p class="empty">${empty}</p>`;
    }
    const columnsOnPage = columns.filter(({ data }) => data === undefined);
    const cls = ({ kind, name }: Column<Row>) =>
        `${isNumber(kind) ? 'number' : 'word'}${slim?.includes(name) === true ? ' more' : ''}`;
    return html`<table class="${slim === undefined ? 'rows' : 'slim'}">
        <caption>
            ${caption}
        </caption>
        <thead>
            <tr>
                ${columnsOnPage.map((column) => html`<th scope="col" class="${cls(column)}">${meant(column.label, column.meaning)}</th>`)}
            </tr>
        </thead>
        <tbody>
            ${rows.map(
                (row) =>
                    html`<tr>
                        ${columnsOnPage.map((column, i) => {
                            const { label, kind, value, show } = column;
                            const content = show === undefined ? shownAs(kind, value(row)) : show(row);
                            return i === 0
                                ? html`<th scope="row" data-label="${label}">${content}</th>`
                                : html`<td class="${cls(column)}" data-label="${label}">${content}</td>`;
                        })}
                    </tr>`,
            )}
        </tbody>
    </table>`;
}

/** Names and values, one under the other. */
export function facts(entries: readonly (readonly [label: Markup, value: Markup])[]): Html {
    return html`<dl class="facts">
        ${entries.map(
            ([label, value]) =>
                html`<div>
                    <dt>${label}</dt>
                    <dd>${value}</dd>
                </div>`,
        )}
    </dl>`;
}
