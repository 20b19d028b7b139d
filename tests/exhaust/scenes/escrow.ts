/** One escrow from before its first message on, with its owner, spend key, a stranger, and the jobs that it opens. */
import { Body } from '../../model';
import { Places, Scene, sends, waits } from '../moves';
import { accountsOf } from '../search';
import { Client, jobsAreWithinLimit, jobsKeepTheirTerms, nobodyGains, onlyKeysMove } from './clients';

export function escrowScene(at: Places): Scene {
    const client = new Client(at);
    const { escrow: to, plenty } = at;
    const deposit = client.amount(400);
    const deadlines = (state: Parameters<Scene['deadlines']>[0]) => client.deadlines(state);
    const order = (name: string, units: number[], overrides: Parameters<Client['signed']>[1] = {}) =>
        client.order(name, (state) => client.signed(client.openJobs(state, units), overrides));
    return {
        name: 'escrow',
        opening: [],
        deadlines,
        moves: [
            client.setUp('client', 'sets up with 400', { deposit }),
            client.setUp('client', 'removes the spend key', { spendKey: undefined, code: undefined }),
            client.setUp('client', 'sets up without a code', { code: undefined }),
            client.setUp('client', 'sets up a weak key', { spendKey: 'weak1' }),
            client.setUp('client', 'sets up with too little', {}, 0n),
            client.setUp('stranger', 'sets up its own key', { spendKey: 'thief' }),
            client.open('client', 'opens 100', 100),
            client.open('client', 'opens with an old number', 100, { seqno: 7 }),
            client.open('client', 'opens more than the total', 100, { total: 99 }),
            client.open('stranger', 'opens 100', 100),
            order('orders 100', [100]),
            order('orders 60 and 40', [60, 40]),
            order('orders 40 and, above the limit of a job, 160', [40, 160]),
            order('orders 130 and 130, above the limit of a day', [130, 130]),
            order('orders 100, forged', [100], { key: 'thief' }),
            order('orders 100 for another network', [100], { network: 1 }),
            order('orders 100 for another escrow', [100], { escrow: at.payout }),
            client.order('orders 100 too late', (state) =>
                client.signed(client.openJobs(state, [100], { validUntil: state.now - 1 })),
            ),
            client.order('repeats its first order', (state) => {
                const validUntil = at.start + 30 * 86_400;
                return client.signed(client.openJobs(state, [50], { seqno: 0, validUntil }));
            }),
            client.jobOrder('orders to leave', 1),
            client.jobOrder('orders a refund', 2),
            client.jobOrder('orders what does not exist', 3),
            client.leaveJob(),
            client.leaveJob('stranger'),
            client.refund('stranger'),
            client.withdraw('client', 0),
            client.withdraw('client', 50),
            client.withdraw('client', 10_000),
            client.withdraw('stranger', 0),
            sends('stranger', 'gives 20', () => ({
                from: at.stranger,
                to,
                value: client.amount(20),
                body: { op: 'deposit' },
            })),
            sends('stranger', 'sends an unknown opcode', () => ({
                from: at.stranger,
                to,
                value: plenty,
                body: { op: 'unknown' },
            })),
            sends('payout', 'ends job 1', (state) => {
                const channel = accountsOf(state, 'channel')[0]?.[0];
                const body: Body = { op: 'claimLast', cumulative: 0n, count: 0, signature: '' };
                return channel === undefined ? undefined : { from: at.payout, to: channel, value: plenty, body };
            }),
            ...waits(deadlines),
        ],
        homebound: [client.homebound],
        check(step, book) {
            nobodyGains(step, at.stranger, at.payout);
            jobsKeepTheirTerms(client, step, 0n);
            jobsAreWithinLimit(client, step);
            return onlyKeysMove(client, step, book);
        },
    };
}
