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
    {
        source: 'issue 6: old jobs, new rules',
        attack: 'A worker taken out of the configuration still gets prompts through a job that is open.',
        stoppedBy: 'Every query checks the rules of now, and a job that does not fit is settled.',
        file: 'tests/offchain/gateway/rules.spec.ts',
        test: "An open job under today's rules gets no prompt when its worker is not in the configuration any more, and is settled",
    },
    {
        source: 'issue 6: old jobs, new rules',
        attack: 'A node that attests nothing keeps its job after the client forbade such nodes.',
        stoppedBy: 'The tier of a job is checked against the policy of now.',
        file: 'tests/offchain/gateway/rules.spec.ts',
        test: "An open job under today's rules gets no prompt when nodes that attest nothing are not allowed any more, and is settled",
    },
    {
        source: 'issue 6: old jobs, new rules',
        attack: 'A worker never ends a job that the client does not want any more.',
        stoppedBy: 'After a quarter of an hour the job is left without it.',
        file: 'tests/offchain/gateway/rules.spec.ts',
        test: "An open job under today's rules that is not ended by its worker in a quarter of an hour is left, and refunded",
    },
    {
        source: 'issue 6: a day tied up',
        attack: 'A node counts results that it did not give, so that each of its jobs is settled and the next one opened.',
        stoppedBy: 'A store that is known to be complete knows better: the node is left and kept away from.',
        file: 'tests/offchain/gateway/refusals.spec.ts',
        test: 'A node that refuses without a signature as "unknown_session" with a result too many is left and kept away from: ten requests open one job',
    },
    {
        source: 'issue 6: a day tied up',
        attack: 'A node refuses each new job, hour after hour.',
        stoppedBy: 'A node gets one new job after the first for one cause in a day.',
        file: 'tests/offchain/gateway/refusals.spec.ts',
        test: 'A node that refuses without a signature gets one new job after a while for one cause, and none more that day',
    },
    {
        source: 'issue 6: a day tied up',
        attack: 'Many nodes spoil one job each.',
        stoppedBy: 'The jobs that may be spoiled in a day are bounded.',
        file: 'tests/offchain/gateway/refusals.spec.ts',
        test: 'A node that refuses without a signature opens no more jobs a day than may be unproductive, whatever the causes and nodes, and says so',
    },
];
