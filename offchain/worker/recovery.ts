/** Ends the queries that an earlier process left open. */
import { answerRoot, contentHash, Finish } from '@cocoon-market/wrappers';
import type { QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';
import { billedCounts } from './credit';
import type { WorkerJob } from './job';
import type { WorkerBook } from './book';
import { signFail } from './fails';

const BATCH = 100;

/**
 * Rule 13: ends every query that an earlier process accepted and did not end, with a result over the stored answer, or
 * with a fail if nothing is stored. Must run before anything else is signed. Resolves with the number of these queries.
 */
export async function recover(context: WorkerContext, book: WorkerBook): Promise<number> {
    let recovered = 0;
    let queries = await context.store.queries.unended(BATCH);
    while (queries.length > 0) {
        const ended = await Promise.all(
            queries.map((query) => book.use(query.job, (job) => endQuery(context, job, query))),
        );
        recovered += ended.filter(Boolean).length;
        queries = await context.store.queries.unended(BATCH, queries.at(-1));
    }
    return recovered;
}

/** Resolves with false for a query that this worker must not end. */
async function endQuery(context: WorkerContext, job: WorkerJob, query: QueryRecord): Promise<boolean> {
    const { queries } = context.store;
    if (!job.isOwn || job.isStale) {
        return false; // an earlier key accepted it, and only that key may end it; or a newer store has ended it
    }
    const { number, request, counts: meter, promptKnown, promptEstimate, ceiling } = query;
    const stored = await queries.answer(query);
    if (stored.length === 0) {
        await queries.end({ kind: 'fail', job: job.id, number, receipt: signFail(context, query) });
        return true;
    }
    const unknown = { allCounted: true, usage: undefined, cut: true, textEstimate: { completion: 0, reasoning: 0 } };
    // The bound of the prompt is not stored. Without a count, the estimate takes its place, because it is within it.
    const bounds = { accepted: meter, promptBound: meter.prompt + meter.cached + promptEstimate };
    const counts = billedCounts(
        { meter, promptKnown, promptEstimate, ceiling, ...bounds, ...unknown },
        job.terms.rates,
    );
    const content = contentHash(request, answerRoot(stored));
    await job.signResult({ number, bytes: Buffer.alloc(0), counts, content, finish: Finish.CutByWorker });
    return true;
}
