import { parseRules, proposeRules, registryChanges } from '@cocoon-market/wrappers';
import { requireTaken } from '../scripting/bounds';
import { address, text } from '../scripting/flags';
import { proposalTask } from '../scripting/governor';
import { readProfile, rulesOf } from '../scripting/profile';
import { openRegistry, registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'proposeRules',
    group: 'governor',
    about: 'Proposes the windows, stakes and rates of a profile as new rules. From the governor.',
    flags: {
        ...registryFlag,
        profile: text.required('a name in params/, or a JSON file like those'),
        insurance: address.optional('the account that receives the rest of a slash; default: unchanged'),
    },
    prepare: async (session, { registry: flag, profile: name, insurance }) => {
        const profile = readProfile(name);
        await requireTaken(session, profile);
        const { registry, at } = await openRegistry(session, flag);
        const { insurance: present, ...now } = parseRules(await registry.getRules());
        const rules = rulesOf(profile, insurance ?? present);
        const change = registryChanges.rules(rules);
        const same = registryChanges.rules({ ...now, insurance: present }).equals(change);
        return proposalTask(session, {
            registry: at,
            change,
            already: async () => (same ? 'these are the rules already' : undefined),
            propose: (actor) => proposeRules(actor, { registry: at, rules }),
        });
    },
});
