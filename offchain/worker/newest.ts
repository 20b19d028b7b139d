/** Compares a receipt that a client brings with the store. */
import { payloadOf, SIGNATURE_BYTES, Verifier } from '@cocoon-market/wrappers';
import { receiptLayouts } from '../link';
import { type QueryId, StaleStore, type WorkerStore } from '../store/worker';
import type { WorkerContext } from './context';
import { Refused } from './refusal';

/** What a receipt of any kind names, as far as it is read here. */
interface Named extends QueryId {
    request?: Buffer; // hash; a result has none
}

/**
 * Only this node's key can have made the receipt. If the store does not hold it, the store is not the newest: the key
 * is retired here and the worker stops. No client can cause that with a receipt of its own.
 *
 * @throws {Refused} if the receipt is not one of this node for this job, or the store does not hold it
 */
export async function assertStored(context: WorkerContext, job: Buffer, receipt: Buffer): Promise<void> {
    const { store, receiptKey, fatal } = context;
    const id = await identify(receipt, new Verifier(receiptKey.publicKey));
    if (id?.job.equals(job) !== true) {
        throw new Refused('bad_request', 'The newest receipt is not one of this node for this job');
    }
    const query = await store.queries.get(id);
    const isStored = query
        ? [query.accept, query.end?.receipt].some((stored) => stored?.equals(receipt) === true)
        : id.number <= ((await store.jobs.get(job))?.lowWater ?? 0);
    // The fail of a demand is also that of a number which had an end: it is on the chain, where anyone can read it.
    if (!isStored && !(await isDenial(store, id, receipt))) {
        await store.retire(receiptKey.publicKey);
        fatal(new StaleStore('A client holds a receipt of this key that the store does not hold'));
        throw new Refused('shutting_down', 'This worker is going down');
    }
}

async function isDenial({ queries }: Pick<WorkerStore, 'queries'>, id: Named, receipt: Buffer): Promise<boolean> {
    const { request } = id;
    return request !== undefined && (await queries.denial({ ...id, request }))?.equals(receipt) === true;
}

/** The query of a receipt; undefined if the key did not sign it. */
async function identify(receipt: Buffer, verifier: Verifier): Promise<Named | undefined> {
    for (const layout of Object.values(receiptLayouts)) {
        const values = decoded(layout, receipt);
        const signature = receipt.subarray(-SIGNATURE_BYTES);
        if (values !== undefined && (await verifier.verifyAside(layout.hash(values as never), signature))) {
            return values;
        }
    }
    return undefined;
}

function decoded(layout: (typeof receiptLayouts)[keyof typeof receiptLayouts], receipt: Buffer): Named | undefined {
    try {
        return layout.decode(payloadOf(receipt));
    } catch {
        return undefined; // it is of another kind
    }
}
