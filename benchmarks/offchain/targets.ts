/** The numbers to reach off chain. They hold on a quiet machine; ratios are within one run. */
import type { RatioName, Ratios } from './report';

export interface OffchainTarget {
    ratio: RatioName;
    row: string;
    must: number;
    aim?: number;
    isMax?: true; // less is better
}

export const offchainTargets: OffchainTarget[] = [
    { ratio: 'paidOverPlainAt1', row: 'paid streams over plain, 1 at once', must: 0.3, aim: 0.4 },
    { ratio: 'paidOverPortkeyAt1', row: 'paid streams over Portkey, 1 at once', must: 1 },
    { ratio: 'paidOverPortkeyAt8', row: 'paid streams over Portkey, 8 at once', must: 1 },
    { ratio: 'paidOverPlainAt32', row: 'paid streams over plain, 32 at once', must: 0.5, aim: 0.63 },
    { ratio: 'addedFirstTokenMs', row: 'first token later than plain, ms', must: 4, aim: 1.5, isMax: true },
    { ratio: 'cpuOverPlainAt32', row: 'CPU a stream over plain, 32 at once', must: 2.6, aim: 1.9, isMax: true },
    { ratio: 'vouchersOverVerified', row: 'vouchers taken over signatures verified', must: 0.85 },
    { ratio: 'manyJobsOverOne', row: 'time a voucher, any of 100,000 open jobs over one', must: 1.2, isMax: true },
    {
        ratio: 'manyJobsOverThousand',
        row: 'time a voucher, 1,000 jobs in use, 100,000 open over 1,000',
        must: 1.2,
        isMax: true,
    },
    { ratio: 'bytesPerUsedJob', row: 'bytes of an open job with a voucher and a query', must: 1024, isMax: true },
];

interface ReachedTarget extends OffchainTarget {
    figure: number | undefined; // undefined: not measured
    reached: boolean;
}

export function reachOffchain(ratios: Ratios): ReachedTarget[] {
    return offchainTargets.map((target) => {
        const figure = ratios[target.ratio];
        const reached = figure !== undefined && (target.isMax ? figure <= target.must : figure >= target.must);
        return { ...target, figure, reached };
    });
}
