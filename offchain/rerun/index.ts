/** Repeats an opened query on a backend, and says what that shows and what it does not. */
import { Finish } from '@cocoon-market/wrappers';
import { Backend } from '../backend';
import { Opened } from '../link';

/** `match`: the same text; `mismatch`: another, where the same was certain; `undecided`: another, which proves nothing. */
export type RerunVerdict = 'match' | 'mismatch' | 'undecided';

export interface Comparison {
    verdict: RerunVerdict;
    reason: string;
    same: number; // characters that both begin with
    delivered: number; // characters
    repeated: number; // characters
}

/** Why an unlike answer of another machine is no proof. */
export const UNDECIDED_REASON =
    'Equal weights on unlike GPUs, drivers, batch sizes or quantizations add floating-point numbers in another order. ' +
    'At the first token where two candidates are nearly equal the answers part, and everything after it differs, though ' +
    'both machines run the model that was paid for. So an unlike answer shows nothing by itself; a committee weighs ' +
    'likelihoods over many queries.';

/** Runs the request of an opened query again and compares. Throws BackendError when the backend does not answer it. */
export async function rerun({ chat, content, reasoning, result }: Opened, backend: Backend): Promise<Comparison> {
    const again = { content: '', reasoning: '' };
    for await (const event of backend.stream(chat, new AbortController().signal)) {
        if (event.type === 'delta') {
            again.content += event.content ?? '';
            again.reasoning += event.reasoning ?? '';
        }
    }
    // What was cut, or reached the ceiling, is compared as far as it goes.
    const whole = result.finish === Number(Finish.Stop);
    const isAlike = (there: string, here: string) => (whole ? here === there : here.startsWith(there));
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
function isRepeatable({ name }: Backend, { temperature, seed }: Opened['chat']): boolean {
    return name === 'embedded' && (temperature === 0 || seed !== undefined);
}

function sharedLength(a: string, b: string): number {
    let length = 0;
    while (length < a.length && a[length] === b[length]) {
        length++;
    }
    return length;
}
