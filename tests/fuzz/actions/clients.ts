/** What clients, payouts and strangers do with escrows and channels. */
import {
    Account,
    Body,
    BodyOf,
    Channel,
    DAY,
    Escrow,
    HOUR,
    newEscrow,
    NewJob,
    orderText,
    signed,
    Voucher,
    voucherOf,
} from '../../model';
import { BUYERS, PAYOUTS, STRANGER } from '../launch';
import { NETWORK } from '../payloads';
import { anyone, put, Scene, Take } from '../scene';

const TON = 1_000_000_000n;

interface Client {
    account: Account;
    owner: Account;
    escrow: Escrow | undefined;
    index: number;
}

function clientOf({ session, dice }: Scene): Client {
    const index = dice.below(BUYERS.length);
    const account = session.accounts.escrows[index];
    return { account, owner: BUYERS[index], escrow: session.get('escrow', account), index };
}

/** A channel of the market, mostly one that is still open. */
function channelOf({ session, dice }: Scene): [Account, Channel] | undefined {
    const open = session.all('channel');
    return open.length === 0 ? undefined : dice.of(open);
}

function newJob({ session, dice }: Scene, code: 'plain' | 'library' = 'plain'): NewJob {
    const { now, state } = session;
    const minDeposit = state.prices.minDeposit[code];
    const flawed = dice.once(6);
    const ends = flawed ? [0, 1, 90 * DAY, 90 * DAY + 1, -DAY] : [DAY, 3 * DAY, 30 * DAY];
    const notices = flawed ? [HOUR, HOUR - 1, 7 * DAY, 7 * DAY + 1] : [HOUR, DAY];
    return {
        deposit: dice.of([minDeposit, minDeposit + TON, 3n * TON, ...(flawed ? [minDeposit - 1n, 60n * TON] : [])]),
        end: now + dice.of(ends),
        notice: dice.of(notices),
        voucherKey: flawed ? dice.of(['weak1', 'voucher 0']) : `voucher ${dice.below(3)}`,
        payout: dice.of(PAYOUTS),
        channel: '',
        ...(dice.once(20) ? { malformed: dice.of(['bit', 'library', 'proof'] as const) } : {}),
    };
}

const jobsOf = (scene: Scene, escrow: Escrow | undefined): NewJob[] =>
    Array.from({ length: scene.dice.of([1, 1, 2, 4]) }, () => newJob(scene, escrow?.code));

const sumOf = (jobs: NewJob[]): bigint => jobs.reduce((sum, { deposit }) => sum + deposit, 0n);

/** The state that a first message deploys, if nothing is there yet. */
const firstOf = (escrow: Escrow | undefined, owner: Account): { init?: Escrow } =>
    escrow === undefined ? { init: newEscrow(owner) } : {};

export const setUp: Take = (scene) => {
    const { session, dice } = scene;
    const { account: to, owner, escrow, index } = clientOf(scene);
    const spendKey = dice.of([`spend ${index}`, `spend ${index}`, `spend ${index} b`, undefined, 'weak2']);
    const code = dice.of(['plain', 'plain', 'library', undefined, 'large'] as const);
    const deposit = dice.of([0n, TON, 40n * TON]);
    const limits = { jobLimit: dice.of([2n, 50n]) * TON, dayLimit: dice.of([5n, 200n]) * TON };
    const from = dice.once(10) ? STRANGER : owner;
    const body: Body = {
        op: 'setUp',
        deposit,
        ...limits,
        ...(spendKey === undefined ? {} : { spendKey }),
        ...(code === undefined ? {} : { code }),
    };
    const value = dice.of([deposit + session.plenty, deposit + session.state.prices.setUpValue]);
    put(scene, { from, to, value, body, ...firstOf(escrow, owner) });
};

export const deposit: Take = (scene) => {
    const { dice } = scene;
    const { account: to, owner, escrow } = clientOf(scene);
    const body: Body = { op: dice.of(['none', 'deposit'] as const) };
    const value = dice.of([1n, TON / 10n, 10n * TON, 100n * TON]);
    put(scene, { from: anyone(scene), to, value, body, ...firstOf(escrow, owner) });
};

export const open: Take = (scene) => {
    const { session, dice } = scene;
    const { account: to, owner, escrow } = clientOf(scene);
    const jobs = jobsOf(scene, escrow);
    const seqno = (escrow?.seqno ?? 0) + (dice.once(12) ? 1 : 0);
    const total = dice.once(8) ? sumOf(jobs) - 1n : sumOf(jobs);
    const value = dice.of([session.plenty, total + session.plenty, 2n * session.state.prices.claimValue]);
    put(scene, { from: owner, to, value, body: { op: 'open', seqno, total, jobs } });
};

/** An order of the spend key; once in four times something about it is wrong. */
function order<B extends BodyOf<'openJobs' | 'jobOrder'>>(
    scene: Scene,
    client: Client,
    body: Omit<B, 'signature'>,
): Body {
    const { session, dice, book } = scene;
    const key = client.escrow?.spendKey ?? `spend ${client.index}`;
    const flaw = dice.once(4) ? dice.below(6) : -1;
    const changed = {
        ...body,
        ...(flaw === 0 ? { network: -3 } : {}),
        ...(flaw === 1 ? { escrow: session.accounts.escrows[1 - client.index] } : {}),
        ...(flaw === 2 ? { seqno: body.seqno + dice.of([1, -1]) } : {}),
        ...(flaw === 3 ? { validUntil: session.now - 1 } : {}),
    } as Omit<B, 'signature'>;
    if (changed.seqno < 0) {
        changed.seqno = 7;
    }
    const signature = signed(flaw === 4 ? 'forger' : key, orderText(changed as never));
    const order = { ...changed, signature } as unknown as B;
    book.orders.push({ from: STRANGER, to: client.account, value: 0n, bounce: false, external: true, body: order });
    return order;
}

const headOf = ({ session, dice }: Scene, { account, escrow }: Client) => ({
    network: NETWORK,
    escrow: account,
    seqno: escrow?.seqno ?? 0,
    validUntil: session.now + dice.of([0, 60, 3600]),
});

export const openJobs: Take = (scene) => {
    const { session, dice } = scene;
    const client = clientOf(scene);
    const jobs = jobsOf(scene, client.escrow);
    const total = sumOf(jobs) + dice.of([0n, 0n, 0n, 1n, -1n, TON]);
    const body = order<BodyOf<'openJobs'>>(scene, client, { op: 'openJobs', ...headOf(scene, client), total, jobs });
    carry(session, client, body);
};

export const jobOrder: Take = (scene) => {
    const { session, dice } = scene;
    const client = clientOf(scene);
    const found = channelOf(scene);
    if (found === undefined) {
        return;
    }
    const action = dice.of([1, 1, 2, 2, 3]);
    const body = { op: 'jobOrder', ...headOf(scene, client), job: found[0], channel: found[0], action } as const;
    carry(session, client, order<BodyOf<'jobOrder'>>(scene, client, body));
};

function carry(session: Scene['session'], { account: to, escrow }: Client, body: Body): void {
    if (escrow !== undefined) {
        session.send({ from: STRANGER, to, value: 0n, bounce: false, external: true, body });
    }
}

/** Anyone carries an order again. */
export const replayOrder: Take = ({ session, dice, book }) => {
    const recent = book.orders.slice(-10);
    if (recent.length > 0) {
        const message = dice.of(recent);
        if (session.get('escrow', message.to) !== undefined) {
            session.send(message);
        }
    }
};

export const leaveJob: Take = (scene) => {
    const { session, dice } = scene;
    const found = channelOf(scene);
    const { account: to, owner } = clientOf(scene);
    const channel = found === undefined || dice.once(10) ? STRANGER : found[0];
    const value = dice.of([session.plenty, session.state.prices.leaveJobValue]);
    put(scene, { from: owner, to, value, body: { op: 'leaveJob', channel } });
};

export const withdraw: Take = (scene) => {
    const { session, dice } = scene;
    const { account: to, owner, escrow } = clientOf(scene);
    const spare = (escrow?.balance ?? 0n) - session.state.prices.escrowReserve;
    const amount = dice.of([0n, 1n, spare / 2n, spare, spare + TON]);
    const value = dice.of([session.plenty, session.state.prices.withdrawValue]);
    put(scene, { from: owner, to, value, body: { op: 'withdraw', amount: amount < 0n ? 1n : amount } });
};

/** A voucher that its client signed, or one that nobody did. */
function voucherFor(scene: Scene, account: Account, channel: Channel): Voucher {
    const { session, dice, book } = scene;
    const stored = book.vouchers.get(account) ?? [];
    if (stored.length > 0 && dice.once(3)) {
        return dice.of(stored);
    }
    const ledger = channel.paid + channel.balance;
    const cumulative = dice.of([
        channel.paid + 1n,
        channel.paid + channel.balance / 3n,
        ledger,
        ledger + TON,
        channel.paid,
    ]);
    const count = 1 + dice.below(4);
    const flaw = dice.once(8) ? dice.below(3) : -1;
    const signer = flaw === 0 ? 'forger' : channel.voucherKey;
    const about = flaw === 1 ? STRANGER : account;
    const voucher = voucherOf(session.state, signer, about, cumulative, count);
    if (flaw < 0 && !signer.startsWith('weak')) {
        book.vouchers.set(account, [...stored, voucher]);
    }
    return flaw === 2 ? { ...voucher, cumulative: cumulative + 1n } : voucher;
}

export const claim: Take = (scene) => {
    const { session, dice } = scene;
    const found = channelOf(scene);
    if (found !== undefined) {
        const [to, channel] = found;
        const from = dice.of([channel.payout, channel.payout, STRANGER, BUYERS[0]]);
        const value = dice.of([session.plenty, session.state.prices.claimValue]);
        put(scene, { from, to, value, body: { op: 'claim', ...voucherFor(scene, to, channel) } });
    }
};

export const claimLast: Take = (scene) => {
    const { session, dice } = scene;
    const found = channelOf(scene);
    if (found !== undefined) {
        const [to, channel] = found;
        const from = dice.once(6) ? STRANGER : channel.payout;
        const value = dice.of([session.plenty, session.state.prices.claimValue]);
        const none = { cumulative: 0n, count: 0, signature: '' };
        const voucher = dice.once(3) ? none : voucherFor(scene, to, channel);
        put(scene, { from, to, value, body: { op: 'claimLast', ...voucher } });
    }
};

export const refund: Take = async (scene) => {
    const { session, dice } = scene;
    const found = channelOf(scene);
    if (found !== undefined) {
        const [to, { refundAt }] = found;
        if (dice.once(3) && refundAt > session.now && refundAt < session.now + 10 * DAY) {
            await session.drain();
            session.pass(refundAt - session.now - dice.below(2));
        }
        const value = dice.of([session.plenty, session.state.prices.refundValue]);
        put(scene, { from: anyone(scene), to, value, body: { op: 'refund' } });
    }
};

export const topUp: Take = (scene) => {
    const { session, dice } = scene;
    const found = channelOf(scene);
    if (found !== undefined) {
        const [to, channel] = found;
        const ledger = channel.paid + channel.balance;
        const body: Body = dice.once(2)
            ? { op: 'none' }
            : { op: 'topUp', signed: dice.of([0n, ledger, ledger + 1n, channel.paid]) };
        put(scene, { from: anyone(scene), to, value: dice.of([session.plenty, TON, 1n]), body });
    }
};

/** Leave by somebody who is not the escrow. */
export const forgeLeave: Take = (scene) => {
    const found = channelOf(scene);
    if (found !== undefined) {
        put(scene, { from: anyone(scene), to: found[0], value: scene.session.plenty, body: { op: 'leave' } });
    }
};

/** Anyone deploys a channel again that ended, with the data it began with. */
export const redeploy: Take = (scene) => {
    const { session, dice, book } = scene;
    const recent = book.ended.filter(({ account }) => !session.state.contracts.has(account)).slice(-5);
    if (recent.length > 0) {
        const { account: to, contract: init } = dice.of(recent);
        const body: Body = dice.of([{ op: 'none' }, { op: 'refund' }, { op: 'topUp', signed: 5n }]);
        session.send({ from: STRANGER, to, value: dice.of([session.plenty, TON]), bounce: true, body, init });
    }
};
