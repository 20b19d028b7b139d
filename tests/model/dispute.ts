/** Dispute, from docs/contracts/dispute.md. */
import type { BodyOf, Voucher } from './bodies';
import { voucherText } from './channel';
import { isDecided } from './ledger';
import { requireReceipt } from './receipts';
import { Call, DAY, inBasechain, max, min, Refusal, refuseIf, signed } from './state';
import type { Account, CaseRules, Dispute, Fault, FaultClass, Receipt, RefusalReceipt, Result } from './types';

const REPORT_GAP = 300; // seconds between two reports about one A1 or A2

export function newDispute(provider: Account, faultClass: FaultClass): Dispute {
    return {
        kind: 'dispute',
        balance: 0n,
        provider,
        class: faultClass,
        state: 'new',
        stuck: false,
        answerBy: 0,
        decideFrom: 0,
        clearAt: 0,
        bond: 0n,
        stated: false,
        guilty: false,
        slash: 0n,
        slashed: 0n,
        loss: 0n,
        sentAt: 0,
    };
}

/** Takes a message; `found` is a copy that may be changed. Returns undefined if the account ended. */
export function onDispute(call: Call, found: Dispute): Dispute | undefined {
    const { body, from, value } = call.message;
    switch (body.op) {
        case 'none':
        case 'short':
            call.absorbs = true;
            return { ...found, balance: found.balance + value };
        case 'openCase':
            refuseIf(from !== found.provider, 'ErrNotProvider');
            return openCase(call, found, body);
        case 'postPiece':
            return onPiece(call, found, body);
        case 'postFail': {
            const { fault } = requireDemand(call, found);
            const fail = body.fail as RefusalReceipt;
            requireReceipt(fail, ['fail'], fault);
            refuseIf(fail.number !== fault.query || fail.request !== fault.about, 'ErrWrongJob');
            return answered(call, found, fault);
        }
        case 'postVoucher': {
            const { fault } = requireDemand(call, found);
            const { index } = requireResult(body.result, fault);
            refuseIf(body.voucher.count < index, 'ErrNothingNew');
            requireVoucher(call, fault, body.voucher);
            return answered(call, found, fault);
        }
        case 'stateCase':
            refuseIf(found.state !== 'open' || found.class !== 'B1', 'ErrWrongState');
            refuseIf(from !== found.rules!.owner, 'ErrNotOwner');
            refuseIf(call.now > found.answerBy, 'ErrExpired');
            call.pass(from, value);
            return { ...found, stated: true };
        case 'submitVerdict':
            return onVerdict(call, found, body);
        case 'decideCase':
            return onDecide(call, found);
        case 'clearCase':
            refuseIf(found.state !== 'closed' || found.stuck, 'ErrWrongState');
            refuseIf(call.now < found.clearAt, 'ErrTooEarly');
            call.pass(from, found.balance + value);
            return undefined;
        default:
            throw new Refusal('130');
    }
}

function openCase(call: Call, found: Dispute, { fault, rules }: BodyOf<'openCase'>): Dispute {
    const { now, prices } = call;
    const { value } = call.message;
    call.range = [found.balance, found.balance + value]; // with the rent of 45 days
    const decided = isDecided(fault.class);
    if (found.state !== 'new') {
        const more = fault.loss - found.loss;
        const again = decided && more > 0n && !found.stuck && now >= found.sentAt + REPORT_GAP;
        if (!again) {
            return close(call, found, { guilty: false, slash: 0n, fault, rules, first: false }, value);
        }
        const slash = min(fault.amount, max(fault.amount - found.slashed, 2n * more, 6n * prices.reportCost));
        found.slashed += slash;
        found.loss = fault.loss;
        return close(call, found, { guilty: true, slash, fault: { ...fault, loss: more }, rules, first: true }, value);
    }
    Object.assign(found, { fault, rules, clearAt: now + 31 * DAY, loss: fault.loss });
    const rent = max(prices.caseRent - found.balance, 0n);
    found.balance += rent;
    if (decided) {
        found.slashed = fault.amount;
        return close(call, found, { guilty: true, slash: fault.amount, fault, rules, first: true }, value - rent);
    }
    found.state = 'open';
    found.bond = fault.bond;
    found.balance += found.bond;
    found.answerBy = now + rules.response;
    found.decideFrom = found.answerBy + (fault.class === 'B1' ? rules.verdict : 0);
    call.pass(fault.reporter, value - found.bond - rent);
    return found;
}

/** Tells the Provider an end. `first`: it is this case's own, not that of a report that came too late. */
function close(
    call: Call,
    found: Dispute,
    end: { guilty: boolean; slash: bigint; fault: Fault; rules: CaseRules; first: boolean },
    value: bigint,
): Dispute {
    const { guilty, slash, fault, rules, first } = end;
    if (first) {
        Object.assign(found, { state: 'closed', guilty, slash, fault, rules, sentAt: call.now, bond: 0n });
    }
    const excessTo = call.message.from === found.provider ? fault.reporter : call.message.from;
    call.pass(
        found.provider,
        value,
        { op: 'caseClosed', guilty, duplicate: !first, slash, fault, rules, excessTo },
        true,
    );
    return found;
}

function requireDemand(call: Call, found: Dispute): { fault: Fault } {
    refuseIf(found.state !== 'open' || found.class !== 'A3', 'ErrWrongState');
    refuseIf(call.now > found.answerBy, 'ErrExpired');
    return { fault: found.fault! };
}

function requireResult(receipt: Receipt, fault: Fault): Result {
    requireReceipt(receipt, ['result'], fault);
    const result = receipt as Result;
    refuseIf(result.index === 0, 'ErrMalformed');
    refuseIf(result.number !== fault.query, 'ErrWrongJob');
    return result;
}

function requireVoucher(call: Call, fault: Fault, { signature, cumulative, count }: Voucher): void {
    const text = voucherText(call.state.network, fault.channel, cumulative, count);
    refuseIf(signature !== signed(fault.voucherKey, ...text), 'ErrBadSignature');
}

/** Every answer of the model has one piece, so that the first one ends the case, whichever pieces were demanded. */
function onPiece(call: Call, found: Dispute, { result, proven }: BodyOf<'postPiece'>): Dispute {
    const { fault } = requireDemand(call, found);
    requireResult(result, fault);
    refuseIf(!proven, 'ErrWrongPiece');
    return answered(call, found, fault);
}

/** A demand was answered: the payout gets what the answer cost, the reporter the rest of the bond. */
function answered(call: Call, found: Dispute, fault: Fault): Dispute {
    call.needs(call.prices.stakeStep);
    refuseIf(!inBasechain(call.message.from), 'ErrNotBasechain');
    payBond(call, found, fault.reporter, fault.payout);
    return close(
        call,
        found,
        { guilty: false, slash: 0n, fault, rules: found.rules!, first: true },
        call.message.value,
    );
}

/** The bond leaves. `costTo` gets an amount of it that the prices say, which the model alone does not know. */
function payBond(call: Call, found: Dispute, to: Account, costTo?: Account): void {
    const bond = min(found.bond, found.balance);
    found.balance -= bond;
    if (costTo === undefined) {
        call.pay(to, bond);
        return;
    }
    // An answer that is no piece of 16 KiB costs less than a quarter of a bond of now, which pays for four of them.
    const most = min(bond, call.prices.demandBond / 4n);
    call.sent.push({ from: call.self, to: costTo, value: 0n, most, bounce: false, body: { op: 'none' } });
    call.pass(to, bond, { op: 'none' });
}

function onVerdict(call: Call, found: Dispute, { points, validUntil, votes }: BodyOf<'submitVerdict'>): Dispute {
    const { now, state } = call;
    refuseIf(found.state !== 'open' || found.class !== 'B1', 'ErrWrongState');
    const { fault, rules, answerBy, decideFrom, stated } = found as Required<Dispute>;
    refuseIf(!stated && now <= answerBy, 'ErrTooEarly');
    refuseIf(now > decideFrom || now > validUntil, 'ErrExpired');
    const { threshold, keys } = rules.committee;
    refuseIf(points > fault.maxPoints, 'ErrWrongVerdict');
    const text = verdictText(state.network, call.self, points, rules.version, validUntil);
    for (const [place, { member, signature }] of votes.entries()) {
        const isLater = place === 0 || member > votes[place - 1].member;
        refuseIf(!isLater || member >= keys.length, 'ErrWrongVerdict');
        refuseIf(signature !== signed(keys[member], ...text), 'ErrBadSignature');
    }
    refuseIf(votes.length < threshold, 'ErrWrongVerdict');
    call.needs(call.prices.stakeStep);
    refuseIf(!inBasechain(call.message.from), 'ErrNotBasechain');
    const guilty = points > 0;
    payBond(call, found, guilty ? fault.reporter : rules.insurance);
    const slash = (fault.amount * BigInt(points)) / BigInt(fault.maxPoints);
    return close(call, found, { guilty, slash, fault, rules, first: true }, call.message.value);
}

export const verdictText = (network: number, dispute: Account, points: number, version: number, validUntil: number) =>
    ['verdict', network, dispute, 'B1', points, version, validUntil] as const;

function onDecide(call: Call, found: Dispute): Dispute {
    call.needs(call.prices.stakeStep);
    if (found.state === 'closed' && found.stuck) {
        refuseIf(!inBasechain(call.message.from), 'ErrNotBasechain');
        found.stuck = false;
        const { guilty, slash, fault, rules } = found as Required<Dispute>;
        return close(call, found, { guilty, slash, fault, rules, first: true }, call.message.value);
    }
    refuseIf(found.state !== 'open', 'ErrWrongState');
    refuseIf(call.now <= found.decideFrom, 'ErrTooEarly');
    refuseIf(!inBasechain(call.message.from), 'ErrNotBasechain');
    const { fault, rules } = found as Required<Dispute>;
    const guilty = found.class === 'A3';
    payBond(call, found, fault.reporter, !guilty && found.stated ? rules.owner : undefined);
    const slash = guilty ? fault.amount : 0n;
    return close(call, found, { guilty, slash, fault, rules, first: true }, call.message.value);
}

/** The Provider did not take an end. */
export function onDisputeBounce(call: Call, found: Dispute): Dispute {
    const { body } = call.message;
    const isEnd = body.op === 'caseClosed' && !body.duplicate; // of a second report it is not
    call.absorbs = true;
    return {
        ...found,
        stuck: found.stuck || (isEnd && found.state === 'closed'),
        balance: found.balance + call.message.value,
    };
}
