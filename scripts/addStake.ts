import { addStake } from '@cocoon-market/wrappers';
import { flag, ownCodeFlag, providerScript, ton } from '../scripting';

export const run = providerScript({
    name: 'addStake',
    about: 'Adds stake, up to an amount. From anyone.',
    flags: {
        upTo: flag.amount.required('the target stake; the difference is sent'),
        ...ownCodeFlag,
    },
    step: (session, { state }, { upTo, anyCode }) => {
        if (state.stake >= upTo) {
            return `the stake is ${ton(upTo)} or more`;
        }
        const due = upTo - state.stake;
        return {
            will: `add ${ton(due)} to the stake`,
            action: (actor, provider) => addStake(actor, { provider, amount: due, anyCode }),
            done: (now) => now.state.stake >= upTo,
            retained: due,
            stays: [['stake', ton(due)]],
            anyone: true,
        };
    },
});
