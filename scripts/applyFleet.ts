import {
    changesOf,
    fleetArrived,
    fleetFlags,
    forgetOrders,
    openFleet,
    planLines,
    planRows,
    providerRows,
    rememberOrder,
    script,
    ton,
} from '../scripting';

export const run = script({
    name: 'applyFleet',
    group: 'provider',
    about: 'Makes the nodes on chain those of a manifest. After an interruption, run it again.',
    flags: fleetFlags,
    prepare: async (session, flags) => {
        const fleet = await openFleet(session, flags);
        const found = planRows(session, fleet);
        const changes = changesOf(fleet);
        if (changes === 0) {
            forgetOrders(session, fleet);
            return { found, nothing: '0 changes' };
        }
        const { owner } = fleet.opened.state;
        const { operator } = await fleet.opened.provider.getMembership();
        // Keys can cost the stake, and a share is what they cost, so the owner sets both.
        const { register, changes: changed, raises } = fleet.plan;
        const ownersPart =
            fleet.stakeDue > 0n || register.length > 0 || raises || changed.some(({ what }) => what === 'keys');
        const isOperator = operator?.equals(session.actor) === true && !ownersPart;
        return {
            found,
            will: [`make ${changes} changes:`, ...planLines(fleet)],
            messages: fleet.messages,
            ...(isOperator ? {} : { only: { address: owner, role: 'owner of the Provider' } }),
            retained: fleet.stakeDue,
            stays: fleet.stakeDue === 0n ? [] : [['stake', ton(fleet.stakeDue)]],
            beforeOrder: (sent) => rememberOrder(session, fleet, sent),
            settled: (sent) => fleetArrived(session, fleet, sent),
            resultRows: async () => {
                forgetOrders(session, fleet);
                return providerRows(session, fleet.opened);
            },
        };
    },
});
