/** Lists of actions: drawn from a seed, played from the beginning until everybody has brought the money home. */
import { kinds, Kind, takeOf } from './actions';
import { Dice, numbersFrom } from './dice';
import { watchGuarantees } from './guarantees';
import { bringHome, Home } from './home';
import { BUYERS, OPERATORS, OWNERS, PAYOUTS } from './launch';
import { Book } from './scene';
import { Session } from './session';
import { newEscrow, newProvider } from '../model';

/** What to do, and the numbers below 2^32 by which every choice in it is made. */
export interface Action {
    kind: Kind;
    dice: number[];
}

const NUMBERS = 17; // of an action
const TON = 1_000_000_000n;
const STAKE = 400n * TON; // of every Provider in the beginning

/** So many actions, the same for the same seed. */
export function drawActions(seed: number, count: number): Action[] {
    const random = numbersFrom(seed);
    const total = kinds.reduce((sum, [, [weight]]) => sum + weight, 0);
    return Array.from({ length: count }, () => {
        let remaining = random() % total;
        const [kind] = kinds.find(([, [weight]]) => (remaining -= weight) < 0)!;
        return { kind, dice: Array.from({ length: NUMBERS }, random) };
    });
}

/** Providers that joined with two nodes each, and escrows that are set up: where every episode begins. */
export async function openMarket(session: Session): Promise<void> {
    const { accounts } = session;
    for (const [index, to] of accounts.providers.entries()) {
        const [from, operator] = [OWNERS[index], OPERATORS[index]];
        const init = newProvider(accounts.registry, from);
        const join = { op: 'join', stake: STAKE, codeVersion: 0, payout: PAYOUTS[0], operator, rules: '' } as const;
        session.send({ from, to, value: STAKE + session.plenty, bounce: true, body: join, init });
        await session.drain();
        for (const [gpuClass, gpus] of [
            [0, 2],
            [2, 3],
        ]) {
            const receiptKey = `first ${index} ${gpuClass}`;
            const listing = { gpuClass, gpus, receiptKey, encryptionKey: 'encryption' };
            const body = { op: 'registerNode', code: 0, listing, node: '' } as const;
            session.send({ from, to, value: session.plenty, bounce: true, body });
            await session.drain();
        }
    }
    for (const [index, to] of accounts.escrows.entries()) {
        const limits = { jobLimit: 50n * TON, dayLimit: 500n * TON, code: index === 0 ? 'plain' : 'library' } as const;
        const setUp = { op: 'setUp', deposit: 300n * TON, spendKey: `spend ${index}`, ...limits } as const;
        const init = newEscrow(BUYERS[index]);
        session.send({ from: BUYERS[index], to, value: 300n * TON + session.plenty, bounce: true, body: setUp, init });
        await session.drain();
    }
    session.beginHere();
}

/** A session in which episodes begin with an open market. */
export async function openSession(): Promise<Session> {
    const session = await Session.launch();
    await openMarket(session);
    return session;
}

/** Plays these actions from the beginning, and has everybody bring the money home. Returns how long that took each. */
export async function playEpisode(session: Session, list: readonly Action[]): Promise<Home[]> {
    await session.begin();
    const book = new Book();
    session.watches.length = 0;
    watchGuarantees(session, book);
    for (const [place, { kind, dice: numbers }] of list.entries()) {
        try {
            await takeOf(kind)({ session, book, dice: new Dice(numbers) });
        } catch (error) {
            const { message } = error as Error;
            throw new Error(`Action ${place + 1} of ${list.length}, ${kind}: ${message}`, { cause: error });
        }
    }
    return bringHome(session, book);
}

/** The error that an episode ends in; undefined if it holds. */
export async function failureOf(session: Session, list: readonly Action[]): Promise<Error | undefined> {
    try {
        await playEpisode(session, list);
        return undefined;
    } catch (error) {
        return error as Error;
    }
}

/** The message of a failure without what differs between two runs of one fault. */
const kindOf = ({ message }: Error): string =>
    message
        .replace(/^Action \d+ of \d+, \w+: /, '')
        .split('\n')[0]
        .replace(/[0-9a-f]{16,}|-?\d+/g, '#');

/**
 * A list that still fails in the same way, from which nothing can be left out; at most `tries` runs. `say` is told how
 * many actions are left.
 */
export async function shortened(
    session: Session,
    failing: readonly Action[],
    say: (count: number) => void = () => undefined,
    tries = 400,
): Promise<Action[]> {
    const first = await failureOf(session, failing);
    let list = [...failing];
    for (let part = Math.ceil(list.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
        for (let from = 0; from < list.length && tries > 0; tries--) {
            const rest = [...list.slice(0, from), ...list.slice(from + part)];
            const error = await failureOf(session, rest);
            if (error !== undefined && first !== undefined && kindOf(error) === kindOf(first)) {
                list = rest;
                say(list.length);
            } else {
                from += part;
            }
        }
    }
    return list;
}
