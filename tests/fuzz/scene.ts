/** What an action plays on: both networks, its dice, and what the actors remember. */
import { beginCell, Cell } from '@ton/core';

import { exotic, swapped } from '../support/swaps';
import { Account, Channel, FaultClass, Key, Message, Op, Receipt, Terms, Voucher } from '../model';
import { Dice } from './dice';
import { BUYERS, GOVERNOR, OPERATORS, OWNERS, PAYOUTS, STRANGER } from './launch';
import { pairOf } from './names';
import { Session } from './session';
import { cellOfBody } from './wire';

/** A receipt that a node signed as an honest one does: in time, by a key that it has. */
export interface Signed {
    node: Account;
    provider: Account;
    key: Key;
    channel: Account;
    terms: Terms;
    receipt: Receipt;
    date: number;
    until: number; // it can be shown until then
    slashedBefore: bigint; // what slashes had taken of the stake
}

/** A report that was sent: somebody may report the same fault again, with a larger or smaller loss. */
export interface Reported {
    class: FaultClass;
    job: Job;
    number: number;
    query: number;
    dispute: Account; // of its case, if it was taken
}

/** A job of a node under one of its keys. */
export interface Job {
    provider: Account;
    node: Account;
    key: Key;
    channel: Account;
    terms: Terms;
    name: string; // by which receipts name it
}

/** What the actors remember of an episode. */
export class Book {
    /** The vouchers that payouts hold, newest last. */
    readonly vouchers = new Map<Account, Voucher[]>();
    /** Orders that were carried, for anyone to carry again. */
    readonly orders: Message[] = [];
    /** Channels that ended, with their first data. */
    readonly ended: { account: Account; contract: Channel }[] = [];
    /** What channels were deployed with. */
    readonly firsts = new Map<Account, Channel>();
    readonly signed: Signed[] = [];
    readonly reported: Reported[] = [];
    /** What slashes took of each Provider. */
    readonly slashed = new Map<Account, bigint>();
    /** Receipt keys that a node has or had. */
    readonly hadKeys = new Map<Account, Key[]>();
    private keys = 0;

    freshKey(): Key {
        this.keys += 1;
        return `key ${this.keys}`;
    }
}

export interface Scene {
    session: Session;
    book: Book;
    dice: Dice;
}

export type Take = (scene: Scene) => void | Promise<void>;

const ACCOUNTS = [STRANGER, GOVERNOR, ...OWNERS, ...OPERATORS, ...BUYERS, ...PAYOUTS];
const MASTERCHAIN = `-1:${STRANGER}`;

/** Any sender outside the market: contracts send what they send, and nothing else. */
export const anyone = ({ dice }: Scene): Account => dice.of([...ACCOUNTS, MASTERCHAIN]);

// Their content is not read, or they have none.
const UNREAD: readonly Op[] = ['none', 'deposit', 'leave', 'refund', 'text', 'unknown', 'short', 'unreadable'];
// Their cells go on to another contract, which judges them.
const PASSED_ON: readonly Op[] = ['changeNode', 'replaceHardware', 'setUp'];
const WITHOUT_REST: readonly Op[] = ['reportTwice', 'reportExcess'];
const EXACT: readonly Op[] = ['setUp', 'open', 'leaveJob', 'withdraw'];

/**
 * Sends a message, and once in eight times as no honest sender would: from somebody else, with too little, without a
 * bounce, with bits or a reference too many or too few, with an exotic cell.
 */
export function put(scene: Scene, message: Omit<Message, 'bounce'> & { bounce?: boolean }): void {
    const { session, dice } = scene;
    const whole: Message = { bounce: true, ...message };
    if (!dice.once(8)) {
        session.send(whole);
        return;
    }
    const { to, body } = whole;
    const { op } = body;
    const cell = cellOfBody(session.accounts, to, body);
    const readable = !UNREAD.includes(op);
    const unreadable = (raw: Cell) => session.send({ ...whole, body: { op: 'unreadable', of: op } }, raw);
    switch (dice.below(6)) {
        case 0:
            session.send({ ...whole, from: anyone(scene) });
            return;
        case 1:
            session.send({
                ...whole,
                value: dice.of([0n, 1n, session.state.prices.claimValue / 2n, whole.value / 50n]),
            });
            return;
        case 2:
            session.send({ ...whole, bounce: false });
            return;
        case 3:
            // A last claim that pays nothing reads no signature.
            if (readable && cell.bits.length > 33 && op !== 'claimLast') {
                return unreadable(resized(cell, -1));
            }
            break;
        case 4:
            if (readable && WITHOUT_REST.includes(op)) {
                return unreadable(resized(cell, 8));
            }
            if (readable) {
                const extra = EXACT.includes(op) ? { extra: true } : {};
                session.send({ ...whole, body: { ...body, ...extra } }, resized(cell, 8));
                return;
            }
            break;
        case 5:
            if (readable && cell.refs.length > 0 && !PASSED_ON.includes(op)) {
                const kind = dice.of(Object.keys(exotic));
                return unreadable(swapped(cell, [0], exotic[kind], pairOf('nobody')));
            }
            break;
    }
    session.send(whole);
}

/** The cell with this many bits more or fewer. */
function resized(cell: Cell, by: number): Cell {
    const bits = by < 0 ? cell.bits.substring(0, cell.bits.length + by) : cell.bits;
    const builder = beginCell().storeBits(bits);
    if (by > 0 && cell.bits.length + by <= 1023) {
        builder.storeUint(1, by);
    }
    return cell.refs.reduce((made, ref) => made.storeRef(ref), builder).endCell();
}
