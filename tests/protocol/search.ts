/** Walks through the model: every sequence of steps to a depth, or random ones. */
import { createHash } from 'node:crypto';
import type { Random } from '../soak/plan';
import { endViolation, violation } from './invariants';
import { firstState, isStale, type Scope, type State } from './state';
import { after, enabled, type Step } from './steps';

/** A sequence of steps after which something does not hold. */
export interface Violation {
    violated: string;
    trace: Step[];
}

export interface Found {
    states: number; // different ones
    transitions: number; // from one state to another by one step
    sequences: bigint; // of at most `depth` steps
    depth: number;
    isWhole: boolean; // no state has a step beyond the depth
    longestWayOut: { steps: number; trace: Step[] }; // until the job has ended, when nothing goes wrong any more
    violations: Violation[];
    kinds: Map<string, Step[]>; // the shortest way to each kind of state
}

const MAX_VIOLATIONS = 10;

/** Something that parties can be in, without amounts and numbers. */
export function kindOf({ worker, gateway, wire, chain, used }: State): string {
    const { running, store } = worker;
    const runs =
        running === null ? 'idle' : running.isWaiting ? 'waiting' : running.sent > 0 ? 'answering' : 'accepted';
    const node = store.isRetired ? 'retired' : worker.isUp ? (isStale(store) ? 'stale' : runs) : 'down';
    const client = gateway.isUp ? `${gateway.store.job} ${gateway.live === 0 ? 'idle' : 'asking'}` : 'down';
    const queries = gateway.store.queries.map((query) => query?.phase ?? 'none').sort();
    const money = [
        gateway.isDue ? 'due' : '',
        gateway.post === null ? '' : 'posting',
        gateway.isStopped ? 'stopped' : '',
    ];
    const record = wire.query === null ? (wire.records[0]?.kind ?? 'nothing') : 'query';
    const events = Object.entries(used).flatMap(([name, times]) => (times > 0 ? [name] : []));
    return [node, client, [...new Set(queries)], money, record, chain.word, chain.isClosed, events].join(' | ');
}

class Graph {
    readonly ids = new Map<string, number>();
    readonly parents: number[] = [];
    readonly steps: (Step | undefined)[] = [];
    readonly successors: number[][] = [];

    /** The number of a state, and whether it is new. */
    add(state: State, parent: number, step: Step | undefined): { id: number; isNew: boolean } {
        const key = createHash('sha1').update(JSON.stringify(state)).digest('base64');
        const existing = this.ids.get(key);
        if (existing !== undefined) {
            return { id: existing, isNew: false };
        }
        const id = this.ids.size;
        this.ids.set(key, id);
        this.parents.push(parent);
        this.steps.push(step);
        this.successors.push([]);
        return { id, isNew: true };
    }

    trace(id: number): Step[] {
        const trace: Step[] = [];
        for (let at = id; this.steps[at] !== undefined; at = this.parents[at]) {
            trace.push(this.steps[at]!);
        }
        return trace.reverse();
    }

    /** How many sequences of one to `depth` steps begin at the first state. */
    countSequences(depth: number): bigint {
        let ways = new Map<number, bigint>([[0, 1n]]);
        let total = 0n;
        for (let at = 0; at < depth && ways.size > 0; at++) {
            const next = new Map<number, bigint>();
            for (const [id, count] of ways) {
                for (const successor of this.successors[id]) {
                    next.set(successor, (next.get(successor) ?? 0n) + count);
                }
            }
            next.forEach((count) => (total += count));
            ways = next;
        }
        return total;
    }
}

/**
 * Every sequence of at most `depth` steps. Each state is checked once, with its way to the end of the job. `say` hears
 * of each depth.
 */
export function searchAll(scope: Scope, depth: number, say: (line: string) => void = () => undefined): Found {
    const graph = new Graph();
    const found: Found = {
        ...{ states: 0, transitions: 0, sequences: 0n, depth, isWhole: true },
        ...{ longestWayOut: { steps: 0, trace: [] }, violations: [], kinds: new Map() },
    };
    const visit = (state: State, id: number): boolean => {
        const kind = kindOf(state);
        if (!found.kinds.has(kind)) {
            found.kinds.set(kind, graph.trace(id));
        }
        const { steps, violated: atEnd } = endViolation(state, scope);
        if (steps > found.longestWayOut.steps) {
            found.longestWayOut = { steps, trace: graph.trace(id) };
        }
        const violated = violation(state, scope) ?? atEnd;
        if (violated !== undefined && found.violations.length < MAX_VIOLATIONS) {
            found.violations.push({ violated, trace: graph.trace(id) });
        }
        return violated === undefined;
    };
    const first = firstState();
    visit(first, graph.add(first, -1, undefined).id);
    let frontier: [State, number][] = [[first, 0]];
    for (let at = 0; at < depth && frontier.length > 0; at++) {
        const next: [State, number][] = [];
        for (const [state, id] of frontier) {
            for (const step of enabled(state, scope)) {
                const state2 = after(state, step, scope);
                const { id: id2, isNew } = graph.add(state2, id, step);
                graph.successors[id].push(id2);
                found.transitions++;
                // What follows a violation says nothing more.
                if (isNew && visit(state2, id2)) {
                    next.push([state2, id2]);
                }
            }
        }
        frontier = next;
        say(`depth ${at + 1}: ${graph.ids.size} states, ${found.transitions} transitions`);
    }
    found.states = graph.ids.size;
    found.isWhole = frontier.length === 0;
    found.sequences = graph.countSequences(depth);
    return found;
}

/** A random sequence of at most `length` steps. Progress is more likely than what disturbs it. */
export function walk(scope: Scope, length: number, random: Random): Step[] {
    let state = firstState();
    const trace: Step[] = [];
    while (trace.length < length) {
        const steps = enabled(state, scope);
        if (steps.length === 0) {
            break;
        }
        const weights = steps.map((step) => (isDisturbance(step) ? 1 : 6));
        let at = random() * weights.reduce((sum, weight) => sum + weight, 0);
        const step =
            steps[
                Math.max(
                    0,
                    weights.findIndex((weight) => (at -= weight) < 0),
                )
            ];
        trace.push(step);
        state = after(state, step, scope);
    }
    return trace;
}

const isDisturbance = (step: Step) => /lost|breaks|killed|restored|backed|hides|shows|forged|without/.test(step);
