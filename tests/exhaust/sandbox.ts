/**
 * Every sequence of moves up to a depth, on the contracts that ship. The sandbox runs them beside the model
 * (`tests/fuzz/session.ts`): after each delivery, both must agree about exit code, money and the account's data, and
 * the checks of the scene hold. Sequences share what they begin with: the chain goes back to it for each next move.
 */
import { channelData } from '@cocoon-market/wrappers';

import { START } from '../fuzz/chain';
import { cellOfForgery } from '../fuzz/forgeries';
import { BUYERS, FIRST_RULES, GOVERNOR, OWNERS, PAYOUTS, STRANGER } from '../fuzz/launch';
import { accountNamed, addressOf } from '../fuzz/names';
import { hashOfJob, NETWORK } from '../fuzz/payloads';
import { Mark, Session, parametersOf } from '../fuzz/session';
import { Outcome, State } from '../model';
import { Action, Book, Places, Scene } from './moves';
import { SceneName, SCENES } from './scenes';
import { ABOUT } from './scenes/cases';
import { Operation } from './scenes/providers';
import { Violation } from './search';

const TON = 1_000_000_000n;

export interface Played {
    /** Sequences that were played, of one move up to the depth. */
    sequences: number;
    /** Transactions of all of them. */
    transactions: number;
}

/** The accounts of the scenes as the chain has them; an amount of one is a TON. */
async function placesOf({ accounts, plenty }: Session): Promise<Places> {
    const [provider] = accounts.providers;
    const [escrow] = accounts.escrows;
    const nodes = await Promise.all([0, 1, 2, 3, 4, 5].map((number) => accounts.node(provider, number)));
    const places: Places = {
        start: START,
        unit: TON,
        plenty,
        fees: 2n * TON,
        network: NETWORK,
        rules: FIRST_RULES,
        registry: accounts.registry,
        provider,
        escrow,
        client: BUYERS[0],
        owner: OWNERS[0],
        payout: PAYOUTS[0],
        reporter: accountNamed('reporter 0'),
        governor: GOVERNOR,
        stranger: STRANGER,
        nodeOf: (number) => nodes[number],
        channelOf: ({ number, ...job }) => {
            const parameters = parametersOf({ ...job, deposit: 0n, channel: '' }, number);
            return accounts.note({ code: accounts.codes.plain, data: channelData(addressOf(escrow), parameters) });
        },
        disputeOf: () => '',
    };
    const { channel, terms } = new Operation(places);
    const cases = new Map<string, string>();
    for (const kind of Object.values(ABOUT)) {
        const [faultClass, query] = kind;
        const fault = { class: faultClass, job: hashOfJob(channel, terms), query };
        cases.set(kind.join(), await accounts.dispute(provider, fault, FIRST_RULES.dispute));
    }
    return { ...places, disputeOf: (faultClass, _, query) => cases.get([faultClass, query].join())! };
}

/** Plays every sequence of a scene, the short ones first. Throws the first violation: no shorter sequence has one. */
export async function playAll(
    session: Session,
    name: SceneName,
    depth: number,
    progress: (text: string) => void,
): Promise<Played> {
    const scene = SCENES[name](await placesOf(session));
    await session.begin();
    for (const message of scene.opening) {
        session.send(message);
        await session.drain();
    }
    const first = session.mark();
    const before = session.deliveries;
    let sequences = 0;
    for (let length = 1; length <= depth; length++) {
        sequences += await walk(session, scene, { at: first, book: {}, names: [], remaining: length });
        progress(`${name}: ${length} moves, ${sequences} sequences, ${session.deliveries - before} transactions`);
    }
    return { sequences, transactions: session.deliveries - before };
}

interface Position {
    at: Mark;
    book: Book;
    names: readonly string[];
    remaining: number; // moves that follow
}

/**
 * The number of sequences of exactly so many more moves. A move that was refused changed nothing, which is checked, so
 * that what follows it is what would have followed without it: such a sequence ends there.
 */
async function walk(session: Session, scene: Scene, { at, book, names, remaining }: Position): Promise<number> {
    let count = 0;
    for (const move of scene.moves) {
        const action = move.of(at.state);
        if (action === undefined) {
            continue;
        }
        await session.back(at);
        const sequence = [...names, move.name];
        let next: Book;
        try {
            const outcomes = await take(session, action);
            if (remaining > 1 && action.kind === 'send' && outcomes[0].code !== 'done') {
                continue;
            }
            next = scene.check({ before: at.state, after: session.state, outcomes }, book);
        } catch (error) {
            throw new Violation((error as Error).message, sequence);
        }
        count +=
            remaining === 1
                ? 1
                : await walk(session, scene, {
                      at: session.mark(),
                      book: next,
                      names: sequence,
                      remaining: remaining - 1,
                  });
    }
    return count;
}

/** Takes an action and lets everything arrive that follows. */
async function take(session: Session, action: Action): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const note = (_before: State, _after: State, outcome: Outcome) => outcomes.push(outcome);
    session.watches.splice(0, session.watches.length, note);
    if (action.kind === 'pass') {
        session.pass(action.seconds);
        await session.drain(); // rent that somebody pays ahead
    } else if (action.kind === 'send') {
        const { message, forgery } = action;
        if (forgery === undefined) {
            session.send(message);
        } else {
            session.send({ ...message, body: { op: 'unreadable', of: forgery } }, cellOfForgery(forgery));
        }
        await session.drain();
    }
    return outcomes;
}
