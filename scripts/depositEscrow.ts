import { type Actor, depositTo } from '@cocoon-market/wrappers';
import { missing, shortOf } from '../scripting/amounts';
import { escrowFlag, escrowTask, openEscrow } from '../scripting/escrow';
import { amount } from '../scripting/flags';
import { ton } from '../scripting/output';
import { script } from '../scripting/script';

export const run = script({
    name: 'depositEscrow',
    group: 'anyone',
    about: "Brings a client's deposit up to an amount. From anyone.",
    flags: { ...escrowFlag, upTo: amount.required('the target balance of the escrow; the difference is sent') },
    prepare: async (session, { owner, upTo }) => {
        const opened = await openEscrow(session, owner ?? session.actor);
        const bring = (actor: Actor, due: bigint) => depositTo(actor, { owner: opened.owner, amount: due });
        const due = await missing(session, { at: opened.at, balance: opened.balance, upTo, action: bring });
        return escrowTask(session, opened, () =>
            due === 0n
                ? `the escrow holds ${ton(upTo)} or more`
                : {
                      will: `deposit ${ton(due)}`,
                      action: (actor) => bring(actor, due),
                      done: ({ balance }) => balance > opened.balance,
                      unmet: ({ balance }) => shortOf(balance, upTo),
                      retained: due,
                      stays: [['deposit', ton(due)]],
                      anyone: true,
                  },
        );
    },
});
