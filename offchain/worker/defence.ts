/** Decides the answer to a demand (fault A3). Nothing is sent here. */
import {
    answerRoot,
    type CaseFile,
    contentHash,
    liabilityRules,
    payloadOf,
    pieceCount,
    Result,
    type SignedVoucher,
} from '@cocoon-market/wrappers';
import type { JobRecord, QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';
import { mayHaveResult } from './damage';
import { isStale } from './entry';
import { signFail } from './fails';

/** The answer to a demand, or why there is none yet (`wait`) or none at all (`none`). */
export type Defence =
    | { kind: 'voucher'; result: Buffer; voucher: SignedVoucher }
    | { kind: 'pieces'; result: Buffer; answer: Buffer; indexes: number[] }
    | { kind: 'fail'; fail: Buffer }
    | { kind: 'wait' | 'none'; reason: string };

/**
 * The answer to an open demand. A query with a result is answered with the client's voucher if it acknowledges the
 * result, because that costs least, else with the missing pieces; never with a fail. A query that this worker never
 * accepted gets a fail, stored first: then another process has the receipt key. So does an accepted query that no
 * result can follow.
 *
 * @param missing one bit for each piece to post, from the first demanded one on; undefined before the first piece
 */
export async function defend(
    context: WorkerContext,
    file: Pick<CaseFile, 'job' | 'query' | 'about' | 'firstPiece' | 'receiptKey'>,
    missing: number | undefined,
): Promise<Defence> {
    const { jobs, queries } = context.store;
    const [job, query] = [await jobs.get(file.job), await queries.get({ job: file.job, number: file.query })];
    const isSame = query?.request.equals(file.about!) === true;
    if (query?.end?.kind === 'result') {
        return defendResult(context, file, { voucher: job?.voucher, query, isSame, missing });
    }
    if (query !== undefined && query.end === undefined) {
        if (!file.receiptKey.equals(context.receiptKey.publicKey)) {
            return { kind: 'none', reason: 'an earlier receipt key accepted it, and only that key could end it' };
        }
        return isSame && job !== undefined && isStale(job)
            ? endUnanswered(context, query)
            : { kind: 'wait', reason: 'the query is still being answered' };
    }
    if (query?.end?.kind === 'fail' && isSame) {
        return { kind: 'fail', fail: query.end.receipt };
    }
    return deny(context, file, { record: job, hasRow: query !== undefined });
}

async function defendResult(
    { store }: WorkerContext,
    { firstPiece }: Pick<CaseFile, 'firstPiece'>,
    {
        voucher,
        query,
        isSame,
        missing,
    }: { voucher: SignedVoucher | undefined; query: QueryRecord; isSame: boolean; missing: number | undefined },
): Promise<Defence> {
    const result = query.end!.receipt;
    const { index, content } = Result.decode(payloadOf(result));
    if (voucher !== undefined && voucher.count >= index) {
        return { kind: 'voucher', result, voucher };
    }
    if (!isSame) {
        return { kind: 'none', reason: 'the number was used for another request: another process has the receipt key' };
    }
    const answer = await store.queries.answer(query);
    if (!contentHash(query.request, answerRoot(answer)).equals(content)) {
        // Pieces of it would cost fees again and again, and show nothing.
        return { kind: 'none', reason: 'the stored answer is damaged: it is not that of the result' };
    }
    return { kind: 'pieces', result, answer, indexes: missingPieces(answer.length, firstPiece, missing) };
}

/** Numbers of the pieces to post. Where the answer ends before the demanded pieces, any piece shows it. */
export function missingPieces(length: number, first: number, missing: number | undefined): number[] {
    const count = Math.min(pieceCount(length) - first, liabilityRules.maxPieces);
    if (count <= 0) {
        return [0];
    }
    const places = Array.from({ length: count }, (_, place) => place);
    return places
        .filter((place) => missing === undefined || ((missing >> place) & 1) === 1)
        .map((place) => first + place);
}

// A client can sign any count, so it must not be able to make this node guilty of a query that then gets no result.
async function endUnanswered(context: WorkerContext, query: QueryRecord): Promise<Defence> {
    const { job, number } = query;
    const fail = signFail(context, query);
    await context.store.queries.end({ kind: 'fail', job, number, receipt: fail });
    return { kind: 'fail', fail };
}

async function deny(
    context: WorkerContext,
    { job, query: number, about, receiptKey }: Pick<CaseFile, 'job' | 'query' | 'about' | 'receiptKey'>,
    { record, hasRow }: { record: JobRecord | undefined; hasRow: boolean }, // of the job, and of the query
): Promise<Defence> {
    const request = about!;
    const { queries } = context.store;
    const denial = await queries.denial({ job, number, request });
    if (denial !== undefined) {
        return { kind: 'fail', fail: denial };
    }
    if (!receiptKey.equals(context.receiptKey.publicKey)) {
        return { kind: 'none', reason: 'the receipt key is not that of this worker' };
    }
    if (record !== undefined && isStale(record)) {
        return {
            kind: 'none',
            reason: 'a voucher of the job counts results that are not stored: this store is not the newest',
        };
    }
    if (record !== undefined && number <= record.lowWater) {
        return { kind: 'none', reason: 'the record of this query is no longer stored' };
    }
    if (!hasRow && (await mayHaveResult(context.store, { job, number }, record))) {
        return { kind: 'none', reason: 'a result is missing in the store, which may be the one of this query' };
    }
    const fail = signFail(context, { job, number, request });
    await queries.deny({ job, number, request, receipt: fail });
    return { kind: 'fail', fail };
}
