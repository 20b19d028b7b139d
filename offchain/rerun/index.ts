/** Repeats an opened query on a backend, and compares the answers. */
import { Finish } from '@cocoon-market/wrappers';
import { Backend } from '../backend';
import { OpenedQuery } from '../link';

/**
 * `match`: the same text; `mismatch`: another text of a backend that repeats exactly; `undecided`: another text, which
 * proves nothing.
 */
export type RerunVerdict = 'match' | 'mismatch' | 'undecided';

export interface Comparison {
    verdict: RerunVerdict;
    reason: string;
    same: number; // characters that both begin with
    delivered: number; // characters
    repeated: number; // characters
}

/** Why another answer of another machine is not a proof. */
export const UNDECIDED_REASON =
    'Equal weights on unlike GPUs, drivers, batch sizes or quantizations add floating-point numbers in another order. ' +
    'At the first token where two candidates are nearly equal the answers part, and everything after it differs, although ' +
    'both machines run the model that was paid for. So another answer shows nothing by itself; a committee weighs ' +
    'likelihoods over many queries.';

/**
 * Runs the request of an opened query again and compares the answers. Throws BackendError when the backend does not
 * answer.
 */
export async function rerun({ chat, content, reasoning, result }: OpenedQuery, backend: Backend): Promise<Comparison> {
    const again = { content: '', reasoning: '' };
    for await (const event of backend.stream(chat, new AbortController().signal)) {
        if (event.type === 'delta') {
            again.content += event.content ?? '';
            again.reasoning += event.reasoning ?? '';
        }
    }
    // An answer that was cut, or reached the ceiling, is compared up to its length.
    const whole = result.finish === Number(Finish.Stop);
    const isAlike = (delivered: string, repeated: string) =>
        whole ? repeated === delivered : repeated.startsWith(delivered);
    const counts = {
        same: sharedLength(content, again.content),
        delivered: content.length,
        repeated: again.content.length,
    };
    if (isAlike(content, again.content) && isAlike(reasoning, again.reasoning)) {
        return { verdict: 'match', reason: matchOf(whole), ...counts };
    }
    return isRepeatable(backend, chat)
        ? { verdict: 'mismatch', reason: 'This backend repeats such a request bit by bit, on any machine.', ...counts }
        : { verdict: 'undecided', reason: UNDECIDED_REASON, ...counts };
}

function matchOf(whole: boolean): string {
    return whole
        ? 'The backend gives the answer that was delivered.'
        : 'The backend gives an answer that begins with the one that was delivered, which was cut.';
}

// The embedded transformer computes in one order everywhere; with a seed, it also draws the same.
function isRepeatable({ name }: Backend, { temperature, seed }: OpenedQuery['chat']): boolean {
    return name === 'embedded' && (temperature === 0 || seed !== undefined);
}

function sharedLength(a: string, b: string): number {
    let length = 0;
    while (length < a.length && a[length] === b[length]) {
        length++;
    }
    return length;
}
