import { depositTo } from '@cocoon-market/wrappers';
import { shortfall } from '../deploy/amounts';
import { escrowFlag, escrowTask, openEscrow } from '../deploy/escrow';
import { amount } from '../deploy/flags';
import { ton } from '../deploy/output';
import { script } from '../deploy/script';

export const run = script({
    name: 'depositEscrow',
    about: "Brings a client's deposit up to an amount. From anyone.",
    flags: { ...escrowFlag, upTo: amount.required('what the escrow shall hold; the difference is sent') },
    prepare: async (session, { owner, upTo }) => {
        const opened = await openEscrow(session, owner ?? session.actor);
        const due = shortfall(opened.balance, upTo);
        return escrowTask(session, opened, () =>
            due === 0n
                ? `the escrow holds ${ton(upTo)} or more`
                : {
                      will: `deposit ${ton(due)}`,
                      action: (actor) => depositTo(actor, { owner: opened.owner, amount: due }),
                      done: ({ balance }) => balance > opened.balance,
                      kept: due,
                      stays: [['deposit', ton(due)]],
                      anyone: true,
                  },
        );
    },
});
