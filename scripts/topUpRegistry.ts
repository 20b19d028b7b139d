import { type Actor, topUpRegistry } from '@cocoon-market/wrappers';
import { missing, shortOf } from '../scripting/amounts';
import { amount } from '../scripting/flags';
import { ton } from '../scripting/output';
import { registryFlag, registryOf } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'topUpRegistry',
    group: 'anyone',
    about: "Pays the registry's rent in advance, up to a balance. From anyone.",
    flags: { ...registryFlag, upTo: amount.required('the target balance of the registry; the difference is sent') },
    prepare: async (session, { registry, upTo }) => {
        const at = await registryOf(session, registry);
        const readBalance = async () => (await session.account(at)).balance;
        const balance = await readBalance();
        const rows = async () =>
            [
                ['registry', session.format(at)],
                ['holds', ton(await readBalance())],
            ] as const;
        const bring = (actor: Actor, due: bigint) => topUpRegistry(actor, { registry: at, amount: due });
        const due = await missing(session, { at, balance, upTo, action: bring });
        if (due === 0n) {
            return { found: [...(await rows())], nothing: `it holds ${ton(upTo)} or more` };
        }
        return {
            found: [...(await rows())],
            messages: await session.rehearse((actor) => bring(actor, due)),
            retained: due,
            stays: [['rent', ton(due)]],
            settled: async () => (await readBalance()) > balance,
            unmet: async () => shortOf(await readBalance(), upTo),
            resultRows: async () => [...(await rows())],
        };
    },
});
