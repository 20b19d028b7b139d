import { answerRoot, contentHash, Fail, Finish, Reason } from '@cocoon-market/wrappers';
import { signReceipt } from '../link';
import type { QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';
import { billedCounts } from './credit';
import type { Job } from './job';
import type { Jobs } from './jobs';

const BATCH = 100;

/**
 * Rule 13: gives every query that an earlier process accepted and did not end its receipt, a result over what is stored
 * or a fail when that is nothing. Runs before anything else does. Resolves with how many there were.
 */
export async function recover(context: WorkerContext, jobs: Jobs): Promise<number> {
    let recovered = 0;
    let queries = await context.store.queries.unended(BATCH);
    while (queries.length > 0) {
        const ended = await Promise.all(
            queries.map((query) => jobs.use(query.job, (job) => endQuery(context, job, query))),
        );
        recovered += ended.filter(Boolean).length;
        queries = await context.store.queries.unended(BATCH, queries.at(-1));
    }
    return recovered;
}

async function endQuery(context: WorkerContext, job: Job, query: QueryRecord): Promise<boolean> {
    const { store, receiptKey } = context;
    if (!job.isOwn || job.isStale) {
        return false; // an earlier key accepted it, and only that key could end it; or a newer store did end it
    }
    const { number, request, counts: meter, promptKnown, promptBytes, ceiling } = query;
    const stored = await store.queries.answer({ job: job.id, number });
    if (stored.length === 0) {
        const fail = { job: job.id, number, request, reason: Reason.Stopped, signedAt: context.now() };
        await store.queries.end({ kind: 'fail', job: job.id, number, receipt: signReceipt(Fail, fail, receiptKey) });
        return true;
    }
    const unknown = { counted: true, usage: undefined, cut: true, contentBytes: 0, reasoningBytes: 0 };
    // The bound of the prompt is not stored: without a count its bytes stand for it, and they were within the bound.
    const bounds = { bounds: meter, promptBound: meter.prompt + meter.cached + promptBytes };
    const counts = billedCounts({ meter, promptKnown, promptBytes, ceiling, ...bounds, ...unknown }, job.terms.rates);
    const content = contentHash(request, answerRoot(stored));
    await job.result({ number, bytes: Buffer.alloc(0), counts, content, finish: Finish.CutByWorker });
    return true;
}
