import { executeChange } from '@cocoon-market/wrappers';
import { registryTask } from '../scripting/governor';
import { when } from '../scripting/output';
import { registryFlag } from '../scripting/record';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'executeChange',
    group: 'anyone',
    about: 'Applies the waiting change after its delay. From anyone.',
    flags: registryFlag,
    prepare: (session, { registry }) =>
        registryTask(session, {
            registry,
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
