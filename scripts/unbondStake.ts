import { unbondStake } from '@cocoon-market/wrappers';
import { flag, providerScript, ScriptError, ton } from '../scripting';

export const run = providerScript({
    name: 'unbondStake',
    about: "Moves stake above an amount into a slot for the unbonding time. From the provider's owner.",
    flags: { keep: flag.amount.required('the remaining stake; nodes require their part of it') },
    step: (session, { state }, { keep }) => {
        if (state.stake <= keep) {
            return `the stake is ${ton(keep)} or less`;
        }
        if (keep < state.requiredStake) {
            throw new ScriptError(`${ton(state.requiredStake)} are required and cannot leave`, 'close nodes first');
        }
        const due = state.stake - keep;
        return {
            will: `unbond ${ton(due)}; withdrawStake takes it home after the unbonding time`,
            action: (actor, provider) => unbondStake(actor, { provider, amount: due }),
            done: (now) => now.state.stake <= keep,
        };
    },
});
