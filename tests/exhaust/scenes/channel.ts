/** One job with a deposit of 100, and vouchers of 30, 70 and 150 that the payout holds from the beginning. */
import { Body, channelOf, newEscrow } from '../../model';
import { Move, Party, Places, Scene, sends, waits } from '../moves';
import { Client, jobsKeepTheirTerms, nobodyGains, onlyKeysMove } from './clients';

const HIGHEST = 150; // units of the highest voucher, more than the deposit

export function channelScene(at: Places): Scene {
    const client = new Client(at);
    const job = client.job(0, 100);
    const to = job.channel;
    const accounts: Partial<Record<Party, string>> = { payout: at.payout, client: at.client, stranger: at.stranger };
    const first = channelOf(at.escrow, job, 0, false);
    const message = (party: Party, name: string, body: Body, value = at.plenty) =>
        sends(party, name, () => ({ from: accounts[party]!, to, value, body }));
    const claim = (
        party: Party,
        op: 'claim' | 'claimLast',
        units: number,
        key = 'voucher',
        value = at.plenty,
    ): Move => {
        const words = [op === 'claim' ? 'claims' : 'claims last', units, key === 'voucher' ? '' : `by ${key}`];
        const name = [...words, value < at.plenty ? 'with too little' : ''].filter((word) => word !== '').join(' ');
        return sends(party, name, (state) => {
            const body: Body = { op, ...client.voucher(state, to, units, key) };
            return { from: accounts[party]!, to, value, body };
        });
    };
    const deadlines = (state: Parameters<Scene['deadlines']>[0]) => client.deadlines(state);
    return {
        name: 'channel',
        opening: openingOf(client),
        deadlines,
        moves: [
            claim('payout', 'claim', 30),
            claim('payout', 'claim', 70),
            claim('payout', 'claim', HIGHEST),
            claim('payout', 'claimLast', 0),
            claim('payout', 'claimLast', 70),
            claim('payout', 'claimLast', 90, 'forger'),
            claim('stranger', 'claim', 30),
            claim('stranger', 'claim', 70, 'voucher', 1n),
            claim('stranger', 'claim', 90, 'forger'),
            claim('stranger', 'claimLast', 70),
            claim('stranger', 'claimLast', 0),
            message('stranger', 'leaves', { op: 'leave' }),
            message('client', 'leaves directly', { op: 'leave' }),
            message('stranger', 'gives 5', { op: 'none' }, client.amount(5)),
            message('stranger', 'sends an unknown opcode', { op: 'unknown' }),
            message(
                'client',
                'adds 20 to a job that paid it',
                { op: 'topUp', signed: client.amount(HIGHEST) },
                client.amount(20),
            ),
            sends('stranger', 'deploys the ended job again with 150', (state) =>
                state.contracts.has(to)
                    ? undefined
                    : { from: at.stranger, to, value: client.amount(150), body: { op: 'none' }, init: first },
            ),
            client.refund('stranger'),
            client.refund('stranger', 1n, 'refunds job 1 with too little'),
            client.leaveJob(),
            client.leaveJob('stranger'),
            client.refund('client'),
            client.withdraw('client', 0),
            client.withdraw('stranger', 0),
            client.jobOrder('orders to leave', 1),
            client.jobOrder('orders a refund', 2),
            client.jobOrder('repeats an old order to leave', 1, { seqno: 1 }),
            ...waits(deadlines),
        ],
        homebound: [client.homebound, client.payoutHomebound(to, HIGHEST)],
        check(step, book) {
            nobodyGains(step, at.stranger);
            jobsKeepTheirTerms(client, step, client.amount(HIGHEST));
            return onlyKeysMove(client, step, book);
        },
    };
}

/** The client sets its escrow up and opens the job. */
function openingOf(client: Client): Scene['opening'] {
    const { at } = client;
    const { client: from, escrow: to, plenty } = at;
    const limits = { jobLimit: client.amount(150), dayLimit: client.amount(250), code: 'plain' } as const;
    const deposit = client.amount(400);
    const setUp: Body = { op: 'setUp', deposit, spendKey: 'spend', ...limits };
    const open: Body = { op: 'open', seqno: 0, total: client.amount(100), jobs: [client.job(0, 100)] };
    return [
        { from, to, value: deposit + plenty, bounce: true, body: setUp, init: newEscrow(from) },
        { from, to, value: plenty, bounce: true, body: open },
    ];
}
