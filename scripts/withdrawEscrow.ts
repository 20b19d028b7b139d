import { withdrawDeposit } from '@cocoon-market/wrappers';
import { escrowTask, flag, openEscrow, rentDue, script, ton } from '../scripting';

const UNTIL_THERE = 300; // seconds until the message has arrived

export const run = script({
    name: 'withdrawEscrow',
    group: 'client',
    about: 'Withdraws what the escrow holds above an amount. From the client.',
    flags: { keep: flag.amount.required('the remaining balance; 0 withdraws all above the reserve of a year of rent') },
    prepare: async (session, { keep }) => {
        const opened = await openEscrow(session, session.actor);
        const free = await opened.escrow.getWithdrawable();
        const rent = await rentDue(session, opened.at, { withinSeconds: UNTIL_THERE });
        const above = opened.balance > keep + rent ? opened.balance - keep - rent : 0n;
        const due = above < free ? above : free;
        return escrowTask(
            session,
            opened,
            due <= 0n
                ? `the escrow holds nothing above ${ton(keep)} and its reserve`
                : {
                      will: `take ${ton(due)} home`,
                      // All of it is requested as 0, because rent that falls due on the way would make an exact sum
                      // too much.
                      action: (actor) => withdrawDeposit(actor, { amount: above < free ? due : 0n }),
                      done: ({ balance }) => opened.balance - balance >= due / 2n,
                  },
        );
    },
});
