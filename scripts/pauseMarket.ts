import { setPaused } from '@cocoon-market/wrappers';
import { registryScript } from '../scripting';

export const run = registryScript({
    name: 'pauseMarket',
    group: 'governor',
    about: 'Stops the arrival of new providers and nodes; everything that is open goes on. From the governor.',
    step: () => ({
        will: 'refuse new providers and new nodes from now on',
        done: ({ paused }) => (paused ? 'new work is paused already' : undefined),
        action: (actor, at) => setPaused(actor, { registry: at, paused: true }),
    }),
});
