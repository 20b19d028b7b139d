import { cancelChange } from '@cocoon-market/wrappers';
import { registryScript } from '../scripting';

export const run = registryScript({
    name: 'cancelChange',
    group: 'governor',
    about: 'Cancels the waiting change. From the governor.',
    step: () => ({
        will: 'drop the change that waits',
        done: ({ change }) => (change === null ? 'no change waits' : undefined),
        action: (actor, at) => cancelChange(actor, { registry: at }),
    }),
});
