import { refundJob } from '@cocoon-market/wrappers';
import { findJob, jobFlag, jobTask, script, ScriptError, when } from '../scripting';

export const run = script({
    name: 'refundJob',
    group: 'anyone',
    about: "Sends the rest of an ended job to the client's escrow and ends its account. From anyone.",
    flags: jobFlag,
    prepare: async (session, { job, anyCode }) => {
        const opened = await findJob(session, job, { anyCode });
        if (opened.state === undefined) {
            return jobTask(session, opened, 'no account is there that holds anything');
        }
        const { refundAt } = opened.state;
        if (Number(refundAt) > (await session.now())) {
            throw new ScriptError(
                `The job runs until ${when(Number(refundAt))}`,
                'run this again then; leaveJob ends a job after its notice, if that is sooner',
            );
        }
        return jobTask(session, opened, {
            will: "send the rest to the client's escrow",
            action: (actor) => refundJob(actor, { channel: job, anyCode }),
            done: ({ state }) => state === undefined,
        });
    },
});
