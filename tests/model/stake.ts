/** Provider: stake, slots and membership, from docs/contracts/provider.md. */
import type { BodyOf } from './bodies';
import { onCaseClosed, onFaultFound, onShareReleased, onShareSlashed } from './cases';
import { onChangeNode, onCloseNode, onRegisterNode, onReplaceHardware, onShareFreed } from './nodes';
import { bonded, forward, giveBack, NEW_VERSION, openNodes, requiredStake, setSlot, sumOf } from './provider';
import { Call, DAY, inBasechain, Refusal, refuseIf } from './state';
import type { Provider, Rules, StakeSlot } from './types';
import { holdOf, longest, windowsOf } from './windows';

const DISPUTE_CODE_GAP = 90 * DAY;

/** Takes a message; `provider` is a copy that may be changed. Returns undefined if the account ended. */
export function onProvider(call: Call, provider: Provider): Provider | undefined {
    const { body, from } = call.message;
    const fromOwner = () => refuseIf(from !== provider.owner, 'ErrNotOwner');
    const joined = () => refuseIf(!provider.joined, 'ErrWrongState');
    const step = () => call.needs(call.prices.stakeStep);
    switch (body.op) {
        case 'none':
        case 'short':
            call.absorbs = true;
            return { ...provider, balance: provider.balance + call.message.value };
        case 'join':
            fromOwner();
            return onJoin(call, provider, body);
        case 'adopt':
            fromOwner();
            joined();
            step();
            forward(call, provider, provider.registry, { op: 'askRules', rules: body.rules }, true);
            return provider;
        case 'addStake':
            joined();
            refuseIf(body.amount === 0n, 'ErrWrongAmount');
            call.needs(body.amount + call.prices.stakeStep);
            provider.stake += body.amount;
            return giveBack(call, provider, from);
        case 'unbond':
            fromOwner();
            joined();
            unbond(call, provider, body.amount);
            step();
            return giveBack(call, provider, from);
        case 'cancelUnbonding': {
            fromOwner();
            const { amount } = usedSlot(provider, body.slot);
            step();
            provider.stake += amount;
            setSlot(provider, body.slot, undefined);
            return giveBack(call, provider, from);
        }
        case 'withdrawStake':
            fromOwner();
            withdraw(call, provider, body);
            step();
            return giveBack(call, provider, from);
        case 'withdrawSurplus':
            fromOwner();
            step();
            forward(call, provider, from, { op: 'excesses' }, false, { surplus: true });
            return provider;
        case 'setOperator':
            fromOwner();
            refuseIf(body.operator !== undefined && !inBasechain(body.operator), 'ErrNotBasechain');
            joined();
            step();
            provider.operator = body.operator;
            return giveBack(call, provider, from);
        case 'setPayout':
            fromOwner();
            joined();
            step();
            provider.payout = call.now >= provider.nextPayoutAt ? provider.nextPayout : provider.payout;
            provider.nextPayout = body.payout;
            provider.nextPayoutAt = call.now + provider.rules!.payoutDelay;
            return giveBack(call, provider, from);
        case 'unjail':
            fromOwner();
            refuseIf(provider.jailedUntil === 0, 'ErrWrongState');
            refuseIf(call.now < provider.jailedUntil, 'ErrTooEarly');
            refuseIf(provider.stake < provider.rules!.baseStake + sumOf(provider, 'shares'), 'ErrLowStake');
            step();
            Object.assign(provider, { jailedUntil: 0, strikes: 0 });
            return giveBack(call, provider, from);
        case 'registerNode':
            fromOwner();
            joined();
            return onRegisterNode(call, provider, body);
        case 'changeNode':
            return onChangeNode(call, provider, body);
        case 'replaceHardware':
            return onReplaceHardware(call, provider, body);
        case 'closeNode':
            return onCloseNode(call, provider, body);
        case 'rulesGiven':
            refuseIf(from !== provider.registry, 'ErrNotRegistry');
            return onRules(call, provider, body.rules);
        case 'shareFreed':
            return onShareFreed(call, provider, body);
        case 'faultFound':
            return onFaultFound(call, provider, body);
        case 'caseClosed':
            return onCaseClosed(call, provider, body);
        case 'shareSlashed':
            return onShareSlashed(call, provider, body);
        case 'shareReleased':
            return onShareReleased(call, provider, body);
        default:
            throw new Refusal('130');
    }
}

function onJoin(call: Call, provider: Provider, body: BodyOf<'join'>): Provider {
    const { stake, codeVersion, payout, operator, rules } = body;
    refuseIf(operator !== undefined && !inBasechain(operator), 'ErrNotBasechain');
    refuseIf(provider.joined || (provider.joining ?? codeVersion) !== codeVersion, 'ErrWrongState');
    call.needs(stake + call.prices.stakeStep);
    Object.assign(provider, { payout, nextPayout: payout, operator, codeVersion, joining: codeVersion });
    provider.stake += stake;
    const { owner, registry } = provider;
    forward(call, provider, registry, { op: 'registerProvider', stake, codeVersion, owner, rules }, true);
    return provider;
}

function unbond(call: Call, provider: Provider, amount: bigint): void {
    refuseIf(amount === 0n, 'ErrWrongAmount');
    refuseIf(provider.stake - amount < requiredStake(provider), 'ErrLowStake');
    const place = provider.slots.findIndex((slot) => slot === undefined);
    refuseIf(place < 0, 'ErrNoSlot');
    provider.stake -= amount;
    setSlot(provider, place, { amount, unlockAt: Math.max(call.now + holdOf(provider.windows), provider.lockedUntil) });
}

function withdraw(call: Call, provider: Provider, { slot, amount }: BodyOf<'withdrawStake'>): void {
    const used = usedSlot(provider, slot);
    refuseIf(call.now < used.unlockAt, 'ErrTooEarly');
    refuseIf(amount > used.amount, 'ErrWrongAmount');
    const leaves = amount === 0n ? used.amount : amount;
    const frozen = sumOf(provider, 'frozen');
    refuseIf(frozen > 0n && bonded(provider) - leaves < frozen + requiredStake(provider), 'ErrLowStake');
    setSlot(provider, slot, leaves === used.amount ? undefined : { ...used, amount: used.amount - leaves });
}

function usedSlot(provider: Provider, slot: number): StakeSlot {
    refuseIf(provider.slots[slot] === undefined, 'ErrEmptySlot');
    return provider.slots[slot]!;
}

/** Follows rules if they are newer. Another code of Disputes is followed 90 days after the last such change. */
function onRules(call: Call, provider: Provider, newest: Rules): Provider {
    const { rules, disputeSince } = provider;
    if (rules === undefined) {
        Object.assign(provider, { rules: newest, joined: true, joining: undefined, windows: windowsOf(newest) });
        provider.versions = Array.from(
            { length: newest.nodeVersions },
            (_, place) => provider.versions[place] ?? NEW_VERSION,
        );
        return giveBack(call, provider, provider.owner);
    }
    const other = newest.dispute !== rules.dispute;
    const early = other && call.now < disputeSince + DISPUTE_CODE_GAP;
    const next = early ? { ...newest, dispute: rules.dispute } : newest;
    if (newest.version > rules.version || (newest.version === rules.version && other && !early)) {
        if (other && !early) {
            Object.assign(provider, { disputeBefore: rules.dispute, disputeSince: call.now });
        }
        const windows = windowsOf(next);
        if (openNodes(provider) === 0) {
            provider.lockedUntil = Math.max(provider.lockedUntil, call.now + holdOf(provider.windows));
            provider.windows = windows;
        } else {
            provider.windows = longest(provider.windows, windows);
        }
        provider.rules = next;
        provider.versions = Array.from(
            { length: Math.max(next.nodeVersions, provider.versions.length) },
            (_, place) => provider.versions[place] ?? NEW_VERSION,
        );
    }
    return giveBack(call, provider, provider.owner);
}
