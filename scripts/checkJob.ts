import { check, findJob, jobFlag, jobRows } from '../scripting';

export const run = check({
    name: 'checkJob',
    group: 'look',
    about: 'Shows a job: its balance, what it has paid, and when it ends.',
    flags: jobFlag,
    read: async (session, { job, anyCode }) => jobRows(session, await findJob(session, job, { anyCode })),
});
