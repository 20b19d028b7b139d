/** Who may send what to an Escrow, as docs/contracts/escrow.md says. */
import { ContractTable, OTHER, Row } from './table';

/** What is no order is refused as an external message: without a key first, else because it lacks the order's cell. */
const external = (exitCode: '9' | 'ErrMalformed'): Row => ({
    'spend key, another key': { 'waiting, no key': 'ErrNoKey', '*': exitCode },
});
const anyone: Row = { ...external('9'), '*': 'ok' };

export const escrow: ContractTable = {
    contract: 'Escrow',
    page: 'escrow.md',
    states: {
        waiting: 'has a deposit, and the owner has set up nothing',
        ready: 'has a deposit, spend key, limits and channel code',
        'no key': 'the owner has removed the spend key',
        'day spent': "the spend key has spent the day's limit",
        poor: 'holds its reserve and nothing else, and the message brings 0.1 TON',
    },
    rows: {
        Deposit: anyone,
        SetUp: { ...external('ErrMalformed'), client: 'ok → client', '*': 'ErrNotOwner' },
        Open: {
            ...external('ErrMalformed'),
            client: { waiting: 'ErrWrongCode', poor: 'ErrLowBalance', '*': 'ok → Channel' },
            '*': 'ErrNotOwner',
        },
        LeaveJob: { ...external('9'), client: 'ok → Channel, client', '*': 'ErrNotOwner' },
        Withdraw: {
            ...external('9'),
            client: { poor: 'ErrLowBalance', '*': 'ok → client' },
            '*': 'ErrNotOwner',
        },
        OpenJobs: {
            'spend key': {
                'waiting, no key': 'ErrNoKey',
                'day spent': 'ErrOverDayLimit',
                poor: 'ErrLowBalance',
                '*': 'ok → Channel',
            },
            'another key': { 'waiting, no key': 'ErrNoKey', '*': 'ErrBadSignature' },
            '*': '130',
        },
        JobOrder: {
            'spend key': {
                'waiting, no key': 'ErrNoKey',
                'day spent': 'ErrOverDayLimit',
                poor: 'ErrLowBalance',
                '*': 'ok → Channel',
            },
            'another key': { 'waiting, no key': 'ErrNoKey', '*': 'ErrBadSignature' },
            '*': '130',
        },
        'no body': anyone,
        'an empty comment': anyone,
        'a comment': { ...external('9'), '*': '130' },
        'bounce of Leave': { Channel: 'ok', '*': 'never' },
        [OTHER]: { ...external('9'), '*': '130' },
    },
};
