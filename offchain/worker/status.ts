/** The state of a worker as its operator reads it. */
import { loadTerms } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import type { JobAmounts } from '../store/earnings';
import { dayOf } from '../store/people';
import type { CaseRecord, IntakeMode, WorkerTotals } from '../store/worker';
import type { Alert } from './alerts/board';
import type { ModelLoad } from './backends';
import type { WorkerBook } from './book';
import type { Cases } from './cases';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import type { BackendView } from './servers';
import { type EarningsRow, earningsRows, unclaimedOf } from './earnings';
import { modelName } from './modelName';
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
    models: EarningsRow[]; // since the first result
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
}

const MAX_LISTED = 20; // clients, and jobs

export async function statusOf(
    context: WorkerContext,
    { book, cases, wallet }: { book: WorkerBook; cases: Cases; wallet: ClaimWallet },
    { alerts, readiness }: Pick<WorkerStatus, 'alerts' | 'readiness'> = { alerts: [], readiness: undefined },
): Promise<WorkerStatus> {
    const { config, now, store } = context;
    const [byModel, byClient] = await Promise.all([earningsRows(context, 'model'), earningsRows(context, 'client')]);
    const today = byModel.earned.filter(({ day }) => day === dayOf(now()));
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
        today: {
            results: today.reduce((sum, { results }) => sum + results, 0),
            earned: today.reduce((sum, { earned }) => sum + earned, 0n),
        },
        models: byModel.rows,
        clients: byClient.rows.sort(byEarned).slice(0, MAX_LISTED),
        openJobs: await openJobsOf(context, book, byModel.jobs),
        unreadable: cases.unreadable,
        ...(await store.totals()),
    };
}

const byEarned = (a: { earned: bigint }, b: { earned: bigint }) =>
    a.earned === b.earned ? 0 : a.earned < b.earned ? 1 : -1;

async function openJobsOf({ config }: WorkerContext, book: WorkerBook, jobs: JobAmounts[]): Promise<OpenJobView[]> {
    const running = await book.runningByJob();
    const open = jobs
        .filter(({ hasEnded }) => !hasEnded)
        .map((amounts) => ({ ...amounts, earned: amounts.cumulative }));
    return open
        .sort(byEarned)
        .slice(0, MAX_LISTED)
        .map((amounts) => {
            const { escrow, model } = loadTerms(Cell.fromBoc(amounts.terms)[0]);
            const job = amounts.job.toString('hex');
            return {
                job,
                client: accountAddress(escrow).toRawString(),
                model: modelName(config, model),
                running: running.get(job) ?? 0,
                results: amounts.index,
                earned: amounts.earned,
                unclaimed: unclaimedOf(amounts),
            };
        });
}

function viewOf({ class: faultClass, job, number, answerBy, dispute }: CaseRecord): CaseView {
    return { class: faultClass, job, number, answerBy, dispute: accountAddress(dispute).toRawString() };
}
