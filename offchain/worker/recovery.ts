/** Ends the queries that an earlier process left open. */
import { answerRoot, contentHash, Finish } from '@cocoon-market/wrappers';
import type { QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';
import { billedCounts } from './credit';
import type { WorkerJob } from './job';
import type { WorkerBook } from './book';
import { signFail } from './fails';

const BATCH = 100;

/** Rule 13: ends what earlier processes left open, those whose jobs this one has or takes over. */
export class QueryRecovery {
    private recovered = 0;

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
    ) {
        book.recovery = (job) => this.recoverJob(job);
    }

    /**
     * Ends every query that an earlier process accepted and did not end, with a result over the stored answer, or with
     * a fail if nothing is stored. At the start it must run before anything else is signed. Resolves with the number of
     * these queries.
     */
    async run(): Promise<number> {
        const { context, book } = this;
        this.recovered = 0;
        let queries = await context.store.queries.unended(BATCH);
        while (queries.length > 0) {
            const jobs = new Map(queries.map(({ job }) => [job.toString('hex'), job]));
            // Each takes its job into memory, which recovers it.
            await Promise.all([...jobs.values()].map((job) => book.use(job, () => Promise.resolve())));
            queries = await context.store.queries.unended(BATCH, queries.at(-1));
        }
        // The jobs of this process are recovered. It gets others only from processes that stop.
        if (!context.store.cluster.isShared) {
            book.recovery = () => Promise.resolve();
        }
        return this.recovered;
    }

    private async recoverJob(job: WorkerJob): Promise<void> {
        for (const query of await this.context.store.queries.unendedOf(job.id)) {
            this.recovered += (await endQuery(this.context, job, query)) ? 1 : 0;
        }
    }
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
