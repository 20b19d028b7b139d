import { withdrawStake } from '@cocoon-market/wrappers';
import { providerScript, ScriptError, slotsOf, ton, when } from '../scripting';

export const run = providerScript({
    name: 'withdrawStake',
    about: "Withdraws the unlocked slots. From the provider's owner.",
    step: async (session, { provider: opened }) => {
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
    },
});
