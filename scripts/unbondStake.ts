import { unbondStake } from '@cocoon-market/wrappers';
import { amount } from '../scripting/flags';
import { ton } from '../scripting/output';
import { ScriptError } from '../scripting/scriptError';
import { providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'unbondStake',
    group: 'provider',
    about: "Moves stake above an amount into a slot for the unbonding time. From the provider's owner.",
    flags: { ...providerFlags, keep: amount.required('the remaining stake; nodes require their part of it') },
    prepare: (session, { keep, ...flags }) =>
        providerTask(session, flags, ({ state }) => {
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
        }),
});
