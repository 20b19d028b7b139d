/** How far a job is paid, and the sums of it over jobs. Every amount is nanoTON. */
import { larger, smaller } from '@cocoon-market/wrappers';

/** What of a job's record the sums follow from. */
interface JobMoney {
    state: string;
    index: number;
    cumulative: bigint;
    voucher: { cumulative: bigint } | undefined;
    claimed: bigint;
    snapshot: { paid: bigint; balance: bigint };
}

export const amountNames = [
    ...(['earned', 'promised', 'unpaid', 'prepaid'] as const),
    ...(['claimed', 'confirming', 'unclaimed', 'lost', 'paid'] as const),
];

/** Earned is promised + unpaid - prepaid. Promised is claimed + confirming + unclaimed + lost. */
export interface JobSums extends Record<(typeof amountNames)[number], bigint> {
    jobs: number;
    results: number;
    earned: bigint; // of all results
    promised: bigint; // by the newest voucher
    unpaid: bigint; // of results that no voucher covers yet
    prepaid: bigint; // of vouchers above the results, while answers run
    claimed: bigint; // paid by the channel, confirmed by several readings
    confirming: bigint; // paid by the channel, as the last reading says
    unclaimed: bigint; // what the channel still holds for vouchers, until the job has ended
    lost: bigint; // promised, and no channel holds it
    paid: bigint; // by the channel, as far as any reading says
}

/** The sums of no job. */
export const NO_JOBS: JobSums = {
    ...{ jobs: 0, results: 0, earned: 0n, promised: 0n, unpaid: 0n, prepaid: 0n },
    ...{ claimed: 0n, confirming: 0n, unclaimed: 0n, lost: 0n, paid: 0n },
};

/** nanoTON of the newest voucher that the channel has not paid and can pay. */
export function unclaimedOf({ voucher, snapshot }: Pick<JobMoney, 'voucher' | 'snapshot'>): bigint {
    const due = (voucher?.cumulative ?? 0n) - snapshot.paid;
    return larger(0n, smaller(due, snapshot.balance));
}

/** The sums of one job. */
export function sumsOf(record: JobMoney): JobSums {
    const { state, index: results, cumulative: earned, voucher, claimed, snapshot } = record;
    const promised = voucher?.cumulative ?? 0n;
    const paid = larger(snapshot.paid, claimed); // a reading may be older than what is confirmed
    const confirming = larger(0n, smaller(paid, promised) - claimed);
    const unclaimed = state === 'ended' ? 0n : unclaimedOf({ voucher, snapshot: { ...snapshot, paid } });
    return {
        ...{ jobs: 1, results, earned, promised, claimed, confirming, unclaimed, paid },
        unpaid: larger(0n, earned - promised),
        prepaid: larger(0n, promised - earned),
        lost: promised - claimed - confirming - unclaimed,
    };
}

/** `a` and so many times `b`. */
export function addSums(a: JobSums, b: JobSums, times = 1): JobSums {
    const sums = { ...a, jobs: a.jobs + times * b.jobs, results: a.results + times * b.results };
    for (const name of amountNames) {
        sums[name] += BigInt(times) * b[name];
    }
    return sums;
}

/** The sums with those of one job as they are after a change, in place of those before it. */
export function replaceSums(all: JobSums, sumsBefore: JobSums, sumsAfter: JobSums): JobSums {
    const results = all.results - sumsBefore.results + sumsAfter.results;
    const sums = { ...all, jobs: all.jobs - sumsBefore.jobs + sumsAfter.jobs, results };
    for (const name of amountNames) {
        if (sumsAfter[name] !== sumsBefore[name]) {
            sums[name] += sumsAfter[name] - sumsBefore[name]; // most changes are of a few amounts
        }
    }
    return sums;
}
