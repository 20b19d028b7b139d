/** Escrow, from docs/contracts/escrow.md. */
import type { BodyOf, NewJob, Order } from './bodies';
import { Call, DAY, HOUR, isWeak, max, min, Refusal, refuseIf, signed } from './state';
import type { Account, Channel, Escrow } from './types';

const MAX_JOBS = 4;
const MIN_NOTICE = HOUR;
const MAX_NOTICE = 7 * DAY;
const MAX_END = 90 * DAY;

type OpenJobs = BodyOf<'openJobs'>;
type JobOrder = BodyOf<'jobOrder'>;

/** What a spend key signs (docs/protocol.md, Signed payloads). */
export function orderText(order: Omit<OpenJobs, 'signature'> | Omit<JobOrder, 'signature'>): string {
    const { op, network, escrow, seqno, validUntil } = order;
    const head = [op, network, escrow, seqno, validUntil];
    return op === 'openJobs'
        ? [...head, order.total, ...order.jobs.map(textOfJob)].join(',')
        : [...head, order.job, order.action].join(',');
}

const textOfJob = ({ deposit, end, notice, voucherKey, payout, malformed }: NewJob): string =>
    [deposit, end, notice, voucherKey, payout, malformed ?? ''].join(' ');

/** The channel that an escrow deploys for a job. */
export function channelOf(escrow: Account, job: NewJob, number: number, library: boolean): Channel {
    const { notice, payout, voucherKey, end } = job;
    return {
        kind: 'channel',
        balance: 0n,
        escrow,
        payout,
        voucherKey,
        notice,
        job: number,
        paid: 0n,
        refundAt: end,
        library,
    };
}

/** An escrow before its first message. */
export function newEscrow(owner: Account): Escrow {
    return { kind: 'escrow', balance: 0n, owner, jobLimit: 0n, dayLimit: 0n, seqno: 0, day: 0, spent: 0n };
}

export function onEscrow(call: Call, escrow: Escrow): Escrow {
    const { message, prices } = call;
    const { body, from, value } = message;
    const fromOwner = () => refuseIf(from !== escrow.owner, 'ErrNotOwner');
    switch (body.op) {
        case 'none':
        case 'deposit':
            call.absorbs = true;
            return { ...escrow, balance: escrow.balance + value };
        case 'setUp': {
            refuseIf(body.extra === true, '9');
            fromOwner();
            refuseIf(body.spendKey !== undefined && isWeak(body.spendKey), 'ErrWeakKey');
            refuseIf(body.spendKey !== undefined && (body.code ?? escrow.code) === undefined, 'ErrWrongCode');
            call.needs(body.deposit + prices.setUpValue);
            refuseIf(body.code === 'large', '8');
            call.pass(escrow.owner, value - body.deposit);
            const { spendKey, jobLimit, dayLimit } = body;
            const code = (body.code as Escrow['code']) ?? escrow.code;
            return { ...escrow, spendKey, jobLimit, dayLimit, code, balance: escrow.balance + body.deposit };
        }
        case 'open':
            return onOpen(call, escrow, body);
        case 'leaveJob':
            refuseIf(body.extra === true, '9');
            fromOwner();
            call.needs(prices.leaveJobValue);
            call.pass(body.channel, min(value, prices.claimValue), { op: 'leave' }, true);
            call.pass(escrow.owner, max(value - prices.claimValue, 0n));
            return escrow;
        case 'withdraw':
            return onWithdraw(call, escrow, body);
        case 'openJobs':
            return onOpenJobs(call, escrow, body);
        case 'jobOrder':
            return onJobOrder(call, escrow, body);
        default:
            throw new Refusal(body.op === 'short' ? '9' : '130');
    }
}

function onWithdraw(call: Call, escrow: Escrow, body: BodyOf<'withdraw'>): Escrow {
    const { value, from } = call.message;
    const { withdrawValue, escrowReserve } = call.prices;
    refuseIf(body.extra === true, '9');
    refuseIf(from !== escrow.owner, 'ErrNotOwner');
    call.needs(withdrawValue);
    const spare = max(escrow.balance - escrowReserve, 0n);
    // Up to half of the reserve may go for rent that has just been taken.
    refuseIf(body.amount > max(escrow.balance - escrowReserve / 2n, 0n), 'ErrLowBalance');
    call.openIf(body.amount > spare || (body.amount === 0n && spare === 0n), ['ErrLowBalance']);
    const amount = body.amount === 0n ? spare : body.amount;
    if (body.amount === 0n) {
        call.range = [min(escrow.balance, escrowReserve / 2n), escrow.balance];
    }
    call.pass(escrow.owner, amount + value);
    return { ...escrow, balance: escrow.balance - amount };
}

/** Of the owner: all jobs or none, without limits. */
function onOpen(call: Call, escrow: Escrow, body: BodyOf<'open'>): Escrow {
    const { value, from } = call.message;
    refuseIf(body.extra === true, '9');
    refuseIf(from !== escrow.owner, 'ErrNotOwner');
    refuseIf(body.seqno !== escrow.seqno, 'ErrStaleSeqno');
    refuseIf(escrow.code === undefined, 'ErrWrongCode');
    refuseIf(body.jobs.length < 1 || body.jobs.length > MAX_JOBS, 'ErrWrongCount');
    const balance = escrow.balance + value;
    refuseIf(balance < body.total + call.prices.escrowReserve, 'ErrLowBalance');
    const fee = openFeeOf(call, escrow, body.jobs.length);
    call.openIf(balance < body.total + call.prices.escrowReserve + fee + call.prices.run, [
        'ErrLowBalance',
        'short',
        'noRun',
    ]);
    const { total, places, broken } = openable(call, escrow, body);
    if (broken !== undefined) {
        throw broken;
    }
    call.range = [balance - total - fee, balance - total];
    const seqno = escrow.seqno + 1;
    call.sent.push(...places.map((place) => deploy(call, escrow, body.jobs[place], place)));
    return { ...escrow, seqno, balance: balance - total };
}

/** Of the spend key: within the limits; a job that breaks a rule is left out. */
function onOpenJobs(call: Call, escrow: Escrow, body: OpenJobs): Escrow {
    // Cells below a job are more than the fee of the import counts.
    refuseIf(escrow.spendKey !== undefined && body.jobs.some(({ malformed }) => malformed === 'proof'), 'ErrMalformed');
    requireOrder(call, escrow, body, orderText(body));
    refuseIf(body.jobs.length < 1 || body.jobs.length > MAX_JOBS, 'ErrWrongCount');
    const next = count(call, escrow, body.total + openFeeOf(call, escrow, body.jobs.length));
    requireBalance(call, escrow, body.total, openFeeOf(call, escrow, body.jobs.length));
    const { total, places, broken } = openable(call, escrow, body, escrow.jobLimit);
    call.sent.push(...places.map((place) => deploy(call, escrow, body.jobs[place], place)));
    const fee = openFeeOf(call, escrow, body.jobs.length);
    call.range = [escrow.balance - total - fee, escrow.balance - total];
    const opened = { ...next, seqno: escrow.seqno + 1, balance: escrow.balance - total };
    if (broken !== undefined) {
        throw new UsedOrder(broken.code, opened);
    }
    return opened;
}

function onJobOrder(call: Call, escrow: Escrow, body: JobOrder): Escrow {
    requireOrder(call, escrow, body, orderText(body));
    refuseIf(body.action !== 1 && body.action !== 2, 'ErrUnknownOrder');
    const next = count(call, escrow, call.prices.jobOrderFee);
    requireBalance(call, escrow, 0n, call.prices.jobOrderFee);
    call.range = [escrow.balance - call.prices.jobOrderFee, escrow.balance];
    // How much goes along is a matter of prices; alone, the model sends the whole fee.
    const value = min(call.prices.jobOrderFee, escrow.balance);
    call.pass(body.channel, value, { op: body.action === 1 ? 'leave' : 'refund' }, true);
    return { ...next, seqno: escrow.seqno + 1, balance: escrow.balance - value };
}

/** An order that stays used although a rule was broken: the exit code is that of the last broken one. */
export class UsedOrder extends Refusal {
    constructor(
        code: Refusal['code'],
        readonly escrow: Escrow,
    ) {
        super(code);
    }
}

function requireOrder(call: Call, escrow: Escrow, order: Order, text: string): void {
    refuseIf(escrow.spendKey === undefined, 'ErrNoKey');
    refuseIf(order.signature !== signed(escrow.spendKey!, text), 'ErrBadSignature');
    refuseIf(order.network !== call.state.network, 'ErrWrongNetwork');
    refuseIf(order.escrow !== call.self, 'ErrWrongEscrow');
    refuseIf(order.seqno !== escrow.seqno, 'ErrStaleSeqno');
    refuseIf(call.now > order.validUntil, 'ErrExpired');
}

/** Counts an amount against the day, which begins at midnight UTC. */
function count(call: Call, escrow: Escrow, amount: bigint): Escrow {
    const day = Math.floor(call.now / DAY);
    const spent = (day === escrow.day ? escrow.spent : 0n) + amount;
    refuseIf(spent > escrow.dayLimit, 'ErrOverDayLimit');
    return { ...escrow, day, spent };
}

function requireBalance(call: Call, escrow: Escrow, total: bigint, fee: bigint): void {
    const { escrowReserve } = call.prices;
    refuseIf(escrow.balance < total + escrowReserve, 'ErrLowBalance');
    call.openIf(escrow.balance < total + escrowReserve + fee, ['ErrLowBalance']);
}

/** The places of jobs that break no rule, and the rule that the last broken one breaks. */
function openable(
    call: Call,
    escrow: Escrow,
    body: { jobs: readonly NewJob[]; total: bigint },
    limit?: bigint,
): { total: bigint; places: number[]; broken?: Refusal } {
    let total = 0n;
    let broken: Refusal | undefined;
    const places: number[] = [];
    for (const [place, job] of body.jobs.entries()) {
        try {
            requireJob(call, escrow, job, total + job.deposit, body.total, limit);
            total += job.deposit;
            places.push(place);
        } catch (error) {
            broken = error as Refusal;
        }
    }
    return { total, places, ...(broken === undefined ? {} : { broken }) };
}

const openFeeOf = ({ prices }: Call, { code = 'plain' }: Escrow, jobs: number): bigint => prices.openFee[code][jobs];

/** The rules of one job, in the order of their exit codes. */
function requireJob(
    call: Call,
    { code = 'plain' }: Escrow,
    job: NewJob,
    sum: bigint,
    total: bigint,
    limit?: bigint,
): void {
    refuseIf(job.malformed !== undefined, 'ErrMalformed');
    refuseIf(job.deposit < call.prices.minDeposit[code], 'ErrLowDeposit');
    refuseIf(limit !== undefined && job.deposit > limit, 'ErrOverJobLimit');
    refuseIf(sum > total, 'ErrWrongTotal');
    refuseIf(job.end <= call.now || job.end > call.now + MAX_END, 'ErrWrongEnd');
    refuseIf(job.notice < MIN_NOTICE || job.notice > MAX_NOTICE, 'ErrWrongNotice');
    refuseIf(isWeak(job.voucherKey), 'ErrWeakKey');
}

function deploy(call: Call, escrow: Escrow, job: NewJob, place: number) {
    const init = channelOf(call.self, job, escrow.seqno * MAX_JOBS + place, escrow.code === 'library');
    const { channel: to, deposit: value } = job;
    // The escrow adds what the deployment costs, so that the channel begins with the whole deposit.
    return { from: call.self, to, value, least: value, bounce: true, body: { op: 'none' } as const, init };
}
