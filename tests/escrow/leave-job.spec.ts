import { beginCell, toNano } from '@ton/core';
import { errors, Escrow, gas } from '@cocoon-market/wrappers';
import { exitCodeOf, expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { DAY, OpenJob, useMarket, valueSent } from '../support/market';

describe('Escrow: LeaveJob', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];

    beforeEach(async () => {
        ({ channel } = await market().openJob({ notice: DAY }));
    });

    const leave = (by = market().owner, value = toNano('0.1'), target: { address: typeof channel.address } = channel) =>
        expectConserved(market().blockchain, () =>
            market().escrow.sendLeaveJob(by.getSender(), { value, channel: target.address }),
        );

    const refundAt = async () => Number((await channel.getChannelState()).refundAt);

    it('makes the channel leave after its notice', async () => {
        await leave();

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('costs the escrow nothing and returns the rest of the value to the owner', async () => {
        let back = 0n;

        const fall = await market().fallOf(market().escrow, async () => {
            back = valueSent(await leave(), market().escrow, market().owner);
        });

        expect(fall).toBe(0n);
        expect(back).toBeGreaterThan(toNano('0.09'));
    });

    it('takes the minimum value', async () => {
        const fall = await market().fallOf(market().escrow, async () =>
            leave(market().owner, await market().escrow.getLeaveJobValue()),
        );

        expect(fall).toBe(0n);
        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('refuses a nanoTON below the minimum value', async () => {
        const result = await leave(market().owner, (await market().escrow.getLeaveJobValue()) - 1n);

        expectRefused(result, { to: market().escrow.address, exitCode: errors.ErrLowValue });
    });

    it('refuses anyone but the owner', async () => {
        for (const by of [market().stranger, market().payout]) {
            expectRefused(await leave(by), { to: market().escrow.address, exitCode: errors.ErrNotOwner });
        }
    });

    it('needs neither spend key nor limits nor seqno', async () => {
        await market().setUp({ spendKey: Buffer.alloc(32), dayLimit: 0n, jobLimit: 0n });

        await leave();

        expect(await refundAt()).toBe(market().now + DAY);
        expect(await market().seqno()).toBe(1);
    });

    it('reaches a channel of an older code, which the escrow no longer opens', async () => {
        await market().setUp({ channelCode: beginCell().storeUint(1, 8).endCell() });

        await leave();

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it("is refused by another client's channel, and the money comes back to the escrow", async () => {
        const stranger = market().stranger;
        const other = market().blockchain.openContract(await Escrow.ofOwner(stranger.address));
        await other.sendSetUp(stranger.getSender(), {
            value: toNano('2'),
            deposit: toNano('1'),
            spendKey: Buffer.alloc(32),
            jobLimit: 0n,
            dayLimit: 0n,
            channelCode: null,
        });
        const before = await refundAt();

        const result = await other.sendLeaveJob(stranger.getSender(), {
            value: toNano('0.1'),
            channel: channel.address,
        });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNotEscrow });
        expect(await refundAt()).toBe(before);
        expect(await market().balanceOf(other)).toBeGreaterThanOrEqual(toNano('1'));
    });

    it('keeps what comes back from a channel that has ended', async () => {
        await channel.sendClaim(market().payout.getSender(), { value: toNano('0.05'), last: true });

        const fall = await market().fallOf(market().escrow, async () => {
            const result = await leave();
            expect(exitCodeOf(transactionsOn(result, market().escrow.address).pop()!)).toBe(0);
        });

        expect(fall).toBeLessThanOrEqual(0n);
    });

    it('stays within its gas ceiling', async () => {
        const result = await leave();

        const [tx] = transactionsOn(result, market().escrow.address);
        expect(gasOf([tx])).toBeLessThanOrEqual(gas.GasLeaveJob);
    });
});
