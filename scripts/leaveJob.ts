import { Escrow, leaveJob } from '@cocoon-market/wrappers';
import { findJob, jobFlag, jobTask, requireJob, script, ScriptError, when } from '../scripting';

export const run = script({
    name: 'leaveJob',
    group: 'client',
    about: 'Asks a job to end after its notice; the provider may claim until then. From the client.',
    flags: jobFlag,
    prepare: async (session, { job, anyCode }) => {
        const opened = await findJob(session, job, { anyCode });
        const { refundAt, notice, escrow } = requireJob(session, opened);
        const now = await session.now();
        if (Number(refundAt) <= now + Number(notice)) {
            return jobTask(session, opened, `the job ends at ${when(Number(refundAt))} already`);
        }
        const own = await Escrow.ofOwner(session.actor);
        if (!anyCode && !own.address.equals(escrow)) {
            throw new ScriptError(
                `The escrow of this job, ${session.format(escrow)}, is not that of ${session.formatWallet(session.actor)}`,
                'use the words of its client, or the release that deployed it; --any-code believes the endpoint',
            );
        }
        const { owner } = await session.openContract(Escrow.fromAddress(escrow)).getEscrowState();
        return jobTask(session, opened, {
            will: `end the job at ${when(now + Number(notice))}; refundJob then brings the rest back`,
            only: { address: owner, role: 'client of this job' },
            action: (actor) => leaveJob(actor, { escrow, channel: job, anyCode }),
            done: ({ state }) => (state?.refundAt ?? 0n) < refundAt,
        });
    },
});
