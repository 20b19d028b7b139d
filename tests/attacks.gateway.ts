import type { Attack } from './attacks';

/** Attacks on the gateway; part of the list in attacks.ts. */
export const gatewayAttacks: Attack[] = [
    {
        source: 'issue 6: one answer believed',
        attack: 'One endpoint of several says that an account is gone, for as long as it likes.',
        stoppedBy: 'What takes money out of sight is believed when every endpoint says it.',
        file: 'tests/offchain/chain/confirmed.spec.ts',
        test: 'What an API says of money is not believed while another endpoint says otherwise, or does not answer',
    },
    {
        source: 'issue 6: two owners',
        attack: 'A session begins again while an answer streams, so that its result comes twice and an honest node is banned.',
        stoppedBy: 'A query has one lease, and only who holds it books an ending.',
        file: 'tests/offchain/gateway/owners.spec.ts',
        test: 'The one owner of a query is the question that streams: a session that begins again meanwhile fetches nothing and blames nobody',
    },
    {
        source: 'issue 6: two owners',
        attack: 'A worker has its job shown again and again, so that many tasks fetch one query and their results meet.',
        stoppedBy: 'Recovery takes up only queries whose lease nobody has.',
        file: 'tests/offchain/gateway/owners.spec.ts',
        test: 'The one owner of a query is one task of recovery, however often the session begins again',
    },
];
