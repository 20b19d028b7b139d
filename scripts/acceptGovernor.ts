import { acceptGovernor } from '@cocoon-market/wrappers';
import { registryTask } from '../scripting/governor';
import { registryFlag } from '../scripting/record';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'acceptGovernor',
    group: 'governor',
    about: 'Takes over as governor after transferGovernor. From the wallet that was named there.',
    flags: registryFlag,
    prepare: (session, { registry }) =>
        registryTask(session, {
            registry,
            will: 'become the governor',
            done: ({ governor }) => (governor.equals(session.actor) ? 'this wallet is the governor' : undefined),
            allowed: ({ nextGovernor }) => {
                if (nextGovernor === null) {
                    throw new ScriptError('Nobody may take over', 'the governor runs transferGovernor first');
                }
            },
            only: ({ nextGovernor }) => ({ address: nextGovernor!, role: 'proposed governor' }),
            action: (actor, at) => acceptGovernor(actor, { registry: at }),
        }),
});
