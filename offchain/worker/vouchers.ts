/** Takes vouchers of clients (the rules of vouchers in docs/protocol.md). */
import { type SignedVoucher, Voucher, voucherFor } from '@cocoon-market/wrappers';
import type { ChainPatience } from './chainPatience';
import { accountAddress, ChannelUnreadable } from './channels';
import type { WorkerContext } from './context';
import { isStale } from './entry';
import type { WorkerJob } from './job';
import { Refused } from './refusal';

/**
 * Takes a voucher: an older one changes nothing, a newer one counts once it is on the disk. Resolves with the newest.
 *
 * @throws {Refused} if the voucher key did not sign it for this channel, or the channel does not cover it
 */
export async function takeVoucher(
    context: WorkerContext,
    job: WorkerJob,
    voucher: SignedVoucher,
): Promise<SignedVoucher> {
    if (await isNewer(context, job, voucher)) {
        await storeVoucher(context, job, voucher);
    }
    return job.voucher!;
}

/**
 * Takes the voucher that came with a query, as {@link takeVoucher} does. Resolves when it is verified, with a promise
 * of when it is on the disk: the query's accept goes there in the same commit. A voucher that makes the job stale is on
 * the disk at once, because nothing may be signed after it.
 */
export async function takeWithQuery(
    context: WorkerContext,
    job: WorkerJob,
    voucher: SignedVoucher,
    patience: ChainPatience,
): Promise<{ stored: Promise<void> }> {
    if (!(await isNewer(context, job, voucher, patience))) {
        return { stored: Promise.resolve() };
    }
    const stored = storeVoucher(context, job, voucher);
    stored.catch(() => undefined); // whoever waits for it sees the error, and a refused query does not
    if (isStale({ ...job.record, voucher })) {
        await stored;
    }
    return { stored };
}

async function isNewer(
    context: WorkerContext,
    job: WorkerJob,
    voucher: SignedVoucher,
    patience?: ChainPatience,
): Promise<boolean> {
    const wait = <T>(reading: Promise<T>) => patience?.wait(reading) ?? reading;
    const newest = job.voucher;
    if (newest !== undefined && voucher.cumulative <= newest.cumulative && voucher.count <= newest.count) {
        return false;
    }
    if (newest !== undefined && (voucher.cumulative < newest.cumulative || voucher.count < newest.count)) {
        throw new Refused('bad_voucher', 'Both numbers of a voucher may only grow');
    }
    const channel = accountAddress(job.record.channel);
    const payload = voucherFor(context.config.network, channel, voucher.cumulative, voucher.count);
    if (!(await job.verifier.verifyAside(Voucher.hash(payload), voucher.signature))) {
        throw new Refused('bad_voucher', 'The voucher key did not sign this voucher for this channel');
    }
    job.noteSigned(voucher.cumulative);
    await wait(requirePayable(job, voucher));
    if (!(await wait(job.channel.covers(voucher.cumulative)))) {
        throw new Refused('bad_voucher', 'The voucher promises more than the channel holds and has paid');
    }
    if (!(await wait(job.channel.confirm(voucher.cumulative)))) {
        throw new Refused('bad_voucher', 'The voucher promises more than most endpoints of this node show');
    }
    await wait(requirePayable(job, voucher));
    return true;
}

/** Throws {@link Refused} if a voucher promises what the channel may not pay. That does not make it a bad one. */
async function requirePayable({ channel, state }: WorkerJob, { cumulative }: SignedVoucher): Promise<void> {
    if (await channel.mayPromise(cumulative)) {
        return;
    }
    if (state === 'ended') {
        throw new Refused('wrong_channel', 'This job has ended: its channel no longer exists');
    }
    const message = 'It is not sure that the channel will hold what this voucher promises beyond what was answered';
    throw new ChannelUnreadable(new Error('the channel is gone or about to be, or disputed'), message);
}

async function storeVoucher(context: WorkerContext, job: WorkerJob, voucher: SignedVoucher): Promise<void> {
    const at = context.now();
    if (await context.store.jobs.addVoucher(job.id, voucher, at)) {
        job.adoptVoucher(voucher, at);
    }
}
