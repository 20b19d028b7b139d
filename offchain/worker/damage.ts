/**
 * Compares what the store has of a job with what keys have signed of it. A disk that returns other bytes than were
 * written must not make this worker sign a result that contradicts an earlier one, or serve for a voucher that no
 * channel pays.
 */
import { jobHash, payloadOf, Result } from '@cocoon-market/wrappers';
import { isSignedVoucherAside } from '../link';
import type { JobRecord, QueryId } from '../store/worker';
import type { WorkerContext } from './context';
import type { JobEntry } from './entry';

/** The damage of a voucher that no channel pays. */
export const FORGED_VOUCHER = 'the voucher key did not sign the newest voucher';

/** What is wrong with the record of a job; undefined if nothing is. */
export async function damageOf(
    { config: { network }, store }: Pick<WorkerContext, 'config' | 'store'>,
    { record, terms, verifier }: Pick<JobEntry, 'record' | 'terms' | 'verifier'>,
): Promise<string | undefined> {
    const { job, channel, voucher, index, cumulative, lowWater } = record;
    if (!jobHash(network, channel, terms).equals(job)) {
        return 'channel and terms are not those of the job';
    }
    if (voucher !== undefined && !(await isSignedVoucherAside(verifier, network, channel, voucher))) {
        return FORGED_VOUCHER;
    }
    const receipt = await store.queries.newestResult(job);
    if (receipt === undefined) {
        // Once queries were deleted, lowWater says so.
        return index > 0 && lowWater === 0 ? `result ${index} is missing` : undefined;
    }
    const newest = resultOf(receipt);
    return newest?.index === index && newest.cumulative === cumulative
        ? undefined
        : 'index and cumulative are not those of the newest result';
}

/**
 * True if a number that has no row may have had a result, whose row a disk has lost: then another receipt of that
 * number would contradict it. `record`: of its job, as it was read; undefined if that has no row either.
 */
export async function mayHaveResult(
    { queries }: Pick<WorkerContext['store'], 'queries'>,
    { job, number }: QueryId,
    record: Pick<JobRecord, 'highest' | 'index' | 'lowWater'> | undefined,
): Promise<boolean> {
    if (record === undefined) {
        return (await queries.countResults(job)) > 0;
    }
    const { highest, index, lowWater } = record;
    if (number > highest) {
        return false; // it was never used
    }
    // Once queries were deleted, nothing tells which results there were. Results later than the record must not stand
    // for one that is lost.
    return lowWater > 0 || (await queries.countResults(job, index)) < index;
}

function resultOf(receipt: Buffer): Result | undefined {
    try {
        return Result.decode(payloadOf(receipt));
    } catch {
        return undefined;
    }
}
