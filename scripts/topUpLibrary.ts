import { type Actor, channelCode, topUpLibrary } from '@cocoon-market/wrappers';
import { missing, shortOf } from '../scripting/amounts';
import { amount } from '../scripting/flags';
import { findLibrary, libraryRows, requireLibrary } from '../scripting/library';
import { ton } from '../scripting/output';
import { script } from '../scripting/script';

export const run = script({
    name: 'topUpLibrary',
    group: 'anyone',
    about: 'Pays rent of the published channel code in advance, up to a balance. From anyone.',
    flags: { upTo: amount.required('the target balance of its account; the difference is sent') },
    prepare: async (session, { upTo }) => {
        await requireLibrary(session);
        const library = await findLibrary(session);
        const found = libraryRows(session, library);
        const { at, hash, balance: balance } = library;
        const bring = (actor: Actor, due: bigint) => topUpLibrary(actor, { hash, amount: due });
        const due = await missing(session, { at, balance, upTo, action: bring, library: await channelCode() });
        if (due === 0n) {
            return { found, nothing: `it holds ${ton(upTo)} or more` };
        }
        return {
            found,
            messages: await session.rehearse((actor) => bring(actor, due)),
            retained: due,
            stays: [['rent', ton(due)]],
            settled: async () => (await findLibrary(session)).balance > balance,
            unmet: async () => shortOf((await findLibrary(session)).balance, upTo),
            resultRows: async () => libraryRows(session, await findLibrary(session)),
        };
    },
});
