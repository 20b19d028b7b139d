import { publishLibrary } from '@cocoon-market/wrappers';
import { amount } from '../deploy/flags';
import { findLibrary, libraryRows } from '../deploy/library';
import { ton } from '../deploy/output';
import { script } from '../deploy/script';

export const run = script({
    name: 'publishLibrary',
    about: 'Publishes the channel code in the masterchain, so that jobs carry its hash only. From anyone.',
    flags: { rent: amount.required('rent paid ahead; at least 90 days of it, at about 9.3 TON a year') },
    prepare: async (session, { rent }) => {
        const library = await findLibrary(session);
        const found = libraryRows(session, library);
        if (library.runway > 0) {
            return { found, nothing: 'the code is published' };
        }
        const messages = await session.rehearse((actor) => publishLibrary(actor, { rent }));
        const kept = messages.reduce((sum, { value }) => sum + value, 0n);
        return {
            found,
            will: ['publish the channel code; whatever is attached stays and pays rent'],
            messages,
            kept,
            stays: [['rent, after the gas', ton(kept)]],
            settled: async () => (await findLibrary(session)).runway > 0,
            after: async () => libraryRows(session, await findLibrary(session)),
        };
    },
});
