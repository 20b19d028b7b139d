import { parseCommittee, proposeCommittee, registryChanges } from '@cocoon-market/wrappers';
import { count, keys } from '../scripting/flags';
import { committeeOf } from '../scripting/committee';
import { proposalTask } from '../scripting/governor';
import { openRegistry, registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'proposeCommittee',
    group: 'governor',
    about: 'Proposes another committee, which decides what a contract cannot. From the governor.',
    flags: {
        ...registryFlag,
        keys: keys.required('public Ed25519 keys of all its members, 1 to 9'),
        threshold: count.optional('how many members decide; default: two thirds, rounded up'),
    },
    prepare: async (session, { registry: flag, keys: members, threshold }) => {
        const { registry, at } = await openRegistry(session, flag);
        const committee = committeeOf(members, threshold);
        const change = registryChanges.committee(committee);
        const same = registryChanges.committee(parseCommittee(await registry.getCommittee())).equals(change);
        return proposalTask(session, {
            registry: at,
            change,
            already: async () => (same ? 'this is the committee already' : undefined),
            propose: (actor) => proposeCommittee(actor, { registry: at, committee }),
        });
    },
});
