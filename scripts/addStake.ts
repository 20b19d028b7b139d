import { addStake } from '@cocoon-market/wrappers';
import { amount } from '../scripting/flags';
import { ton } from '../scripting/output';
import { providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'addStake',
    group: 'provider',
    about: 'Adds stake, up to an amount. From anyone.',
    flags: { ...providerFlags, upTo: amount.required('the target stake; the difference is sent') },
    prepare: (session, { upTo, ...flags }) =>
        providerTask(session, flags, ({ state }) => {
            if (state.stake >= upTo) {
                return `the stake is ${ton(upTo)} or more`;
            }
            const due = upTo - state.stake;
            return {
                will: `add ${ton(due)} to the stake`,
                action: (actor, provider) => addStake(actor, { provider, amount: due }),
                done: (now) => now.state.stake >= upTo,
                retained: due,
                stays: [['stake', ton(due)]],
                anyone: true,
            };
        }),
});
