/** Opens jobs on chain: the job is stored, then its order is sent, then the channel is waited for. */
import { Channel, Escrow, formatTon, jobNumber, openJob, RefusedMessage, seqnoOf } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { holdsDeposit } from '../offchain/link';
import { type NextOrder, readChannel } from './chain';
import type { ClientContext } from './context';
import { ClientError } from './errors';
import { parametersOf, type SavedJob } from './records';

/** How long an order of the spend key can be taken. */
export const ORDER_SECONDS = 120;

/** How far an endpoint may be behind the chain. */
const LAG_SECONDS = 30;

/** How long a wallet may take to ask its owner and to send. */
const WALLET_SECONDS = 900;

/** The number of the next job of an escrow. */
export const nextNumber = ({ seqno }: NextOrder): number => jobNumber(seqno);

/** The account of a job's channel. */
export async function channelOf(escrow: Address, job: SavedJob, { code }: NextOrder): Promise<Buffer> {
    return (await Channel.ofJob(escrow, parametersOf(job), code)).address.hash;
}

/**
 * Sends the order of a stored job, and waits for its channel.
 *
 * @throws {ClientError} `order_refused`, `order_pending`, or what the wallet throws
 */
export async function order(context: ClientContext, job: SavedJob): Promise<void> {
    const { chain, escrow, network, spendKey, wallet, now } = context;
    const { job: number, ...parameters } = parametersOf(job);
    const opened = { ...parameters, deposit: job.deposit };
    const seqno = seqnoOf(number);
    try {
        if (spendKey === undefined) {
            await openJob(wallet!, { seqno, job: opened });
        } else {
            const validUntil = now() + ORDER_SECONDS;
            const head = { network, seqno, validUntil, key: spendKey };
            await chain.open(Escrow.fromAddress(escrow)).sendOpenJobs({ ...head, jobs: [opened] });
        }
    } catch (error) {
        // An endpoint that refuses or does not answer may have passed the order on: the chain says what became of it.
        if (await takeUp(context, job)) {
            return;
        }
        if (error instanceof RefusedMessage) {
            Object.assign(job, { phase: 'failed', note: error.message });
            await context.records.saveJob(job);
            throw new ClientError('order_refused', error.message, error.remedy, { cause: error });
        }
        throw error;
    }
    const until = Date.now() + ORDER_SECONDS * 1000;
    while (!(await takeUp(context, job))) {
        if (Date.now() >= until) {
            const message = `The chain does not show the job of ${formatTon(job.deposit)} TON yet`;
            throw new ClientError(
                'order_pending',
                message,
                'Call jobs() in a minute: it takes the job up if it opened.',
            );
        }
        await new Promise((resolve) => setTimeout(resolve, context.pollMs));
    }
}

/** True once the channel of an ordered job is on chain as it was ordered, with its deposit: then the job is open. */
export async function takeUp(context: ClientContext, job: SavedJob): Promise<boolean> {
    const { chain, escrow, records, spendKey, now } = context;
    const channel = new Address(0, job.channel);
    const reading = await readChannel(chain, { channel, escrow, parameters: parametersOf(job) });
    if (reading.type === 'active' && reading.fresh && holdsDeposit(reading.balance, job.deposit)) {
        Object.assign(job, { phase: 'open', funds: reading.balance, note: '' });
        await records.saveJob(job);
        return true;
    }
    const seconds = spendKey === undefined ? WALLET_SECONDS : ORDER_SECONDS + LAG_SECONDS;
    if (job.phase === 'ordered' && now() > job.orderedAt + seconds) {
        Object.assign(job, { phase: 'failed', note: 'its order was not taken in time' });
        await records.saveJob(job);
    }
    return false;
}
