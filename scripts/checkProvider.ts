import { check, openProvider, providerFlags, providerRows } from '../scripting';

export const run = check({
    name: 'checkProvider',
    group: 'look',
    about: 'Shows the stake, slots, nodes, payout and rules of a Provider.',
    flags: providerFlags,
    read: async (session, flags) => providerRows(session, await openProvider(session, flags)),
});
