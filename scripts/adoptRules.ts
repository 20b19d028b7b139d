import { adoptRules, agreedRules, Registry } from '@cocoon-market/wrappers';
import { anyCodeFlag, requireKnownCodes, providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'adoptRules',
    group: 'provider',
    about: "Follows the market's newest rules and codes. From the provider's owner.",
    flags: { ...providerFlags, ...anyCodeFlag },
    prepare: (session, { anyCode, ...flags }) =>
        providerTask(session, flags, async ({ registry, state, provider }) => {
            const market = session.openContract(Registry.fromAddress(registry));
            const { rulesVersion } = await market.getRegistryState();
            const { rules: currentRules } = await provider.getMembershipNow();
            const newest = await market.getRules();
            await requireKnownCodes(() => agreedRules(newest, { previous: currentRules, anyCode }));
            return state.rulesVersion === rulesVersion
                ? `version ${rulesVersion} is the newest`
                : {
                      will: `follow rules version ${rulesVersion} instead of ${state.rulesVersion}`,
                      action: (actor, provider) => adoptRules(actor, { provider, anyCode }),
                      done: (now) => now.state.rulesVersion === rulesVersion,
                  };
        }),
});
