import { cancelChange } from '@cocoon-market/wrappers';
import { registryTask } from '../scripting/governor';
import { registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'cancelChange',
    group: 'governor',
    about: 'Cancels the waiting change. From the governor.',
    flags: registryFlag,
    prepare: (session, { registry }) =>
        registryTask(session, {
            registry,
            will: 'drop the change that waits',
            done: ({ change }) => (change === null ? 'no change waits' : undefined),
            action: (actor, at) => cancelChange(actor, { registry: at }),
        }),
});
