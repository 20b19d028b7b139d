/** README's guarantees as far as a chain shows them, after each delivery; and what a signed receipt is still worth. */
import { basisOf, bonded, KeyLedger, Node, Outcome, State } from '../model';
import { HONEST } from './actions/faults';
import { OWNERS } from './launch';
import { Book, Signed } from './scene';
import { Session } from './session';

const MAX_SIGNED = 60; // newest receipts that are watched

/** Throws if a guarantee is broken by a delivery. */
export function watchGuarantees(session: Session, book: Book): void {
    session.watches.push((before, after, outcome) => {
        remember(book, before, outcome);
        onlyKeysMove(before, after, outcome);
        stakeIsCovered(after, outcome);
        honestIsNotSlashed(session, outcome);
        book.signed.splice(0, Math.max(book.signed.length - MAX_SIGNED, 0));
        book.signed.forEach((each) => receiptIsCovered(after, book, each));
    });
}

function remember(book: Book, before: State, { message, code, sent }: Outcome): void {
    const { to, body } = message;
    const contract = before.contracts.get(to);
    if (message.init?.kind === 'channel') {
        book.firsts.set(to, message.init);
    }
    const ended = contract?.kind === 'channel' && code === 'done' && (body.op === 'refund' || body.op === 'claimLast');
    if (ended) {
        const first = book.firsts.get(to);
        if (first !== undefined) {
            book.ended.push({ account: to, contract: first });
        }
        book.vouchers.delete(to);
    }
    if (body.op === 'shareSlashed' && code === 'done') {
        const paid = sent.reduce((sum, { exact, value }) => sum + (exact ? value : 0n), 0n);
        book.slashed.set(to, (book.slashed.get(to) ?? 0n) + paid);
    }
}

// More than the rent of an escrow for the time between two messages.
const RENT_ROOM = 1_000_000_000n;

/** 1: only the client's keys move a deposit, the spend key at most the day's limit. */
function onlyKeysMove(before: State, after: State, { message, code }: Outcome): void {
    const { to, from, external } = message;
    const [one, other] = [before.contracts.get(to), after.contracts.get(to)];
    if (one?.kind !== 'escrow' || other?.kind !== 'escrow') {
        return;
    }
    const byOwner = from === one.owner && !external;
    if (!byOwner && !external && other.balance < one.balance - RENT_ROOM) {
        throw new Error(`A message of ${from} took ${one.balance - other.balance} nanoTON out of an escrow: ${code}`);
    }
    if (external && other.seqno > one.seqno && other.spent > one.dayLimit) {
        throw new Error(`Orders counted ${other.spent} nanoTON on a day with a limit of ${one.dayLimit}`);
    }
    if (external && one.balance - other.balance > other.spent + RENT_ROOM) {
        throw new Error(`An order took ${one.balance - other.balance} nanoTON, and ${other.spent} count on its day`);
    }
}

/** A Provider holds stake and slots, whatever it was sent, less the rent that its reserve did not cover. */
function stakeIsCovered(after: State, { message }: Outcome): void {
    const contract = after.contracts.get(message.to);
    if (contract?.kind === 'provider' && contract.balance < bonded(contract) - RENT_ROOM) {
        throw new Error(`A Provider owes ${bonded(contract)} nanoTON of stake and holds ${contract.balance}`);
    }
}

/** 6: nobody can have an honest node slashed. */
function honestIsNotSlashed({ accounts }: Session, { message, code }: Outcome): void {
    const { body, to } = message;
    if (body.op === 'shareSlashed' && code === 'done' && to === accounts.providers[HONEST]) {
        throw new Error(`The Provider of ${OWNERS[HONEST]} signed no fault and was slashed`);
    }
}

/**
 * For each receipt that a node signed in time: either its window is over, or the node knows its key, and what its key's
 * share can still bear is there for a slash.
 */
function receiptIsCovered(state: State, book: Book, signed: Signed): void {
    const { node: account, provider: owner, key, until, date, slashedBefore } = signed;
    if (state.now > until || state.now < date) {
        return;
    }
    const node = state.contracts.get(account);
    const provider = state.contracts.get(owner);
    if (node?.kind !== 'node' || provider?.kind !== 'provider') {
        throw new Error(
            `A receipt of ${key} counts until ${until}, and its node is closed and cleared at ${state.now}`,
        );
    }
    const ledger = ledgerOf(node, key);
    if (ledger === undefined) {
        throw new Error(`A receipt of ${key} counts until ${until}, and its node forgot the key at ${state.now}`);
    }
    const bears = basisOf(node, state.now) - ledger.slashed;
    if (bears <= 0n) {
        return; // its receipts have cost the whole share
    }
    const { slashable } = provider.versions[node.codeVersion];
    if (slashable < bears) {
        throw new Error(`A receipt of ${key} may cost ${bears}, and only ${slashable} is counted for its version`);
    }
    const slashedSince = (book.slashed.get(owner) ?? 0n) - slashedBefore;
    if (bonded(provider) + slashedSince < bears) {
        throw new Error(`A receipt of ${key} may cost ${bears}, and only ${bonded(provider)} of the stake is there`);
    }
}

function ledgerOf(node: Node, key: string): KeyLedger | undefined {
    return node.receiptKey === key ? node.current : node.ended.find((slot) => slot?.key === key);
}
