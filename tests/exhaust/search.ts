/**
 * Every sequence of moves up to a depth, on the model. Sequences that lead to the same state are searched together from
 * there on, because what follows is the same; all of them are counted. Every move is played in every state that fewer
 * moves than the depth reach.
 */
import { Account, apply, Contract, deliverable, Message, Outcome, State, totalOf } from '../model';
import { Action, Book, DELIVERIES, Move, Scene, Step } from './moves';

const MAX_ON_THEIR_WAY = 2; // messages with which another one is sent

/** A state with what the checks remember of the way to it. */
export interface Found {
    state: State;
    book: Book;
    from?: Found;
    move?: Move;
}

export interface Searched {
    /** Sequences of one move up to the depth, each of moves that were possible. */
    sequences: bigint;
    /** Moves that were played and checked. */
    steps: number;
    states: number;
    /** The states themselves, each with a shortest way to it. */
    found: readonly Found[];
}

export class Violation extends Error {
    constructor(
        message: string,
        readonly sequence: readonly string[],
    ) {
        super(message);
    }
}

/** The names of the moves that lead to a state, and then one more. */
export function sequenceTo(found: Found | undefined, last?: Move): string[] {
    const names = last === undefined ? [] : [last.name];
    for (let each = found; each?.move !== undefined; each = each.from) {
        names.unshift(each.move.name);
    }
    return names;
}

/** Texts of states: contracts and messages are shared between states, so each is written once. */
export class Texts {
    private readonly known = new WeakMap<object, number>();
    private readonly numbers = new Map<string, number>();

    /** Everything of a sequence that what follows, and what is checked of it, depends on. */
    of({ state, book }: { state: State; book: Book }): string {
        const moved = [...state.wallets].filter(([, value]) => value !== 0n);
        const paid = moved.map(([account, value]) => `${account}:${value}`).sort();
        return `${this.withoutWallets(state)} ${paid.join()} ${textOf(book)}`;
    }

    withoutWallets({ now, contracts, queue }: State): string {
        const held = [...contracts].map(([account, contract]) => `${account}=${this.numberOf(contract)}`).sort();
        return `${now} ${held.join()} ${queue.map((message) => this.numberOf(message)).join()}`;
    }

    private numberOf(part: Contract | Message): number {
        const known = this.known.get(part);
        if (known !== undefined) {
            return known;
        }
        const text = textOf(part);
        const number = this.numbers.get(text) ?? this.numbers.size;
        this.numbers.set(text, number);
        this.known.set(part, number);
        return number;
    }
}

function textOf(value: unknown): string {
    if (Array.isArray(value)) {
        return `[${value.map(textOf).join()}]`;
    }
    if (value !== null && typeof value === 'object') {
        const names = Object.keys(value).sort();
        return `{${names.map((name) => `${name}:${textOf((value as Record<string, unknown>)[name])}`).join()}}`;
    }
    return String(value);
}

/** A value for an account that runs no code changes nothing else, so it arrives at once. */
function settled(state: State, outcomes: Outcome[]): State {
    let next = state;
    for (;;) {
        const { queue, contracts } = next;
        const index = queue.findIndex(({ to, init, bounce, bounced }) => {
            return !contracts.has(to) && init === undefined && (!bounce || bounced === true);
        });
        if (index < 0) {
            return next;
        }
        const { state: after, outcome } = apply(next, { kind: 'deliver', index });
        outcomes.push(outcome!);
        next = after;
    }
}

/** Plays an action. A message from outside arrives at once; what its receiver sends waits for a delivery. */
export function play(state: State, action: Action): Step | undefined {
    const outcomes: Outcome[] = [];
    const deliver = (from: State, index: number): Step => {
        const { state: after, outcome } = apply(from, { kind: 'deliver', index });
        outcomes.push(outcome!);
        return { before: state, after: settled(after, outcomes), outcomes };
    };
    switch (action.kind) {
        case 'pass':
            return { before: state, after: apply(state, { kind: 'pass', seconds: action.seconds }).state, outcomes };
        case 'deliver': {
            const index = deliverable(state)[action.place];
            return index === undefined ? undefined : deliver(state, index);
        }
        case 'send': {
            if (state.queue.length > MAX_ON_THEIR_WAY) {
                return undefined;
            }
            return deliver(apply(state, { kind: 'send', message: action.message }).state, state.queue.length);
        }
    }
}

/** The state once everything on its way has arrived, in order. */
export function drained(state: State): State {
    let next = state;
    while (next.queue.length > 0) {
        next = apply(next, { kind: 'deliver', index: deliverable(next)[0] }).state;
    }
    return next;
}

/** The state in which a scene begins. */
export function opened(scene: Scene, first: State): State {
    return scene.opening.reduce((state, message) => drained(apply(state, { kind: 'send', message }).state), first);
}

/** Searches a scene from its beginning. Throws the first violation, with the shortest sequence that leads to it. */
export function search(scene: Scene, first: State, depth: number, progress: (text: string) => void): Searched {
    const texts = new Texts();
    const moves = [...scene.moves, ...DELIVERIES];
    const start: Found = { state: opened(scene, first), book: {} };
    const numbers = new Map([[texts.of(start), 0]]);
    const found: Found[] = [start];
    const total = totalOf(start.state);
    // Of each state that was searched on: the states to which its moves lead, one entry for each move.
    const edges: Int32Array[] = [];
    let steps = 0;
    for (let level = 0, end = 1; level < depth; level++, end = found.length) {
        for (let place = edges.length; place < end; place++) {
            const at = found[place];
            const reached: number[] = [];
            for (const move of moves) {
                const action = move.of(at.state);
                const step = action && play(at.state, action);
                if (step === undefined) {
                    continue;
                }
                steps += 1;
                const next = checked(scene, at, move, step, total);
                const text = texts.of(next);
                const known = numbers.get(text) ?? found.push(next) - 1;
                numbers.set(text, known);
                reached.push(known);
            }
            edges.push(Int32Array.from(reached));
        }
        progress(`${scene.name}: ${level + 1} moves, ${steps} steps, ${found.length} states`);
    }
    return { sequences: countOf(edges, depth), steps, states: found.length, found };
}

function checked(scene: Scene, at: Found, move: Move, step: Step, total: bigint): Found {
    try {
        const now = totalOf(step.after);
        if (now !== total) {
            throw new Error(`There were ${total} nanoTON, and now there are ${now}`);
        }
        return { state: step.after, book: scene.check(step, at.book), from: at, move };
    } catch (error) {
        throw new Violation((error as Error).message, sequenceTo(at, move));
    }
}

/** How many sequences there are along these edges, from the first state, of one move up to the depth. */
function countOf(edges: readonly Int32Array[], depth: number): bigint {
    let ways = new Map([[0, 1n]]);
    let total = 0n;
    for (let level = 0; level < depth; level++) {
        const next = new Map<number, bigint>();
        for (const [place, count] of ways) {
            for (const to of edges[place]) {
                next.set(to, (next.get(to) ?? 0n) + count);
            }
        }
        total += [...next.values()].reduce((sum, count) => sum + count, 0n);
        ways = next;
    }
    return total;
}

export const accountsOf = <K extends Contract['kind']>(
    state: State,
    kind: K,
): [Account, Extract<Contract, { kind: K }>][] =>
    [...state.contracts].filter(([, contract]) => contract.kind === kind) as never;
