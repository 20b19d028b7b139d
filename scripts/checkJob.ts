import { findJob, jobFlag, jobRows } from '../scripting/job';
import { check } from '../scripting/script';

export const run = check({
    name: 'checkJob',
    group: 'look',
    about: 'Shows a job: what it holds, what it has paid, when it ends.',
    flags: jobFlag,
    read: async (session, { job }) => jobRows(session, await findJob(session, job)),
});
