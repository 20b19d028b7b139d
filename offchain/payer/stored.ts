/** What is demanded of an answer that is fetched after its connection broke off. */
import { RecordReader, RecordType, typesIn } from '../link';
import { eventLoop } from '../process/loopShare';
import { Breach, type IncomingAnswer, partsOf, recordsOf, type SignedEnding } from './incoming';
import type { Ledger } from './ledger';
import type { WorkerRefusal } from './workerErrors';

const OVERHEAD = 1 << 20; // bytes of records besides the answer
const FREE_RECORDS = 32; // of any length; a whole answer has fewer besides those of frames
const MIN_RECORD = 21; // bytes of a record of the answer with its header, on average: see `IncomingAnswer`
const ENDINGS: readonly RecordType[] = [RecordType.Result, RecordType.Fail, RecordType.Decline];

/** Bytes that a worker may send for a stored answer. */
export const maxStoredBytes = ({ maxAnswer }: { maxAnswer: number }): number => maxAnswer + OVERHEAD;

/**
 * Takes the stored records of a query, in turns of the event loop. `received`: what of the answer had arrived. Resolves
 * with its ending, undefined while it is still being made. Throws {@link Breach}.
 */
export async function takeStored(
    incoming: IncomingAnswer,
    bytes: Buffer,
    received: Buffer,
): Promise<SignedEnding | undefined> {
    const { count, hasEnding } = countOf(bytes);
    // Nothing is taken apart before: a node that never ends a query is asked for it again and again.
    if (!hasEnding) {
        return undefined;
    }
    if (count > FREE_RECORDS + bytes.length / MIN_RECORD) {
        throw new Breach('the stored answer comes in records that are shorter than frames');
    }
    for (const record of recordsOf(new RecordReader(), bytes)) {
        for (const part of partsOf(record)) {
            await eventLoop.take(part.bytes.length);
            incoming.take(part);
        }
    }
    const fetched = incoming.received;
    const common = Math.min(fetched.length, received.length);
    if (!fetched.subarray(0, common).equals(received.subarray(0, common))) {
        throw new Breach('the stored answer is another than the one that was sent');
    }
    return incoming.ending;
}

function countOf(bytes: Buffer): { count: number; hasEnding: boolean } {
    let count = 0;
    let hasEnding = false;
    try {
        for (const type of typesIn(bytes)) {
            count++;
            hasEnding ||= ENDINGS.includes(type);
        }
    } catch (error) {
        throw new Breach((error as Error).message);
    }
    return { count, hasEnding };
}

/** True if a refusal says nothing of the query. What is no answer of this protocol comes from a proxy. */
export const isNoEnding = ({ code, status }: WorkerRefusal): boolean =>
    ['running', 'paused', 'shutting_down', 'unknown'].includes(code) || status >= 500;

/**
 * Why the result of a query whose connection ended is refused: it bills more than a worker sends before it is paid,
 * which is one step for each query that runs (rules 5 and 14). So it bills more than was delivered and may have been
 * on its way. `concurrent`: the most queries without an ending at one time, this one among them.
 */
export function undeliveredObjection(
    ledger: Ledger,
    { number, price }: { number: number; price: bigint },
    { step, concurrent }: { step: bigint; concurrent: number },
): string | undefined {
    return ledger.unpaidWith(number, price) > step * BigInt(concurrent)
        ? `it bills ${price} nanoTON for an answer that was not delivered, more than a step ahead of what is paid`
        : undefined;
}
