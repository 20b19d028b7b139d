/** Who may send what to a Library, as docs/contracts/library.md says. */
import { ContractTable, NO_EXTERNAL, OTHER } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };

export const library: ContractTable = {
    contract: 'Library',
    page: 'library.md',
    states: {
        empty: 'deployed, nothing published',
        published: 'keeps the code',
        poor: 'deployed, and the message brings 1 TON, less than the rent of 90 days',
    },
    rows: {
        Publish: { ...external, '*': { poor: 'ErrLowBalance', '*': 'ok' } },
        TopUpLibrary: { ...external, '*': 'ok' },
        'no body': { ...external, '*': 'ok' },
        'an empty comment': { ...external, '*': 'ok' },
        'a comment': { ...external, '*': 'ok' },
        [OTHER]: { ...external, '*': '130' },
    },
};
