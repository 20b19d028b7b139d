/** The state of a worker as its operator reads it. */
import type { EarningsRow } from '../store/earnings';
import { sumsOf } from '../store/jobSums';
import { dateOf, dayOf } from '../store/people';
import type { CaseRecord, IntakeMode, WorkerTotals } from '../store/worker';
import type { Alert } from './alerts/board';
import type { ModelLoad } from './backends';
import type { WorkerBook } from './book';
import type { Cases } from './cases';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import type { BackendView } from './servers';
import type { WorkerReadiness } from './readiness';

export interface WorkerStatus extends WorkerTotals {
    node: string; // raw address
    running: number; // queries
    intake: IntakeMode; // whether it takes new jobs and queries
    wallet: { address: string; balance: bigint | undefined }; // nanoTON; undefined when the API does not answer
    cases: CaseView[]; // the open ones
    alerts: Alert[]; // that are raised, the newest last; none of a worker that does not run
    readiness: WorkerReadiness | undefined; // undefined if the worker does not run
    load: { backends: BackendView[]; models: ModelLoad[] };
    today: { results: number; earned: bigint }; // nanoTON, since midnight (UTC)
    models: EarningsRow[]; // those that brought the most, since the first result
    clients: EarningsRow[]; // those that brought the most, since the first result
    openJobs: OpenJobView[]; // those that brought the most
    unreadable: number; // messages of the provider that could not be read since the start
}

/** An open demand (A3), which the worker answers by itself, or a case before the committee (B1). */
export interface CaseView extends Pick<CaseRecord, 'class' | 'job' | 'number' | 'answerBy'> {
    dispute: string; // raw address
}

/** A job that has not ended. Amounts are nanoTON. */
export interface OpenJobView {
    job: string; // hex
    client: string; // raw address of its escrow
    model: string;
    running: number; // queries
    results: number;
    earned: bigint;
    unclaimed: bigint;
    confirming: bigint;
}

const MAX_LISTED = 20; // models, clients, and jobs

export async function statusOf(
    context: WorkerContext,
    { book, cases, wallet }: { book: WorkerBook; cases: Cases; wallet: ClaimWallet },
    { alerts, readiness }: Pick<WorkerStatus, 'alerts' | 'readiness'> = { alerts: [], readiness: undefined },
): Promise<WorkerStatus> {
    const { config, now, store } = context;
    const { earnings } = store;
    const today = await earnings.row('day', dateOf(dayOf(now())));
    return {
        node: config.node.toRawString(),
        running: (await book.running()).length,
        intake: context.intake.mode,
        wallet: {
            address: wallet.address.toRawString(),
            balance: await wallet.balance('routine').catch(() => undefined),
        },
        cases: (await store.cases.open()).map(viewOf),
        ...{ alerts, readiness },
        load: context.backends.view(),
        today: { results: today?.results ?? 0, earned: today?.earned ?? 0n },
        models: await earnings.best('model', MAX_LISTED),
        clients: await earnings.best('client', MAX_LISTED),
        openJobs: await openJobsOf(context, book),
        unreadable: cases.unreadable,
        ...(await store.totals()),
    };
}

async function openJobsOf({ store }: WorkerContext, book: WorkerBook): Promise<OpenJobView[]> {
    const running = await book.runningByJob();
    return (await store.jobs.best(MAX_LISTED)).map((record) => {
        const job = record.job.toString('hex');
        const { results, earned, unclaimed, confirming } = sumsOf(record);
        const { client, model } = record;
        return { job, client, model, running: running.get(job) ?? 0, results, earned, unclaimed, confirming };
    });
}

function viewOf({ class: faultClass, job, number, answerBy, dispute }: CaseRecord): CaseView {
    return { class: faultClass, job, number, answerBy, dispute: accountAddress(dispute).toRawString() };
}
