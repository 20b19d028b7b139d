import { withdrawStake } from '@cocoon-market/wrappers';
import { ton, when } from '../scripting/output';
import { providerFlags, providerTask, slotsOf } from '../scripting/provider';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'withdrawStake',
    group: 'provider',
    about: "Withdraws the unlocked slots. From the provider's owner.",
    flags: providerFlags,
    prepare: (session, flags) =>
        providerTask(session, flags, async ({ provider: opened }) => {
            const slots = await slotsOf(opened);
            const now = await session.now();
            const ripe = slots.filter(({ unlockAt }) => unlockAt <= now);
            if (ripe.length === 0) {
                if (slots.length === 0) {
                    return 'nothing waits in a slot';
                }
                const first = Math.min(...slots.map(({ unlockAt }) => unlockAt));
                throw new ScriptError(`Too early: the first slot is free at ${when(first)}`, 'run this again then');
            }
            return {
                will: `take ${ton(ripe.reduce((sum, { amount }) => sum + amount, 0n))} home`,
                action: async (actor, provider) => {
                    for (const { slot } of ripe) {
                        await withdrawStake(actor, { provider, slot });
                    }
                },
                done: async (later) => (await slotsOf(later.provider)).length === slots.length - ripe.length,
            };
        }),
});
