/** What an exhaustive search plays: moves of named parties, on scenes of a few accounts. */
import type { OpcodeName } from '@cocoon-market/wrappers';

import type { Account, Body, Message, Outcome, Rules, State } from '../model';

export type Party =
    | 'client'
    | 'spend key'
    | 'payout'
    | 'owner'
    | 'reporter'
    | 'committee'
    | 'governor'
    | 'stranger'
    | 'network'
    | 'time';

/** One event: a message from outside, one delivery, or time. */
export type Action =
    | { kind: 'send'; message: Message; forgery?: OpcodeName } // forgery: a message that only contracts send
    | { kind: 'deliver'; place: number } // the oldest message of that pair of accounts
    | { kind: 'pass'; seconds: number };

export interface Move {
    name: string;
    party: Party;
    /** What the move does now; undefined if there is nothing that it could do. */
    of(state: State): Action | undefined;
}

/** What a move did. The outcomes are those of all deliveries that it caused, in order. */
export interface Step {
    before: State;
    after: State;
    outcomes: readonly Outcome[];
}

/** What a check remembers of a sequence. It is part of what is searched: sequences merge only if it is equal. */
export type Book = Readonly<Record<string, bigint>>;

/** An honest party, who alone must be able to bring its money home, and the messages that it may use. */
export interface Homebound {
    who: Party;
    moves: readonly Move[];
    /** What it may have to wait for. */
    deadlines(state: State): number[];
    isHome(state: State): boolean;
}

export interface Scene {
    name: string;
    /** Messages by which the scene begins; each is delivered, with all that follows it, before the next. */
    opening: readonly Message[];
    moves: readonly Move[];
    /** Times after which a message may end in another way. */
    deadlines(state: State): number[];
    homebound: readonly Homebound[];
    /** Throws what a step breaks of the guarantees in README.md; returns what later checks need. */
    check(step: Step, book: Book): Book;
}

/** The accounts, amounts and rules of the scenes: short names for the model alone, real accounts for a chain. */
export interface Places {
    start: number; // unix seconds
    unit: bigint; // nanoTON; every amount of a scene is a multiple
    plenty: bigint; // a value with which every message runs
    fees: bigint; // nanoTON that a sequence may cost at most; 0 where fees do not exist
    network: number;
    rules: Rules;
    registry: Account;
    provider: Account;
    escrow: Account;
    client: Account;
    owner: Account;
    payout: Account;
    reporter: Account;
    governor: Account;
    stranger: Account;
    nodeOf(number: number): Account;
    channelOf(job: JobData): Account;
    disputeOf(faultClass: 'A1' | 'A2' | 'A3' | 'B1', job: string, query: number): Account;
}

export interface JobData {
    end: number;
    notice: number;
    voucherKey: string;
    payout: Account;
    number: number;
}

/** A move that sends a message, with enough value and to be returned unless told otherwise. */
export function sends(
    party: Party,
    name: string,
    make: (state: State) => (Omit<Message, 'bounce' | 'body'> & { body: Body; bounce?: boolean }) | undefined,
    forgery?: OpcodeName,
): Move {
    const of = (state: State): Action | undefined => {
        const message = make(state);
        return (
            message && {
                kind: 'send',
                message: { bounce: true, ...message },
                ...(forgery === undefined ? {} : { forgery }),
            }
        );
    };
    return { name: `${party}: ${name}`, party, of };
}

/** The next deliveries, of the first, second and third pair of accounts with messages on their way. */
export const DELIVERIES: readonly Move[] = [0, 1, 2].map((place) => ({
    name: `network: delivers to pair ${place + 1}`,
    party: 'network',
    of: () => ({ kind: 'deliver', place }),
}));

function after(now: number, deadlines: readonly number[]): number[] {
    return deadlines.filter((time) => time > now).sort((a, b) => a - b);
}

/** Time passes until a deadline, until the second before it, or until the last one. */
export function waits(deadlines: Scene['deadlines']): Move[] {
    const wait = (name: string, until: (times: number[]) => number | undefined): Move => ({
        name: `time: ${name}`,
        party: 'time',
        of: (state) => {
            const time = until(after(state.now, deadlines(state)));
            return time === undefined || time <= state.now ? undefined : { kind: 'pass', seconds: time - state.now };
        },
    });
    return [
        wait('until the next deadline', ([next]) => next),
        wait('until the second before it', ([next]) => next && next - 1),
        wait('until the last deadline', (times) => times.at(-1)),
    ];
}

/** Time passes until the next deadline: all that somebody who brings money home has to wait for. */
export const patience = (deadlines: Scene['deadlines']): Move => waits(deadlines)[0];
