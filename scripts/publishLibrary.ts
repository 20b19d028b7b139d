import { publishLibrary } from '@cocoon-market/wrappers';
import { amount } from '../scripting/flags';
import { findLibrary, libraryRows } from '../scripting/library';
import { ton } from '../scripting/output';
import { script } from '../scripting/script';

const MAX_GAS = 200_000_000n; // nanoTON

export const run = script({
    name: 'publishLibrary',
    group: 'anyone',
    about: 'Publishes the channel code in the masterchain, so that jobs carry its hash only. From anyone.',
    flags: {
        rent: amount.required(
            'the value to attach; after the gas it pays rent in advance, at least 90 days at about 9.3 TON a year',
        ),
    },
    prepare: async (session, { rent }) => {
        const library = await findLibrary(session);
        const found = libraryRows(session, library);
        if (library.runway > 0) {
            // The gas, and a tenth for the rent since.
            const isPaid = library.balance + MAX_GAS >= (rent * 9n) / 10n;
            const differs = isPaid ? [] : [`rent: ${ton(library.balance)} are left of it; topUpLibrary brings it up`];
            return { found, nothing: 'the code is published', differs };
        }
        const messages = await session.rehearse((actor) => publishLibrary(actor, { rent, gas: 0n }));
        const retained = messages.reduce((sum, { value }) => sum + value, 0n);
        return {
            found,
            will: ['publish the channel code; whatever is attached stays and pays rent'],
            messages,
            retained,
            stays: [['rent, after the gas', ton(retained)]],
            settled: async () => (await findLibrary(session)).runway > 0,
            resultRows: async () => libraryRows(session, await findLibrary(session)),
        };
    },
});
