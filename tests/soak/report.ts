/** What the commands of long runs share: reading flags, and lines of their reports. */
import type { Check } from './checks';

const MAX_BREACHES = 20; // of a check that are shown

/** The number of a flag. Throws when it is none, or below `min`. */
export function numberOf(name: string, text: string, min: number): number {
    const number = Number(text);
    if (!(number >= min)) {
        throw new Error(`--${name} is a number from ${min} on, not "${text}"`);
    }
    return number;
}

/** The whole number of a flag. Throws when it is none, or below `min`. */
export function wholeNumberOf(name: string, text: string, min: number): number {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || !Number.isSafeInteger(number)) {
        throw new Error(`--${name} is a whole number from ${min} on, not "${text}"`);
    }
    return number;
}

export const countsText = (counts: Record<string, number>): string =>
    Object.entries(counts)
        .map(([name, value]) => `${value} ${name}`)
        .join(', ') || 'none';

export const checksText = (checks: readonly Check[]): string[] =>
    checks.flatMap(({ name, breaches }) => [
        `${breaches.length === 0 ? '✓' : '✗'} ${name}`,
        ...breaches.slice(0, MAX_BREACHES).map((breach) => `    ${breach}`),
        ...(breaches.length > MAX_BREACHES ? [`    and ${breaches.length - MAX_BREACHES} more`] : []),
    ]);
