/** What a worker says to a demand (A3): it decides here, and nothing is sent. */
import { Fail, liabilityRules, pieceCount, Reason, Result } from '@cocoon-market/wrappers';
import type { CaseFile, SignedVoucher } from '@cocoon-market/wrappers';
import { signReceipt } from '../link';
import type { JobRecord, QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';

/** The answer to a demand, or why there is none now (`wait`) or none at all (`none`). */
export type Defence =
    | { kind: 'voucher'; result: Buffer; voucher: SignedVoucher }
    | { kind: 'pieces'; result: Buffer; answer: Buffer; indexes: number[] }
    | { kind: 'fail'; fail: Buffer }
    | { kind: 'wait' | 'none'; why: string };

const SIGNATURE_BYTES = 64;

/**
 * The answer to an open demand: the client's voucher if it acknowledges the result, for that costs least; else the pieces
 * still wanted; else the fail. A query that this worker never accepted is failed now, on the disk first: somebody else has
 * the receipt key. So is one that was accepted and that no result can follow. Where a result exists there is never a fail.
 *
 * @param wanted one bit for each piece still to be posted from the first demanded on; undefined before the first piece
 */
export async function defend(
    context: WorkerContext,
    file: Pick<CaseFile, 'job' | 'query' | 'about' | 'first' | 'receiptKey'>,
    wanted: number | undefined,
): Promise<Defence> {
    const { store } = context;
    const [job, query] = [
        await store.jobs.get(file.job),
        await store.queries.get({ job: file.job, number: file.query }),
    ];
    const same = query?.request.equals(file.about!) === true;
    if (query?.end?.kind === 'result') {
        return ofResult(context, file, { job: job!, query, same, wanted });
    }
    if (query !== undefined && query.end === undefined) {
        if (!file.receiptKey.equals(context.receiptKey.publicKey)) {
            return { kind: 'none', why: 'an earlier receipt key accepted it, and only that key could end it' };
        }
        return same && isStale(job)
            ? endUnanswered(context, query)
            : { kind: 'wait', why: 'the query is still being answered' };
    }
    if (query?.end?.kind === 'fail' && same) {
        return { kind: 'fail', fail: query.end.receipt };
    }
    return deny(context, file, job);
}

async function ofResult(
    { store }: WorkerContext,
    { first }: Pick<CaseFile, 'first'>,
    { job, query, same, wanted }: { job: JobRecord; query: QueryRecord; same: boolean; wanted: number | undefined },
): Promise<Defence> {
    const result = query.end!.receipt;
    const { index } = Result.decode(result.subarray(0, -SIGNATURE_BYTES));
    const { voucher } = job;
    if (voucher !== undefined && voucher.count >= index) {
        return { kind: 'voucher', result, voucher };
    }
    if (!same) {
        return { kind: 'none', why: 'the number was used for another request: somebody else has the receipt key' };
    }
    const answer = await store.queries.answer({ job: query.job, number: query.number });
    return { kind: 'pieces', result, answer, indexes: piecesWanted(answer.length, first, wanted) };
}

/** Numbers of the pieces to post; any piece shows that an answer ends before those demanded. */
export function piecesWanted(length: number, first: number, wanted: number | undefined): number[] {
    const there = Math.min(pieceCount(length) - first, liabilityRules.maxPieces);
    if (there <= 0) {
        return [0];
    }
    const places = Array.from({ length: there }, (_, place) => place);
    return places
        .filter((place) => wanted === undefined || ((wanted >> place) & 1) === 1)
        .map((place) => first + place);
}

/** True when a voucher of the job counts results that this store does not know: no query of it is answered any more. */
function isStale(job: JobRecord | undefined): boolean {
    return job !== undefined && (job.voucher?.count ?? 0) > job.index;
}

// A client can sign any count, so nobody may be found guilty for what was then left without an end.
async function endUnanswered(
    { store, receiptKey, now }: WorkerContext,
    { job, number, request }: QueryRecord,
): Promise<Defence> {
    const fail = signReceipt(Fail, { job, number, request, reason: Reason.Stopped, signedAt: now() }, receiptKey);
    await store.queries.end({ kind: 'fail', job, number, receipt: fail });
    return { kind: 'fail', fail };
}

async function deny(
    { store, receiptKey, now }: WorkerContext,
    { job, query: number, about, receiptKey: key }: Pick<CaseFile, 'job' | 'query' | 'about' | 'receiptKey'>,
    record: JobRecord | undefined,
): Promise<Defence> {
    const request = about!;
    const denied = await store.queries.denial({ job, number, request });
    if (denied !== undefined) {
        return { kind: 'fail', fail: denied };
    }
    if (!key.equals(receiptKey.publicKey)) {
        return { kind: 'none', why: 'the receipt key is not that of this worker' };
    }
    if (isStale(record)) {
        return {
            kind: 'none',
            why: 'a voucher of the job counts results that are not stored: this store is not the newest',
        };
    }
    if (record !== undefined && number <= record.lowWater) {
        return { kind: 'none', why: 'what was answered under this number is no longer stored' };
    }
    const fail = signReceipt(Fail, { job, number, request, reason: Reason.Stopped, signedAt: now() }, receiptKey);
    await store.queries.deny({ job, number, request, receipt: fail });
    return { kind: 'fail', fail };
}
