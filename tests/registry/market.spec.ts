import { Address, beginCell, Cell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';

import { listingCell, nodeChanges } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { drawnFrom, expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { bodyWith } from '../support/schema';
import {
    changeNode,
    joinedMarket,
    joinProvider,
    launchMarket,
    listingWith,
    modelOf,
    nodeMarket,
    registerNode,
    STAKE,
} from '../support/stake';

const VALUE = toNano('1');

function eventsOf(result: SendMessageResult): Cell[] {
    return result.externals.map(({ body }) => body);
}

describe('Registry: the market in one history', () => {
    it('announces a provider with its account, stake and owner', async () => {
        const market = await launchMarket();
        const provider = await joinProvider(market, market.owner);

        const { events } = (await market.blockchain.getTransactions(market.registry.address)).reduce(
            (all, tx) => ({ events: [...all.events, ...tx.externals] }),
            { events: [] as { body: Cell }[] },
        );
        const registered = bodyWith('ProviderRegistered', {
            ...{ provider: BigInt(`0x${provider.address.hash.toString('hex')}`), stake: STAKE },
            owner: market.owner.address,
        });
        expect(events.map(({ body }) => body.toString())).toContain(registered.toString());
    });

    it('announces a node with the very cell that its owner sent', async () => {
        const market = await joinedMarket();
        const listing = listingWith();

        const { result } = await registerNode(market, { listing });

        const provider = BigInt(`0x${market.provider.address.hash.toString('hex')}`);
        const announced = bodyWith('NodeAnnounced', { provider, content: listingCell(listing) });
        expect(eventsOf(result)[0]).toEqualCell(announced);
    });

    it('announces a change of prices', async () => {
        const market = await nodeMarket();
        const change = nodeChanges.offers([{ ...listingWith().offers[0], prompt: 90n }]);

        const result = await changeNode(market, change);

        expect(eventsOf(result).map((event) => event.refs[0].hash())).toEqual([change.hash()]);
    });

    it('announces a client’s demand and returns the rest', async () => {
        const { blockchain, registry, stranger } = await launchMarket();
        const demand = { model: modelOf('a'), queriesPerDay: 20_000, endsAt: blockchain.now! + 1 };

        const result = await expectConserved(blockchain, () =>
            registry.sendAnnounceDemand(stranger.getSender(), { value: VALUE, ...demand }),
        );

        const slice = eventsOf(result)[0].beginParse();
        expect(slice.loadUint(32)).toBe(0xc0c00132);
        expect(slice.loadAddress()).toEqualAddress(stranger.address);
        expect([slice.loadUintBig(256), slice.loadUint(32), slice.loadUint(32)]).toEqual(Object.values(demand));
        expect(drawnFrom(transactionsOn(result, registry.address)[0])).toBe(0n);
    });

    it('takes demand at the value its getter names, not one nanoTON below', async () => {
        const { blockchain, registry, stranger } = await launchMarket();
        const enough = await registry.getAnnounceDemandValue(false);
        const demand = { model: 1n, queriesPerDay: 1, endsAt: blockchain.now! + 1 };

        const below = await registry.sendAnnounceDemand(stranger.getSender(), { value: enough - 1n, ...demand });
        const exact = await registry.sendAnnounceDemand(stranger.getSender(), { value: enough, ...demand });

        expectRefused(below, { to: registry.address, exitCode: errors.ErrLowValue });
        expect(exact.externals.length).toBe(1);
    });

    it('refuses demand that has ended', async () => {
        const { blockchain, registry, stranger } = await launchMarket();

        const demand = { value: VALUE, model: 1n, queriesPerDay: 1, endsAt: blockchain.now! };
        const result = await registry.sendAnnounceDemand(stranger.getSender(), demand);

        expectRefused(result, { to: registry.address, exitCode: errors.ErrExpired });
    });

    it('answers anyone who asks for the rules', async () => {
        const { blockchain, registry, stranger } = await launchMarket();
        const body = beginCell().storeUint(0xc0c00111, 32).storeUint(7, 64).storeUint(0, 256).endCell();

        const result = await expectConserved(blockchain, () =>
            stranger.send({ to: registry.address, value: VALUE, body }),
        );

        const answer = transactionsOn(result, stranger.address, registry.address)[0].inMessage!.body.beginParse();
        expect([answer.loadUint(32), answer.loadUint(64), answer.loadUint(32)]).toEqual([0xc0c00220, 7, 1]);
    });

    it('announces nothing for one who is not the provider or node it says it is', async () => {
        const { registry, owner, stranger } = await nodeMarket();
        const head = (opcode: number) => beginCell().storeUint(opcode, 32).storeUint(0, 64);
        const forged: [Cell, number][] = [
            [
                head(0xc0c00110)
                    .storeUint(STAKE, 64)
                    .storeUint(0, 8)
                    .storeAddress(owner.address)
                    .storeUint(0, 256)
                    .endCell(),
                errors.ErrNotProvider,
            ],
            [
                head(0xc0c00112)
                    .storeUint(0, 40)
                    .storeAddress(owner.address)
                    .storeAddress(stranger.address)
                    .storeRef(Cell.EMPTY)
                    .endCell(),
                errors.ErrNotProvider,
            ],
            [
                head(0xc0c00113)
                    .storeUint(0, 1 + 32 + 8 + 8)
                    .storeAddress(owner.address)
                    .storeAddress(stranger.address)
                    .storeRef(Cell.EMPTY)
                    .endCell(),
                errors.ErrNotNode,
            ],
            [
                head(0xc0c00113)
                    .storeUint(0, 1 + 32)
                    .storeUint(1, 8)
                    .storeUint(0, 8)
                    .storeAddress(owner.address)
                    .storeAddress(stranger.address)
                    .storeRef(Cell.EMPTY)
                    .endCell(),
                errors.ErrUnknownVersion,
            ],
        ];

        for (const [body, exitCode] of forged) {
            const result = await stranger.send({ to: registry.address, value: VALUE, body });
            expectRefused(result, { to: registry.address, exitCode });
        }
    });

    it('does not believe an account of the masterchain that has a provider’s data', async () => {
        const { blockchain, registry, provider, owner } = await joinedMarket();
        const body = beginCell()
            .storeUint(0xc0c00110, 32)
            .storeUint(0, 64)
            .storeUint(STAKE, 64)
            .storeUint(0, 8)
            .storeAddress(owner.address)
            .storeUint(0, 256)
            .endCell();
        const from = new Address(-1, provider.address.hash);

        const lookalike = await blockchain.sendMessage(internal({ from, to: registry.address, value: VALUE, body }));
        const itself = await blockchain.sendMessage(
            internal({ from: provider.address, to: registry.address, value: VALUE, body }),
        );

        expect(lookalike.transactions[0].description).toMatchObject({
            computePhase: { exitCode: errors.ErrNotProvider },
        });
        expect(itself.externals.length).toBe(1);
    });

    it('keeps nothing of anyone’s value', async () => {
        const market = await launchMarket();
        const before = (await market.blockchain.getContract(market.registry.address)).balance;

        const provider = await joinProvider(market, market.owner);
        await registerNode({ ...market, provider });

        expect((await market.blockchain.getContract(market.registry.address)).balance).toBe(before);
    });
});
