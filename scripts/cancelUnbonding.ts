import { cancelUnbonding } from '@cocoon-market/wrappers';
import { ton } from '../scripting/output';
import { providerFlags, providerTask, slotsOf } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'cancelUnbonding',
    group: 'provider',
    about: "Moves all slots back into the stake. From the provider's owner.",
    flags: providerFlags,
    prepare: (session, flags) =>
        providerTask(session, flags, async ({ provider: opened }) => {
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
        }),
});
