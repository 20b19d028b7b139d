import { withdrawSurplus } from '@cocoon-market/wrappers';
import { ton } from '../scripting/output';
import { providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'withdrawSurplus',
    group: 'provider',
    about: "Withdraws what a Provider holds besides stake, slots and reserve. From the provider's owner.",
    flags: providerFlags,
    prepare: (session, flags) =>
        providerTask(session, flags, ({ state }) =>
            state.surplus <= state.reserve
                ? 'there is nothing above the reserve'
                : {
                      will: `take ${ton(state.surplus - state.reserve)} home`,
                      action: (actor, provider) => withdrawSurplus(actor, { provider }),
                      done: (now) => now.state.surplus < state.surplus,
                  },
        ),
});
