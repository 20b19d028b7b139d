import { cancelUnbonding } from '@cocoon-market/wrappers';
import { providerScript, slotsOf, ton } from '../scripting';

export const run = providerScript({
    name: 'cancelUnbonding',
    about: "Moves all slots back into the stake. From the provider's owner.",
    step: async (session, { provider: opened }) => {
        const slots = await slotsOf(opened);
        return slots.length === 0
            ? 'nothing waits in a slot'
            : {
                  will: `stake ${ton(slots.reduce((sum, { amount }) => sum + amount, 0n))} again`,
                  action: async (actor, provider) => {
                      for (const { slot } of slots) {
                          await cancelUnbonding(actor, { provider, slot });
                      }
                  },
                  done: (now) => now.state.unbonding === 0n,
              };
    },
});
