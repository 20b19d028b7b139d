/** Who may send what to a Channel, as docs/contracts/channel.md says. */
import { ContractTable, NO_EXTERNAL, OTHER } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };

export const channel: ContractTable = {
    contract: 'Channel',
    page: 'channel.md',
    states: {
        open: 'deployed by the escrow, holds 1 TON',
        leaving: 'the client left, the notice is not over',
        refundable: 'the notice is over',
        'low value': 'the notice is over, and the message brings less than its minimum value',
        empty: 'open, and vouchers have paid all that it held',
        again: 'ended, and deployed again by a stranger with less than the highest voucher',
    },
    rows: {
        Claim: {
            ...external,
            worker: { empty: 'ErrNothingNew', '*': 'ok → worker' },
            '*': { empty: 'ErrNothingNew', 'low value': 'ErrLowValue', '*': 'ok → worker, sender' },
        },
        'Claim: signed by another key': { ...external, '*': { empty: 'ErrNothingNew', '*': 'ErrBadSignature' } },
        ClaimLast: {
            ...external,
            worker: { 'empty, again': 'ok → worker', '*': 'ok → Escrow, worker' },
            '*': 'ErrNotPayout',
        },
        'ClaimLast: signed by another key': {
            ...external,
            worker: { empty: 'ok → worker', '*': 'ErrBadSignature' },
            '*': 'ErrNotPayout',
        },
        'ClaimLast: without a voucher': {
            ...external,
            worker: { empty: 'ok → worker', '*': 'ok → Escrow, worker' },
            '*': 'ErrNotPayout',
        },
        Leave: { ...external, Escrow: 'ok', '*': 'ErrNotEscrow' },
        Refund: {
            ...external,
            Escrow: { refundable: 'ok → Escrow', 'low value': 'ErrLowValue', '*': 'ErrTooEarly' },
            '*': { refundable: 'ok → Escrow, sender', 'low value': 'ErrLowValue', '*': 'ErrTooEarly' },
        },
        TopUp: { ...external, '*': { again: 'ErrLowBalance', '*': 'ok' } },
        'no body': { ...external, '*': 'ok' },
        'an empty comment': { ...external, '*': 'ok' },
        'a comment': { ...external, '*': '130' },
        [OTHER]: { ...external, '*': '130' },
    },
};
