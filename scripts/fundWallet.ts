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
        upTo: amount.required('what it shall hold; the difference is sent'),
    },
    prepare: async (session, { to, upTo }) => {
        const balance = async () => (await session.account(to)).balance;
        const held = await balance();
        const rows = async (): Promise<Row[]> => [[session.show(to, false), `holds ${ton(await balance())}`]];
        const bring = (actor: Actor, due: bigint) => fundWallet(actor, { to, amount: due });
        const due = await missing(session, { at: to, held, upTo, action: bring });
        if (due === 0n) {
            return { found: await rows(), nothing: `it holds ${ton(upTo)} or more` };
        }
        if (to.equals(session.actor)) {
            throw new ScriptError(
                `--to: ${session.show(to, false)} is the wallet that would send`,
                'name another wallet',
            );
        }
        return {
            found: await rows(),
            messages: await session.rehearse((actor) => bring(actor, due)),
            kept: due,
            stays: [['coins of that wallet', ton(due)]],
            settled: async () => (await balance()) > held,
            unmet: async () => shortOf(await balance(), upTo),
            after: rows,
        };
    },
});
