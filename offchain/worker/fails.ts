/** Signs the fail of a query. */
import { Fail, Reason } from '@cocoon-market/wrappers';
import { signReceipt } from '../link';
import type { UnservedQuery } from '../store/worker';
import type { WorkerContext } from './context';

export function signFail(
    { receiptKey, now }: WorkerContext,
    { job, number, request }: Omit<UnservedQuery, 'receipt'>,
    reason: Reason = Reason.Stopped,
): Buffer {
    return signReceipt(Fail, { job, number, request, reason, signedAt: now() }, receiptKey);
}
