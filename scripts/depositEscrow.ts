import { depositTo } from '@cocoon-market/wrappers';
import { escrowFlag, escrowTask, flag, fundingStep, openEscrow, script, ton } from '../scripting';

export const run = script({
    name: 'depositEscrow',
    group: 'anyone',
    about: "Brings a client's deposit up to an amount. From anyone.",
    flags: { ...escrowFlag, upTo: flag.amount.required('the target balance of the escrow; the difference is sent') },
    prepare: async (session, { owner, upTo }) => {
        const opened = await openEscrow(session, owner ?? session.actor);
        const step = await fundingStep(session, opened, {
            upTo,
            action: (actor, due) => depositTo(actor, { owner: opened.owner, amount: due }),
            stays: 'deposit',
            holder: 'the escrow',
            will: (due) => `deposit ${ton(due)}`,
        });
        return escrowTask(session, opened, step);
    },
});
