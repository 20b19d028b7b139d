/**
 * The way out: from the state that an episode reached, each honest party alone brings its money home. The way is found
 * by a search on the model over the party's own messages and waits, and then gone in the sandbox.
 */
import { Account, apply, bonded, Dispute, Message, Provider, State, sumOf } from '../model';
import { BUYERS, OWNERS, STRANGER } from './launch';
import { Book } from './scene';
import { Session } from './session';

/** How one party brought a part of its money home. */
export interface Home {
    who: string;
    what: string;
    moves: string[];
    seconds: number;
}

/** A message of the party, a wait, or the publication of the library, which anyone may do. */
interface Step {
    name: string;
    message?: Message;
    pass?: number;
    publish?: boolean;
}

interface Goal {
    who: string;
    what: string;
    steps: (state: State) => Step[];
    reached: (state: State) => boolean;
}

const MAX_MOVES = 8; // to one goal

/** Each party alone, from the same state. Returns every way that was gone. */
export async function bringHome(session: Session, book: Book): Promise<Home[]> {
    await session.drain();
    const ways: Home[] = [];
    for (const goalsOf of parties(session, book)) {
        const mark = session.mark();
        for (let goal = goalsOf(session.state); goal !== undefined; goal = goalsOf(session.state)) {
            ways.push(await reach(session, goal));
        }
        await session.back(mark);
    }
    return ways;
}

async function reach(session: Session, goal: Goal): Promise<Home> {
    const { who, what } = goal;
    const way = search(session.state, goal);
    if (way === undefined) {
        throw new Error(`${who} finds no way home in ${MAX_MOVES} moves: ${what}`);
    }
    const began = session.now;
    for (const { message, pass, publish } of way) {
        if (message !== undefined) {
            session.send(message);
        }
        if (publish) {
            session.setLibrary(true);
        }
        session.pass(pass ?? 0);
        await session.drain();
    }
    if (!goal.reached(session.state)) {
        throw new Error(`${who} went ${way.map(({ name }) => name).join(', ')} in vain: ${what}`);
    }
    return { who, what, moves: way.map(({ name }) => name), seconds: session.now - began };
}

/** The shortest way to a goal in the model, breadth first; steps that the model refuses lead nowhere. */
function search(state: State, { steps, reached }: Goal): Step[] | undefined {
    let edge: { state: State; way: Step[] }[] = [{ state, way: [] }];
    for (let depth = 0; depth <= MAX_MOVES; depth++) {
        const arrived = edge.find((each) => reached(each.state));
        if (arrived !== undefined) {
            return arrived.way;
        }
        edge = edge.flatMap(({ state: here, way }) =>
            steps(here).flatMap((step) => {
                const next = after(here, step);
                return next === undefined ? [] : [{ state: next, way: [...way, step] }];
            }),
        );
    }
    return undefined;
}

/** The state after a step and all that follows it; undefined if its message is refused. */
function after(state: State, { message, pass, publish }: Step): State | undefined {
    let next = apply(state, { kind: 'pass', seconds: pass ?? 0 }).state;
    next = publish ? apply(next, { kind: 'library', present: true }).state : next;
    next = message === undefined ? next : apply(next, { kind: 'send', message }).state;
    for (let first = true; next.queue.length > 0; first = false) {
        const { state: later, outcome } = apply(next, { kind: 'deliver', index: 0 });
        if (first && message !== undefined && outcome?.code !== 'done') {
            return undefined;
        }
        next = later;
    }
    return next;
}

type GoalsOf = (state: State) => Goal | undefined;

function parties(session: Session, book: Book): GoalsOf[] {
    const { accounts } = session;
    return [
        ...accounts.providers.map((account, index) => providerGoals(session, account, OWNERS[index])),
        ...accounts.escrows.map((account, index) => clientGoals(session, account, BUYERS[index])),
        payoutGoals(session, book),
        reporterGoals(session),
    ];
}

const wait = (state: State, until: number): Step[] =>
    until > state.now ? [{ name: `wait ${until - state.now} s`, pass: until - state.now }] : [];

const publish = (state: State): Step[] => (state.library ? [] : [{ name: 'publish', publish: true }]);

const message = (session: Session, from: Account, to: Account, body: Message['body']): Step => ({
    name: body.op,
    message: { from, to, value: session.plenty, bounce: true, body },
});

/** The next thing that a provider's owner wants. */
function providerGoals(session: Session, account: Account, owner: Account): GoalsOf {
    const who = 'a provider';
    const own = (body: Message['body']) => message(session, owner, account, body);
    return (state) => {
        const provider = state.contracts.get(account);
        if (provider?.kind !== 'provider') {
            return undefined;
        }
        for (const [dispute, contract] of state.contracts) {
            if (contract.kind === 'dispute' && contract.provider === account && isUndecided(contract)) {
                return decided(session, who, dispute, owner);
            }
        }
        for (const [node, contract] of state.contracts) {
            if (contract.kind === 'node' && contract.provider === account && contract.state === 'open') {
                const { number, codeVersion } = contract;
                const isOpen = (later: State) => {
                    const found = later.contracts.get(node);
                    return found?.kind === 'node' && found.state === 'open';
                };
                const close = own({ op: 'closeNode', number, codeVersion, node });
                return { who, what: 'its node is closed', steps: () => [close], reached: (later) => !isOpen(later) };
            }
        }
        const unreleased = session.unreleased.get(account) ?? 0n;
        if (bonded(provider) > unreleased) {
            const home = (later: State) => bonded(later.contracts.get(account) as Provider);
            const had = home(state);
            const steps = (later: State) => stakeSteps(later, account, own);
            return { who, what: 'its stake is home', steps, reached: (later) => home(later) < had };
        }
        if (sumOf(provider, 'frozen') > unreleased) {
            throw new Error(`${sumOf(provider, 'frozen')} nanoTON stay frozen without an open case`);
        }
        return undefined;
    };
}

function stakeSteps(state: State, account: Account, own: (body: Message['body']) => Step): Step[] {
    const provider = state.contracts.get(account) as Provider;
    const used = provider.slots.flatMap((slot, index) => (slot === undefined ? [] : [{ ...slot, index }]));
    const due = used.filter(({ unlockAt }) => unlockAt <= state.now);
    if (due.length > 0) {
        return [own({ op: 'withdrawStake', slot: due[0].index, amount: 0n })];
    }
    const free = provider.stake - sumOf(provider, 'frozen');
    if (free > 0n && used.length < provider.slots.length) {
        return [own({ op: 'unbond', amount: free })];
    }
    return wait(state, Math.min(...used.map(({ unlockAt }) => unlockAt)));
}

/** Open, or closed without the Provider's knowledge: anyone may have its end sent again. */
const isUndecided = ({ state, stuck }: Dispute): boolean => state === 'open' || stuck;

function decided(session: Session, who: string, dispute: Account, from: Account): Goal {
    const isOpen = (state: State) => {
        const found = state.contracts.get(dispute);
        return found?.kind === 'dispute' && isUndecided(found) ? found : undefined;
    };
    return {
        who,
        what: 'the case is decided',
        steps: (state) => {
            const found = isOpen(state);
            const decide = message(session, from, dispute, { op: 'decideCase' });
            return found === undefined ? [] : [decide, ...wait(state, found.decideFrom + 1)];
        },
        reached: (state) => isOpen(state) === undefined,
    };
}

/** The next thing that a client wants. */
function clientGoals(session: Session, account: Account, owner: Account): GoalsOf {
    const who = 'a client';
    return (state) => {
        for (const [channel, contract] of state.contracts) {
            if (contract.kind === 'channel' && contract.escrow === account) {
                return {
                    who,
                    what: 'its job is over',
                    steps: (later) => {
                        const found = later.contracts.get(channel);
                        const refundAt = found?.kind === 'channel' ? found.refundAt : 0;
                        const leave = message(session, owner, account, { op: 'leaveJob', channel });
                        const refund = message(session, owner, channel, { op: 'refund' });
                        const isNear = refundAt <= later.now + 7 * 86_400;
                        return [refund, ...publish(later), ...(isNear ? wait(later, refundAt) : [leave])];
                    },
                    reached: (later) => !later.contracts.has(channel),
                };
            }
        }
        const balance = (later: State) => later.contracts.get(account)?.balance ?? 0n;
        if (balance(state) <= session.state.prices.escrowReserve) {
            return undefined;
        }
        const withdraw = message(session, owner, account, { op: 'withdraw', amount: 0n });
        const reached = (later: State) => balance(later) <= session.state.prices.escrowReserve;
        return { who, what: 'its deposit is home', steps: () => [withdraw], reached };
    };
}

/** Every voucher that a payout holds is paid as far as its channel has money. */
function payoutGoals(session: Session, book: Book): GoalsOf {
    return (state) => {
        for (const [channel, vouchers] of book.vouchers) {
            const contract = state.contracts.get(channel);
            const best = [...vouchers].sort((a, b) => (a.cumulative > b.cumulative ? -1 : 1))[0];
            if (contract?.kind !== 'channel' || contract.balance <= 0n || best.cumulative <= contract.paid) {
                continue;
            }
            const claim = message(session, contract.payout, channel, { op: 'claim', ...best });
            const due =
                contract.paid +
                (best.cumulative - contract.paid < contract.balance
                    ? best.cumulative - contract.paid
                    : contract.balance);
            const reached = (later: State) => {
                const found = later.contracts.get(channel);
                return found?.kind === 'channel' && found.paid >= due;
            };
            const steps = (later: State) => [claim, ...publish(later)];
            return { who: 'a payout', what: 'its voucher is paid', steps, reached };
        }
        return undefined;
    };
}

/** Every bond comes home, or goes to whom the case gives it. */
function reporterGoals(session: Session): GoalsOf {
    return (state) => {
        for (const [dispute, contract] of state.contracts) {
            if (contract.kind === 'dispute' && isUndecided(contract)) {
                return decided(session, 'a reporter', dispute, STRANGER);
            }
        }
        return undefined;
    };
}
