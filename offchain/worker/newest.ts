import { Verifier } from '@cocoon-market/wrappers';
import { openReceipt, receiptLayouts } from '../link';
import { StaleStore } from '../store/worker';
import type { WorkerContext } from './context';
import { Refused } from './refusal';

/**
 * Holds a receipt that a client shows against the store. Only this node's key can have made it, so if the store does not
 * know it, the store is not the newest: the key is retired here and the worker stops. No client can bring that about.
 *
 * @throws {Refused} if the receipt is none of this node for this job, or the store does not know it
 */
export async function assertKnown(context: WorkerContext, job: Buffer, receipt: Buffer): Promise<void> {
    const { store, receiptKey, fatal } = context;
    const shown = opened(receipt, new Verifier(receiptKey.publicKey));
    if (shown?.job.equals(job) !== true) {
        throw new Refused('bad_request', 'The newest receipt is none of this node for this job');
    }
    const query = await store.queries.get({ job, number: shown.number });
    const known = query
        ? [query.accept, query.end?.receipt].some((stored) => stored?.equals(receipt) === true)
        : shown.number <= ((await store.jobs.get(job))?.lowWater ?? 0);
    if (!known) {
        await store.retire(receiptKey.publicKey);
        fatal(new StaleStore('A client holds a receipt of this key that the store does not know'));
        throw new Refused('shutting_down', 'This worker is going down');
    }
}

function opened(receipt: Buffer, verifier: Verifier): { job: Buffer; number: number } | undefined {
    for (const layout of Object.values(receiptLayouts)) {
        try {
            return openReceipt(layout as never, receipt, verifier) as { job: Buffer; number: number };
        } catch {
            // it is of another kind, or of another key
        }
    }
    return undefined;
}
