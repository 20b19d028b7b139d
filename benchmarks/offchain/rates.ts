/** What is measured of the vouchers that a worker takes. */

/** Jobs that are in use at once, where they are said to be in memory. A worker has up to 2,000 there. */
export const USED_JOBS = 1000;

/** Medians over the rounds, each a second. */
export interface VoucherRates {
    jobs: number; // open ones
    perSecond: number; // vouchers, each of a random job among all of them
    usedPerSecond: number; // of random jobs among {@link USED_JOBS} that are in memory
    coldPerSecond?: number; // each of another job, none of which is in memory; undefined for few open jobs
    verifiedPerSecond: number; // signatures alone
    bytesPerJob: number; // on the disk
}
