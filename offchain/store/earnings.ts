/** The earnings in a worker's store: what results brought on each day, and what channels have paid for them. */
import type { TokenCounts } from '@cocoon-market/wrappers';

/** The results of one job on one day. */
export interface StoredEarnings extends TokenCounts {
    day: number; // days since 1970 (UTC) of the moment when they were finished
    job: Buffer;
    model: string; // name; '' of results that an earlier release stored
    results: number;
    earned: bigint; // nanoTON, as the results state
}

/** What one job's channel paid, confirmed by several readings. Together they are the `claimed` of the job. */
export interface ConfirmedClaim {
    job: Buffer;
    at: number; // unix seconds when it was confirmed
    amount: bigint; // nanoTON
    last: boolean; // the last claim of this worker, which ended the channel
}

/** The amounts of one job, in nanoTON. */
export interface JobAmounts {
    job: Buffer;
    terms: Buffer; // bag of cells
    hasEnded: boolean;
    index: number; // of the newest result
    cumulative: bigint; // of all results
    promised: bigint; // by the newest voucher
    claimed: bigint;
    paid: bigint; // by the channel, as it was last read
    balance: bigint; // of the channel
    lastClaimAt: number; // unix seconds when the last claim was handed to the wallet, 0 for none
    lastClaimPaid: bigint; // that the channel has paid in all after that claim
}

/** Everything that is counted is written in the transaction of the result or of the claim. */
export interface EarningsStore {
    /** By day. */
    earned(): Promise<StoredEarnings[]>;
    /** In the order in which they were confirmed. */
    claims(): Promise<ConfirmedClaim[]>;
    jobs(): Promise<JobAmounts[]>;
}
