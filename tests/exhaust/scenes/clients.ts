/** What the scenes of Channel and Escrow share: one client, its escrow, and jobs of one payout. */
import { Account, Body, BodyOf, newEscrow, NewJob, orderText, signed, State, voucherOf } from '../../model';
import { Book, Homebound, Move, Party, Places, sends, Step } from '../moves';
import { accountsOf } from '../search';

const HOUR = 3600;
const DAY = 24 * HOUR;
const MAX_JOBS = 4;

type Unsigned<B> = B extends unknown ? Omit<B, 'signature' | 'network' | 'escrow'> : never;

/** The accounts and messages of one client. */
export class Client {
    constructor(readonly at: Places) {}

    /** A number of units. */
    amount(units: number): bigint {
        return BigInt(units) * this.at.unit;
    }

    /** The job that an order of this number opens; it ends ten hours after the scene began. */
    job(seqno: number, units: number, place = 0): NewJob {
        const { at } = this;
        const rest = { notice: HOUR, voucherKey: 'voucher', payout: at.payout, end: at.start + 10 * HOUR };
        const channel = at.channelOf({ ...rest, number: seqno * MAX_JOBS + place });
        return { ...rest, deposit: this.amount(units), channel };
    }

    escrow(state: State) {
        const found = state.contracts.get(this.at.escrow);
        return found?.kind === 'escrow' ? found : undefined;
    }

    seqno(state: State): number {
        return this.escrow(state)?.seqno ?? 0;
    }

    /** The oldest job that is there. */
    channel(state: State): Account | undefined {
        return accountsOf(state, 'channel')[0]?.[0];
    }

    setUp(party: Party, name: string, body: Partial<BodyOf<'setUp'>>, value = this.at.plenty): Move {
        const { client, stranger, escrow } = this.at;
        const from = party === 'client' ? client : stranger;
        const limits = { jobLimit: this.amount(150), dayLimit: this.amount(250) };
        const whole: Body = { op: 'setUp', deposit: 0n, spendKey: 'spend', code: 'plain', ...limits, ...body };
        const init = newEscrow(client);
        return sends(party, name, () => ({ from, to: escrow, value: value + whole.deposit, body: whole, init }));
    }

    open(party: Party, name: string, units: number, { total = units, seqno }: { total?: number; seqno?: number } = {}) {
        const { client, stranger, escrow, plenty } = this.at;
        const from = party === 'client' ? client : stranger;
        return sends(party, name, (state) => {
            const number = seqno ?? this.seqno(state);
            const jobs = [this.job(number, units)];
            return {
                from,
                to: escrow,
                value: plenty,
                body: { op: 'open', seqno: number, total: this.amount(total), jobs },
            };
        });
    }

    /** An external message to the escrow: nobody pays for it but the escrow. */
    order(name: string, make: (state: State) => { body: Body } | undefined): Move {
        const { escrow, stranger } = this.at;
        return sends('spend key', name, (state) => {
            const order = make(state);
            return order && { from: stranger, to: escrow, value: 0n, external: true, ...order };
        });
    }

    signed<B extends Unsigned<BodyOf<'openJobs' | 'jobOrder'>>>(
        body: B,
        { key = 'spend', network = this.at.network, escrow = this.at.escrow } = {},
    ): { body: Body } {
        const whole = { ...body, network, escrow } as unknown as Omit<BodyOf<'openJobs'>, 'signature'>;
        return { body: { ...whole, signature: signed(key, orderText(whole)) } };
    }

    openJobs(state: State, units: number[], { seqno = this.seqno(state), validUntil = state.now + DAY } = {}) {
        const jobs = units.map((each, place) => this.job(seqno, each, place));
        const total = jobs.reduce((sum, { deposit }) => sum + deposit, 0n);
        return { op: 'openJobs', seqno, validUntil, total, jobs } as const;
    }

    jobOrder(name: string, action: number, { seqno }: { seqno?: number } = {}): Move {
        return this.order(name, (state) => {
            const channel = this.channel(state);
            if (channel === undefined) {
                return undefined;
            }
            const validUntil = seqno === undefined ? state.now + DAY : this.at.start + 30 * DAY;
            const number = seqno ?? this.seqno(state);
            return this.signed({ op: 'jobOrder', seqno: number, validUntil, job: channel, channel, action });
        });
    }

    leaveJob(party: Party = 'client'): Move {
        const { client, stranger, escrow, plenty } = this.at;
        const from = party === 'client' ? client : stranger;
        return sends(party, 'leaves job 1', (state) => {
            const channel = this.channel(state);
            return channel === undefined
                ? undefined
                : { from, to: escrow, value: plenty, body: { op: 'leaveJob', channel } };
        });
    }

    refund(party: Party, value = this.at.plenty, name = 'refunds job 1'): Move {
        const { client, stranger } = this.at;
        const from = party === 'client' ? client : stranger;
        return sends(party, name, (state) => {
            const channel = this.channel(state);
            return channel === undefined ? undefined : { from, to: channel, value, body: { op: 'refund' } };
        });
    }

    withdraw(party: Party, units: number): Move {
        const { client, stranger, escrow, plenty } = this.at;
        const from = party === 'client' ? client : stranger;
        const name = units === 0 ? 'withdraws all' : `withdraws ${units}`;
        const body: Body = { op: 'withdraw', amount: this.amount(units) };
        return sends(party, name, () => ({ from, to: escrow, value: plenty, body }));
    }

    voucher(state: State, channel: Account, units: number, key = 'voucher') {
        const count = units === 0 ? 0 : 1 + Math.floor(units / 40);
        return units === 0
            ? { cumulative: 0n, count: 0, signature: '' }
            : voucherOf(state, key, channel, this.amount(units), count);
    }

    /** Everything of the client is at its own account but the escrow's reserve. */
    get homebound(): Homebound {
        const { client: from, escrow, plenty } = this.at;
        const withdraw = this.withdraw('client', 0);
        // Each only when it helps: the jobs one after the other, and then the whole deposit at once.
        const leave = sends('client', 'leaves a job', (state) => {
            const jobs = accountsOf(state, 'channel');
            const channel = jobs.find(([, { refundAt, notice }]) => refundAt > state.now + notice)?.[0];
            return channel === undefined
                ? undefined
                : { from, to: escrow, value: plenty, body: { op: 'leaveJob', channel } };
        });
        const refund = sends('client', 'refunds a job', (state) => {
            const channel = accountsOf(state, 'channel').find(([, { refundAt }]) => refundAt <= state.now)?.[0];
            return channel === undefined ? undefined : { from, to: channel, value: plenty, body: { op: 'refund' } };
        });
        const isEmpty = (state: State) => accountsOf(state, 'channel').length === 0;
        return {
            who: 'client',
            moves: [leave, refund, { ...withdraw, of: (state) => (isEmpty(state) ? withdraw.of(state) : undefined) }],
            deadlines: endsOf,
            isHome: (state) => {
                const reserve = state.prices.escrowReserve;
                return accountsOf(state, 'channel').length === 0 && (this.escrow(state)?.balance ?? 0n) <= reserve;
            },
        };
    }

    /** Whose voucher is worth more than what it was paid has one message left to send. */
    payoutHomebound(channel: Account, units: number): Homebound {
        const { payout, plenty } = this.at;
        const claim = sends('payout', `claims ${units}`, (state) => {
            const body: Body = { op: 'claim', ...this.voucher(state, channel, units) };
            return state.contracts.has(channel) ? { from: payout, to: channel, value: plenty, body } : undefined;
        });
        return {
            who: 'payout',
            moves: [claim],
            deadlines: () => [],
            isHome: (state) => {
                const found = state.contracts.get(channel);
                return found?.kind !== 'channel' || found.balance === 0n || found.paid >= this.amount(units);
            },
        };
    }

    /** When jobs end, and when the day of the limits does. */
    deadlines(state: State): number[] {
        const midnight = (Math.floor(state.now / DAY) + 1) * DAY;
        return [midnight, ...endsOf(state)];
    }

    /** What is the client's, or is on its way between its contracts and it, since the beginning. */
    wealth(state: State): bigint {
        const { client, escrow } = this.at;
        const held = [...accountsOf(state, 'channel').map(([, { balance }]) => balance), this.escrow(state)?.balance];
        const sent = state.queue.map(({ value, to, from }) =>
            to === client || to === escrow || from === escrow || state.contracts.has(to) ? value : 0n,
        );
        const own = state.wallets.get(client) ?? 0n;
        return [...held, ...sent].reduce<bigint>((sum, each) => sum + (each ?? 0n), own);
    }
}

const endsOf = (state: State): number[] => accountsOf(state, 'channel').map(([, { refundAt }]) => refundAt);

/** Throws unless a stranger has at most what it began with. */
export function nobodyGains({ after }: Step, ...accounts: Account[]): void {
    for (const account of accounts) {
        const gained = after.wallets.get(account) ?? 0n;
        if (gained > 0n) {
            throw new Error(`${account} has ${gained} nanoTON that are not its own`);
        }
    }
}

/** Guarantee 1: only the owner and the spend key move a deposit, and the spend key at most the day's limit. */
export function onlyKeysMove(client: Client, { before, after, outcomes }: Step, book: Book): Book {
    const [one, other] = [client.escrow(before), client.escrow(after)];
    if (one === undefined || other === undefined) {
        return book;
    }
    const { client: owner, escrow } = client.at;
    const taken = outcomes.filter(({ message: { to }, code }) => to === escrow && code === 'done');
    const byOwner = taken.some(({ message: { from, external } }) => from === owner && !external);
    const orders = outcomes.filter(({ message: { to, external } }) => to === escrow && external);
    const byOrder = orders.length > 0 && other.seqno > one.seqno; // also one of which a job broke a rule
    if (!byOwner && !byOrder && other.balance < one.balance - client.at.fees) {
        throw new Error(`${one.balance - other.balance} nanoTON left an escrow without one of its keys`);
    }
    const settings = ({ spendKey, jobLimit, dayLimit, code, owner: of }: typeof one) =>
        [spendKey, jobLimit, dayLimit, code, of].join();
    if (!byOwner && settings(one) !== settings(other)) {
        throw new Error('The settings of an escrow changed without its owner');
    }
    if (other.seqno < one.seqno || other.seqno > one.seqno + 1) {
        throw new Error(`The number of the next order went from ${one.seqno} to ${other.seqno}`);
    }
    return withinDay(one.dayLimit, { byOrder, left: one.balance - other.balance, now: after.now }, book);
}

/** The book with what orders took on this day. Throws if that is more than the highest limit of the day. */
function withinDay(limit: bigint, order: { byOrder: boolean; left: bigint; now: number }, book: Book): Book {
    if (!order.byOrder) {
        return book;
    }
    const day = BigInt(Math.floor(order.now / DAY));
    const sameDay = book.day === day;
    const taken = (sameDay ? book.taken : 0n) + order.left;
    const highest = sameDay && book.limit > limit ? book.limit : limit;
    if (taken > highest) {
        throw new Error(`Orders took ${taken} nanoTON on a day with a limit of ${highest}`);
    }
    return { ...book, day, taken, limit: highest };
}

/** Guarantees 2 and 3: what a job pays, when it ends and to whom. */
export function jobsKeepTheirTerms(client: Client, { before, after, outcomes }: Step, highest: bigint): void {
    for (const [account, one] of accountsOf(before, 'channel')) {
        const other = after.contracts.get(account);
        const taken = outcomes.filter(({ message: { to }, code }) => to === account && code === 'done');
        const ops = taken.map(({ message }) => message.body.op);
        if (other?.kind !== 'channel') {
            const ended = ops.includes('claimLast') || (ops.includes('refund') && before.now >= one.refundAt);
            if (!ended) {
                throw new Error(`A job ended by ${ops.join()} before its time`);
            }
            continue;
        }
        if (other.paid < one.paid || other.paid > highest) {
            throw new Error(`A job had paid ${one.paid} and now ${other.paid}; the voucher is for ${highest}`);
        }
        if (other.refundAt > one.refundAt || (other.refundAt < one.refundAt && !ops.includes('leave'))) {
            throw new Error(`The end of a job moved from ${one.refundAt} to ${other.refundAt} by ${ops.join()}`);
        }
        if (other.balance < one.balance - client.at.fees && !ops.includes('claim')) {
            throw new Error(`A job lost ${one.balance - other.balance} nanoTON by ${ops.join()}`);
        }
        const lost = one.paid + one.balance - other.paid - other.balance;
        if (ops.includes('claim') && (lost < 0n || lost > client.at.fees)) {
            throw new Error(`A claim took ${one.balance - other.balance} nanoTON and counted ${other.paid - one.paid}`);
        }
    }
    const loss = -client.wealth(after);
    if (loss > highest + client.at.fees) {
        throw new Error(`The client lost ${loss} nanoTON and signed for ${highest}`);
    }
}

/** Limits of single jobs: with what an order deploys a channel. */
export function jobsAreWithinLimit(client: Client, { before, outcomes }: Step): void {
    const limit = client.escrow(before)?.jobLimit;
    const orders = outcomes.filter(({ message: { to, external } }) => to === client.at.escrow && external);
    for (const { value, init } of orders.flatMap(({ sent }) => sent)) {
        if (init?.kind === 'channel' && (limit === undefined || value > limit + client.at.fees)) {
            throw new Error(`An order opened a job with ${value} nanoTON and a limit of ${limit}`);
        }
    }
}
