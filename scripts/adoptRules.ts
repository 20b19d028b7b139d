import { adoptRules, Registry } from '@cocoon-market/wrappers';
import { providerFlags, providerTask } from '../deploy/provider';
import { script } from '../deploy/script';

export const run = script({
    name: 'adoptRules',
    about: "Follows the market's newest rules and codes. From the provider's owner.",
    flags: providerFlags,
    prepare: (session, flags) =>
        providerTask(session, flags, async ({ registry, state }) => {
            const { rulesVersion } = await session.openContract(Registry.fromAddress(registry)).getRegistryState();
            return state.rulesVersion === rulesVersion
                ? `version ${rulesVersion} is the newest`
                : {
                      will: `follow rules version ${rulesVersion} instead of ${state.rulesVersion}`,
                      action: (actor, provider) => adoptRules(actor, { provider }),
                      done: (now) => now.state.rulesVersion === rulesVersion,
                  };
        }),
});
