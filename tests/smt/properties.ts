// Longer than 350 lines because it is one list: each property with its inputs and the mutants that must break it.
/**
 * What is proved of the arithmetic in translation.ts, for all inputs in their ranges. Each property has mutants: lines
 * that are wrong in one place, for which the solver must find inputs that break the property.
 */
import {
    accuse,
    Arithmetic,
    claim,
    claimByPayout,
    claimLast,
    Expressions,
    expressions,
    largerLoss,
    leave,
    LineName,
    refund,
    shareSlashed,
    slashShare,
    slotNames,
    topUp,
    Values,
    verdict,
} from './translation';

type Range = readonly [min: bigint, max: bigint];

const COINS: Range = [0n, 2n ** 120n - 1n]; // nanoTON, as messages carry them
const SIGNED_COINS: Range = [-(2n ** 120n) + 1n, 2n ** 120n - 1n]; // a balance below 0 is rent that is owed
const UINT64: Range = [0n, 2n ** 64n - 1n]; // nanoTON, as data and vouchers hold them
const TIME: Range = [0n, 2n ** 32n - 1n]; // unix seconds
const MIN_NOTICE = 3600n; // seconds
const NOTICE: Range = [MIN_NOTICE, 7n * 86_400n]; // seconds
const INT257 = 2n ** 256n;

/** The number that an expression of a wrong line is. */
type Mutant = { line: LineName; says: string; is: Expressions[LineName] };

export interface Property {
    about: 'Channel' | 'slash';
    says: string;
    inputs: Record<string, Range>;
    /** `assumed`: what the contract has checked, or what no input can be without. */
    of<N, B>(o: Arithmetic<N, B>, v: Values<N>, e: Expressions): { assumed: B; holds: B };
    mutants: Mutant[];
}

const JOB = { cumulative: UINT64, paid: UINT64, balance: SIGNED_COINS };
const MESSAGE = { value: COINS, gas: COINS };
const TO_BOTH = { payoutFee: COINS, callerFee: COINS };
const LEDGER = { basis: UINT64, slashed: UINT64, disputed: UINT64, frozen: UINT64, asked: UINT64, amount: UINT64 };
const REPORT = { basis: UINT64, slashed: UINT64, disputed: UINT64, frozen: UINT64, loss: UINT64, minSlash: COINS };
const CLASSES = ['A1', 'A2', 'A3', 'B1'] as const;
const STAKE = { stake: UINT64, ...Object.fromEntries(slotNames.map((name) => [name, UINT64])) };
const SLASH = {
    ...{ amount: UINT64, counted: UINT64, ...STAKE, balance: SIGNED_COINS, ...MESSAGE, loss: UINT64, cost: COINS },
    ...{ reserve: COINS, week: COINS, victimFee: COINS, insuranceFee: COINS, rewardFee: COINS },
    ...{ eventFee: COINS, restFee: COINS },
};

function sum<N, B>(o: Arithmetic<N, B>, ...terms: N[]): N {
    return terms.reduce((total, term) => o.add(total, term));
}

/** The condition that a number lies in a range. */
function within<N, B>(o: Arithmetic<N, B>, number: N, [min, max]: Range): B {
    return o.all(o.atLeast(number, o.of(min)), o.atLeast(o.of(max), number));
}

/** What a job has had so far: what it paid, and what is there. */
const had = <N, B>(o: Arithmetic<N, B>, { paid, balance }: Values<N>): N => o.add(paid, balance);

const slotsAndStake = <N, B>(o: Arithmetic<N, B>, stake: N, slots: N[]): N => sum(o, stake, ...slots);

/** nanoTON of all fees of a slash. */
const feesOfSlash = <N, B>(o: Arithmetic<N, B>, v: Values<N>, slash: ReturnType<typeof shareSlashed<N, B>>): N => {
    const zero = o.of(0n);
    const fee = (amount: N, each: N) => o.choose(o.above(amount, zero), each, zero);
    return sum(
        o,
        ...[v.gas, v.eventFee, v.restFee],
        fee(slash.victim, v.victimFee),
        fee(slash.insurance, v.insuranceFee),
        fee(slash.reward, v.rewardFee),
    );
};

const mutant = (line: LineName, says: string, is: Mutant['is']): Mutant => ({ line, says, is });

const NO_CAP = mutant('due', 'a claim is not limited by the balance', (o, v) => o.sub(v.cumulative, v.paid));
const NOT_DEDUCTED = mutant('due', 'what was paid before is not deducted', (o, v) => o.min(v.cumulative, v.balance));

export const properties: Property[] = [
    {
        about: 'Channel',
        says: 'A claim pays exactly the lesser of the voucher and what the job has had, less what was paid before',
        inputs: JOB,
        of: (o, v, e) => {
            const due = e.due(o, v);
            const limited = o.min(v.cumulative, had(o, v));
            return { assumed: o.above(due, o.of(0n)), holds: o.equal(due, o.sub(limited, v.paid)) };
        },
        mutants: [NO_CAP, NOT_DEDUCTED],
    },
    {
        about: 'Channel',
        says: '`paid` rises with each claim, and never above the voucher or what the job has had; it fits its 64 bits',
        inputs: JOB,
        of: (o, v, e) => {
            const due = e.due(o, v);
            const next = e.nextPaid(o, { ...v, due });
            return {
                assumed: o.above(due, o.of(0n)),
                holds: o.all(
                    o.above(next, v.paid),
                    o.atLeast(v.cumulative, next),
                    o.atLeast(had(o, v), next),
                    within(o, next, UINT64),
                ),
            };
        },
        mutants: [
            NO_CAP,
            mutant('nextPaid', 'the whole voucher counts as paid', (o, v) => v.cumulative),
            mutant('nextPaid', '`paid` stays, so that the voucher pays again', (o, v) => v.paid),
        ],
    },
    {
        about: 'Channel',
        says: "A claim by anyone pays the payout what is due, of the job's money, and the caller the rest of the value",
        inputs: { ...JOB, ...MESSAGE, ...TO_BOTH },
        of: (o, v, e) => {
            const { accepted, done, due, payout, caller, after } = claim(o, v, e);
            const fees = sum(o, v.gas, v.payoutFee, v.callerFee);
            return {
                assumed: o.all(accepted, done),
                holds: o.all(
                    o.equal(payout, due),
                    o.equal(after, o.sub(v.balance, due)),
                    o.equal(o.add(caller, fees), v.value),
                    o.equal(sum(o, payout, caller, fees, after), o.add(v.balance, v.value)),
                    within(o, payout, COINS),
                    within(o, caller, COINS),
                ),
            };
        },
        mutants: [
            mutant('reserved', "the caller's value pays the payout", (o, v) => v.balance),
            mutant('reserved', "the caller gets the rest of the job's money", (o) => o.of(0n)),
            mutant('toPayout', 'the payout gets the whole balance', (o, v) => v.balance),
        ],
    },
    {
        about: 'Channel',
        says: 'A claim by the payout sends it what is due and its value, less the fees',
        inputs: { ...JOB, ...MESSAGE, payoutFee: COINS },
        of: (o, v, e) => {
            const { accepted, done, due, payout, after } = claimByPayout(o, v, e);
            return {
                assumed: o.all(accepted, done),
                holds: o.all(
                    o.equal(payout, o.sub(o.add(due, v.value), o.add(v.gas, v.payoutFee))),
                    o.equal(after, o.sub(v.balance, due)),
                    o.equal(sum(o, payout, v.gas, v.payoutFee, after), o.add(v.balance, v.value)),
                ),
            };
        },
        mutants: [
            mutant('withValue', 'the payout gets the whole balance', (o, v) => v.balance),
            mutant('withValue', 'the payout gets nothing of the job', (o) => o.of(0n)),
        ],
    },
    {
        about: 'Channel',
        says: 'The last claim pays the payout what is due and the escrow all else, and leaves nothing',
        inputs: { ...JOB, balance: COINS, ...MESSAGE, escrowFee: COINS, payoutFee: COINS },
        of: (o, v, e) => {
            const zero = o.of(0n);
            const { done, due, escrow, payout, after } = claimLast(o, v, e);
            const escrowFee = o.choose(o.above(escrow, zero), v.escrowFee, zero);
            const fees = sum(o, v.gas, escrowFee, v.payoutFee);
            const owed = o.max(o.sub(o.min(v.cumulative, had(o, v)), v.paid), zero);
            return {
                assumed: done,
                holds: o.all(
                    o.equal(due, owed),
                    o.equal(escrow, o.sub(v.balance, due)),
                    o.equal(payout, o.sub(o.add(due, v.value), fees)),
                    o.equal(after, zero),
                    o.equal(sum(o, escrow, payout, fees), o.add(v.balance, v.value)),
                ),
            };
        },
        mutants: [
            mutant('rest', 'what is due goes to the escrow as well', (o, v) => v.balance),
            mutant('rest', 'the rest goes to the payout', (o) => o.of(0n)),
            mutant('lastDue', 'an older voucher counts below 0', (o, v) =>
                o.min(o.sub(v.cumulative, v.paid), v.balance),
            ),
            mutant('lastDue', 'it is not limited by the balance', (o, v) =>
                o.max(o.sub(v.cumulative, v.paid), o.of(0n)),
            ),
        ],
    },
    {
        about: 'Channel',
        says: 'A refund sends the escrow the whole balance and the caller no more than its value, and leaves nothing',
        inputs: { balance: COINS, ...MESSAGE, escrowFee: COINS, callerFee: COINS },
        of: (o, v, e) => {
            const zero = o.of(0n);
            const { done, escrow, caller, after } = refund(o, v, e);
            const fees = sum(o, v.gas, o.choose(o.above(v.balance, zero), v.escrowFee, zero), v.callerFee);
            return {
                assumed: done,
                holds: o.all(o.equal(escrow, v.balance), o.equal(o.add(caller, fees), v.value), o.equal(after, zero)),
            };
        },
        mutants: [mutant('refunded', 'the caller gets the balance', (o) => o.of(0n))],
    },
    {
        about: 'Channel',
        says: 'All claims of a job and its rest are exactly what it has had: no claim changes paid + balance',
        inputs: { ...JOB, balance: COINS, ...MESSAGE, ...TO_BOTH, escrowFee: COINS },
        of: (o, v, e) => {
            const claimed = claim(o, v, e);
            const ended = claimLast(o, v, e);
            const total = had(o, v);
            return {
                assumed: o.all(claimed.accepted, claimed.done, ended.done),
                holds: o.all(
                    o.equal(o.add(claimed.nextPaid, claimed.after), total),
                    o.equal(sum(o, v.paid, ended.due, ended.escrow), total),
                ),
            };
        },
        mutants: [
            mutant('nextPaid', 'the whole voucher counts as paid', (o, v) => v.cumulative),
            mutant('reserved', "the caller gets the rest of the job's money", (o) => o.of(0n)),
            mutant('rest', 'what is due goes to the escrow as well', (o, v) => v.balance),
        ],
    },
    {
        about: 'Channel',
        says: 'Leave only brings the refund nearer, never below the notice, and the time fits its 32 bits',
        inputs: { refundAt: TIME, now: TIME, notice: NOTICE },
        of: (o, v, e) => {
            const next = leave(o, v, e).refundAt;
            return {
                assumed: o.atLeast(v.refundAt, o.of(0n)),
                holds: o.all(
                    o.atLeast(v.refundAt, next),
                    o.atLeast(o.add(v.now, v.notice), next),
                    o.atLeast(next, o.min(v.refundAt, o.add(v.now, o.of(MIN_NOTICE)))),
                    within(o, next, TIME),
                ),
            };
        },
        mutants: [
            mutant('refundAt', 'the later time counts', (o, v) => o.max(v.refundAt, o.add(v.now, v.notice))),
            mutant('refundAt', 'there is no notice', (o, v) => o.min(v.refundAt, v.now)),
            mutant('refundAt', 'a second Leave begins anew', (o, v) => o.add(v.now, v.notice)),
        ],
    },
    {
        about: 'Channel',
        says: 'A top-up, however large, is refused by a job that has had less than the highest voucher says',
        inputs: { paid: UINT64, balance: SIGNED_COINS, signed: UINT64, value: COINS },
        of: (o, v, e) => ({
            assumed: topUp(o, v, e).accepted,
            holds: o.atLeast(o.add(v.paid, v.balance), v.signed),
        }),
        mutants: [
            mutant('had', 'the value of the message counts', (o, v) => sum(o, v.paid, v.balance, v.value)),
            mutant('had', 'what was paid counts twice', (o, v) => sum(o, v.paid, v.paid, v.balance)),
        ],
    },
    {
        about: 'Channel',
        says: 'No intermediate of a claim, a last claim, a Leave or a top-up leaves the 257 bits of the TVM',
        inputs: { ...JOB, refundAt: TIME, now: TIME, notice: NOTICE },
        of: (o, v, e) => {
            const [due, lastDue] = [e.due(o, v), e.lastDue(o, v)];
            const numbers = [
                ...[o.sub(v.cumulative, v.paid), due, lastDue, had(o, v), o.add(v.now, v.notice)],
                ...[e.nextPaid(o, { ...v, due }), e.reserved(o, { ...v, due }), e.rest(o, { ...v, due: lastDue })],
            ];
            return {
                assumed: o.atLeast(v.paid, o.of(0n)),
                holds: o.all(...numbers.map((number) => within(o, number, [-INT257, INT257 - 1n]))),
            };
        },
        mutants: [mutant('due', 'the balance is multiplied', (o, v) => o.times(v.balance, 2n ** 140n))],
    },
    {
        about: 'slash',
        says: 'A report of any class asks for no more than the share of the key still bears, and for something',
        inputs: REPORT,
        of: (o, v, e) => {
            const reports = CLASSES.flatMap((faultClass) =>
                [false, true].map((isRepeat) => accuse(o, v, { faultClass, isRepeat }, e)),
            );
            return {
                assumed: o.atLeast(v.basis, v.slashed),
                holds: o.all(
                    ...reports.map(({ accepted, amount }) =>
                        o.any(
                            o.not(accepted),
                            o.all(
                                o.atLeast(o.sub(v.basis, v.slashed), amount),
                                o.atLeast(amount, o.of(1n)),
                                within(o, amount, UINT64),
                            ),
                        ),
                    ),
                ),
            };
        },
        mutants: [
            mutant('accused', 'the share is no limit', (o, v) => v.cost),
            mutant('slashable', 'earlier slashes are not deducted', (o, v) => v.basis),
        ],
    },
    {
        about: 'slash',
        says: 'Half of a slash for an A2 or A3 is the whole loss of the victim at least, if the share bears the slash',
        inputs: REPORT,
        of: (o, v, e) => {
            const reports = (['A2', 'A3'] as const).flatMap((faultClass) =>
                [false, true].map((isRepeat) => accuse(o, v, { faultClass, isRepeat }, e)),
            );
            return {
                assumed: o.all(...reports.map(({ cost, slashable }) => o.atLeast(slashable, cost))),
                holds: o.all(...reports.map(({ amount }) => o.atLeast(o.over(amount, 2n), v.loss))),
            };
        },
        mutants: [
            mutant('silent', 'a demand costs the loss once', (o, v) => v.loss),
            mutant('decided', 'the excess is no minimum', (o, v) => o.max(v.part, v.minSlash)),
        ],
    },
    {
        about: 'slash',
        says: 'A demand costs 2.02 times what was not delivered at most, a B1 a fifth of the share',
        inputs: REPORT,
        of: (o, v, e) => {
            const of = (faultClass: 'A3' | 'B1') => accuse(o, v, { faultClass, isRepeat: true }, e);
            return {
                assumed: o.atLeast(v.basis, o.of(0n)),
                holds: o.all(
                    o.atLeast(o.times(v.loss, 202n), o.times(of('A3').amount, 100n)),
                    o.atLeast(v.basis, o.times(of('B1').amount, 5n)),
                ),
            };
        },
        mutants: [
            mutant('silent', 'the percentage is of the share', (o, v) =>
                o.add(o.times(v.loss, 2n), o.over(v.basis, 50n)),
            ),
            mutant('part', 'the basis points are tenths of a percent', (o, v) =>
                o.over(o.product(v.basis, v.points), 1000n),
            ),
        ],
    },
    {
        about: 'slash',
        says: 'A case freezes no more than the share bears, nor than all cases of the key dispute, and unfreezes nothing',
        inputs: REPORT,
        of: (o, v, e) => {
            const { accepted, slashable, amount, disputed, frozen } = accuse(
                o,
                v,
                { faultClass: 'A2', isRepeat: false },
                e,
            );
            return {
                assumed: o.all(accepted, o.atLeast(v.disputed, v.frozen)),
                holds: o.all(
                    o.equal(disputed, o.add(v.disputed, amount)),
                    o.atLeast(frozen, v.frozen),
                    o.atLeast(disputed, frozen),
                    o.atLeast(o.max(v.frozen, slashable), frozen),
                    o.any(o.equal(frozen, disputed), o.atLeast(frozen, slashable)),
                ),
            };
        },
        mutants: [
            mutant('moreFrozen', 'all that is disputed is frozen', (o, v) => v.nextDisputed),
            mutant('moreFrozen', 'a full share unfreezes', (o, v) => o.min(v.nextDisputed, v.slashable)),
            mutant('moreFrozen', 'the newest case freezes nothing', (o, v) => v.frozen),
        ],
    },
    {
        about: 'slash',
        says: 'A verdict within its maximum takes no more than the case can cost, and all of it at the maximum',
        inputs: { amount: UINT64, points: [0n, 2000n], isRepeat: [0n, 1n] },
        of: (o, v, e) => {
            const max = o.choose(o.above(v.isRepeat, o.of(0n)), o.of(2000n), o.of(500n));
            const { slash } = verdict(o, v, e);
            return {
                assumed: o.atLeast(max, v.points),
                holds: o.all(
                    within(o, slash, UINT64),
                    o.atLeast(v.amount, slash),
                    o.any(o.not(o.equal(v.points, max)), o.equal(slash, v.amount)),
                ),
            };
        },
        mutants: [
            mutant('judged', 'each verdict is one of a repeat', (o, v) => o.over(o.product(v.amount, v.points), 2000n)),
        ],
    },
    {
        about: 'slash',
        says: 'A larger loss of the same fault takes twice the difference at least, and no more than the fault can cost',
        inputs: { amount: UINT64, loss: UINT64, lossBefore: UINT64, slashed: UINT64, minSlash: COINS },
        of: (o, v, e) => {
            const { accepted, slash } = largerLoss(o, v, e);
            const twice = o.times(o.sub(v.loss, v.lossBefore), 2n);
            return {
                assumed: accepted,
                holds: o.all(
                    within(o, slash, UINT64),
                    o.atLeast(v.amount, slash),
                    o.atLeast(slash, o.min(v.amount, o.max(twice, v.minSlash))),
                    o.atLeast(o.add(slash, v.slashed), v.amount),
                ),
            };
        },
        mutants: [
            mutant('again', 'the fault is no limit', (o, v) => o.max(o.times(v.difference, 2n), v.minSlash)),
            mutant('again', 'only what is left of the fault counts', (o, v) =>
                o.max(o.sub(v.amount, v.slashed), o.of(0n)),
            ),
            mutant('difference', 'the difference counts as a nanoTON', (o) => o.of(1n)),
        ],
    },
    {
        about: 'slash',
        says: 'All receipts of a key together cost no more than the share, and a slash no more than its message says',
        inputs: LEDGER,
        of: (o, v, e) => {
            const { charged, slashed } = slashShare(o, v, e);
            return {
                assumed: o.atLeast(v.basis, o.of(0n)),
                holds: o.all(
                    within(o, charged, UINT64),
                    o.atLeast(v.asked, charged),
                    o.equal(slashed, o.add(v.slashed, charged)),
                    o.atLeast(o.max(v.slashed, v.basis), slashed),
                    within(o, slashed, UINT64),
                ),
            };
        },
        mutants: [
            mutant('charged', 'the share is no limit', (o, v) => v.asked),
            mutant('slashable', 'earlier slashes are not deducted', (o, v) => v.basis),
            mutant('charged', 'a key that owes more than the share is paid back', (o, v) =>
                o.min(v.asked, v.slashable),
            ),
            mutant('nextSlashed', 'a slash is not entered', (o, v) => v.slashed),
        ],
    },
    {
        about: 'slash',
        says: 'The end of a case unfreezes only, leaves no more frozen than disputed, and none that the share cannot bear',
        inputs: LEDGER,
        of: (o, v, e) => {
            const { charged, disputed, frozen } = slashShare(o, v, e);
            const bears = o.sub(v.basis, v.slashed);
            return {
                assumed: o.atLeast(v.disputed, v.frozen),
                holds: o.all(
                    o.atLeast(frozen, o.of(0n)),
                    o.atLeast(v.frozen, frozen),
                    o.atLeast(disputed, frozen),
                    o.atLeast(v.disputed, disputed),
                    o.any(o.above(v.frozen, bears), o.atLeast(o.sub(bears, charged), frozen)),
                ),
            };
        },
        mutants: [
            mutant('nextFrozen', 'a slash unfreezes nothing', (o, v) => o.min(v.frozen, v.nextDisputed)),
            mutant('nextDisputed', 'the disputed amount falls below 0', (o, v) => o.sub(v.disputed, v.amount)),
            mutant('nextFrozen', 'a case freezes more when it ends', (o, v) =>
                o.min(v.nextDisputed, o.sub(o.max(v.frozen, v.slashable), v.slash)),
            ),
        ],
    },
    {
        about: 'slash',
        says: 'A slash takes no more than the Node says, its version counts, stake and slots are, and the account holds',
        inputs: SLASH,
        of: (o, v, e) => {
            const { taken, unbonding } = shareSlashed(o, v, e);
            return {
                assumed: o.atLeast(v.amount, o.of(0n)),
                holds: o.all(
                    o.atLeast(taken, o.of(0n)),
                    o.atLeast(v.amount, taken),
                    o.atLeast(v.counted, taken),
                    o.atLeast(o.add(v.stake, unbonding), taken),
                    o.atLeast(o.max(v.balance, o.of(0n)), taken),
                ),
            };
        },
        mutants: [
            mutant('ofVersion', 'the version is no limit', (o, v) => v.amount),
            mutant('taken', 'the balance is no limit', (o, v) => o.min(v.slash, o.add(v.stake, v.unbonding))),
            mutant('taken', 'the slots are no limit', (o, v) => o.min(v.slash, o.max(v.balance, o.of(0n)))),
            mutant('taken', 'a balance below 0 counts', (o, v) =>
                o.min(o.min(v.slash, o.add(v.stake, v.unbonding)), v.balance),
            ),
        ],
    },
    {
        about: 'slash',
        says: 'Slots and stake fall by exactly the slash, none below 0, and the stake only after the slots are empty',
        inputs: SLASH,
        of: (o, v, e) => {
            const { taken, slots, stake } = shareSlashed(o, v, e);
            const before = slotsAndStake(
                o,
                v.stake,
                slotNames.map((name) => v[name]),
            );
            return {
                assumed: o.atLeast(v.amount, o.of(0n)),
                holds: o.all(
                    o.equal(o.sub(before, slotsAndStake(o, stake, slots)), taken),
                    ...slots.map((slot) => within(o, slot, UINT64)),
                    ...slots.map((slot, i) => o.atLeast(v[slotNames[i]], slot)),
                    within(o, stake, UINT64),
                    o.any(o.equal(stake, v.stake), o.all(...slots.map((slot) => o.equal(slot, o.of(0n))))),
                ),
            };
        },
        mutants: [
            mutant('ofSlot', 'a slot is taken whole', (o, v) => v.slot),
            mutant('ofSlot', 'slots are left alone', (o) => o.of(0n)),
            mutant('nextStake', 'the stake pays nothing', (o, v) => v.stake),
        ],
    },
    {
        about: 'slash',
        says: 'The parts of victim, reporter and insurance add up to the slash; the victim comes first, and half is the most',
        inputs: SLASH,
        of: (o, v, e) => {
            const { taken, half, victim, reward, insurance } = shareSlashed(o, v, e);
            return {
                assumed: o.atLeast(v.cost, o.of(0n)),
                holds: o.all(
                    o.equal(sum(o, victim, reward, insurance), taken),
                    ...[victim, reward, insurance].map((part) => o.atLeast(part, o.of(0n))),
                    o.equal(victim, o.min(v.loss, o.over(taken, 2n))),
                    o.atLeast(taken, o.times(o.add(victim, reward), 2n)),
                    o.atLeast(half, o.add(victim, reward)),
                ),
            };
        },
        mutants: [
            mutant('half', 'victim and reporter share all', (o, v) => v.taken),
            mutant('victim', 'the victim gets the whole loss', (o, v) => v.loss),
            mutant('reward', 'the reward comes on top of half', (o, v) => o.max(o.over(v.taken, 10n), v.cost)),
            mutant('insurance', 'the insurance gets the reward as well', (o, v) => o.sub(v.taken, v.victim)),
        ],
    },
    {
        about: 'slash',
        says: 'What a slash takes goes to victim, reporter and insurance, and the value of the message pays all else',
        inputs: SLASH,
        of: (o, v, e) => {
            const slash = shareSlashed(o, v, e);
            const { taken, victim, reward, insurance, own, kept, rest, after } = slash;
            return {
                assumed: slash.done,
                holds: o.all(
                    o.equal(after, kept),
                    o.equal(sum(o, victim, reward, insurance), taken),
                    o.equal(sum(o, rest, feesOfSlash(o, v, slash), o.sub(kept, own)), v.value),
                ),
            };
        },
        mutants: [
            mutant('insurance', 'a part stays with the value', (o, v) => o.sub(v.taken, o.add(v.reward, v.reward))),
            mutant('more', 'the slash is paid by the message', (o) => o.of(0n)),
        ],
    },
    {
        about: 'slash',
        says: 'A slash leaves the account what it had less the slash, and takes a week of rent of the message at most',
        inputs: SLASH,
        of: (o, v, e) => {
            const { taken, kept, own, done } = shareSlashed(o, v, e);
            return {
                assumed: o.all(done, o.atLeast(v.balance, o.of(0n))),
                holds: o.all(
                    o.equal(own, o.sub(v.balance, taken)),
                    o.atLeast(kept, own),
                    o.atLeast(o.add(own, v.week), kept),
                ),
            };
        },
        mutants: [
            mutant('keptForCase', 'the message pays all that is missing', (o, v) => o.max(v.own, v.required)),
            mutant('more', 'the slash is paid by the message', (o) => o.of(0n)),
            mutant('keptForCase', 'the account keeps no more than it must', (o, v) => o.min(v.own, v.required)),
        ],
    },
    {
        about: 'slash',
        says: 'No intermediate of a slash leaves the 257 bits of the TVM',
        inputs: { ...SLASH, ...LEDGER },
        of: (o, v, e) => {
            const slash = shareSlashed(o, v, e);
            const numbers = [
                ...[e.slashable(o, v), o.add(v.stake, slash.unbonding), o.times(slash.taken, 1000n)],
                ...[slash.taken, slash.victim, slash.reward, slash.insurance, slash.own, slash.kept],
            ];
            return {
                assumed: o.atLeast(v.basis, o.of(0n)),
                holds: o.all(...numbers.map((number) => within(o, number, [-INT257, INT257 - 1n]))),
            };
        },
        mutants: [mutant('taken', 'a factor is out of place', (o, v) => o.times(v.stake, 2n ** 193n))],
    },
];

/** The lines with the wrong one of a mutant among them. */
export function mutated({ line, is }: Mutant): Expressions {
    return { ...expressions, [line]: is };
}
