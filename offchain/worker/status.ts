/** The state of a worker as its operator reads it. */
import type { CaseRecord, WorkerTotals } from '../store/worker';
import type { WorkerBook } from './book';
import type { Cases } from './cases';
import { accountAddress } from './channels';
import type { ClaimWallet } from './claimSender';
import type { WorkerContext } from './context';

export interface WorkerStatus extends WorkerTotals {
    node: string; // raw address
    running: number; // queries
    wallet: { address: string; balance: bigint | undefined }; // nanoTON; undefined when the API does not answer
    cases: CaseView[]; // the open ones
    unreadable: number; // messages of the provider that could not be read since the start
}

/** An open demand (A3), which the worker answers by itself, or a case before the committee (B1). */
export interface CaseView extends Pick<CaseRecord, 'class' | 'job' | 'number' | 'answerBy'> {
    dispute: string; // raw address
}

export async function statusOf(
    { config, store }: WorkerContext,
    { book, cases, wallet }: { book: WorkerBook; cases: Cases; wallet: ClaimWallet },
): Promise<WorkerStatus> {
    return {
        node: config.node.toRawString(),
        running: (await book.running()).length,
        wallet: {
            address: wallet.address.toRawString(),
            balance: await wallet.balance('routine').catch(() => undefined),
        },
        cases: (await store.cases.open()).map(viewOf),
        unreadable: cases.unreadable,
        ...(await store.totals()),
    };
}

function viewOf({ class: faultClass, job, number, answerBy, dispute }: CaseRecord): CaseView {
    return { class: faultClass, job, number, answerBy, dispute: accountAddress(dispute).toRawString() };
}
