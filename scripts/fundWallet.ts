import { fundWallet } from '@cocoon-market/wrappers';
import { flag, fundingTask, script, ScriptError, ton } from '../scripting';

export const run = script({
    name: 'fundWallet',
    group: 'anyone',
    about: "Brings another wallet up to an amount, such as a worker's own. From anyone.",
    flags: {
        to: flag.address.required('the wallet'),
        upTo: flag.amount.required('the target balance; the difference is sent'),
    },
    prepare: async (session, { to, upTo }) => {
        if (to.equals(session.actor) && (await session.account(to)).balance < upTo) {
            throw new ScriptError(
                `--to: ${session.formatWallet(to)} is the wallet that would send`,
                'name another wallet',
            );
        }
        return fundingTask(session, to, {
            upTo,
            action: (actor, due) => fundWallet(actor, { to, amount: due }),
            stays: 'coins of that wallet',
            rows: ({ balance }) => [[session.formatWallet(to), `holds ${ton(balance)}`]],
        });
    },
});
