import { setPaused } from '@cocoon-market/wrappers';
import { registryTask } from '../deploy/governor';
import { registryFlag } from '../deploy/record';
import { script } from '../deploy/script';

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
