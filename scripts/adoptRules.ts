import { adoptRules, agreedRules, Registry } from '@cocoon-market/wrappers';
import { anyCodeFlag, providerScript, requireKnownCodes } from '../scripting';

export const run = providerScript({
    name: 'adoptRules',
    about: "Follows the market's newest rules and codes. From the provider's owner.",
    flags: { ...anyCodeFlag },
    step: async (session, { registry, state, provider }, { anyCode }) => {
        const market = session.openContract(Registry.fromAddress(registry));
        const { rulesVersion } = await market.getRegistryState();
        const { rules: currentRules } = await provider.getMembership();
        const newest = await market.getRules();
        await requireKnownCodes(() => agreedRules(newest, { previous: currentRules, anyCode }));
        return state.rulesVersion === rulesVersion
            ? `version ${rulesVersion} is the newest`
            : {
                  will: `follow rules version ${rulesVersion} instead of ${state.rulesVersion}`,
                  action: (actor, provider) => adoptRules(actor, { provider, anyCode }),
                  done: (now) => now.state.rulesVersion === rulesVersion,
              };
    },
});
