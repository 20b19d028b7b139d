/** Repeats an opened query on a backend, and compares the answers. */
import { Finish } from '@cocoon-market/wrappers';
import { Backend } from '../backend';
import { OpenedQuery, WholeAnswer, WholeChoice } from '../link';

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
export async function rerun({ modelRequest, choices, result }: OpenedQuery, backend: Backend): Promise<Comparison> {
    const again = new WholeAnswer();
    for await (const event of backend.stream(modelRequest, new AbortController().signal)) {
        if (event.type === 'delta') {
            const { choice = 0, content, reasoning, fields, note = {} } = event;
            const texts = { ...(content && { content }), ...(reasoning && { reasoning_content: reasoning }) };
            again.add({ choice, delta: { ...texts, ...fields }, note });
        }
    }
    const [delivered, repeated] = [choices, again.choices].map(textOfChoices);
    // An answer that was cut, or reached the ceiling, is compared up to its length.
    const whole = result.finish === Number(Finish.Stop);
    const isAlike = (delivered: string, repeated: string) =>
        whole ? repeated === delivered : repeated.startsWith(delivered);
    const counts = {
        same: sharedLength(delivered, repeated),
        delivered: delivered.length,
        repeated: repeated.length,
    };
    if (isAlike(delivered, repeated)) {
        return { verdict: 'match', reason: matchOf(whole), ...counts };
    }
    return isRepeatable(backend, modelRequest)
        ? { verdict: 'mismatch', reason: 'This backend repeats such a request bit by bit, on any machine.', ...counts }
        : { verdict: 'undecided', reason: UNDECIDED_REASON, ...counts };
}

/** The text of all choices: what was thought, said and called, in this order. */
function textOfChoices(choices: WholeChoice[]): string {
    return choices
        .map(({ message: { content = '', reasoning_content: reasoning = '', ...others } }) => {
            const rest = Object.keys(others).length === 0 ? '' : JSON.stringify(withoutIds(others));
            return `${String(reasoning)}${String(content)}${rest}`;
        })
        .join('\n');
}

// A model server makes up a new id for each call.
function withoutIds(value: unknown): unknown {
    return JSON.parse(JSON.stringify(value, (name, field: unknown) => (name === 'id' ? undefined : field)));
}

function matchOf(whole: boolean): string {
    return whole
        ? 'The backend gives the answer that was delivered.'
        : 'The backend gives an answer that begins with the one that was delivered, which was cut.';
}

// The embedded transformer computes in one order everywhere; with a seed, it also draws the same.
function isRepeatable({ name }: Backend, { body }: OpenedQuery['modelRequest']): boolean {
    const { temperature, seed } = body as { temperature?: number | null; seed?: number | null };
    return name === 'embedded' && (temperature === 0 || typeof seed === 'number');
}

function sharedLength(a: string, b: string): number {
    let length = 0;
    while (length < a.length && a[length] === b[length]) {
        length++;
    }
    return length;
}
