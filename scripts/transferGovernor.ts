import { proposeGovernor } from '@cocoon-market/wrappers';
import { address } from '../scripting/flags';
import { registryTask } from '../scripting/governor';
import { registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'transferGovernor',
    group: 'governor',
    about: 'Names the next governor. Nothing changes until they run acceptGovernor. From the governor.',
    flags: { ...registryFlag, to: address.required('the wallet that may take over') },
    prepare: (session, { registry, to }) =>
        registryTask(session, {
            registry,
            will: `allow ${session.formatWallet(to)} to take over`,
            done: ({ governor, nextGovernor }) => {
                if (governor.equals(to)) {
                    return 'this wallet is the governor';
                }
                return nextGovernor?.equals(to) ? 'this wallet may take over already' : undefined;
            },
            action: (actor, at) => proposeGovernor(actor, { registry: at, governor: to }),
        }),
});
