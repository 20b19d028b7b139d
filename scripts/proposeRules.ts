import { parseRules, proposeRules, registryChanges } from '@cocoon-market/wrappers';
import { flag, presentInsurance, proposalStep, readProfile, registryScript, requireTaken, rulesOf } from '../scripting';

export const run = registryScript({
    name: 'proposeRules',
    group: 'governor',
    about: 'Proposes the windows, stakes and rates of a profile as new rules. From the governor.',
    flags: {
        profile: flag.text.required('a name in params/, or a JSON file like those'),
        insurance: flag.address.optional('the account that receives the rest of a slash; default: unchanged'),
    },
    step: async (session, opened, { profile: name, insurance }) => {
        const profile = readProfile(name);
        await requireTaken(session, profile);
        const rules = rulesOf(profile, insurance ?? (await presentInsurance(session, opened)));
        const change = registryChanges.rules(rules);
        const same = registryChanges.rules(parseRules(await opened.registry.getRules())).equals(change);
        return proposalStep(session, opened, {
            change,
            already: same ? 'these are the rules already' : undefined,
            propose: (actor, registry) => proposeRules(actor, { registry, rules }),
        });
    },
});
