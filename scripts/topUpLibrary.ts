import { channelCode, topUpLibrary } from '@cocoon-market/wrappers';
import { findLibrary, flag, fundingStep, libraryTask, requireLibrary, script } from '../scripting';

export const run = script({
    name: 'topUpLibrary',
    group: 'anyone',
    about: 'Pays rent of the published channel code in advance, up to a balance. From anyone.',
    flags: { upTo: flag.amount.required('the target balance of its account; the difference is sent') },
    prepare: async (session, { upTo }) => {
        await requireLibrary(session);
        const library = await findLibrary(session);
        const step = await fundingStep(session, library, {
            upTo,
            action: (actor, due) => topUpLibrary(actor, { hash: library.hash, amount: due }),
            stays: 'rent',
            library: await channelCode(),
        });
        return libraryTask(session, library, step);
    },
});
