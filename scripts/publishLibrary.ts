import { publishLibrary } from '@cocoon-market/wrappers';
import { findLibrary, flag, libraryTask, script, ton } from '../scripting';

const MAX_GAS = 200_000_000n; // nanoTON

export const run = script({
    name: 'publishLibrary',
    group: 'anyone',
    about: 'Publishes the channel code in the masterchain, so that jobs carry its hash only. From anyone.',
    flags: {
        rent: flag.amount.required(
            'the value to attach; after the gas it pays rent in advance, at least 90 days at about 9.3 TON a year',
        ),
    },
    prepare: async (session, { rent }) => {
        const library = await findLibrary(session);
        if (library.runway > 0) {
            // The gas, and a tenth for the rent since.
            const isPaid = library.balance + MAX_GAS >= (rent * 9n) / 10n;
            const differs = isPaid ? [] : [`rent: ${ton(library.balance)} are left of it; topUpLibrary brings it up`];
            return libraryTask(session, library, { nothing: 'the code is published', differs });
        }
        return libraryTask(session, library, {
            will: 'publish the channel code; whatever is attached stays and pays rent',
            action: (actor) => publishLibrary(actor, { rent, gas: 0n }),
            done: ({ runway }) => runway > 0,
            retained: rent,
            stays: [['rent, after the gas', ton(rent)]],
        });
    },
});
