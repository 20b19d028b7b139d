import { changesOf, check, fleetFlags, openFleet, planLines, planRows } from '../scripting';

export const run = check({
    name: 'planFleet',
    group: 'provider',
    about: 'Shows what applyFleet would do: which nodes to register, change and close, with stake, fees and time.',
    flags: fleetFlags,
    read: async (session, flags) => {
        const fleet = await openFleet(session, flags);
        planLines(fleet).forEach((line) => console.log(`  ${line}`));
        return [...planRows(session, fleet), ['plan', `${changesOf(fleet)} changes`]];
    },
});
