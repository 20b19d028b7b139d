import { type Actor, fundWallet } from '@cocoon-market/wrappers';
import { missing, shortOf } from '../scripting/amounts';
import { address, amount } from '../scripting/flags';
import { type Row, ton } from '../scripting/output';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'fundWallet',
    group: 'anyone',
    about: "Brings another wallet up to an amount, such as a worker's own. From anyone.",
    flags: {
        to: address.required('the wallet'),
        upTo: amount.required('the target balance; the difference is sent'),
    },
    prepare: async (session, { to, upTo }) => {
        const readBalance = async () => (await session.account(to)).balance;
        const balance = await readBalance();
        const rows = async (): Promise<Row[]> => [[session.formatWallet(to), `holds ${ton(await readBalance())}`]];
        const bring = (actor: Actor, due: bigint) => fundWallet(actor, { to, amount: due });
        const due = await missing(session, { at: to, balance, upTo, action: bring });
        if (due === 0n) {
            return { found: await rows(), nothing: `it holds ${ton(upTo)} or more` };
        }
        if (to.equals(session.actor)) {
            throw new ScriptError(
                `--to: ${session.formatWallet(to)} is the wallet that would send`,
                'name another wallet',
            );
        }
        return {
            found: await rows(),
            messages: await session.rehearse((actor) => bring(actor, due)),
            retained: due,
            stays: [['coins of that wallet', ton(due)]],
            settled: async () => (await readBalance()) > balance,
            unmet: async () => shortOf(await readBalance(), upTo),
            resultRows: rows,
        };
    },
});
