/**
 * The rules of money that the simulation follows, by their numbers in docs/protocol.md. Amounts are nanoTON. Each
 * function answers one question and changes nothing.
 */
import type { Model } from './model';

/** Rule 2: the open ceilings and what is unpaid fit into what vouchers have not promised yet. */
export const mayAccept = (sums: { ceilings: number; unpaid: number; funds: number; vouchers: number }): boolean =>
    sums.ceilings + sums.unpaid <= sums.funds - sums.vouchers;

/** Rule 5: the worker sends while what is unpaid is at most a step for each running query. */
export const maySend = (unpaid: number, running: number, step: number): boolean => unpaid <= step * running;

/**
 * Rule 5: over all jobs of one escrow, so many queries may run. The model of one more runs only while unpaid + a step
 * for each running query + a step ≤ `startSteps` × step + vouchers.
 */
export const maxRunning = (
    unpaid: number,
    vouchers: number,
    { step, startSteps }: Pick<Model['job'], 'step' | 'startSteps'>,
): number => Math.max(0, Math.floor(startSteps + (vouchers - unpaid) / step));

/** Rule 14: the gateway pays late results while all that is unpaid is at most a step for each query without an end. */
export const mayPayLate = (unpaid: number, unended: number, step: number): boolean => unpaid <= step * unended;

/** offchain/worker/claims.ts: vouchers are claimed from the threshold on, or when they are old and worth ten claims. */
export function isClaimDue(due: number, ageSeconds: number, claim: Model['claim']): boolean {
    const isOld = ageSeconds >= claim.maxAgeSeconds && due >= 10 * claim.minAmount;
    return due >= claim.minAmount && (due >= claim.threshold || isOld);
}

/** contracts/channel.tact: the rest goes back to the client from `refundAt` on. */
export const mayRefund = (now: number, refundAt: number): boolean => now >= refundAt;

/** contracts/escrow.tact: an order is taken up to and including its last second. */
export const isOrderTaken = (includedAt: number, validUntil: number): boolean => includedAt <= validUntil;
