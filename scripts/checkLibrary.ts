import { check, findLibrary, libraryRows, requireLibrary } from '../scripting';

export const run = check({
    name: 'checkLibrary',
    group: 'look',
    about: 'Shows whether the channel code is published, and for how long its rent is paid; exits with 1 if it is not.',
    flags: {},
    read: async (session) => {
        await requireLibrary(session);
        return libraryRows(session, await findLibrary(session));
    },
});
