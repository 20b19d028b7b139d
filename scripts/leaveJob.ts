import { Escrow, leaveJob } from '@cocoon-market/wrappers';
import { findJob, jobFlag, jobRows, requireJob } from '../scripting/job';
import { when } from '../scripting/output';
import { script } from '../scripting/script';

export const run = script({
    name: 'leaveJob',
    group: 'client',
    about: 'Asks a job to end after its notice; the provider may claim until then. From the client.',
    flags: jobFlag,
    prepare: async (session, { job }) => {
        const opened = await findJob(session, job);
        const { refundAt, notice, escrow } = requireJob(session, opened);
        const found = jobRows(session, opened);
        const now = await session.now();
        if (Number(refundAt) <= now + Number(notice)) {
            return { found, nothing: `the job ends at ${when(Number(refundAt))} already` };
        }
        const { owner } = await session.openContract(Escrow.fromAddress(escrow)).getEscrowState();
        return {
            found,
            will: [`end the job at ${when(now + Number(notice))}; refundJob then brings the rest back`],
            only: { address: owner, role: 'client of this job' },
            messages: await session.rehearse((actor) => leaveJob(actor, { escrow, channel: job })),
            settled: async () => ((await findJob(session, job)).state?.refundAt ?? 0n) < refundAt,
            resultRows: async () => jobRows(session, await findJob(session, job)),
        };
    },
});
