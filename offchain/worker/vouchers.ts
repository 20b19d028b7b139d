import { Voucher, voucherFor } from '@cocoon-market/wrappers';
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { accountAddress, ChannelUnreadable } from './channels';
import type { WorkerContext } from './context';
import type { Job } from './job';
import { Refused } from './refusal';

/**
 * Takes a voucher (rules 7, 8 and 11): an older one changes nothing, a newer one counts once it is on the disk. Resolves
 * with the newest.
 *
 * @throws {Refused} if the voucher key did not sign it for this channel, or the channel does not cover it
 */
export async function takeVoucher(context: WorkerContext, job: Job, voucher: SignedVoucher): Promise<SignedVoucher> {
    const newest = job.voucher;
    if (newest !== undefined && voucher.cumulative <= newest.cumulative && voucher.count <= newest.count) {
        return newest;
    }
    if (newest !== undefined && (voucher.cumulative < newest.cumulative || voucher.count < newest.count)) {
        throw new Refused('bad_voucher', 'Of a voucher both numbers only grow');
    }
    const payload = voucherFor(context.config.network, accountAddress(job.channel), voucher.cumulative, voucher.count);
    if (!job.verifier.verify(Voucher.hash(payload), voucher.signature)) {
        throw new Refused('bad_voucher', 'The voucher key did not sign this voucher for this channel');
    }
    if (!covered(job, voucher)) {
        await job.readChannel().catch(unreadable); // it may have been topped up
        if (!covered(job, voucher)) {
            throw new Refused('bad_voucher', 'The voucher promises more than the channel holds and has paid');
        }
    }
    if (await context.store.jobs.addVoucher(job.id, voucher)) {
        job.credit(voucher);
    }
    return job.voucher!;
}

function unreadable(error: unknown): never {
    throw error instanceof ChannelUnreadable ? new Refused('internal', error.message, 503) : error;
}

function covered({ seen }: Job, { cumulative }: SignedVoucher): boolean {
    return cumulative <= seen.balance + seen.paid;
}
