import { withdrawSurplus } from '@cocoon-market/wrappers';
import { providerScript, ton } from '../scripting';

export const run = providerScript({
    name: 'withdrawSurplus',
    about: "Withdraws what a Provider holds besides stake, slots and reserve. From the provider's owner.",
    step: (session, { state }) =>
        state.surplus <= state.reserve
            ? 'there is nothing above the reserve'
            : {
                  will: `take ${ton(state.surplus - state.reserve)} home`,
                  action: (actor, provider) => withdrawSurplus(actor, { provider }),
                  done: (now) => now.state.surplus < state.surplus,
              },
});
