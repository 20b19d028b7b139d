/** Traces of the model for real processes: random ones, and the shortest to kinds of states. The seed decides. */
import { type Random, randomOf } from '../../soak/plan';
import { replayed, scopes, type ScopeName } from '../scopes';
import { searchAll, walk } from '../search';
import type { Scope } from '../state';
import type { Step } from '../steps';

export interface Trace {
    name: ScopeName;
    scope: Scope;
    steps: Step[];
}

const names = Object.keys(scopes) as ScopeName[];
const MIN_LENGTH = 15; // steps of a random trace
const MAX_LENGTH = 45;

/** Every shortest trace to a kind of state that is at most `depth` steps away, in random order. */
function shortest(name: ScopeName, depth: number, random: Random): Trace[] {
    const scope = replayed(scopes[name]);
    const traces = [...searchAll(scope, depth).kinds.values()];
    // A trace that another one begins with is replayed with that one.
    const begun = new Set(traces.flatMap((steps) => steps.map((_, i) => steps.slice(0, i).join())));
    const ends = traces.filter((steps) => !begun.has(steps.join()));
    return ends
        .map((steps) => ({ order: random(), steps }))
        .sort((a, b) => a.order - b.order)
        .map(({ steps }) => ({ name, scope, steps }));
}

/** So many traces, of all scopes in turn; every other one is the shortest to a kind of state within `depth` steps. */
export function tracesOf(count: number, seed: number, depth: number): Trace[] {
    const random = randomOf(seed);
    const queues = new Map<ScopeName, Trace[]>();
    return Array.from({ length: count }, (_, i) => {
        const name = names[i % names.length];
        const isShortest = Math.floor(i / names.length) % 2 === 1;
        const queue = queues.get(name) ?? (isShortest ? shortest(name, depth, random) : []);
        if (isShortest) {
            queues.set(name, queue);
        }
        const next = isShortest ? queue.pop() : undefined;
        const length = MIN_LENGTH + Math.floor(random() * (MAX_LENGTH - MIN_LENGTH));
        const scope = replayed(scopes[name]);
        return next ?? { name, scope, steps: walk(scope, length, random) };
    });
}
