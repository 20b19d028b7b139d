/** What receipts prove (docs/protocol.md, docs/contracts/dispute.md). */
import type { BodyOf } from './bodies';
import { refuseIf, signed } from './state';
import type { Accept, Account, Breach, Key, Receipt, RefusalReceipt, Result, Terms } from './types';

/** A receipt without its signature. */
export type Unsigned = Receipt extends infer R ? (R extends Receipt ? Omit<R, 'signature'> : never) : never;

export const jobOf = (network: number, channel: Account, terms: Terms): string =>
    `job(${[network, channel, ...Object.values(terms).map(String)].join(',')})`;

/** What a receipt's signature covers. */
export const textOf = (receipt: Unsigned): string =>
    Object.entries(receipt)
        .filter(([name]) => name !== 'signature')
        .map(([, value]) => String(value))
        .join(',');

export const signReceipt = (key: Key, receipt: Unsigned): Receipt => ({
    ...receipt,
    signature: signed(key, textOf(receipt)),
});

export const isSigned = (receipt: Receipt, key: Key): boolean => receipt.signature === signed(key, textOf(receipt));

export type Report = BodyOf<'reportTwice' | 'reportExcess' | 'demandAnswer' | 'reportWrong'>;

const MAX_PIECES = 64;

/** Refuses a receipt that this key did not sign, of another kind or of another job, in the order of the guards. */
export function requireReceipt(
    receipt: Receipt,
    kinds: readonly Receipt['kind'][],
    { job, key }: { job: string; key: Key },
): void {
    refuseIf(!isSigned(receipt, key), 'ErrBadSignature');
    refuseIf(!kinds.includes(receipt.kind), 'ErrMalformed');
    refuseIf(receipt.job !== job, 'ErrWrongJob');
}

/** Refuses evidence that proves nothing, in the order of the guards. */
export function breachOf(network: number, self: Account, now: number, report: Report): Breach {
    const { terms, channel } = report;
    const job = jobOf(network, channel, terms);
    refuseIf(terms.node !== self, 'ErrWrongJob');
    for (const [receipt, ...kinds] of receiptsOf(report)) {
        requireReceipt(receipt, kinds, { job, key: terms.receiptKey });
    }
    const rest = { job, about: '', firstPiece: 0 };
    switch (report.op) {
        case 'reportTwice': {
            const { first, second } = report as { first: Result; second: Result | RefusalReceipt };
            refuseIf(!excludeEachOther(first, second), 'ErrNoFault');
            const [one, other] = [endingOf(first), endingOf(second)];
            const loss = one.price > other.price ? one.price : other.price;
            return { ...rest, class: 'A1', query: 0, date: Math.max(one.date, other.date), loss };
        }
        case 'reportExcess': {
            const result = report.result as Result;
            const loss = excessOf(result, report.comparison as Result | Accept | undefined, terms);
            refuseIf(loss <= 0n, 'ErrNoFault');
            return { ...rest, class: 'A2', query: result.index, date: result.finishedAt, loss };
        }
        case 'demandAnswer': {
            const { number, request, ceiling, deadline } = report.accept as Accept;
            refuseIf(now <= deadline, 'ErrTooEarly');
            refuseIf(report.firstPiece > MAX_PIECES, 'ErrNoFault');
            const loss = ceiling < terms.step ? ceiling : terms.step;
            const { firstPiece } = report;
            return { ...rest, class: 'A3', query: number, date: deadline, loss, about: request, firstPiece };
        }
        case 'reportWrong': {
            const { number, finishedAt, price, content } = report.result as Result;
            return { ...rest, class: 'B1', query: number, date: finishedAt, loss: price, about: content };
        }
    }
}

/** The receipts in a report, in the order in which they are read, each with the kinds that the report takes there. */
function receiptsOf(report: Report): [Receipt, ...Receipt['kind'][]][] {
    switch (report.op) {
        case 'reportTwice':
            return [
                [report.first, 'result', 'fail'],
                [report.second, 'result', 'fail'],
            ];
        case 'reportExcess': {
            const { result, comparison } = report;
            return comparison === undefined
                ? [[result, 'result']]
                : [
                      [result, 'result'],
                      [comparison, 'result', 'accept'],
                  ];
        }
        case 'demandAnswer':
            return [[report.accept, 'accept']];
        case 'reportWrong':
            return [[report.result, 'result']];
    }
}

function endingOf(receipt: Result | RefusalReceipt): { price: bigint; date: number } {
    return receipt.kind === 'result'
        ? { price: receipt.price, date: receipt.finishedAt }
        : { price: 0n, date: receipt.signedAt };
}

/** Two different results with the same number or index, or a result and a fail of one number. */
function excludeEachOther(one: Result | RefusalReceipt, other: Result | RefusalReceipt): boolean {
    if (one.kind === 'result' && other.kind === 'result') {
        const same = one.number === other.number || one.index === other.index;
        return same && textOf(one) !== textOf(other);
    }
    return one.kind !== other.kind && one.number === other.number;
}

/** ceil(counts × rates / 10⁶) */
export function priceOf(counts: readonly number[], rates: readonly bigint[]): bigint {
    const sum = counts.reduce((total, count, index) => total + BigInt(count) * rates[index], 0n);
    return (sum + 999_999n) / 1_000_000n;
}

/** By how much a result bills more than it may; 0 or less if it does not. */
function excessOf(result: Result, comparison: Result | Accept | undefined, { rates }: Terms): bigint {
    if (comparison === undefined) {
        const counted = result.price - priceOf(result.counts, rates);
        const first = result.index <= 1 ? result.cumulative - result.price : 0n;
        return counted > first ? counted : first;
    }
    if (comparison.kind === 'accept') {
        return comparison.number === result.number ? result.price - comparison.ceiling : 0n;
    }
    const before = comparison.index + 1 === result.index;
    return before ? result.cumulative - comparison.cumulative - result.price : 0n;
}
