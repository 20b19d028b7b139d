import { parseRules, unjail } from '@cocoon-market/wrappers';
import { providerScript, ScriptError, ton, when } from '../scripting';

export const run = providerScript({
    name: 'unjail',
    about: "Leaves jail once its time is over and the stake suffices. From the provider's owner.",
    step: async (session, { provider: opened, state }) => {
        const { jailedUntil, jailed } = await opened.getStanding();
        if (jailedUntil === 0n && !jailed) {
            return 'this provider is not in jail';
        }
        if (jailedUntil > (await session.now())) {
            throw new ScriptError(`In jail until ${when(Number(jailedUntil))}`, 'run this again then');
        }
        const { rules } = await opened.getMembership();
        const required = parseRules(rules!).baseStake + state.shares;
        if (state.stake < required) {
            throw new ScriptError(
                `The stake of ${ton(state.stake)} is below the required ${ton(required)}`,
                'run addStake first',
            );
        }
        return {
            will: 'leave jail and clear the strikes',
            action: (actor, provider) => unjail(actor, { provider }),
            done: async (now) => (await now.provider.getStanding()).jailedUntil === 0n,
        };
    },
});
