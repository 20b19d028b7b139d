import { setPaused } from '@cocoon-market/wrappers';
import { registryTask } from '../scripting/governor';
import { registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'pauseMarket',
    group: 'governor',
    about: 'Stops the arrival of new providers and nodes; everything that is open goes on. From the governor.',
    flags: registryFlag,
    prepare: (session, { registry }) =>
        registryTask(session, {
            registry,
            will: 'refuse new providers and new nodes from now on',
            done: ({ paused }) => (paused ? 'new work is paused already' : undefined),
            action: (actor, at) => setPaused(actor, { registry: at, paused: true }),
        }),
});
