import { fundWallet } from '@cocoon-market/wrappers';
import { shortfall } from '../deploy/amounts';
import { address, amount } from '../deploy/flags';
import { type Row, ton } from '../deploy/output';
import { script } from '../deploy/script';

export const run = script({
    name: 'fundWallet',
    about: "Brings another wallet up to an amount, such as a worker's own. From anyone.",
    flags: {
        to: address.required('the wallet'),
        upTo: amount.required('what it shall hold; the difference is sent'),
    },
    prepare: async (session, { to, upTo }) => {
        const balance = async () => (await session.account(to)).balance;
        const held = await balance();
        const rows = async (): Promise<Row[]> => [[session.show(to, false), `holds ${ton(await balance())}`]];
        const due = shortfall(held, upTo);
        if (due === 0n) {
            return { found: await rows(), nothing: `it holds ${ton(upTo)} or more` };
        }
        return {
            found: await rows(),
            messages: await session.rehearse((actor) => fundWallet(actor, { to, amount: due })),
            kept: due,
            stays: [['coins of that wallet', ton(due)]],
            settled: async () => (await balance()) > held,
            after: rows,
        };
    },
});
