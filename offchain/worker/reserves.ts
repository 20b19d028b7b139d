/** nanoTON that a worker's wallet needs, each amount once. */

/** For the answers to demands. A new wallet gets so much, and sweeps leave it. */
export const DEMAND_RESERVE = 300_000_000n;

/** For a claim until the rest of it comes back, above every measured level. */
export const CLAIM_RESERVE = 14_000_000n;

/** For one claim or one piece of an answer. A wallet with less can do neither. */
export const MIN_WALLET = 50_000_000n;

/** What one query may cost a worker, or its client, unless the configuration says otherwise: `limits.maxStep`. */
export const MAX_STEP = 100_000_000n;
