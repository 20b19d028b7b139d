import { setPaused } from '@cocoon-market/wrappers';
import { registryTask } from '../scripting/governor';
import { registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'resumeMarket',
    group: 'governor',
    about: 'Takes new providers and nodes again after pauseMarket. From the governor.',
    flags: registryFlag,
    prepare: (session, { registry }) =>
        registryTask(session, {
            registry,
            will: 'take new providers and new nodes again',
            done: ({ paused }) => (paused ? undefined : 'new work is welcome already'),
            action: (actor, at) => setPaused(actor, { registry: at, paused: false }),
        }),
});
