/** What results brought, and how far channels have paid for it. */
import type { TokenCounts } from '@cocoon-market/wrappers';
import type { JobSums } from './jobSums';

export const earningsGroups = ['day', 'model', 'client'] as const;
export type EarningsGroup = (typeof earningsGroups)[number];

/** Results and money of one day (UTC), model or client (raw address of its escrow). */
export interface EarningsRow extends TokenCounts {
    group: string;
    results: number;
    earned: bigint; // nanoTON, as the results state
    claimed: bigint; // nanoTON that channels paid, confirmed by several readings
}

/**
 * Sums that are stored in the transaction of the result, voucher, reading or claim that changes them. So what it costs
 * to read them does not grow with the number of jobs that were ever served.
 */
export interface EarningsStore {
    /** Every day with results or claims, in order. */
    days(): Promise<EarningsRow[]>;
    /** At most `limit` rows: those that earned the most, the best first. */
    best(by: EarningsGroup, limit: number): Promise<EarningsRow[]>;
    /** Undefined for a group without results and claims. */
    row(by: EarningsGroup, group: string): Promise<EarningsRow | undefined>;
    sums(): Promise<Record<'open' | 'ending' | 'ended', JobSums>>;
}
