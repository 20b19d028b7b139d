/** A nanoTON below its minimum each message is refused, at its minimum it does all it says: at every price level. */
import { toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';
import { listingCell, nodeChanges } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { errors } from '../../wrappers/protocol';
import { exitCodeOf, expectConserved, expectRefused, PriceLevel, transactionsOn } from '../support/chain';
import {
    DAY,
    exactValue,
    HOUR,
    keyOf,
    minValue,
    listingWith,
    nodeMarket,
    NodeMarket,
    registerNode,
    STAKE,
} from '../support/stake';

type Send = (value: bigint) => Promise<SendMessageResult>;

/** A message: what it takes, exactly or at most, and how it is sent. */
interface Case {
    exactly?: bigint;
    atMost?: bigint;
    to?: NodeMarket['provider']['address'];
    send: Send;
}

const STAKE_STEPS: [string, (market: NodeMarket) => Promise<Send>][] = [
    [
        'AddStake',
        async ({ provider, stranger }) =>
            (value) =>
                provider.sendAddStake(stranger.getSender(), { value: value + 7n, amount: 7n }),
    ],
    [
        'Unbond',
        async ({ provider, owner }) =>
            (value) =>
                provider.sendUnbond(owner.getSender(), { value, amount: 1n }),
    ],
    [
        'CancelUnbonding',
        async ({ provider, owner }) => {
            await provider.sendUnbond(owner.getSender(), { value: toNano('5'), amount: 1n });
            return (value) => provider.sendCancelUnbonding(owner.getSender(), { value, slot: 0 });
        },
    ],
    [
        'WithdrawStake',
        async ({ blockchain, provider, owner, stranger }) => {
            await provider.sendUnbond(owner.getSender(), { value: toNano('5'), amount: 1n });
            blockchain.now! += 336 * HOUR;
            await stranger.send({ to: provider.address, value: toNano('5') }); // rent, so that none is missing
            return (value) => provider.sendWithdrawStake(owner.getSender(), { value, slot: 0 });
        },
    ],
    [
        'WithdrawSurplus',
        async ({ provider, owner }) =>
            (value) =>
                provider.sendWithdrawSurplus(owner.getSender(), { value }),
    ],
    [
        'SetOperator',
        async ({ provider, owner }) =>
            (value) =>
                provider.sendSetOperator(owner.getSender(), { value, operator: null }),
    ],
    [
        'SetPayout',
        async ({ provider, owner, stranger }) =>
            (value) =>
                provider.sendSetPayout(owner.getSender(), { value, payout: stranger.address }),
    ],
];

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s', (prices) => {
    let market: NodeMarket;
    let fresh: ReturnType<NodeMarket['blockchain']['snapshot']>;

    beforeAll(async () => {
        market = await nodeMarket({ prices });
        fresh = market.blockchain.snapshot();
    });
    beforeEach(async () => {
        await market.blockchain.loadFrom(fresh);
    });

    /** Nothing on the whole way went wrong; who asked for an event got one. */
    const expectDone = ({ transactions, externals }: SendMessageResult, events: number) => {
        const codes = transactions.map(exitCodeOf).filter((exitCode) => exitCode !== undefined);
        expect(codes).toEqual(codes.map(() => 0));
        expect(externals).toHaveLength(events);
    };

    const expectPair = async ({ exactly, atMost, to = market.provider.address, send }: Case, events = 0) => {
        const minimum = exactly ?? (await minValue(market, atMost!, send));
        const before = market.blockchain.snapshot();

        const short = await expectConserved(market.blockchain, () => send(minimum - 1n));
        expectRefused(short, { to, exitCode: errors.ErrLowValue });
        await market.blockchain.loadFrom(before);
        const result = await expectConserved(market.blockchain, () => send(minimum));

        expectDone(result, events);
        expect(transactionsOn(result, to).length).toBeGreaterThan(0);
    };

    it.each(STAKE_STEPS)('%s', async (_, prepare) => {
        await expectPair({ exactly: await exactValue(market, 'stakeStep'), send: await prepare(market) });
    });

    it('Join', async () => {
        const { blockchain, registry, payout } = market;
        const newcomer = await blockchain.treasury('newcomer');
        const provider = blockchain.openContract(await Provider.ofOwner(registry.address, newcomer.address));
        const args = { stake: STAKE, payout: payout.address };
        const join = (value: bigint) => provider.sendJoin(newcomer.getSender(), { value: STAKE + value, ...args });
        const minimum = await minValue({ ...market, provider }, await registry.getJoinValue(), join);

        const before = blockchain.snapshot();
        const [short] = transactionsOn(await join(minimum - 1n), provider.address);
        await blockchain.loadFrom(before);

        expect(short.description).toMatchObject({ aborted: true, computePhase: { exitCode: errors.ErrLowValue } });
        expectDone(await expectConserved(blockchain, () => join(minimum)), 1);
        expect((await provider.getProviderState()).rulesVersion).toBe(1n);
    });

    it('Adopt', async () => {
        const { provider, owner } = market;

        await expectPair({
            exactly: await exactValue(market, 'adopt'),
            send: (value) => provider.sendAdopt(owner.getSender(), { value }),
        });
    });

    it('RegisterNode', async () => {
        const { provider, codes } = market;
        const listing = listingWith({ receiptKey: keyOf('another') });
        const atMost = await provider.getRegisterNodeValue({ code: codes.node, listing: listingCell(listing) });

        await expectPair({ atMost, send: async (value) => (await registerNode(market, { listing, value })).result }, 1);
    });

    it('ChangeNode', async () => {
        const { provider, operator } = market;
        const change = nodeChanges.offers(listingWith().offers);

        await expectPair(
            {
                atMost: await provider.getChangeNodeValue(change),
                send: (value) => provider.sendChangeNode(operator.getSender(), { value, number: 0, change }),
            },
            1,
        );
    });

    it('ReplaceHardware', async () => {
        const { provider, operator, node } = market;
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const { share } = await node.getNodeState();
        const args = { number: 0, share, gpus: 2, change };

        await expectPair(
            {
                atMost: await provider.getReplaceHardwareValue(change),
                send: (value) => provider.sendReplaceHardware(operator.getSender(), { value, ...args }),
            },
            1,
        );
    });

    it('CloseNode, and ClearNode a time later', async () => {
        const { blockchain, provider, operator, node, stranger } = market;
        const close = (value: bigint) => provider.sendCloseNode(operator.getSender(), { value, number: 0 });
        await expectPair({ exactly: await exactValue(market, 'closeNode'), send: close }, 1);
        blockchain.now! += 15 * DAY;

        const exactly = await node.getClearValue();
        const send = (value: bigint) => node.sendClear(stranger.getSender(), { value });
        await expectPair({ exactly, to: node.address, send });

        expect((await blockchain.getContract(node.address)).balance).toBe(0n);
    });

    it('AnnounceDemand', async () => {
        const { blockchain, registry, stranger } = market;
        const demand = { model: 1n, queriesPerDay: 1, endsAt: blockchain.now! + 1 };

        await expectPair(
            {
                exactly: await registry.getAnnounceDemandValue(false),
                to: registry.address,
                send: (value) => registry.sendAnnounceDemand(stranger.getSender(), { value, ...demand }),
            },
            1,
        );
    });
});
