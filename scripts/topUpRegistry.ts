import { topUpRegistry } from '@cocoon-market/wrappers';
import { flag, fundingTask, registryFlag, registryOf, script, ton } from '../scripting';

export const run = script({
    name: 'topUpRegistry',
    group: 'anyone',
    about: "Pays the registry's rent in advance, up to a balance. From anyone.",
    flags: {
        ...registryFlag,
        upTo: flag.amount.required('the target balance of the registry; the difference is sent'),
    },
    prepare: async (session, { registry, upTo }) => {
        const at = await registryOf(session, registry);
        return fundingTask(session, at, {
            upTo,
            action: (actor, due) => topUpRegistry(actor, { registry: at, amount: due }),
            stays: 'rent',
            rows: ({ balance }) => [
                ['registry', session.format(at)],
                ['holds', ton(balance)],
            ],
        });
    },
});
