// Longer than 350 lines because the lines of the contracts stand together, with all that is made of them.
/**
 * The money arithmetic of a Channel and of a slash, line by line out of the contracts, on any kind of numbers: on
 * bigints, which translation.spec.ts compares with the contracts, and on the terms of a solver, about which
 * `npm run prove` proves what holds for all of them. translation.spec.ts fails when one of the functions quoted here
 * changes in the contracts.
 */

/** What can be done with numbers `N`; conditions are `B`. */
export interface Arithmetic<N, B> {
    of(value: bigint): N;
    add(a: N, b: N): N;
    sub(a: N, b: N): N;
    times(a: N, factor: bigint): N;
    product(a: N, b: N): N;
    /** Tact's division by a number above 0: rounded down. */
    over(a: N, divisor: bigint): N;
    min(a: N, b: N): N;
    max(a: N, b: N): N;
    choose(condition: B, yes: N, no: N): N;
    equal(a: N, b: N): B;
    above(a: N, b: N): B;
    atLeast(a: N, b: N): B;
    all(...conditions: B[]): B;
    any(...conditions: B[]): B;
    not(condition: B): B;
}

export type Values<N> = Record<string, N>;

/** The value of a line of Tact, of the values of the names that it contains. */
type Expression = <N, B>(o: Arithmetic<N, B>, v: Values<N>) => N;

/** A line of a contract, and what it computes. */
export interface Line {
    file: string;
    text: string;
    is: Expression;
}

const line = (file: string, text: string, is: Expression): Line => ({ file: `contracts/${file}`, text, is });

const [CHANNEL, NODE, PROVIDER] = ['channel.tact', 'node/reports.tact', 'provider/cases.tact'];
const [LEDGER, BALANCES] = ['node/ledger.tact', 'protocol/balances.tact'];
const [FAULTS, DISPUTE, FILE] = ['protocol/faults.tact', 'dispute.tact', 'dispute/file.tact'];

/** Basis points of a share that a report asks for, for the first fault of a class and for a repeat. */
export const basisPoints = { A1: [2000n, 10_000n], A2: [100n, 500n], A3: [100n, 200n], B1: [500n, 2000n] } as const;
const SILENT_TIMES = 2n;
const EXCESS_TIMES = 3n;

/** Of faults.tact, as translation.spec.ts checks. */
export const REWARD_BASIS_POINTS = 1000n;
export const MAX_REWARD = 20_000_000_000n; // nanoTON

/** Every line that computes money. `cumulative` is `voucher >> 32`, `signed` is what TopUp names. */
export const lines = {
    due: line(CHANNEL, 'let due = min((voucher >> 32) - paid, balance);', (o, { cumulative, paid, balance }) =>
        o.min(o.sub(cumulative, paid), balance),
    ),
    nextPaid: line(CHANNEL, 'storeUint(paid + due, 64)', (o, { paid, due }) => o.add(paid, due)),
    reserved: line(CHANNEL, 'keep(balance - due);', (o, { balance, due }) => o.sub(balance, due)),
    toPayout: line(CHANNEL, 'sendExactlyTo(due, payout);', (o, { due }) => due),
    withValue: line(CHANNEL, 'sendWithRemainingValue(due, caller);', (o, { due }) => due),
    lastDue: line(
        CHANNEL,
        'let due = max(min((voucher >> 32) - paid, balance), 0);',
        (o, { cumulative, paid, balance }) => o.max(o.min(o.sub(cumulative, paid), balance), o.of(0n)),
    ),
    rest: line(CHANNEL, 'let rest = balance - due;', (o, { balance, due }) => o.sub(balance, due)),
    refundAt: line(CHANNEL, '.storeUint(min(refundAt, now() + notice), 32)', (o, { refundAt, now, notice }) =>
        o.min(refundAt, o.add(now, notice)),
    ),
    refunded: line(CHANNEL, 'sendExactly(balance, escrow);', (o, { balance }) => balance),
    had: line(CHANNEL, 'throwUnless(ErrLowBalance, paid + balance >= msg.loadUint(64));', (o, { paid, balance }) =>
        o.add(paid, balance),
    ),

    silent: line(
        FAULTS,
        'return SilentTimes * loss + min(loss, basis) * basisPoints / 10000;',
        (o, { loss, basis, points }) =>
            o.add(o.times(loss, SILENT_TIMES), o.over(o.product(o.min(loss, basis), points), 10_000n)),
    ),
    part: line(FAULTS, 'let part = basis * basisPoints / 10000;', (o, { basis, points }) =>
        o.over(o.product(basis, points), 10_000n),
    ),
    decided: line(
        FAULTS,
        'return max(max(part, minSlash()), faultClass == ClassExcess ? ExcessTimes * loss : 0);',
        (o, { part, minSlash, isExcess, loss }) =>
            o.max(o.max(part, minSlash), o.product(isExcess, o.times(loss, EXCESS_TIMES))),
    ),
    accused: line(
        NODE,
        'let amount = min(slashOf(breach.faultClass, basis, basisPoints, breach.loss), slashable);',
        (o, { cost, slashable }) => o.min(cost, slashable),
    ),
    moreDisputed: line(LEDGER, 'ledger.disputed += amount;', (o, { disputed, amount }) => o.add(disputed, amount)),
    moreFrozen: line(
        LEDGER,
        'ledger.frozen = max(ledger.frozen, min(ledger.disputed, slashable));',
        (o, { frozen, nextDisputed, slashable }) => o.max(frozen, o.min(nextDisputed, slashable)),
    ),
    judged: line(
        DISPUTE,
        'self.close(msg.queryId, outcome, fault.amount * msg.basisPoints / maxBasisPoints);',
        (o, { amount, points, isRepeat }) => {
            const product = o.product(amount, points);
            const [first, repeat] = basisPoints.B1.map((max) => o.over(product, max));
            return o.choose(o.above(isRepeat, o.of(0n)), repeat, first);
        },
    ),
    difference: line(FILE, 'let difference = fault.loss - file.loss;', (o, { loss, lossBefore }) =>
        o.sub(loss, lossBefore),
    ),
    again: line(
        FILE,
        'file.slash = min(fault.amount, max(fault.amount - file.slashed, max(2 * difference, minSlash())));',
        (o, { amount, slashed, difference, minSlash }) =>
            o.min(amount, o.max(o.sub(amount, slashed), o.max(o.times(difference, 2n), minSlash))),
    ),

    slashable: line(NODE, 'let slashable = basis - ledger.slashed;', (o, { basis, slashed }) => o.sub(basis, slashed)),
    charged: line(NODE, 'let amount = min(msg.slash, max(slashable, 0));', (o, { asked, slashable }) =>
        o.min(asked, o.max(slashable, o.of(0n))),
    ),
    nextSlashed: line(LEDGER, 'ledger.slashed += slash;', (o, { slashed, slash }) => o.add(slashed, slash)),
    nextDisputed: line(LEDGER, 'ledger.disputed = max(ledger.disputed - amount, 0);', (o, { disputed, amount }) =>
        o.max(o.sub(disputed, amount), o.of(0n)),
    ),
    nextFrozen: line(
        LEDGER,
        'ledger.frozen = min(min(ledger.frozen, ledger.disputed), max(ledger.frozen, slashable) - slash);',
        (o, { frozen, nextDisputed, slashable, slash }) =>
            o.min(o.min(frozen, nextDisputed), o.sub(o.max(frozen, slashable), slash)),
    ),

    ofVersion: line(PROVIDER, 'let slash = min(msg.amount, versionShares.slashable);', (o, { amount, counted }) =>
        o.min(amount, counted),
    ),
    taken: line(
        PROVIDER,
        'let slashed = min(min(amount, self.stake + self.unbonding), max(balanceBefore(), 0));',
        (o, { slash, stake, unbonding, balance }) =>
            o.min(o.min(slash, o.add(stake, unbonding)), o.max(balance, o.of(0n))),
    ),
    ofSlot: line(PROVIDER, 'let part = min(remaining, used.amount);', (o, { remaining, slot }) =>
        o.min(remaining, slot),
    ),
    nextStake: line(PROVIDER, 'self.stake -= remaining;', (o, { stake, remaining }) => o.sub(stake, remaining)),
    half: line(PROVIDER, 'let half = slashed / 2;', (o, { taken }) => o.over(taken, 2n)),
    victim: line(PROVIDER, 'let victim = min(fault.loss, half);', (o, { loss, half }) => o.min(loss, half)),
    reward: line(
        PROVIDER,
        'let reward = min(max(min(slashed * RewardBasisPoints / 10000, MaxReward), reportCost()), half - victim);',
        (o, { taken, cost, half, victim }) => {
            const tenth = o.over(o.times(taken, REWARD_BASIS_POINTS), 10_000n);
            return o.min(o.max(o.min(tenth, o.of(MAX_REWARD)), cost), o.sub(half, victim));
        },
    ),
    insurance: line(PROVIDER, 'let rest = slashed - victim - reward;', (o, { taken, victim, reward }) =>
        o.sub(o.sub(taken, victim), reward),
    ),
    own: line(BALANCES, 'let own = balanceBefore() + more;', (o, { balance, more }) => o.add(balance, more)),
    more: line(PROVIDER, 'keepForCase(self.stake + self.unbonding, -slashed);', (o, { taken }) =>
        o.sub(o.of(0n), taken),
    ),
    keptForCase: line(
        BALANCES,
        'keep(max(own, min(requiredBalance(sum), max(own, 0) + rentWeek())));',
        (o, { own, required, week }) => o.max(own, o.min(required, o.add(o.max(own, o.of(0n)), week))),
    ),
} satisfies Record<string, Line>;

export type LineName = keyof typeof lines;
/** The lines as they are in the contracts, or with others in their places. */
export type Expressions = Record<LineName, Expression>;

export const expressions = Object.fromEntries(
    Object.entries(lines).map(([name, { is }]) => [name, is]),
) as unknown as Expressions;

/** Functions of the contracts that hold these lines: their hash says that nothing else in them changed either. */
export const functions: Record<string, { file: string; starts: string; sha256: string }> = {
    claim: {
        file: 'contracts/channel.tact',
        starts: 'inline fun claim(',
        sha256: 'a913894cef65b78cf5e95429419685f1806606d6255a1f3a52bbbf6f2a59deb5',
    },
    claimLast: {
        file: 'contracts/channel.tact',
        starts: 'inline fun claimLast(',
        sha256: 'b571333707a04dab3e22e0054c120899a7833db6db48f20bb7b8358908076658',
    },
    leave: {
        file: 'contracts/channel.tact',
        starts: 'inline fun leave(',
        sha256: 'dc02551f777ea561929783c066b8fe3786466514fa828f33d98d4426bd413dbc',
    },
    refund: {
        file: 'contracts/channel.tact',
        starts: 'inline fun refund(',
        sha256: '0d2c2e441ed5bb0a51c16f335329696174bf57b025392f7d76a113a5a3c1a37c',
    },
    topUp: {
        file: 'contracts/channel.tact',
        starts: 'inline fun topUp(',
        sha256: '8ef6163a009100de33eba67e2e830a4338b5265ce877255c79c15999c032ada1',
    },
    slashOf: {
        file: 'contracts/protocol/faults.tact',
        starts: 'fun slashOf(',
        sha256: '81f26e59bc10aa166b961d62019903761d0184975cc00f470f2870e65dee130c',
    },
    basisPointsOf: {
        file: 'contracts/protocol/faults.tact',
        starts: 'fun basisPointsOf(',
        sha256: '22f61b0eca19e4ac42185aee37df876a715881fb2c6a56d08423b4fad7009d8c',
    },
    accuse: {
        file: 'contracts/node/reports.tact',
        starts: '    fun accuse(',
        sha256: '2cf8cc7769c7f1801674293a0fbe0015415d1fb98e79f80634c1c1661d3565df',
    },
    withCase: {
        file: 'contracts/node/ledger.tact',
        starts: 'inline fun withCase(',
        sha256: '3a0e088ca6305c05b23738d61123a7c8274886c66294935467f54f9b73d95188',
    },
    submitVerdict: {
        file: 'contracts/dispute.tact',
        starts: '    receive(msg: SubmitVerdict) ',
        sha256: '7d19c046bca2cbf1d7871eae6128e04c7fc8507b7943a9c71609a4590ef916f1',
    },
    withLargerLoss: {
        file: 'contracts/dispute/file.tact',
        starts: 'fun withLargerLoss(',
        sha256: 'c5dfcd39831af2f56c7c4ae830a9496b6019559dd22cdcbb1a81366f43b885d8',
    },
    slashShare: {
        file: 'contracts/node/reports.tact',
        starts: '    receive(msg: SlashShare) ',
        sha256: '6cb30c38c27767f34fbec5b1615d7d1c01b56aef3242913388edcb06ef26aac4',
    },
    withoutCase: {
        file: 'contracts/node/ledger.tact',
        starts: 'inline fun withoutCase(',
        sha256: 'b47b8a71751159bddfd62a39d792f44c945c88f825f0097ce4b36dd79b1269a4',
    },
    shareSlashed: {
        file: 'contracts/provider/cases.tact',
        starts: '    receive(msg: ShareSlashed) ',
        sha256: '9211ac98196f3497a94eeaca3bc6c5287c2ceb97db9b71b7e00cb260c66dbbda',
    },
    payOut: {
        file: 'contracts/provider/cases.tact',
        starts: '    fun payOut(',
        sha256: '34ef5c3eab6971c61145cc15baead6c5cb645e06d82391d4f31dd759aeb5f056',
    },
    keepForCase: {
        file: 'contracts/protocol/balances.tact',
        starts: 'fun keepForCase(',
        sha256: '5a6964dfc0303a57c6f95b852eb259c8ec5ff62b363ef7b9c8a4c2b76908aa09',
    },
};

/**
 * The action phase, which the network does: of all that the account has after the gas, an amount is reserved, messages
 * leave in order, and what is left stays. If one cannot be paid, nothing happens at all (`paid` is false).
 */
class Actions<N, B> {
    private free: N;
    private stays: N;
    paid: B;

    constructor(
        private readonly o: Arithmetic<N, B>,
        private readonly v: Values<N>,
    ) {
        this.free = o.sub(o.add(v.balance, v.value), v.gas);
        this.stays = o.of(0n);
        this.paid = o.atLeast(this.free, o.of(0n));
    }

    private take(amount: N): void {
        this.free = this.o.sub(this.free, amount);
        this.paid = this.o.all(this.paid, this.o.atLeast(this.free, this.o.of(0n)));
    }

    /** nativeReserve of exactly this amount. */
    reserve(amount: N): void {
        this.paid = this.o.all(this.paid, this.o.atLeast(amount, this.o.of(0n)));
        this.take(amount);
        this.stays = amount;
    }

    /** Mode 1: the fee is paid apart. */
    sendExactly(amount: N, fee: N): N {
        this.paid = this.o.all(this.paid, this.o.atLeast(amount, this.o.of(0n)));
        this.take(this.o.add(amount, fee));
        return amount;
    }

    /** The same where a condition holds, else nothing. */
    sendExactlyIf(condition: B, amount: N, fee: N): N {
        const zero = this.o.of(0n);
        return this.sendExactly(this.o.choose(condition, amount, zero), this.o.choose(condition, fee, zero));
    }

    /** Mode 64: the amount with the value of the incoming message, less gas and fee. */
    sendWithValue(amount: N, fee: N): N {
        const { o, v } = this;
        const sent = o.sub(o.add(amount, v.value), v.gas);
        this.take(sent);
        this.paid = o.all(this.paid, o.atLeast(sent, fee));
        return o.sub(sent, fee);
    }

    /** Mode 128: all that is not reserved, less the fee. */
    sendRest(fee: N): N {
        const sent = this.o.sub(this.free, fee);
        this.take(this.free);
        this.paid = this.o.all(this.paid, this.o.atLeast(sent, this.o.of(0n)));
        return sent;
    }

    /** What is in the account then. */
    get after(): N {
        return this.o.add(this.stays, this.free);
    }
}

/**
 * A Claim by anyone but the payout. Of `cumulative` (of the voucher), `paid`, `balance` (before the message), `value`,
 * `gas` (its cost), and the fees of the messages to payout and caller.
 */
export function claim<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const due = e.due(o, v);
    const nextPaid = e.nextPaid(o, { ...v, due });
    const actions = new Actions(o, v);
    actions.reserve(e.reserved(o, { ...v, due }));
    const payout = actions.sendExactly(e.toPayout(o, { ...v, due }), v.payoutFee);
    const caller = actions.sendRest(v.callerFee);
    return {
        accepted: o.above(due, o.of(0n)),
        done: actions.paid,
        due,
        nextPaid,
        payout,
        caller,
        after: actions.after,
    };
}

/** A Claim by the payout. */
export function claimByPayout<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const due = e.due(o, v);
    const nextPaid = e.nextPaid(o, { ...v, due });
    const actions = new Actions(o, v);
    const payout = actions.sendWithValue(e.withValue(o, { ...v, due }), v.payoutFee);
    return { accepted: o.above(due, o.of(0n)), done: actions.paid, due, nextPaid, payout, after: actions.after };
}

/** A ClaimLast. What is in the account then is gone with it: 0 where the account really ends. */
export function claimLast<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const due = e.lastDue(o, v);
    const rest = e.rest(o, { ...v, due });
    const actions = new Actions(o, v);
    const escrow = actions.sendExactlyIf(o.above(rest, o.of(0n)), rest, v.escrowFee);
    const payout = actions.sendRest(v.payoutFee);
    return { done: actions.paid, due, escrow, payout, after: actions.after };
}

/** A Refund by anyone but the escrow. */
export function refund<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const actions = new Actions(o, v);
    const escrow = actions.sendExactlyIf(o.above(v.balance, o.of(0n)), e.refunded(o, v), v.escrowFee);
    const caller = actions.sendRest(v.callerFee);
    return { done: actions.paid, escrow, caller, after: actions.after };
}

/** A Leave, of `refundAt`, `now` and `notice` (seconds): the next `refundAt`. */
export function leave<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    return { refundAt: e.refundAt(o, v) };
}

/** A TopUp, of `paid`, `balance` (before the message) and `signed`. */
export function topUp<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    return { accepted: o.atLeast(e.had(o, v), v.signed) };
}

export type ClassName = keyof typeof basisPoints;

/**
 * A report to a Node, of a class and of whether it is a repeat. Of `basis`, the ledger of the key, `loss` and
 * `minSlash`: what the case can cost, and the next ledger.
 */
export function accuse<N, B>(
    o: Arithmetic<N, B>,
    v: Values<N>,
    { faultClass, isRepeat }: { faultClass: ClassName; isRepeat: boolean },
    e = expressions,
) {
    const asked = { ...v, points: o.of(basisPoints[faultClass][isRepeat ? 1 : 0]) };
    const part = e.part(o, asked);
    const isExcess = o.of(faultClass === 'A2' ? 1n : 0n);
    const cost =
        faultClass === 'A3' ? e.silent(o, asked) : faultClass === 'B1' ? part : e.decided(o, { ...v, part, isExcess });
    const slashable = e.slashable(o, v);
    const amount = e.accused(o, { cost, slashable });
    const nextDisputed = e.moreDisputed(o, { ...v, amount });
    return {
        accepted: o.above(amount, o.of(0n)),
        ...{ cost, slashable, amount },
        disputed: nextDisputed,
        frozen: e.moreFrozen(o, { ...v, nextDisputed, slashable }),
    };
}

/** A verdict at a Dispute, of `amount` (what the case can cost), `points`, and `isRepeat` (0 or 1): the slash. */
export function verdict<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    return { slash: e.judged(o, v) };
}

/**
 * A second report of an A1 or A2, of `amount`, `loss`, `lossBefore` and `slashed` (of the reports before) and
 * `minSlash`: whether it counts, and the slash.
 */
export function largerLoss<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const difference = e.difference(o, v);
    return { accepted: o.above(difference, o.of(0n)), difference, slash: e.again(o, { ...v, difference }) };
}

/**
 * A SlashShare at a Node, of `basis`, the ledger of the key (`slashed`, `disputed`, `frozen`), `asked` (the slash of
 * the message) and `amount` (what the case could cost): the next ledger and what the Node says that can be taken.
 */
export function slashShare<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const slashable = e.slashable(o, v);
    const slash = e.charged(o, { ...v, slashable });
    const nextDisputed = e.nextDisputed(o, v);
    return {
        charged: slash,
        slashed: e.nextSlashed(o, { ...v, slash }),
        disputed: nextDisputed,
        frozen: e.nextFrozen(o, { ...v, nextDisputed, slashable, slash }),
    };
}

const SLOTS = [0, 1, 2, 3];
export const slotNames = SLOTS.map((slot) => `slot${slot}`);

/**
 * A ShareSlashed at a Provider, for another class than B1. Of `amount` (which the Node says), `counted` (for the
 * version of its code), `stake`, the slots in the order of their times, `balance` (before the message), `value`, `gas`,
 * `loss`, `cost` (of a report), `reserve` (with rent that it owes), `week` (of rent), and fees.
 */
export function shareSlashed<N, B>(o: Arithmetic<N, B>, v: Values<N>, e = expressions) {
    const zero = o.of(0n);
    const unbonding = slotNames.reduce((sum, name) => o.add(sum, v[name]), zero);
    const taken = e.taken(o, { ...v, unbonding, slash: e.ofVersion(o, v) });
    let remaining = taken;
    const slots = slotNames.map((name) => {
        const part = e.ofSlot(o, { remaining, slot: v[name] });
        remaining = o.sub(remaining, part);
        return o.sub(v[name], part);
    });
    const stake = e.nextStake(o, { ...v, remaining });
    const half = e.half(o, { taken });
    const victim = e.victim(o, { ...v, half });
    const reward = e.reward(o, { ...v, taken, half, victim });
    const insurance = e.insurance(o, { taken, victim, reward });

    const own = e.own(o, { ...v, more: e.more(o, { taken }) });
    const actions = new Actions(o, { ...v, gas: o.add(v.gas, v.eventFee) });
    const required = slots.reduce((sum, slot) => o.add(sum, slot), o.add(stake, v.reserve));
    const kept = e.keptForCase(o, { ...v, own, required });
    actions.reserve(kept);
    actions.sendExactlyIf(o.above(victim, zero), victim, v.victimFee);
    actions.sendExactlyIf(o.above(insurance, zero), insurance, v.insuranceFee);
    actions.sendExactlyIf(o.above(reward, zero), reward, v.rewardFee);
    const rest = actions.sendRest(v.restFee);
    return {
        ...{ taken, slots, stake, unbonding, half, victim, reward, insurance, own, kept, rest },
        ...{ done: actions.paid, after: actions.after },
    };
}
