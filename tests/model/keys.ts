/** Receipt keys of a node that end, and the slots in which they wait (docs/contracts/node.md, Keys). */
import { DAY, max, refuseIf } from './state';
import type { Key, KeyLedger, Node } from './types';
import { SPAN } from './windows';

export const EMPTY_LEDGER: KeyLedger = { slashed: 0n, disputed: 0n, frozen: 0n };

/** What forgotten keys have cost and their cases dispute: it counts for 90 days, by when all of these are over. */
export const forgottenOf = (node: Node, now: number): KeyLedger =>
    now <= node.forgottenUntil ? node.forgotten : EMPTY_LEDGER;

/** Moves the current key, if there is one, to a free slot, where it ends at this time. The next key owes nothing. */
export function retire(now: number, node: Node, endsAt: number): void {
    const { receiptKey: key, serial, current } = node;
    if (key === undefined) {
        node.current = EMPTY_LEDGER;
        return;
    }
    const place = node.ended.findIndex((slot) => slot === undefined || slot.freeAt <= now);
    refuseIf(place < 0, 'ErrNoSlot');
    const old = node.ended[place];
    if (old !== undefined) {
        const past = forgottenOf(node, now);
        if (old.slashed > past.slashed || old.disputed > 0n) {
            node.forgottenUntil = now + 90 * DAY;
        }
        node.forgotten = {
            slashed: max(past.slashed, old.slashed),
            disputed: past.disputed + old.disputed,
            frozen: past.frozen + old.frozen,
        };
    }
    const ended = { key, serial, endsAt, freeAt: endsAt + SPAN + node.evidence, ...current };
    node.ended = node.ended.map((slot, index) => (index === place ? ended : slot));
    node.receiptKey = undefined;
    node.current = EMPTY_LEDGER;
}

/** A key that has signed twice, or could cost nothing more, ends at once. */
export function endNow(now: number, node: Node, serial: number): void {
    if (isCurrent(node, serial)) {
        retire(now, node, now);
        return;
    }
    node.ended = node.ended.map((slot) =>
        slot?.serial === serial ? { ...slot, endsAt: Math.min(slot.endsAt, now) } : slot,
    );
}

/** The serial of a key that the node has, undefined for any other. A key that is set again has a new one. */
export const serialOf = (node: Node, key: Key): number | undefined =>
    key === node.receiptKey ? node.serial : node.ended.find((slot) => slot?.key === key)?.serial;

export const isCurrent = (node: Node, serial: number): boolean =>
    node.receiptKey !== undefined && node.serial === serial;
