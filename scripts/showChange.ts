import { changeText, check, openRegistry, registryFlag, type Row, when } from '../scripting';

export const run = check({
    name: 'showChange',
    group: 'look',
    about: 'Shows the waiting change of the registry, what it sets, and from when on it may be executed.',
    flags: registryFlag,
    read: async (session, { registry }) => {
        const { at, state } = await openRegistry(session, registry);
        const { change, executeAt } = state;
        const rows: Row[] = [['registry', session.format(at)]];
        if (change === null) {
            return [...rows, ['waiting change', 'none']];
        }
        const now = await session.now();
        return [
            ...rows,
            ['waiting change', changeText(session, change)],
            ['may be executed', now < Number(executeAt) ? `from ${when(Number(executeAt))} on` : 'now'],
        ];
    },
});
