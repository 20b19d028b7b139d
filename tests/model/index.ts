/**
 * A model of all contracts together: Registry, Provider, Node, Escrow, Channel, Dispute, and the presence of the
 * Library. It was written from `docs/` alone, without the contracts in view. `npm run fuzz` plays it beside the real
 * contracts, and `npm run exhaust` searches it.
 *
 * Use:
 *
 *     let state = newState({ now, prices });
 *     state = apply(state, { kind: 'create', account, contract: newEscrow(owner) }).state;
 *     state = apply(state, { kind: 'send', message }).state;            // now it is on its way
 *     const next = apply(state, { kind: 'deliver', index: 0 });         // next.outcome: code, what was sent, events
 *
 * `apply` never changes a state: it returns another one, which shares everything that the event did not touch. A
 * state is plain data and costs one copied map and one copied contract for each event, so a search can keep millions.
 *
 * Time is input (`pass`). Randomness and signatures do not exist: a key is a name, and a signature is the text of what
 * it signs. Fees do not exist either: the model says who gets how much before fees. A message with `exact` carries its
 * amount to the nanoTON on a chain too; the others carry what is left of a value when fees are paid out of it.
 *
 * Where the documents leave a limit to the prices in force, a value at or above the documented minimum is taken. Below
 * it, the model refuses, unless `facts.code` says how the chain decided.
 *
 * A message on its way is `queue[index]`. Two messages of the same sender to the same receiver arrive in their order:
 * `deliverable` lists the indexes that may be next.
 */
import { onCaseBounce } from './cases';
import { onChannel } from './channel';
import { onDispute, onDisputeBounce } from './dispute';
import { onEscrow, UsedOrder } from './escrow';
import { onNode, onNodeBounce } from './node';
import { onProviderBounce } from './nodes';
import { onRegistry } from './registry';
import { onProvider } from './stake';
import { Call, Code, Facts, Message, Outcome, Prices, Refusal, State } from './state';
import type { Account, Contract } from './types';

export * from './bodies';
export { frozenOf, partsOf, verdictsCanTake } from './cases';
export { voucherOf, voucherText } from './channel';
export { newDispute, verdictText } from './dispute';
export { channelOf, newEscrow, orderText } from './escrow';
export { basisOf, bondOf, isDecided, slashOf } from './ledger';
export { newNode } from './node';
export { bonded, newProvider, openNodes, requiredStake, sumOf } from './provider';
export * from './receipts';
export { hashOf } from './registry';
export * from './state';
export type * from './types';
export { holdOf, longest, NOTICE, SKEW, SPAN, windowsOf } from './windows';

export type Event =
    | { kind: 'create'; account: Account; contract: Contract } // a contract that a test deploys without a message
    | { kind: 'send'; message: Message }
    | { kind: 'deliver'; index: number; facts?: Facts }
    | { kind: 'bounce'; index: number } // the receiver does not run, as when it is frozen
    | { kind: 'pass'; seconds: number }
    | { kind: 'prices'; prices: Prices }
    | { kind: 'library'; present: boolean }
    | { kind: 'rent'; account: Account; balance: bigint }; // what rent has left

/** Prices that are small and different, for searches without a chain. Each value covers what it causes. */
export const SMALL_PRICES: Prices = {
    run: 0n,
    claimValue: 2n,
    refundValue: 3n,
    minDeposit: { plain: 10n, library: 9n },
    escrowReserve: 7n,
    openFee: { plain: [2n, 4n, 6n, 8n, 10n], library: [1n, 3n, 5n, 7n, 9n] },
    jobOrderFee: 5n,
    setUpValue: 1n,
    leaveJobValue: 4n,
    withdrawValue: 1n,
    providerReserve: 11n,
    stakeStep: 1n,
    registerNode: 30n,
    changeNode: 6n,
    reportCost: 9n,
    report: 60n,
    demandBond: 40n,
    caseRent: 5n,
    nodeReserve: 6n,
};

/** A network without accounts, in which the library of channel code is published. */
export function newState({ now, prices = SMALL_PRICES }: { now: number; prices?: Prices }): State {
    return {
        now,
        network: -239,
        prices,
        library: true,
        contracts: new Map(),
        ended: new Map(),
        wallets: new Map(),
        queue: [],
    };
}

/** The state after an event. Only `deliver` and `bounce` have an outcome. */
export function apply(state: State, event: Event): { state: State; outcome?: Outcome } {
    switch (event.kind) {
        case 'create':
            return { state: withContract(state, event.account, event.contract) };
        case 'send':
            return { state: sent(state, event.message) };
        case 'pass':
            return { state: { ...state, now: state.now + event.seconds } };
        case 'prices':
            return { state: { ...state, prices: event.prices } };
        case 'library':
            return { state: { ...state, library: event.present } };
        case 'rent': {
            const contract = state.contracts.get(event.account);
            const next = contract && { ...contract, balance: event.balance };
            return { state: next ? withContract(state, event.account, next) : state };
        }
        case 'deliver':
            return deliver(state, event.index, event.facts ?? {});
        case 'bounce':
            return bounced(state, event.index);
    }
}

/** Money that is somewhere: contracts, wallets, messages on their way. An event changes it by nothing. */
export function totalOf(state: State): bigint {
    const sum = (amounts: Iterable<bigint>) => [...amounts].reduce((total, amount) => total + amount, 0n);
    const contracts = sum([...state.contracts.values()].map(({ balance }) => balance));
    return contracts + sum(state.wallets.values()) + sum(state.queue.map(({ value }) => value));
}

/** Indexes of messages that may arrive next. */
export function deliverable({ queue }: State): number[] {
    const firstOf = new Map<string, number>();
    queue.forEach(({ from, to, external }, index) => {
        const pair = external ? `external ${index}` : `${from} ${to}`;
        firstOf.set(pair, firstOf.get(pair) ?? index);
    });
    return [...firstOf.values()];
}

function withContract(state: State, account: Account, contract: Contract | undefined): State {
    const contracts = new Map(state.contracts);
    const last = contracts.get(account);
    if (contract !== undefined) {
        contracts.set(account, contract);
        return { ...state, contracts };
    }
    contracts.delete(account);
    return { ...state, contracts, ended: last === undefined ? state.ended : new Map(state.ended).set(account, last) };
}

/** A message leaves. Money of a wallet is counted, that of a contract its handler has deducted. */
function sent(state: State, message: Message): State {
    const queue = [...state.queue, message];
    if (state.contracts.has(message.from) || message.external) {
        return { ...state, queue };
    }
    const wallets = new Map(state.wallets);
    wallets.set(message.from, walletOf(state, message.from) - message.value);
    return { ...state, queue, wallets };
}

const without = (queue: readonly Message[], index: number): Message[] => [
    ...queue.slice(0, index),
    ...queue.slice(index + 1),
];

function deliver(found: State, index: number, facts: Facts): { state: State; outcome: Outcome } {
    const message = found.queue[index];
    const existing = found.contracts.get(message.to);
    const rest = existing === undefined && message.init !== undefined ? (facts.balance ?? 0n) : 0n;
    const state = withoutRest(found, message.to, rest);
    let before: State = { ...state, queue: without(state.queue, index) };
    const receiver = existing ?? message.init;
    if (receiver === undefined) {
        return message.bounce && !message.bounced ? refused(state, index, 'noRun', facts) : credited(before, message);
    }
    const balance = facts.balance ?? (existing === undefined ? 0n : receiver.balance);
    const contract = { ...receiver, balance };
    before = withContract(before, message.to, contract);
    const call = new Call(before, message.to, message, facts);
    try {
        if (facts.frozen) {
            throw new Refusal('noRun');
        }
        if (message.body.op === 'unreadable') {
            throw new Refusal(facts.code === undefined || facts.code === 'done' ? '9' : facts.code);
        }
        if (facts.code === 'noRun' && message.external) {
            call.openIf(balance < state.prices.run, ['noRun']); // it may not pay for the import
        } else if (facts.code === 'noRun' || facts.code === 'short') {
            call.needs(state.prices.run, 'noRun');
        }
        const next = handle(call, { ...contract });
        return finished(before, call, next, 'done');
    } catch (error) {
        if (error instanceof UsedOrder) {
            return finished(before, call, error.escrow, error.code);
        }
        if (error instanceof Refusal) {
            return refused(state, index, error.code, facts);
        }
        throw error;
    }
}

function handle(call: Call, contract: Contract): Contract | undefined {
    const { bounced } = call.message;
    switch (contract.kind) {
        case 'channel':
            return bounced ? gift(call, contract) : onChannel(call, contract);
        case 'escrow':
            return bounced ? gift(call, contract) : onEscrow(call, contract);
        case 'registry':
            return bounced ? gift(call, contract) : onRegistry(call, contract);
        case 'node':
            return bounced ? onNodeBounce(call, contract) : onNode(call, contract);
        case 'dispute':
            return bounced ? onDisputeBounce(call, contract) : onDispute(call, contract);
        case 'provider': {
            const { op } = call.message.body;
            const aboutCase = op === 'openCase' || op === 'slashShare' || op === 'releaseShare';
            const onBounce = aboutCase ? onCaseBounce : onProviderBounce;
            return bounced ? onBounce(call, contract) : onProvider(call, contract);
        }
    }
}

function gift<C extends Contract>(call: Call, contract: C): C {
    call.absorbs = true;
    return { ...contract, balance: contract.balance + call.message.value };
}

function finished(
    before: State,
    call: Call,
    contract: Contract | undefined,
    code: Code,
): { state: State; outcome: Outcome } {
    const next = withContract(before, call.self, contract);
    const { message, sent: list, events, absorbs, range } = call;
    const held = contract?.balance ?? 0n;
    const least = absorbs ? (before.contracts.get(call.self)?.balance ?? 0n) : held;
    return {
        state: { ...next, queue: [...next.queue, ...list] },
        outcome: { message, code, sent: list, events, balance: range ?? [least, held] },
    };
}

/** A refused message changes nothing. Its value comes back, or stays if the sender asked for no bounce. */
function refused(state: State, index: number, code: Code, facts: Facts = {}): { state: State; outcome: Outcome } {
    const message = state.queue[index];
    const queue = without(state.queue, index);
    const existing = state.contracts.get(message.to);
    // An account that a refused message deployed exists with its first data, and with what it had without code.
    const first = message.init && { ...message.init, balance: facts.balance ?? 0n };
    const contract = existing ? { ...existing, balance: facts.balance ?? existing.balance } : first;
    const held = contract?.balance ?? 0n;
    const settled =
        contract === undefined ? { ...state, queue } : { ...withContract(state, message.to, contract), queue };
    if (message.external) {
        return { state: settled, outcome: { message, code, sent: [], events: [], balance: [held, held] } };
    }
    if (message.bounce && !message.bounced && !(facts.stayed && message.value < state.prices.run)) {
        const { from: to, to: from, value, body } = message;
        const back: Message = { from, to, value, bounce: false, bounced: true, body };
        const next = { ...settled, queue: [...queue, back] };
        return { state: next, outcome: { message, code, sent: [back], events: [], balance: [held, held] } };
    }
    if (contract === undefined) {
        return credited(settled, message, code);
    }
    const balance = held + message.value;
    const kept = withContract(settled, message.to, { ...contract, balance });
    return { state: kept, outcome: { message, code, sent: [], events: [], balance: [held, balance] } };
}

/** A message comes back without having reached an account. */
function bounced(state: State, index: number): { state: State; outcome: Outcome } {
    const { init: _, ...message } = state.queue[index];
    const queue = state.queue.map((each, place) => (place === index ? message : each));
    return refused({ ...state, queue }, index, 'noRun');
}

/** What an account without code was sent belongs to the contract that is deployed there. */
function withoutRest(state: State, account: Account, rest: bigint): State {
    return rest === 0n
        ? state
        : { ...state, wallets: new Map(state.wallets).set(account, walletOf(state, account) - rest) };
}

const walletOf = ({ wallets }: State, account: Account): bigint => wallets.get(account) ?? 0n;

/** A value arrives at an account that runs no code of a market. */
function credited(state: State, message: Message, code: Code = 'done'): { state: State; outcome: Outcome } {
    const wallets = new Map(state.wallets);
    wallets.set(message.to, walletOf(state, message.to) + message.value);
    return { state: { ...state, wallets }, outcome: { message, code, sent: [], events: [], balance: [0n, 0n] } };
}
