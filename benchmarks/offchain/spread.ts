/** Minimum, median and maximum of figures that were measured several times. */

export interface Spread {
    min: number;
    median: number;
    max: number;
}

export function spreadOf(values: number[]): Spread {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
    return { min: sorted[0], median, max: sorted[sorted.length - 1] };
}
