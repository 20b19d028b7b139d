/** Ways in which a worker cheats: each replaces one function of an honest one. */
import { EmbeddedBackend } from '../../../offchain/backend/embedded/embedded';
import { RunningQuery } from '../../../offchain/worker/query';
import { Result } from '@cocoon-market/wrappers';
import { program } from '../../../tooling/programs';

export type FaultName = 'twice' | 'excess' | 'silent' | 'wrong';

/** Signs results that `change` has changed. */
function signing(change: (result: Result) => Result): void {
    const encode = Result.encode.bind(Result);
    Result.encode = (result) => encode(change(result));
}

/** What each fault replaces, by its name. */
export const faults: Record<FaultName, () => void> = {
    /** A1: signs every result as the first of its job. */
    twice: () => signing((result) => ({ ...result, index: 1, cumulative: result.price })),
    /** A2: bills twice what it counted. */
    excess: () => signing((result) => ({ ...result, price: 2n * result.price, cumulative: 2n * result.price })),
    /** A3: accepts, and never answers. */
    silent: () => {
        RunningQuery.prototype.run = () => new Promise(() => undefined);
    },
    /** B1: answers with something that no model made. */
    wrong: () => {
        EmbeddedBackend.prototype.stream = async function* () {
            const words = ['The ', 'moon ', 'is ', 'made ', 'of ', 'cheese.'];
            yield { type: 'prompt', prompt: 4, cached: 0 };
            for (const content of words) {
                yield { type: 'delta', content, tokens: 1 };
            }
            yield { type: 'end', finish: 'stop' };
        };
    },
};

/** What starts the `cocoon` command with a fault, for `startCocoon`. */
export function faultyWorker(fault: FaultName): string[] {
    return [program('faultyWorker'), fault];
}
