/**
 * The cost of a claim at the prices of the chain, and the limits that follow from it unless the configuration sets
 * them.
 */
import { type ChainPrices, computeFee, forwardFee } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import type { Chain } from '../chain';
import type { WorkerConfig } from './config';

const HOUR = 3600;
const JOB_CLAIMS = 50n; // claims whose costs the minimum deposit of a job covers
/** Gas of a version 5 wallet and a channel in all transactions of one claim (`claim` in benchmarks/gas.json). */
const CLAIM_GAS = 9200n;
const CLAIM_MESSAGES = { count: 3n, cells: 7n, bits: 1500n };

/** nanoTON that one claim costs, a little above the measured cost. */
export function claimCost(prices: ChainPrices): bigint {
    const { count, ...size } = CLAIM_MESSAGES;
    return computeFee(prices, CLAIM_GAS) + forwardFee(prices, size) + (count - 1n) * prices.forward.lump;
}

/** Follows the chain's prices, which are read once an hour. */
export class Costs {
    private cost = 1_000_000n; // nanoTON, at the prices since 2026-04-30, until those of the chain are read
    private readAt = -Infinity; // seconds

    /** `now`: seconds of a monotonic clock. */
    constructor(
        private readonly config: Pick<WorkerConfig, 'claim' | 'limits'>,
        private readonly chain: Pick<Chain, 'prices'>,
        private readonly log: Logger,
        private readonly now: () => number,
    ) {}

    /** nanoTON below which no claim is sent. */
    get minClaim(): bigint {
        return this.config.claim.minAmount ?? this.cost;
    }

    /** Minimal nanoTON in the channel of a new job. */
    get minDeposit(): bigint {
        return this.config.limits.minDeposit ?? this.cost * JOB_CLAIMS;
    }

    /** Reads the prices when they are an hour old. While the API does not answer, the old prices remain. */
    async refresh(): Promise<void> {
        const { claim, limits } = this.config;
        if ((claim.minAmount !== undefined && limits.minDeposit !== undefined) || this.now() - this.readAt < HOUR) {
            return;
        }
        try {
            this.cost = claimCost(await this.chain.prices());
            this.readAt = this.now();
        } catch (error) {
            this.log.warn({ err: error }, 'the prices of the chain are not read: the cost of a claim stays as it was');
        }
    }
}
