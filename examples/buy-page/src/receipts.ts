/** Receipts of a job, each checked field by field on this machine. */
import type { ClientJob, Receipt } from '@cocoon-market/client';
import { Result, payloadOf } from '@cocoon-market/wrappers';
import { verifyReceipt, type ReceiptReport } from '@cocoon-market/wrappers/market';
import { ton } from './amounts';

/** A receipt, what it says, and whether it is right. */
export interface CheckedReceipt {
    receipt: Receipt;
    index: number; // of the result within the job
    cumulative: bigint; // nanoTON of the job with it
    cumulativeBefore: bigint | undefined; // undefined if the result before it is not stored
    report: ReceiptReport;
}

/** What every receipt of a job must agree with. */
export type ReceiptJob = Pick<ClientJob, 'address' | 'terms'> & { network: number };

/** Checks the receipts of a job, in the order in which the node signed them. */
export function checkReceipts(job: ReceiptJob, receipts: readonly Receipt[]): CheckedReceipt[] {
    const results = receipts.map((receipt) => ({ receipt, result: Result.decode(payloadOf(receipt.result)) }));
    results.sort((one, other) => one.result.index - other.result.index);
    return results.map(({ receipt, result: { index, cumulative } }, i) => {
        const previous = i === 0 ? undefined : results[i - 1].result;
        const isNext = (previous?.index ?? 0) === index - 1;
        const cumulativeBefore = isNext ? (previous?.cumulative ?? 0n) : undefined;
        const checked = { receipt, index, cumulative, cumulativeBefore };
        return { ...checked, report: checkBytes(job, checked, receipt.result) };
    });
}

/** Checks bytes as the receipt of the same answer: those of its node, or changed ones. */
export function checkBytes(
    { network, address, terms }: ReceiptJob,
    { receipt, index, cumulativeBefore }: Omit<CheckedReceipt, 'report'>,
    bytes: Buffer,
): ReceiptReport {
    const { number, accept } = receipt;
    const place = { network, channel: address.hash, terms };
    return verifyReceipt({ ...place, receipt: bytes, accept, number, index, cumulativeBefore });
}

/** The bytes of hex that a person wrote. @throws an Error that says what is wrong with it */
export function bytesOfHex(text: string): Buffer {
    const digits = text.replace(/\s+/g, '').toLowerCase();
    if (!/^([0-9a-f]{2})*$/.test(digits)) {
        throw new Error('Write hex digits only, two for each byte');
    }
    return Buffer.from(digits, 'hex');
}

const NAMES: Partial<Record<string, string>> = {
    layout: 'length',
    index: 'place in the job',
    number: 'number of the question',
    prompt: 'tokens of the question',
    cached: 'cached tokens',
    completion: 'tokens of the answer',
    reasoning: 'tokens of reasoning',
    cumulative: 'sum so far',
    finish: 'how it ended',
    accept: 'acceptance',
    finishedAt: 'time',
    content: 'hash of the answer',
    ceiling: 'most that it may cost',
};

const MONEY = new Set(['price', 'cumulative', 'ceiling']); // whose amounts are nanoTON

/** One sentence about a report, and the fields that are wrong by name; the signature, which any change breaks, last. */
export function reportText({ right, checks }: ReceiptReport): string {
    const withState = (state: string) => checks.filter((check) => check.state === state);
    if (right) {
        return `Right: ${withState('right').length} fields checked.`;
    }
    const bySigning = withState('wrong').sort(
        (one, other) => Number(one.field === 'signature') - Number(other.field === 'signature'),
    );
    const wrong = bySigning.map(({ field, reason = '' }) => {
        const words = MONEY.has(field) ? reason.replace(/\d+/g, (amount) => ton(BigInt(amount))) : reason;
        return `${NAMES[field] ?? field}: ${words}`;
    });
    return `Wrong: ${wrong.join('. ')}.`;
}
