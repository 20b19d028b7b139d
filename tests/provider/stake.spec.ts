import { beginCell, toNano } from '@ton/core';
import type { SendMessageResult } from '@ton/sandbox';

import { errors } from '../../wrappers/protocol';
import { drawnFrom, exitCodeOf, expectConserved, expectRefused, transactionsOn } from '../support/chain';
import {
    BASE_STAKE,
    exactValue,
    expectSolvent,
    HOUR,
    joinedMarket,
    JoinedMarket,
    registerNode,
    RATE,
    STAKE,
} from '../support/stake';

const UNBONDING = 336 * HOUR;

async function stepValue(market: JoinedMarket) {
    return exactValue(market, 'stakeStep');
}

async function unbond(market: JoinedMarket, amount: bigint) {
    const { blockchain, provider, owner } = market;
    const value = (await provider.getValuesOf(0n, 0n)).stakeStep;
    const result = await expectConserved(blockchain, () => provider.sendUnbond(owner.getSender(), { value, amount }));
    if (exitCodeOf(transactionsOn(result, provider.address)[0]) === 0) {
        await expectSolvent(market);
    }
    return result;
}

describe('Provider: AddStake', () => {
    it('keeps the amount from anyone and returns the rest to him', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, stranger } = market;
        const amount = toNano('5');
        const value = amount + (await stepValue(market));

        const result = await expectConserved(blockchain, () =>
            provider.sendAddStake(stranger.getSender(), { value, amount }),
        );

        expect((await provider.getProviderState()).stake).toBe(STAKE + amount);
        expect(transactionsOn(result, stranger.address, provider.address).length).toBe(1);
        await expectSolvent(market);
    });

    it('refuses one nanoTON less than amount and fees, and an amount of nothing', async () => {
        const market = await joinedMarket();
        const { provider, stranger } = market;
        const value = toNano('5') + (await stepValue(market));

        const below = await provider.sendAddStake(stranger.getSender(), { value: value - 1n, amount: toNano('5') });
        const nothing = await provider.sendAddStake(stranger.getSender(), { value, amount: 0n });

        expectRefused(below, { to: provider.address, exitCode: errors.ErrLowValue });
        expectRefused(nothing, { to: provider.address, exitCode: errors.ErrWrongAmount });
    });
});

describe('Provider: Unbond', () => {
    it('moves stake above the base into a slot that opens after the unbonding time', async () => {
        const market = await joinedMarket();

        await unbond(market, STAKE - BASE_STAKE);

        const state = await market.provider.getProviderState();
        expect([state.stake, state.unbonding]).toEqual([BASE_STAKE, STAKE - BASE_STAKE]);
        expect((await market.provider.getStakeSlot(0n)).unlockAt).toBe(BigInt(market.blockchain.now! + UNBONDING));
    });

    it('requires nothing, not even the base, while there are no nodes', async () => {
        const market = await joinedMarket();

        await unbond(market, STAKE - 1n);
        await unbond(market, 1n);

        expect((await market.provider.getProviderState()).stake).toBe(0n);
    });

    it('refuses what an open node requires, to the nanoTON', async () => {
        const market = await joinedMarket();
        await registerNode(market);
        const free = STAKE - BASE_STAKE - 2n * RATE;

        const refused = await unbond(market, free + 1n);
        const all = await unbond(market, STAKE);
        await unbond(market, free);

        expectRefused(refused, { to: market.provider.address, exitCode: errors.ErrLowStake });
        expectRefused(all, { to: market.provider.address, exitCode: errors.ErrLowStake });
        expect((await market.provider.getProviderState()).unbonding).toBe(free);
    });

    it('refuses more than there is, and nothing', async () => {
        const market = await joinedMarket();

        const more = await unbond(market, STAKE + 1n);
        const nothing = await unbond(market, 0n);

        expectRefused(more, { to: market.provider.address, exitCode: errors.ErrLowStake });
        expectRefused(nothing, { to: market.provider.address, exitCode: errors.ErrWrongAmount });
    });

    it('uses four slots, each with its own time, and refuses a fifth', async () => {
        const market = await joinedMarket();
        for (let slot = 0; slot < 4; slot++) {
            await unbond(market, toNano('1'));
            market.blockchain.now! += HOUR;
        }

        const fifth = await unbond(market, toNano('1'));

        const slots = await Promise.all([0n, 1n, 2n, 3n].map((slot) => market.provider.getStakeSlot(slot)));
        expect(slots.map(({ unlockAt }) => Number(unlockAt - slots[0].unlockAt))).toEqual([
            0,
            HOUR,
            2 * HOUR,
            3 * HOUR,
        ]);
        expectRefused(fifth, { to: market.provider.address, exitCode: errors.ErrNoSlot });
    });

    it('is the owner’s alone', async () => {
        const market = await joinedMarket();
        const { provider, operator, stranger } = market;
        const value = await stepValue(market);

        for (const wallet of [operator, stranger]) {
            const refused = [
                await provider.sendUnbond(wallet.getSender(), { value, amount: 1n }),
                await provider.sendCancelUnbonding(wallet.getSender(), { value, slot: 0 }),
                await provider.sendWithdrawStake(wallet.getSender(), { value, slot: 0 }),
                await provider.sendWithdrawSurplus(wallet.getSender(), { value }),
            ];
            for (const result of refused) {
                expectRefused(result, { to: provider.address, exitCode: errors.ErrNotOwner });
            }
        }
    });
});

describe('Provider: WithdrawStake', () => {
    it('refuses a second before the slot opens and pays the owner on time', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await unbond(market, STAKE - BASE_STAKE);
        blockchain.now! += UNBONDING - 1;

        const early = await provider.sendWithdrawStake(owner.getSender(), { value: toNano('1'), slot: 0 });
        blockchain.now! += 1;
        const value = (await provider.getValuesOf(0n, 0n)).stakeStep;
        const result = await expectConserved(blockchain, () =>
            provider.sendWithdrawStake(owner.getSender(), { value, slot: 0 }),
        );

        expectRefused(early, { to: provider.address, exitCode: errors.ErrTooEarly });
        const [paid] = transactionsOn(result, owner.address, provider.address);
        expect(paid.inMessage!.info).toMatchObject({ type: 'internal' });
        expect(drawnFrom(transactionsOn(result, provider.address)[0])).toBeGreaterThan(toNano('49.9'));
        expect((await provider.getProviderState()).unbonding).toBe(0n);
        await expectSolvent(market);
    });

    it('pays a slot once', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await unbond(market, STAKE - BASE_STAKE);
        blockchain.now! += UNBONDING;
        await provider.sendWithdrawStake(owner.getSender(), { value: toNano('1'), slot: 0 });

        const again = await provider.sendWithdrawStake(owner.getSender(), { value: toNano('1'), slot: 0 });
        const beyond = await provider.sendWithdrawStake(owner.getSender(), { value: toNano('1'), slot: 4 });

        expectRefused(again, { to: provider.address, exitCode: errors.ErrEmptySlot });
        expectRefused(beyond, { to: provider.address, exitCode: errors.ErrEmptySlot });
    });

    it('frees the slot for another time', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await unbond(market, toNano('10'));
        await unbond(market, toNano('20'));
        blockchain.now! += UNBONDING;
        await provider.sendWithdrawStake(owner.getSender(), { value: toNano('1'), slot: 0 });

        await unbond(market, toNano('5'));

        expect((await provider.getStakeSlot(0n)).amount).toBe(toNano('5'));
        expect((await provider.getStakeSlot(1n)).amount).toBe(toNano('20'));
    });
});

describe('Provider: CancelUnbonding', () => {
    it('moves the slot back into the stake at any time', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await unbond(market, STAKE - BASE_STAKE);

        const value = await stepValue(market);
        await expectConserved(blockchain, () => provider.sendCancelUnbonding(owner.getSender(), { value, slot: 0 }));
        const again = await provider.sendCancelUnbonding(owner.getSender(), { value, slot: 0 });

        expect(await provider.getProviderState()).toMatchObject({ stake: STAKE, unbonding: 0n });
        expectRefused(again, { to: provider.address, exitCode: errors.ErrEmptySlot });
        await expectSolvent(market);
    });
});

describe('Provider: plain transfers', () => {
    it('count as nothing and stay the owner’s', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner, stranger } = market;

        await expectConserved(blockchain, () => stranger.send({ to: provider.address, value: toNano('3') }));
        const { stake, surplus } = await provider.getProviderState();
        expect(stake).toBe(STAKE);
        expect(surplus).toBeGreaterThan(toNano('2.99'));
        await expectConserved(blockchain, () =>
            provider.sendWithdrawSurplus(owner.getSender(), { value: toNano('1') }),
        );

        expect((await provider.getProviderState()).surplus).toBe(0n);
        await expectSolvent(market);
    });

    it('do not reach the operator with what comes back to him', async () => {
        const market = await joinedMarket();
        await market.stranger.send({ to: market.provider.address, value: toNano('3') });

        await registerNode(market, { by: market.operator });

        expect((await market.provider.getProviderState()).surplus).toBeGreaterThan(toNano('2.99'));
    });
});

describe('Provider: rent', () => {
    it('is made up by the next message, which must bring it', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        const before = await stepValue(market);
        blockchain.now! += 180 * 86400;
        await provider.sendWithdrawSurplus(owner.getSender(), { value: 1n }); // refused, but the rent is taken
        const after = await stepValue(market);

        const below = await provider.sendUnbond(owner.getSender(), { value: after - 1n, amount: 1n });
        const exact = await provider.sendUnbond(owner.getSender(), { value: after, amount: 1n });

        expect(after).toBeGreaterThan(before);
        expectRefused(below, { to: provider.address, exitCode: errors.ErrLowValue });
        expect(exitCodeOf(transactionsOn(exact, provider.address)[0])).toBe(0);
        await expectSolvent(market);
    });

    it('is in the value that the getter names after a year without a message', async () => {
        const market = await joinedMarket();
        market.blockchain.now! += 365 * 86400;

        await unbond(market, 1n);

        expect((await market.provider.getProviderState()).unbonding).toBe(1n);
    });
});

describe('Provider: messages it does not know', () => {
    it('refuses an unknown opcode, a comment and a cut-off body', async () => {
        const { provider, owner } = await joinedMarket();
        const bodies = [
            [beginCell().storeUint(0xc0c002ff, 32).storeUint(0, 64).endCell(), 130],
            [beginCell().storeUint(0, 32).storeStringTail('hello').endCell(), 130],
            [beginCell().storeUint(0xc0c00204, 32).storeUint(0, 64).endCell(), 9],
        ] as const;

        for (const [body, exitCode] of bodies) {
            const result = await owner.send({ to: provider.address, value: toNano('1'), body });
            expectRefused(result, { to: provider.address, exitCode });
        }
    });
});

describe('Provider: what its owner changes', () => {
    it.each<[string, (market: JoinedMarket) => Promise<SendMessageResult>]>([
        ['Unbond', (market) => unbond(market, 1n)],
        [
            'CancelUnbonding',
            async (market) => {
                await unbond(market, 1n);
                const value = (await market.provider.getValuesOf(0n, 0n)).stakeStep;
                return market.provider.sendCancelUnbonding(market.owner.getSender(), { value, slot: 0 });
            },
        ],
        [
            'SetOperator',
            ({ provider, owner, stranger }) =>
                provider.sendSetOperator(owner.getSender(), { value: toNano('1'), operator: stranger.address }),
        ],
        [
            'SetPayout',
            ({ provider, owner, stranger }) =>
                provider.sendSetPayout(owner.getSender(), { value: toNano('1'), payout: stranger.address }),
        ],
    ])('costs it nothing and brings it nothing, to the nanoTON (%s)', async (_, send) => {
        const market = await joinedMarket();

        const result = await send(market);

        const [handled] = transactionsOn(result, market.provider.address, market.owner.address);
        expect(exitCodeOf(handled)).toBe(0);
        expect(drawnFrom(handled)).toBe(0n);
    });
});
