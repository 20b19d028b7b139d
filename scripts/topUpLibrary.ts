import { topUpLibrary } from '@cocoon-market/wrappers';
import { shortfall } from '../deploy/amounts';
import { amount } from '../deploy/flags';
import { findLibrary, libraryRows, requireLibrary } from '../deploy/library';
import { ton } from '../deploy/output';
import { script } from '../deploy/script';

export const run = script({
    name: 'topUpLibrary',
    about: 'Pays rent of the published channel code ahead, up to a balance. From anyone.',
    flags: { upTo: amount.required('what its keeper shall hold; the difference is sent') },
    prepare: async (session, { upTo }) => {
        await requireLibrary(session);
        const library = await findLibrary(session);
        const found = libraryRows(session, library);
        const due = shortfall(library.balance, upTo);
        if (due === 0n) {
            return { found, nothing: `it holds ${ton(upTo)} or more` };
        }
        return {
            found,
            messages: await session.rehearse((actor) => topUpLibrary(actor, { hash: library.hash, amount: due })),
            kept: due,
            stays: [['rent', ton(due)]],
            settled: async () => (await findLibrary(session)).balance > library.balance,
            after: async () => libraryRows(session, await findLibrary(session)),
        };
    },
});
