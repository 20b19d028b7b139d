/** What commands print: one line of JSON, or text for people. */
import { formatTon } from '@cocoon-market/wrappers';
import { toWire } from '../link';
import { forTerminal } from '../process/terminal';

const TIMES = ['answerBy', 'decideFrom', 'clearAt', 'validUntil'];
const AMOUNTS = ['attached', 'atStake', 'loss', 'bond', 'slash'];

/** Prints a value as one line of JSON, amounts in nanoTON, or as `text` says. */
export function print(
    { json = false }: { json?: boolean },
    value: unknown,
    text: (value: object) => string = lines,
): void {
    console.log(forTerminal(json ? JSON.stringify(toWire(value)) : text(value as object)));
}

/** One `name: value` a line, times and amounts for people; nested names are joined by dots. */
export function lines(view: object): string {
    return rows(toWire(view) as object, '').join('\n');
}

function rows(view: object, prefix: string): string[] {
    return Object.entries(view).flatMap(([name, field]: [string, unknown]) => {
        if (field === undefined) {
            return []; // an optional field that is absent; JSON leaves it out, too
        }
        return typeof field === 'object' && field !== null
            ? rows(field, `${prefix}${name}.`)
            : [`${prefix}${name}: ${textOf(name, (field as string | number | null) ?? 'unknown')}`];
    });
}

function textOf(name: string, field: string | number): string {
    if (TIMES.includes(name)) {
        return timeOf(Number(field));
    }
    return AMOUNTS.includes(name) ? tonText(String(field)) : String(field);
}

/** An amount for people, of nanoTON. */
export const tonText = (nano: bigint | string): string => `${formatTon(BigInt(nano))} TON`;

/** A span of time for people, rounded: in hours up to three days. */
export function durationText(seconds: number): string {
    const rounded = (value: number) => Math.round(value * 10) / 10;
    return seconds < 3 * 86_400 ? `${rounded(seconds / 3600)} hours` : `${rounded(seconds / 86_400)} days`;
}

/** A time for people. */
export function timeOf(seconds: number): string {
    return seconds === 0 ? 'never' : new Date(seconds * 1000).toISOString();
}
