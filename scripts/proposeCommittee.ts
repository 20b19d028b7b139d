import { parseCommittee, proposeCommittee, registryChanges } from '@cocoon-market/wrappers';
import { committeeOf, flag, proposalStep, registryScript } from '../scripting';

export const run = registryScript({
    name: 'proposeCommittee',
    group: 'governor',
    about: 'Proposes another committee, which decides what a contract cannot. From the governor.',
    flags: {
        keys: flag.keys.required('public Ed25519 keys of all its members, 1 to 9'),
        threshold: flag.count.optional('how many members decide; default: two thirds, rounded up'),
    },
    step: async (session, opened, { keys: members, threshold }) => {
        const committee = committeeOf(members, threshold);
        const change = registryChanges.committee(committee);
        const same = registryChanges.committee(parseCommittee(await opened.registry.getCommittee())).equals(change);
        return proposalStep(session, opened, {
            change,
            already: same ? 'this is the committee already' : undefined,
            propose: (actor, registry) => proposeCommittee(actor, { registry, committee }),
        });
    },
});
