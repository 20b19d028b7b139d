import { check, escrowFlag, escrowRows, openEscrow } from '../scripting';

export const run = check({
    name: 'checkEscrow',
    group: 'look',
    about: "Shows a client's escrow: deposit, spend key and limits.",
    flags: escrowFlag,
    read: async (session, { owner }) => escrowRows(session, await openEscrow(session, owner ?? session.actor)),
});
