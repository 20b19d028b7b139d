import { setPaused } from '@cocoon-market/wrappers';
import { registryScript } from '../scripting';

export const run = registryScript({
    name: 'resumeMarket',
    group: 'governor',
    about: 'Takes new providers and nodes again after pauseMarket. From the governor.',
    step: () => ({
        will: 'take new providers and new nodes again',
        done: ({ paused }) => (paused ? undefined : 'new work is welcome already'),
        action: (actor, at) => setPaused(actor, { registry: at, paused: false }),
    }),
});
