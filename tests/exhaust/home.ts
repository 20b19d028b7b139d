/**
 * The way out: from every state that a search found, each honest party brings its money home with its own messages and
 * with patience, while all others do nothing more. Found backwards from the states in which the money is home.
 */
import type { State } from '../model';
import { Homebound, Move, patience, Party } from './moves';
import { drained, Found, play, sequenceTo, Texts, Violation } from './search';

export interface Way {
    who: Party;
    messages: number;
    seconds: number; // of waiting
    moves: string[]; // the way itself
    sequence: string[]; // to the state in which it begins
}

export interface Ways {
    states: number; // in which somebody still had money to bring home, or had just done so
    longest: Way;
}

interface Edge {
    to: number;
    move: Move;
    seconds: number;
}

/** The longest of all shortest ways of a party. Throws if there is a state without any. */
export function waysHome(party: Homebound, found: readonly Found[]): Ways {
    const texts = new Texts();
    const numbers = new Map<string, number>();
    const states: State[] = [];
    const edges: Edge[][] = [];
    const noted = (state: State): number => {
        const text = texts.withoutWallets(state);
        const known = numbers.get(text) ?? states.push(state) - 1;
        numbers.set(text, known);
        return known;
    };
    const origins = found.map(({ state }) => noted(drained(state)));
    const moves = [...party.moves, patience(party.deadlines)];
    for (let place = 0; place < states.length; place++) {
        edges.push(party.isHome(states[place]) ? [] : edgesOf(states[place], moves, noted));
    }
    const next = shortest(states, edges, party);
    let longest: { way: Omit<Way, 'who' | 'sequence'>; from: Found } | undefined;
    for (const [place, origin] of origins.entries()) {
        const way = wayFrom(origin, next);
        if (way === undefined) {
            throw new Violation(`The ${party.who} cannot bring its money home`, sequenceTo(found[place]));
        }
        if (longest === undefined || isLonger(way, longest.way)) {
            longest = { way, from: found[place] };
        }
    }
    const { way, from } = longest!;
    return { states: states.length, longest: { who: party.who, ...way, sequence: sequenceTo(from) } };
}

function edgesOf(state: State, moves: readonly Move[], noted: (state: State) => number): Edge[] {
    return moves.flatMap((move) => {
        const action = move.of(state);
        const step = action && play(state, action);
        if (step === undefined || (action?.kind === 'send' && step.outcomes[0].code !== 'done')) {
            return []; // a refused message brings nobody further
        }
        return [{ to: noted(drained(step.after)), move, seconds: action?.kind === 'pass' ? action.seconds : 0 }];
    });
}

/** Of each state the edge by which the fewest moves lead home; backwards from the states that are home. */
function shortest(states: readonly State[], edges: readonly Edge[][], party: Homebound): (Edge | 'home' | undefined)[] {
    const into: { from: number; edge: Edge }[][] = states.map(() => []);
    edges.forEach((list, from) => list.forEach((edge) => into[edge.to].push({ from, edge })));
    const next: (Edge | 'home' | undefined)[] = states.map((state) => (party.isHome(state) ? 'home' : undefined));
    const reached = next.flatMap((each, place) => (each === 'home' ? [place] : []));
    for (let place = 0; place < reached.length; place++) {
        for (const { from, edge } of into[reached[place]]) {
            if (next[from] === undefined) {
                next[from] = edge;
                reached.push(from);
            }
        }
    }
    return next;
}

function wayFrom(
    origin: number,
    next: readonly (Edge | 'home' | undefined)[],
): Omit<Way, 'who' | 'sequence'> | undefined {
    const moves: string[] = [];
    let seconds = 0;
    for (let edge = next[origin]; edge !== 'home'; edge = next[edge.to]) {
        if (edge === undefined) {
            return undefined;
        }
        moves.push(edge.move.name);
        seconds += edge.seconds;
    }
    return { messages: moves.filter((name) => !name.startsWith('time')).length, seconds, moves };
}

const isLonger = (one: { moves: string[]; seconds: number }, other: typeof one): boolean =>
    one.moves.length > other.moves.length || (one.moves.length === other.moves.length && one.seconds > other.seconds);
