/** Takes vouchers of clients (the rules of vouchers in docs/protocol.md). */
import { type SignedVoucher, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';
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
    const newest = job.voucher;
    if (newest !== undefined && voucher.cumulative <= newest.cumulative && voucher.count <= newest.count) {
        return newest;
    }
    if (newest !== undefined && (voucher.cumulative < newest.cumulative || voucher.count < newest.count)) {
        throw new Refused('bad_voucher', 'Both numbers of a voucher may only grow');
    }
    const channel = accountAddress(job.record.channel);
    const payload = voucherFor(context.config.network, channel, voucher.cumulative, voucher.count);
    if (!job.verifier.verify(Voucher.hash(payload), voucher.signature)) {
        throw new Refused('bad_voucher', 'The voucher key did not sign this voucher for this channel');
    }
    if (!isCovered(job, voucher)) {
        await job.channel.read(); // it may have been topped up
        if (!isCovered(job, voucher)) {
            throw new Refused('bad_voucher', 'The voucher promises more than the channel holds and has paid');
        }
    }
    const at = context.now();
    if (await context.store.jobs.addVoucher(job.id, voucher, at)) {
        job.adoptVoucher(voucher, at);
    }
    return job.voucher!;
}

function isCovered({ channel: { snapshot } }: WorkerJob, { cumulative }: SignedVoucher): boolean {
    return cumulative <= snapshot.balance + snapshot.paid;
}
