/** How much one message carries: claims in a wallet's order, jobs in an order of the spend key. */
import { beginCell, Cell, external, internal, MessageRelaxed, storeMessage, toNano } from '@ton/core';
import { claimBody, jobOrderCell, NewJob, signedOrder } from '@cocoon-market/wrappers';
import { OpenJob, spendKey } from '../tests/support/market';
import { measure, Measurement } from './meter';
import { openJobs, PaymentStage } from './operations/payments';

/** What the network allows: bytes of a message from outside, messages of one transaction, gas before acceptance. */
export const BOUNDS = { bytes: 65_535, messages: 255, credit: 10_000 };

const JOBS_AN_ORDER = 4;
const JOB = { deposit: toNano('0.5'), owed: toNano('0.2') };

export interface Batch extends Measurement {
    jobs: OpenJob[];
    bytes: number; // of the message from outside
    claimsByBytes: number; // as many as would fit if nothing but bytes were bounded
}

/** So many open jobs of the payee, four an order; lifts the stage's limits. */
export async function openMany({ market, payee }: PaymentStage, count: number): Promise<OpenJob[]> {
    const limits = { jobLimit: toNano('1'), dayLimit: toNano('1000') };
    await market.setUp({ value: toNano('501'), deposit: toNano('500'), ...limits });
    const job = market.newJob({ payout: payee.address.hash, deposit: JOB.deposit });
    const jobs: OpenJob[] = [];
    while (jobs.length < count) {
        const seqno = await market.seqno();
        const order = Array<NewJob>(Math.min(JOBS_AN_ORDER, count - jobs.length)).fill(job);
        const result = await market.openJobs(order);
        for (const position of order.keys()) {
            jobs.push({ ...(await market.jobOf(job, seqno * JOBS_AN_ORDER + position)), result });
        }
    }
    return jobs;
}

/** The messages by which the payee claims a part of each job; `last` ends them. */
export async function claimMessages(
    { market }: PaymentStage,
    jobs: OpenJob[],
    last: boolean,
): Promise<MessageRelaxed[]> {
    const value = await jobs[0].channel.getClaimValue();
    return jobs.map(({ channel }) => {
        const body = claimBody(market.voucher(channel, JOB.owed), { last });
        return internal({ to: channel.address, value, bounce: true, body });
    });
}

/** Bytes of a wallet's order as it is sent. */
function bytesOf(to: PaymentStage['payee']['address'], body: Cell): number {
    return beginCell()
        .store(storeMessage(external({ to, body })))
        .endCell()
        .toBoc({ idx: false, crc32: false }).length;
}

/** As many claims as one order of a v5 wallet carries. Throws when they need more bytes than there may be. */
export async function maxBatch(stage: PaymentStage, { last }: { last: boolean }): Promise<Batch> {
    const { payee } = stage;
    const jobs = await openMany(stage, BOUNDS.messages);
    const messages = await claimMessages(stage, jobs, last);
    const bytes = bytesOf(payee.address, await payee.getOrder(messages));
    const ofFive = bytesOf(payee.address, await payee.getOrder(messages.slice(0, 5)));
    const each = (bytes - ofFive) / (messages.length - 5);
    if (bytes > BOUNDS.bytes) {
        throw new Error(`${messages.length} claims take ${bytes} bytes, more than ${BOUNDS.bytes}`);
    }
    const paid = { to: payee.address, amount: JOB.owed };
    const home = { to: stage.market.escrow.address, amount: JOB.deposit - JOB.owed };
    const moves = jobs.flatMap(({ channel: { address: from } }) =>
        last
            ? [
                  { from, ...paid },
                  { from, ...home },
              ]
            : [{ from, ...paid }],
    );
    const measured = await measure(stage.cast, async () => ({ results: [await payee.sendMessages(messages)], moves }));
    const claimsByBytes = messages.length + Math.floor((BOUNDS.bytes - bytes) / each);
    return { ...measured, jobs, bytes, claimsByBytes };
}

/** Gas that orders of the spend key use until the escrow accepts them and pays for itself, by what they ask. */
export async function creditUsed(stage: PaymentStage): Promise<Record<string, number>> {
    const { market } = stage;
    const [{ job }] = await openJobs(stage, 1);
    const orders: Record<string, () => Promise<Cell>> = { leave: orderOf('leave'), refund: orderOf('refund') };
    for (let jobs = 1; jobs <= JOBS_AN_ORDER; jobs++) {
        orders[`open${jobs}`] = () => market.openOrder(Array<NewJob>(jobs).fill(market.newJob()));
    }
    const used: Record<string, number> = {};
    for (const [name, order] of Object.entries(orders)) {
        used[name] = await gasUntilAccepted(stage, await order());
    }
    return used;

    function orderOf(action: 'leave' | 'refund') {
        return async () => signedOrder(jobOrderCell({ ...(await market.head()), job, action }), spendKey);
    }
}

async function gasUntilAccepted({ market }: PaymentStage, order: Cell): Promise<number> {
    const { blockchain } = market;
    const quiet = blockchain.verbosity;
    blockchain.verbosity = { ...quiet, vmLogs: 'vm_logs_gas' };
    const { transactions } = await market.carry(order);
    blockchain.verbosity = quiet;
    const accepted = /execute ACCEPT\nchanging gas limit to (\d+)\ngas remaining: (\d+)/.exec(
        transactions[0].vmLogs ?? '',
    );
    if (accepted === null) {
        throw new Error('The order was carried without being accepted');
    }
    return Number(accepted[1]) - Number(accepted[2]);
}
