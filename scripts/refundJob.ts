import { refundJob } from '@cocoon-market/wrappers';
import { findJob, jobFlag, jobRows } from '../scripting/job';
import { when } from '../scripting/output';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'refundJob',
    group: 'anyone',
    about: "Sends the rest of an ended job to the client's escrow and ends its account. From anyone.",
    flags: jobFlag,
    prepare: async (session, { job }) => {
        const opened = await findJob(session, job);
        const found = jobRows(session, opened);
        if (opened.state === undefined) {
            return { found, nothing: 'no account is there that holds anything' };
        }
        const { refundAt } = opened.state;
        if (Number(refundAt) > (await session.now())) {
            throw new ScriptError(
                `The job runs until ${when(Number(refundAt))}`,
                'run leaveJob to end it after its notice',
            );
        }
        return {
            found,
            will: ["send the rest to the client's escrow"],
            messages: await session.rehearse((actor) => refundJob(actor, { channel: job })),
            settled: async () => (await findJob(session, job)).state === undefined,
            resultRows: async () => jobRows(session, await findJob(session, job)),
        };
    },
});
