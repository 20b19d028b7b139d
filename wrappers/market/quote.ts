/** What a buyer will pay: answers, fees of the chain at the network's present prices, and how much to deposit. */
import { type Address, type Cell } from '@ton/core';
import {
    EscrowBits,
    EscrowCells,
    GasJobOrder,
    GasOpenJob,
    GasRefund,
    GasWholeJob,
    JobOrderBitsEach,
    JobOrderCells,
    JobOrderMessages,
    OpenBits,
    OpenCells,
} from '../../build/Escrow/Escrow_Escrow';
import { type ChainPrices, computeFee, forwardFee, sizeOf, storageFee, YEAR } from '../prices';
import { larger, type Rates, type TokenCounts } from '../price';
import { priceFor, type NodeFilter, type SellingNode } from './offers';

/**
 * What is to be bought. `tokens` of a typical query: a kind that is left out is not known, and counts at the higher
 * rate of its two.
 *
 * @example
 * ```ts
 * import type { QuoteRequest } from '@cocoon-market/wrappers/market';
 *
 * const tokens = { prompt: 1_000, completion: 500 };
 * const request: QuoteRequest = { model: 'Qwen/Qwen3-32B', queriesADay: 10_000, tokens };
 * ```
 */
export interface QuoteRequest extends Omit<NodeFilter, 'model' | 'tokens'> {
    model: string; // id in the catalogue, or the 64 hex digits of its SHA-256
    tokens: Pick<TokenCounts, 'prompt' | 'completion'> & Partial<TokenCounts>;
    queriesADay?: number; // 1 unless given
    node?: Address; // of this node; of the cheapest that fits unless given
}

/**
 * What it will cost. All amounts in nanoTON; the sums never say less than what is billed for these tokens.
 *
 * @example
 * ```ts
 * import { formatTon } from '@cocoon-market/wrappers';
 * import type { PriceQuote } from '@cocoon-market/wrappers/market';
 *
 * const show = ({ day, deposit }: PriceQuote) => `${formatTon(day)} TON a day, of ${formatTon(deposit.escrow)} TON`;
 * ```
 */
export interface PriceQuote {
    node: SellingNode;
    rates: Rates; // nanoTON per million tokens
    query: bigint; // a query of these tokens
    answers: bigint; // all queries of a day
    fees: ChainFees;
    day: bigint; // answers of a day, and the fees of one job
    deposit: DepositAdvice;
}

/**
 * Fees of the chain, in nanoTON, at the prices of the network's present configuration. A claim is paid by the worker.
 *
 * @example
 * ```ts
 * import type { ChainFees } from '@cocoon-market/wrappers/market';
 *
 * const most = ({ opening, ending }: ChainFees) => opening + ending;
 * ```
 */
export interface ChainFees {
    opening: bigint; // the most that opening one job takes from the escrow besides its deposit
    ending: bigint; // to make a job leave with the spend key, or to fetch its rest; a job that its worker ends is free
}

/**
 * How much to deposit for a day's queries, nanoTON. The least number of jobs costs the least: one a day, of which a
 * quarter is not used before the next one opens. What is not spent stays yours.
 *
 * @example
 * ```ts
 * import type { DepositAdvice } from '@cocoon-market/wrappers/market';
 *
 * const settings = ({ jobLimit, dayLimit, escrow }: DepositAdvice) => ({ jobLimit, dayLimit, deposit: escrow });
 * ```
 */
export interface DepositAdvice {
    min: bigint; // the least that an escrow opens a job with; a worker may want more, see its `/v1/info`
    job: bigint; // of each job
    escrow: bigint; // two jobs at once, their fees, and the reserve
    reserve: bigint; // stays in the escrow: a year's rent
    jobLimit: bigint; // for setUpEscrow
    dayLimit: bigint; // for setUpEscrow: deposits and fees of two jobs
}

const RENT = 2_000_000n; // nanoTON of a channel that no query may reserve
const CENT = 10_000_000n; // nanoTON: advice is rounded up to 0.01 TON

/** Fees of an escrow that opens channels of this code. They are those of `openFeeOf` and `jobOrderFeeOf`. */
export function chainFees(basechain: ChainPrices, channelCode: Cell): ChainFees {
    const { cells, bits } = sizeOf(channelCode);
    const sent = forwardFee(basechain, { cells: cells + OpenCells, bits: bits + OpenBits });
    const order = forwardFee(basechain, { cells: JobOrderCells, bits: JobOrderBitsEach });
    return {
        opening: 2n * (computeFee(basechain, GasOpenJob) + sent), // the job, and the order
        ending: computeFee(basechain, GasJobOrder + GasRefund) + JobOrderMessages * order,
    };
}

/** The quote of a node's rates. */
export function quoteOf(
    node: SellingNode,
    rates: Rates,
    { tokens, queriesADay = 1 }: QuoteRequest,
    { basechain, channelCode }: { basechain: ChainPrices; channelCode: Cell },
): PriceQuote {
    const query = priceFor(rates, tokens);
    const answers = query * BigInt(queriesADay);
    const fees = chainFees(basechain, channelCode);
    const reserve = storageFee(basechain, { cells: EscrowCells, bits: EscrowBits }, YEAR);
    const min = computeFee(basechain, GasWholeJob);
    const rounded = (amount: bigint) => ((amount + CENT - 1n) / CENT) * CENT;
    const job = rounded(larger(min, (answers * 4n + 2n) / 3n) + RENT);
    const twice = 2n * (job + fees.opening);
    return {
        ...{ node, rates, query, answers, fees, day: answers + fees.opening },
        deposit: { min, job, reserve, escrow: rounded(twice + reserve), jobLimit: job, dayLimit: rounded(twice) },
    };
}
