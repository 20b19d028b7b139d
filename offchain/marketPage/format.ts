/** Amounts, times and names as people read them. The exact value stands in the title, and in JSON and CSV. */
import { formatTon } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { html, type Html, type Markup } from './html';
import { visibleText } from './text';

const NANO = 1_000_000_000n;
const DIGITS = 3; // that an amount below one TON keeps
const NONE = html`<span class="none">none</span>`;

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',');

/** A count with its thousands apart. */
export const countText = (count: number | bigint): string => grouped(String(count));

/** An amount in TON, rounded down to what people compare: 1234.5 → 1,234; 3.456 → 3.45; 0.0004567 → 0.000456. */
export function tonText(nano: bigint): string {
    const [whole, decimals = ''] = formatTon(nano < 0n ? -nano : nano).split('.');
    const sign = nano < 0n ? '-' : '';
    if (nano === 0n || BigInt(whole) >= 1000n) {
        return sign + grouped(whole);
    }
    const zeros = /^0*/.exec(decimals)![0].length;
    const fraction = decimals.slice(0, whole === '0' ? zeros + DIGITS : 2).replace(/0+$/, '');
    return `${sign}${grouped(whole)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The same, with the exact amount in its title. */
export function ton(nano: bigint | null | undefined): Html {
    if (nano === null || nano === undefined) {
        return NONE;
    }
    return html`<data value="${nano}" title="${formatTon(nano)} TON">${tonText(nano)}</data>`;
}

/** An amount with its unit. */
export const tonWithUnit = (nano: bigint | null | undefined): Html =>
    nano === null || nano === undefined ? NONE : html`${ton(nano)}&nbsp;<small>TON</small>`;

export const tonNumber = (nano: bigint): number => Number(nano) / Number(NANO);

export const plural = (count: number, word: string): string => `${countText(count)} ${word}${count === 1 ? '' : 's'}`;

/** A span of time, rounded down. */
export function spanText(seconds: number): string {
    const [size, word] =
        seconds < 120
            ? [1, 'second']
            : seconds < 7200
              ? [60, 'minute']
              : seconds < 172_800
                ? [3600, 'hour']
                : [86_400, 'day'];
    return plural(Math.max(0, Math.floor(seconds / size)), word);
}

const MAX_TIME = 8.64e12; // seconds that a Date holds

/** A time in UTC, to the minute. */
export function time(seconds: number | null): Html {
    if (seconds === null || seconds <= 0) {
        return NONE;
    }
    if (seconds > MAX_TIME) {
        return html`${seconds}`;
    }
    const iso = new Date(seconds * 1000).toISOString();
    return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 16).replace('T', ' ')}</time>`;
}

/** Basis points as percent. */
export const percent = (points: number | null): Markup => (points === null ? NONE : `${(points / 100).toFixed(1)} %`);

/** A stranger's text, which cannot change the order of what stands around it. */
export function stranger(text: string | null | undefined, max?: number): Html {
    return text === null || text === undefined || text === '' ? NONE : html`<bdi>${visibleText(text, max)}</bdi>`;
}

export const none = NONE;

/** Accounts of a network, in the form that wallets show. */
export class Accounts {
    constructor(private readonly testOnly: boolean) {}

    friendly(raw: string, bounceable = true): string {
        return Address.isRaw(raw)
            ? Address.parseRaw(raw).toString({ testOnly: this.testOnly, bounceable, urlSafe: true })
            : visibleText(raw);
    }

    short(raw: string): string {
        const text = this.friendly(raw);
        return text.length > 14 ? `${text.slice(0, 6)}…${text.slice(-6)}` : text;
    }

    /** A short name with the whole one in its title; `path`: of its page. */
    show(raw: string | null, path?: string): Html {
        if (raw === null) {
            return NONE;
        }
        const name = html`<code title="${this.friendly(raw)}">${this.short(raw)}</code>`;
        return path === undefined ? name : html`<a href="${path}/${this.friendly(raw)}">${name}</a>`;
    }
}
