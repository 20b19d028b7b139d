/** The state of a worker as its operator reads it. */
import type { CaseRecord, WorkerTotals } from '../store/worker';
import type { Alert } from './alerts/board';
import type { WorkerBook } from './book';
import type { Cases } from './cases';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';
import type { WorkerReadiness } from './readiness';

export interface WorkerStatus extends WorkerTotals {
    node: string; // raw address
    running: number; // queries
    wallet: { address: string; balance: bigint | undefined }; // nanoTON; undefined when the API does not answer
    cases: CaseView[]; // the open ones
    alerts: Alert[]; // that are raised, the newest last; none of a worker that does not run
    readiness: WorkerReadiness | undefined; // undefined if the worker does not run
    unreadable: number; // messages of the provider that could not be read since the start
}

/** An open demand (A3), which the worker answers by itself, or a case before the committee (B1). */
export interface CaseView extends Pick<CaseRecord, 'class' | 'job' | 'number' | 'answerBy'> {
    dispute: string; // raw address
}

export async function statusOf(
    { config, store }: WorkerContext,
    { book, cases, wallet }: { book: WorkerBook; cases: Cases; wallet: ClaimWallet },
    { alerts, readiness }: Pick<WorkerStatus, 'alerts' | 'readiness'> = { alerts: [], readiness: undefined },
): Promise<WorkerStatus> {
    return {
        node: config.node.toRawString(),
        running: (await book.running()).length,
        wallet: {
            address: wallet.address.toRawString(),
            balance: await wallet.balance('routine').catch(() => undefined),
        },
        cases: (await store.cases.open()).map(viewOf),
        ...{ alerts, readiness },
        unreadable: cases.unreadable,
        ...(await store.totals()),
    };
}

function viewOf({ class: faultClass, job, number, answerBy, dispute }: CaseRecord): CaseView {
    return { class: faultClass, job, number, answerBy, dispute: accountAddress(dispute).toRawString() };
}
