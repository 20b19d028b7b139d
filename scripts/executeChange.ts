import { executeChange } from '@cocoon-market/wrappers';
import { registryScript, ScriptError, when } from '../scripting';

export const run = registryScript({
    name: 'executeChange',
    group: 'anyone',
    about: 'Applies the waiting change after its delay. From anyone.',
    step: (session) => ({
        will: 'apply the change that waits',
        done: ({ change }) => (change === null ? 'no change waits' : undefined),
        allowed: async ({ executeAt }) => {
            const now = await session.now();
            if (now < Number(executeAt)) {
                throw new ScriptError(
                    `Too early: it is ${when(now)}, the change may be executed from ${when(Number(executeAt))} on`,
                    'wait, or run cancelChange',
                );
            }
        },
        action: (actor, at) => executeChange(actor, { registry: at }),
        anyone: true,
    }),
});
