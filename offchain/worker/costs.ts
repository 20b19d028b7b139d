/**
 * The cost of a claim at the prices of the chain, whether a claim is worth it, and the limits that follow from it
 * unless the configuration sets them. Amounts are nanoTON.
 */
import { type ChainPrices, computeFee, forwardFee, smaller } from '@cocoon-market/wrappers';
import { answersOf, type Chain, type HotWallet } from '../chain';
import { unclaimedOf } from '../store/jobSums';
import type { WorkerContext } from './context';
import type { WorkerJob } from './job';

const HOUR = 3600;
const MAX_COST = 20_000_000n; // nanoTON, three times that of 2025: a false price must not keep vouchers from being claimed
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
        private readonly context: WorkerContext,
        private readonly wallet: Pick<HotWallet, 'address'>,
        private readonly now: () => number,
    ) {}

    /** nanoTON below which no claim is sent. */
    get minClaim(): bigint {
        return this.context.config.claim.minAmount ?? this.cost;
    }

    /** Minimal nanoTON in the channel of a new job. */
    get minDeposit(): bigint {
        return this.context.config.limits.minDeposit ?? this.cost * JOB_CLAIMS;
    }

    /** Reads the prices when they are an hour old. While the API does not answer, the old prices remain. */
    async refresh(): Promise<void> {
        const { config, log } = this.context;
        const { claim, limits } = config;
        if ((claim.minAmount !== undefined && limits.minDeposit !== undefined) || this.now() - this.readAt < HOUR) {
            return;
        }
        try {
            this.cost = smaller(await this.agreedCost(), MAX_COST);
            this.readAt = this.now();
        } catch (error) {
            log.warn({ err: error }, 'the prices of the chain are not read: the cost of a claim stays as it was');
        }
    }

    /**
     * The cost by which as many endpoints are above as below, of those that answer: at one that is too high, the
     * deposits of new jobs would be too small, and their clients leave. By the first if fewer than most answer.
     */
    private async agreedCost(): Promise<bigint> {
        const { chain } = this.context;
        const { others = [] } = chain;
        const costs = await answersOf(chain, async (endpoint) => claimCost(await (endpoint as Chain).prices()));
        const sorted = costs.sort((a, b) => Number(a - b));
        return 2 * costs.length > others.length ? sorted[(costs.length - 1) >> 1] : claimCost(await chain.prices());
    }

    /** True when a claim of `due` pays more than it costs. */
    isWorth(due: bigint): boolean {
        return due > 0n && due >= this.minClaim;
    }

    /** True when the last claim of a job pays more than it costs, or the job has promised twice its cost. */
    isEndWorth(due: bigint, promised: bigint): boolean {
        return this.isWorth(due) || (this.canEnd() && promised >= 2n * this.minClaim);
    }

    /** True when this worker claims or ends the channel of a job that its client ends. */
    willClaimAtEnd({ promised, record }: WorkerJob): boolean {
        return this.isEndWorth(unclaimedOf(record), promised);
    }

    /** True when the wallet is the payout: only the payout may send the last claim of a channel. */
    canEnd(): boolean {
        return this.wallet.address.equals(this.context.payout);
    }
}
