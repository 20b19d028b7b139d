import { proposeGovernor } from '@cocoon-market/wrappers';
import { flag, registryScript } from '../scripting';

export const run = registryScript({
    name: 'transferGovernor',
    group: 'governor',
    about: 'Names the next governor. Nothing changes until they run acceptGovernor. From the governor.',
    flags: { to: flag.address.required('the wallet that may take over') },
    step: (session, _opened, { to }) => ({
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
