/** What a node's keys have cost and may still cost (docs/contracts/dispute.md). */
import type { BodyOf } from './bodies';
import { endNow, forgottenOf, isCurrent, serialOf } from './keys';
import { breachOf, Report } from './receipts';
import { basisPoints, Call, DAY, inBasechain, max, min, Refusal, refuseIf } from './state';
import type { Breach, Fault, FaultClass, Key, KeyLedger, Node } from './types';
import { SKEW, SPAN } from './windows';

const TON = 1_000_000_000n;

/** What percentages count from: the share, or a higher one that is still slashable. */
export const basisOf = (node: Node, now: number): bigint =>
    max(node.share, now <= node.pastUntil ? node.pastShare : 0n);

/** The amount that a fault may take of a share. */
export function slashOf(
    faultClass: FaultClass,
    loss: bigint,
    basis: bigint,
    repeat: boolean,
    minSlash: bigint,
): bigint {
    switch (faultClass) {
        case 'A1':
            return max(basisPoints(basis, repeat ? 10_000 : 2_000), minSlash);
        case 'A2':
            return max(3n * loss, basisPoints(basis, repeat ? 500 : 100), minSlash);
        case 'A3':
            return 2n * loss + basisPoints(min(loss, basis), repeat ? 200 : 100);
        case 'B1':
            return basisPoints(basis, repeat ? 2_000 : 500);
    }
}

export const bondOf = (faultClass: FaultClass, amount: bigint, demandBond: bigint): bigint =>
    faultClass === 'A3' ? demandBond : faultClass === 'B1' ? max(5n * TON, amount / 10n) : 0n;

export const isDecided = (faultClass: FaultClass): boolean => faultClass === 'A1' || faultClass === 'A2';

/** The place of a key in the node's book: current, a slot, or those that were forgotten. */
type Place = 'current' | 'forgotten' | number;

function placeOf(node: Node, serial: number): Place {
    if (isCurrent(node, serial)) {
        return 'current';
    }
    const slot = node.ended.findIndex((each) => each?.serial === serial);
    return slot < 0 ? 'forgotten' : slot;
}

function ledgerAt(node: Node, place: Place, now: number): KeyLedger {
    return place === 'current' ? node.current : place === 'forgotten' ? forgottenOf(node, now) : node.ended[place]!;
}

function write(node: Node, place: Place, ledger: KeyLedger): void {
    const { slashed, disputed, frozen } = ledger;
    if (place === 'current') {
        node.current = { slashed, disputed, frozen };
    } else if (place === 'forgotten') {
        node.forgotten = { slashed, disputed, frozen };
    } else {
        node.ended = node.ended.map((slot, index) =>
            index === place ? { ...slot!, slashed, disputed, frozen } : slot,
        );
    }
}

/** The serial of the key of a receipt of this date, or a refusal: the node has no such key, or it ended before. */
function serialAt(node: Node, key: Key, { class: faultClass, date }: Breach): number {
    const serial = serialOf(node, key);
    if (serial === undefined) {
        throw new Refusal('ErrUnknownKey');
    }
    const span = faultClass === 'A3' ? SPAN : SKEW;
    const ended = isCurrent(node, serial) ? undefined : node.ended.find((slot) => slot?.serial === serial);
    refuseIf(ended !== undefined && date > ended.endsAt + span, 'ErrUnknownKey');
    return serial;
}

export function onReport(call: Call, node: Node, report: Report): Node {
    const { now, prices, message } = call;
    const breach = breachOf(call.state.network, call.self, now, report);
    refuseIf(node.state === 'new', 'ErrWrongState');
    const key = report.terms.receiptKey;
    const keySerial = serialAt(node, key, breach);
    const place = placeOf(node, keySerial);
    refuseIf(breach.date > now, 'ErrTooEarly');
    refuseIf(now > breach.date + node.evidence, 'ErrExpired');
    const basis = basisOf(node, now);
    const last = node.slashedAt[breach.class];
    const repeat = last !== 0 && breach.date > last;
    const ledger = ledgerAt(node, place, now);
    const asks = slashOf(breach.class, breach.loss, basis, repeat, 6n * prices.reportCost);
    const amount = min(asks, max(basis - ledger.slashed, 0n));
    const bond = bondOf(breach.class, amount, prices.demandBond);
    refuseIf(amount === 0n, 'ErrNoShare');
    call.needs(prices.report + bond);
    refuseIf(!inBasechain(message.from), 'ErrNotBasechain');

    const disputed = ledger.disputed + amount;
    const frozen = max(ledger.frozen, min(disputed, basis - ledger.slashed));
    write(node, place, { slashed: ledger.slashed, disputed, frozen });
    if (breach.class === 'A1') {
        endNow(now, node, keySerial);
    }
    if (node.state === 'closed') {
        node.clearAt = Math.max(node.clearAt, now + 90 * DAY);
    }
    const fault: Fault = {
        ...breach,
        amount,
        bond,
        basis,
        key,
        keySerial,
        reporter: message.from,
        victim: report.terms.escrow,
        payout: report.terms.payout,
        voucherKey: report.terms.voucherKey,
        channel: report.channel,
        maxPoints: repeat ? 2_000 : 500,
        node: node.number,
        nodeVersion: node.codeVersion,
        account: call.self,
    };
    // It also brings what the node lacks of 90 days of rent.
    call.range = [node.balance, node.balance + message.value];
    const { number, codeVersion } = node;
    const added = frozen - ledger.frozen;
    const { code, dispute } = report;
    call.pass(
        node.provider,
        message.value,
        { op: 'faultFound', number, codeVersion, frozen: added, fault, code, dispute },
        true,
    );
    return node;
}

/** A guilty case: counts what the key's share can still bear, and tells what is no longer frozen. */
export function onSlashShare(call: Call, node: Node, body: BodyOf<'slashShare'>): Node {
    const { now, message } = call;
    const { fault, rules, excessTo } = body;
    const place = placeOf(node, fault.keySerial);
    const ledger = ledgerAt(node, place, now);
    const remaining = max(basisOf(node, now), fault.basis) - ledger.slashed;
    const amount = min(body.slash, max(remaining, 0n));
    const disputed = ledger.disputed - min(fault.amount, ledger.disputed);
    // What was frozen began under a share that stays slashable.
    const bearable = max(remaining, ledger.frozen) - amount;
    const frozen = min(ledger.frozen, disputed, bearable);
    write(node, place, { slashed: ledger.slashed + amount, disputed, frozen });
    if (place === 'forgotten' && amount > 0n) {
        node.forgottenUntil = now + 90 * DAY;
    }
    if (amount >= remaining) {
        endNow(now, node, fault.keySerial);
    }
    node.slashedAt = { ...node.slashedAt, [fault.class]: now };
    const { number, codeVersion } = node;
    const lifted = ledger.frozen - frozen;
    const slashed = {
        op: 'shareSlashed',
        number,
        codeVersion,
        frozen: lifted,
        amount,
        fault,
        rules,
        excessTo,
    } as const;
    call.pass(node.provider, message.value, slashed, true);
    return node;
}

export function onReleaseShare(call: Call, node: Node, body: BodyOf<'releaseShare'>): Node {
    const place = placeOf(node, body.keySerial);
    const ledger = ledgerAt(node, place, call.now);
    const disputed = ledger.disputed - min(body.amount, ledger.disputed);
    const frozen = min(ledger.frozen, disputed);
    write(node, place, { slashed: ledger.slashed, disputed, frozen });
    const { number, codeVersion } = node;
    const { excessTo } = body;
    const lifted = ledger.frozen - frozen;
    call.pass(
        node.provider,
        call.message.value,
        { op: 'shareReleased', number, codeVersion, frozen: lifted, excessTo },
        true,
    );
    return node;
}
