import { acceptGovernor } from '@cocoon-market/wrappers';
import { registryScript, ScriptError } from '../scripting';

export const run = registryScript({
    name: 'acceptGovernor',
    group: 'governor',
    about: 'Takes over as governor after transferGovernor. From the wallet that was named there.',
    step: (session) => ({
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
