import { Address, Cell, ContractProvider, Sender, SenderArguments, toNano } from '@ton/core';
import {
    Channel,
    channelCode,
    Dispute,
    Escrow,
    Library,
    Node,
    nodeChanges,
    Provider,
    Registry,
} from '@cocoon-market/wrappers';
import { useMarket } from './support/market';
import { committeeOf, listingWith, pairOf, rulesWith } from './support/stake';
import { listingCell } from '../wrappers/Node';

const someone = new Address(0, Buffer.alloc(32, 7));
const [value, number, amount, slot] = [1n, 0, 1n, 0];
const hash = Buffer.alloc(32, 1);
const receipt = Buffer.alloc(64 + 113);
const voucher = { cumulative: 1n, count: 1, signature: Buffer.alloc(64) };
const key = pairOf('spend');
const job = { deposit: 1n, end: 1, notice: 1, voucherKey: hash, payout: hash };
const head = { network: -239, seqno: 0, validUntil: 1, key };

/** What every method that sends is called with here; a method without an entry fails the test. */
const calls: Record<string, Record<string, object>> = {
    Channel: { sendTopUp: { value }, sendClaim: { value, voucher }, sendRefund: { value } },
    Escrow: {
        sendDeposit: { value },
        sendSetUp: { value, deposit: 0n, spendKey: hash, jobLimit: 1n, dayLimit: 1n, channelCode: null },
        sendOpen: { value, seqno: 0, jobs: [job] },
        sendLeaveJob: { value, channel: someone },
        sendWithdraw: { value, amount },
        sendOpenJobs: { ...head, jobs: [job] },
        sendJobOrder: { ...head, job: { ...job, job: 0 }, action: 'leave' },
        sendExternal: Cell.EMPTY.asSlice(),
    },
    Library: { sendPublish: { value, code: Cell.EMPTY }, sendTopUp: { value } },
    Node: { sendRent: { value }, sendReport: { value, report: Cell.EMPTY }, sendClear: { value } },
    Dispute: {
        sendPiece: { value, result: receipt, answer: Buffer.alloc(1), index: 0 },
        sendFail: { value, fail: receipt },
        sendVoucher: { value, result: receipt, voucher },
        sendStatement: { value, statement: hash },
        sendVerdict: { value, basisPoints: 1, validUntil: 1, votes: [{ member: 0, signature: Buffer.alloc(64) }] },
        sendDecide: { value },
        sendClear: { value },
    },
    Provider: {
        sendJoin: { value, stake: 1n, payout: someone },
        sendAdopt: { value },
        sendAddStake: { value, amount },
        sendUnbond: { value, amount },
        sendCancelUnbonding: { value, slot },
        sendWithdrawStake: { value, slot },
        sendWithdrawSurplus: { value },
        sendSetOperator: { value, operator: null },
        sendSetPayout: { value, payout: someone },
        sendUnjail: { value },
        sendRegisterNode: { value, code: Cell.EMPTY, listing: listingCell(listingWith()) },
        sendChangeNode: { value, number, change: nodeChanges.offers([]) },
        sendReplaceHardware: { value, number, share: 1n, gpus: 1, change: Cell.EMPTY },
        sendCloseNode: { value, number },
    },
    Registry: {
        sendLaunch: { value, rules: rulesWith(someone), committee: committeeOf(1, 1), codes: {}, catalogue: 0n },
        sendProposeChange: { value, change: Cell.EMPTY },
        sendExecuteChange: { value },
        sendCancelChange: { value },
        sendSetPaused: { value, paused: true },
        sendSetCatalogue: { value, catalogue: 1n },
        sendProposeGovernor: { value, governor: someone },
        sendAcceptGovernor: { value },
        sendTopUp: { value },
        sendAnnounceDemand: { value, model: 1n, queriesPerDay: 1, endsAt: 1 },
    },
};

/** External messages: no wallet sends them. */
const ORDERS = ['sendOpenJobs', 'sendJobOrder', 'sendExternal'];

/** What opens an account, and so brings its first state. */
const openings: [string, string, unknown][] = [
    ['Escrow', 'sendSetUp', calls.Escrow.sendSetUp],
    ['Escrow', 'sendDeposit', { value, opens: true }],
    ['Library', 'sendPublish', calls.Library.sendPublish],
    ['Library', 'sendTopUp', { value, opens: true }],
    ['Provider', 'sendJoin', calls.Provider.sendJoin],
    ['Registry', 'sendTopUp', { value, opens: true }],
];

const contracts: Record<string, () => Promise<object>> = {
    Channel: () => Channel.ofJob(someone, { ...job, job: 0 }),
    Escrow: () => Escrow.ofOwner(someone),
    Library: async () => Library.ofHash((await channelCode()).hash()),
    Node: () => Node.ofProvider(someone, 0),
    Dispute: () => Dispute.ofFault(someone, { class: 'A1', job: hash, query: 0 }),
    Provider: () => Provider.ofOwner(someone, someone),
    Registry: () => Registry.ofGovernor(someone, 1),
};

/** Names of all methods that send, those of the generated class included. */
function sendsOf(contract: object): string[] {
    const names = new Set<string>();
    let proto: object | null = contract;
    while (proto !== null) {
        Object.getOwnPropertyNames(proto).forEach((name) => names.add(name));
        proto = Object.getPrototypeOf(proto) as object | null;
    }
    return [...names].filter((name) => name.startsWith('send')).sort();
}

/**
 * The states that a method's messages bring to an account that is not there, as a provider that attaches them sends.
 */
async function statesSent(contract: object, method: string, args: unknown): Promise<unknown[]> {
    const { init } = contract as { init?: { code: Cell; data: Cell } };
    const sent: unknown[] = [];
    const via: Sender = { send: async (message: SenderArguments) => void sent.push(message.init ?? null) };
    const provider = {
        getState: async () => ({ balance: 0n, last: null, state: { type: 'uninit' } }),
        internal: async (by: Sender, message: { value: bigint }) => by.send({ to: someone, ...message, init }),
        external: async () => void sent.push(init ?? null),
    } as unknown as ContractProvider;
    const send = (contract as Record<string, (...args: unknown[]) => Promise<void>>)[method].bind(contract);
    const orders = ORDERS.includes(method);
    await (orders
        ? send(provider, args)
        : method === 'send'
          ? send(provider, via, { value }, null)
          : send(provider, via, args));
    return sent;
}

const openingNames = openings.map(([name, method]) => `${name}.${method}`);

describe('A wrapper', () => {
    it.each(Object.keys(contracts))('of %s has no method that sends unknown to this test', async (name) => {
        const known = [...Object.keys(calls[name]), 'send'].sort();
        expect(sendsOf(await contracts[name]())).toEqual(known);
    });

    const ordinary = Object.entries(calls).flatMap(([name, methods]) =>
        [...Object.entries(methods), ['send', null] as const]
            .filter(
                ([method]) =>
                    !['Escrow.sendSetUp', 'Library.sendPublish', 'Provider.sendJoin'].includes(`${name}.${method}`),
            )
            .filter(([method]) => !ORDERS.includes(method))
            .filter(([method]) => method !== 'send' || ['Node', 'Dispute', 'Provider'].includes(name))
            .map(([method, args]) => ({ name, method, args })),
    );
    it.each(ordinary)(
        'brings no state to an account that is not there: $name.$method',
        async ({ name, method, args }) => {
            expect(await statesSent(await contracts[name](), method, args)).toEqual([null]);
        },
    );

    it.each(ORDERS)('carries no order to an escrow that is not there: %s', async (method) => {
        await expect(statesSent(await contracts.Escrow(), method, calls.Escrow[method])).rejects.toThrow(
            'Nothing to send an order to',
        );
    });

    it.each(openings)('opens an account with its first state: %s.%s', async (name, method, args) => {
        expect(openingNames).toContain(`${name}.${method}`);
        expect(await statesSent(await contracts[name](), method, args)).toEqual([expect.anything()]);
    });
});

describe('A top-up of a job that has ended', () => {
    const market = useMarket();

    it('comes back: it begins no channel anew, so that an old voucher is not paid twice', async () => {
        const { channel, job: opened } = await market().openJob();
        const old = market().voucher(channel, toNano('0.4'));
        await channel.sendClaim(market().payout.getSender(), { value: toNano('0.05'), voucher: old, last: true });
        const ofJob = market().blockchain.openContract(
            await Channel.ofJob(market().escrow.address, opened, market().code),
        );
        const before = await market().payout.getBalance();

        await ofJob.sendTopUp(market().stranger.getSender(), { value: toNano('1') });
        await ofJob.sendClaim(market().payout.getSender(), { value: toNano('0.05'), voucher: old });

        expect(ofJob.address).toEqualAddress(channel.address);
        expect(await market().isGone(channel)).toBe(true);
        expect(await market().payout.getBalance()).toBeLessThanOrEqual(before);
    });
});
