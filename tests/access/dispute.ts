/** Who may send what to a Dispute, as docs/contracts/dispute.md says. */
import { ContractTable, NO_EXTERNAL, OTHER, Row } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };
const answer: Row = {
    ...external,
    'twin, Library': {
        demand: 'ErrNotBasechain',
        'low value': 'ErrLowValue',
        unanswered: 'ErrExpired',
        '*': 'ErrWrongState',
    },
    '*': {
        demand: 'ok → worker, reporter, Provider',
        'low value': 'ErrLowValue',
        unanswered: 'ErrExpired',
        '*': 'ErrWrongState',
    },
};

export const dispute: ContractTable = {
    contract: 'Dispute',
    page: 'dispute.md',
    states: {
        new: 'deployed by a stranger, not opened',
        demand: 'A3, open, within the response window',
        'low value': 'the same, and the message brings 0.05 TON',
        unanswered: 'A3, open, the response window is over',
        asked: 'B1, open, within the response window, no statement of the owner',
        stated: 'B1, open, the owner has named a statement',
        judging: 'B1, open, the response window is over, the verdict window is not',
        late: 'B1, open, both windows are over',
        closed: 'A3, answered',
        stuck: 'A3, answered, and its Provider did not run',
        clearable: 'A3, answered, and its tombstone is no longer needed',
    },
    rows: {
        OpenCase: {
            ...external,
            Provider: { new: 'ok → reporter', '*': 'ok → Provider' },
            '*': 'ErrNotProvider',
        },
        PostPiece: answer,
        PostFail: answer,
        PostVoucher: answer,
        StateCase: {
            ...external,
            owner: {
                'asked, stated': 'ok → owner',
                'judging, late': 'ErrExpired',
                '*': 'ErrWrongState',
            },
            '*': { 'asked, stated, judging, late': 'ErrNotOwner', '*': 'ErrWrongState' },
        },
        SubmitVerdict: {
            ...external,
            'twin, Library': {
                asked: 'ErrTooEarly',
                'stated, judging': 'ErrNotBasechain',
                late: 'ErrExpired',
                '*': 'ErrWrongState',
            },
            '*': {
                asked: 'ErrTooEarly',
                'stated, judging': 'ok → insurance, Provider',
                late: 'ErrExpired',
                '*': 'ErrWrongState',
            },
        },
        DecideCase: {
            ...external,
            'twin, Library': {
                'low value': 'ErrLowValue',
                'demand, asked, stated, judging': 'ErrTooEarly',
                'unanswered, late, stuck': 'ErrNotBasechain',
                '*': 'ErrWrongState',
            },
            '*': {
                'low value': 'ErrLowValue',
                'demand, asked, stated, judging': 'ErrTooEarly',
                'unanswered, late': 'ok → reporter, Provider',
                stuck: 'ok → Provider',
                '*': 'ErrWrongState',
            },
        },
        ClearCase: {
            ...external,
            '*': { closed: 'ErrTooEarly', clearable: 'ok → sender', '*': 'ErrWrongState' },
        },
        'no body': { ...external, '*': 'ok' },
        'an empty comment': { ...external, '*': 'ok' },
        'a comment': { ...external, '*': '130' },
        'bounce of CaseClosed: the end': { Provider: { 'closed, clearable': 'ok', '*': 'never' }, '*': 'never' },
        'bounce of CaseClosed: duplicate': { Provider: { new: 'never', '*': 'ok' }, '*': 'never' },
        [OTHER]: { ...external, '*': '130' },
    },
};
