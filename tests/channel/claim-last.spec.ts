import { beginCell, toNano } from '@ton/core';
import { claimBody, errors, gas, opcodes, SignedVoucher } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { bodyOf, OpenJob, otherKey, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');

describe('Channel: ClaimLast', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];

    beforeEach(async () => {
        ({ channel } = await market().openJob({ deposit: toNano('1') }));
    });

    const last = (voucher?: SignedVoucher, by = market().payout, value = ENOUGH) =>
        expectConserved(market().blockchain, () =>
            channel.sendClaim(by.getSender(), { value, last: true, ...(voucher ? { voucher } : {}) }),
        );

    /** The last claim of this much without a signature. */
    const unsigned = (cumulative: bigint) =>
        expectConserved(market().blockchain, () =>
            market().send(market().payout, channel, {
                value: ENOUGH,
                body: bodyOf(opcodes.ClaimLast, beginCell().storeUint(cumulative, 64).storeUint(0, 32).endCell()),
            }),
        );

    const refused = async (exitCode: number, ...args: Parameters<typeof last>) => {
        const result = await last(...args);
        expectRefused(result, { to: channel.address, exitCode });
    };

    it('pays what the voucher says, sends the rest to the escrow, and leaves no account', async () => {
        const there = await market().balanceOf(channel);

        const result = await last(market().voucher(channel, toNano('0.3')));

        expect(valueSent(result, channel, market().escrow)).toBe(there - toNano('0.3'));
        expect(valueSent(result, channel, market().payout)).toBeGreaterThan(toNano('0.3'));
        expect(await market().isGone(channel)).toBe(true);
    });

    it('sends the whole deposit home when nothing is owed, without a voucher', async () => {
        const there = await market().balanceOf(channel);

        const result = await last();

        expect(valueSent(result, channel, market().escrow)).toBe(there);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('needs no signature for what was paid already', async () => {
        await channel.sendClaim(market().payout.getSender(), {
            value: ENOUGH,
            voucher: market().voucher(channel, toNano('0.3')),
        });
        const there = await market().balanceOf(channel);

        const result = await unsigned(toNano('0.3'));

        expect(valueSent(result, channel, market().escrow)).toBe(there);
    });

    it('pays nothing for a voucher below what was paid already', async () => {
        await channel.sendClaim(market().payout.getSender(), {
            value: ENOUGH,
            voucher: market().voucher(channel, toNano('0.3')),
        });
        const there = await market().balanceOf(channel);

        const result = await last(market().voucher(channel, toNano('0.2')));

        expect(valueSent(result, channel, market().escrow)).toBe(there);
        expect(valueSent(result, channel, market().payout)).toBeLessThan(ENOUGH);
    });

    it('pays all there is for a voucher above the deposit, and sends the escrow nothing', async () => {
        const there = await market().balanceOf(channel);

        const result = await last(market().voucher(channel, toNano('9')));

        expect(transactionsOn(result, market().escrow.address).length).toBe(0);
        expect(valueSent(result, channel, market().payout)).toBeGreaterThan(there);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('ends a job that holds nothing any more, without a signature for what is still owed', async () => {
        await channel.sendClaim(market().payout.getSender(), {
            value: ENOUGH,
            voucher: market().voucher(channel, toNano('9')),
        });

        const result = await unsigned(toNano('9'));

        expect(transactionsOn(result, market().escrow.address)).toHaveLength(0);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('takes the minimum value, and the escrow gets every nanoTON that is not owed', async () => {
        const there = await market().balanceOf(channel);
        const value = await channel.getClaimValue();

        const result = await last(market().voucher(channel, 5n), market().payout, value);

        expect(valueSent(result, channel, market().escrow)).toBe(there - 5n);
        expect(valueSent(result, channel, market().payout)).toBeGreaterThanOrEqual(5n);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('takes the fees out of what the payout gets when its value buys little more than the gas', async () => {
        const there = await market().balanceOf(channel);

        const result = await last(market().voucher(channel, toNano('0.3')), market().payout, toNano('0.0025'));

        expect(valueSent(result, channel, market().escrow)).toBe(there - toNano('0.3'));
        expect(valueSent(result, channel, market().payout)).toBeLessThan(toNano('0.3'));
        expect(await market().isGone(channel)).toBe(true);
    });

    it('changes nothing when what the payout sends and gets does not carry the fees', async () => {
        const there = await market().balanceOf(channel);

        await last(market().voucher(channel, 5n), market().payout, toNano('0.002'));

        expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(there);
        expect((await channel.getChannelState()).paid).toBe(0n);
    });

    it('refuses the client', async () => {
        await refused(errors.ErrNotPayout, market().voucher(channel, toNano('0.3')), market().owner);
    });

    it('refuses a third party, with a voucher and without', async () => {
        await refused(errors.ErrNotPayout, market().voucher(channel, toNano('0.3')), market().stranger);
        await refused(errors.ErrNotPayout, undefined, market().stranger);
    });

    it('refuses the escrow', async () => {
        const result = await market().send(market().escrow, channel, {
            value: ENOUGH,
            body: claimBody(undefined, { last: true }),
        });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNotPayout });
    });

    it('refuses an amount above what was paid without a signature', async () => {
        expectRefused(await unsigned(1n), { to: channel.address, exitCode: 9 });
    });

    it('refuses a forged voucher', async () => {
        await refused(errors.ErrBadSignature, market().voucher(channel, toNano('0.3'), { key: otherKey }));
    });

    it('refuses a forged voucher for all there is, to the nanoTON or more', async () => {
        const there = await market().balanceOf(channel);
        for (const cumulative of [there, there + 1n, toNano('9')]) {
            await refused(errors.ErrBadSignature, market().voucher(channel, cumulative, { key: otherKey }));
        }
    });

    it('refuses an altered voucher', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));

        await refused(errors.ErrBadSignature, { ...voucher, cumulative: toNano('0.31') });
    });

    it('refuses the voucher of another network', async () => {
        await refused(errors.ErrBadSignature, market().voucher(channel, toNano('0.3'), { network: -3 }));
    });

    it('ends each job alone: another job of the same escrow and payout keeps its money', async () => {
        const other = await market().openJob();
        const before = await market().balanceOf(other.channel);

        await last(market().voucher(channel, toNano('0.3')));

        expect(await market().balanceOf(other.channel)).toBe(before);
    });

    it('stays within its gas ceiling, with a voucher and without', async () => {
        const paid = await last(market().voucher(channel, toNano('0.3')));
        ({ channel } = await market().openJob());
        const unused = await last();

        for (const result of [paid, unused]) {
            expect(gasOf(transactionsOn(result, channel.address))).toBeLessThanOrEqual(gas.GasClaim);
        }
    });
});
