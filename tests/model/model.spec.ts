import {
    apply,
    Body,
    channelOf,
    deliverable,
    newEscrow,
    newState,
    NewJob,
    Outcome,
    State,
    totalOf,
    voucherOf,
} from '.';

const START = 1_000_000;
const HOUR = 3600;

const JOB: NewJob = {
    deposit: 100n,
    end: START + 10 * HOUR,
    notice: HOUR,
    voucherKey: 'voucher',
    payout: 'payout',
    channel: 'channel',
};

/** The state after a message and all that followed it, and what came of the message itself. */
function sent(state: State, from: string, to: string, value: bigint, body: Body): { state: State; first: Outcome } {
    let next = apply(state, { kind: 'send', message: { from, to, value, bounce: true, body } }).state;
    let first: Outcome | undefined;
    while (next.queue.length > 0) {
        const { state: after, outcome } = apply(next, { kind: 'deliver', index: deliverable(next)[0] });
        first ??= outcome;
        next = after;
    }
    return { state: next, first: first! };
}

function openMarket(): State {
    const begun = apply(newState({ now: START }), { kind: 'create', account: 'escrow', contract: newEscrow('owner') });
    const setUp: Body = {
        op: 'setUp',
        deposit: 500n,
        spendKey: 'spend',
        jobLimit: 200n,
        dayLimit: 900n,
        code: 'plain',
    };
    const ready = sent(begun.state, 'owner', 'escrow', 510n, setUp).state;
    return sent(ready, 'owner', 'escrow', 5n, { op: 'open', seqno: 0, total: 100n, jobs: [JOB] }).state;
}

describe('The model from the documents', () => {
    it('opens a job with its deposit and keeps the sum of all money', () => {
        const state = openMarket();

        const expected = { ...channelOf('escrow', JOB, 0, false), balance: 100n };
        expect(state.contracts.get('channel')).toEqual(expected);
        expect(totalOf(state)).toBe(0n);
    });

    it('pays a claim exactly what is new, and the caller the rest of its value', () => {
        const state = openMarket();
        const voucher = voucherOf(state, 'voucher', 'channel', 30n, 1);

        const { state: after, first } = sent(state, 'stranger', 'channel', 7n, { op: 'claim', ...voucher });

        expect(first.code).toBe('done');
        expect(after.wallets.get('payout')).toBe(30n);
        expect(after.wallets.get('stranger')).toBe(0n);
        expect(totalOf(after)).toBe(0n);
    });

    it('refuses a refund one second too early and returns its value', () => {
        const state = openMarket();
        const early = apply(state, { kind: 'pass', seconds: 10 * HOUR - 1 }).state;

        const { state: after, first } = sent(early, 'stranger', 'channel', 7n, { op: 'refund' });

        expect(first.code).toBe('ErrTooEarly');
        expect(after.wallets.get('stranger')).toBe(0n);
        expect(after.contracts.get('channel')).toEqual(state.contracts.get('channel'));
    });

    it('changes no state that it was given', () => {
        const state = openMarket();
        const copy = JSON.stringify([...state.contracts], (_, value: unknown) =>
            typeof value === 'bigint' ? value.toString() : value,
        );

        sent(state, 'owner', 'escrow', 10n, { op: 'leaveJob', channel: 'channel' });

        const later = JSON.stringify([...state.contracts], (_, value: unknown) =>
            typeof value === 'bigint' ? value.toString() : value,
        );
        expect(later).toBe(copy);
    });
});
