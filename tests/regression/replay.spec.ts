/** Old words used again: after a job ended, after its escrow was emptied, in the next job of the same terms. */
import { toNano } from '@ton/core';
import { errors } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused } from '../support/chain';
import { expectNotAccepted, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');

describe('Replay', () => {
    const market = useMarket();

    it('of the last voucher of an ended job takes nothing from the next job of the same terms', async () => {
        const { channel: ended } = await market().openJob();
        const voucher = market().voucher(ended, toNano('0.8'));
        await ended.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher, last: true });
        const { channel: next } = await market().openJob();
        const there = await market().balanceOf(next);

        for (const last of [false, true]) {
            const result = await expectConserved(market().blockchain, () =>
                next.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher, last }),
            );
            expectRefused(result, { to: next.address, exitCode: errors.ErrBadSignature });
        }

        expect(next.address).not.toEqualAddress(ended.address);
        expect(await market().balanceOf(next)).toBe(there);
    });

    it('of an order opens no job again, even after its job ended and the escrow was emptied and filled', async () => {
        const jobs = [market().newJob()];
        const order = await market().openOrder(jobs, { validUntil: market().now + 3600 });
        await market().carry(order);
        const { channel } = await market().jobOf(jobs[0], 0);
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });
        await market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('1'), amount: 0n });
        await market().escrow.sendDeposit(market().owner.getSender(), { value: toNano('10') });

        await expectNotAccepted(market(), () => market().carry(order), errors.ErrStaleSeqno);

        expect(await market().isGone(channel)).toBe(true);
    });
});

describe('A top-up', () => {
    const market = useMarket();

    it('while the job is leaving counts once: all of it goes home, and nobody else pays it', async () => {
        const { channel } = await market().openJob({ deposit: toNano('1') });
        const { channel: other } = await market().openJob({ deposit: toNano('5') });
        const elsewhere = await market().balanceOf(other);
        const leave = { value: ENOUGH, channel: channel.address };
        await market().escrow.sendLeaveJob(market().owner.getSender(), leave);
        const there = await market().balanceOf(channel);

        await expectConserved(market().blockchain, () =>
            channel.sendTopUp(market().owner.getSender(), { value: toNano('2') }),
        );
        const result = await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });

        const home = valueSent(result, channel, market().escrow);
        expect(home).toBeGreaterThan(there + toNano('1.999'));
        expect(home).toBeLessThanOrEqual(there + toNano('2'));
        expect(await market().balanceOf(other)).toBe(elsewhere);
    });
});

describe('Two providers of one client', () => {
    const market = useMarket();

    it('are each paid all they are owed, whichever claims first and however much', async () => {
        const jobs = [market().newJob(), market().newJob({ payout: market().stranger.address.hash })];
        await market().openJobs(jobs, { seqno: 0 });
        const { channel: first } = await market().jobOf(jobs[0], 0);
        const { channel: second } = await market().jobOf(jobs[1], 1);

        const greedy = market().voucher(first, toNano('9'));
        const owed = market().voucher(second, toNano('1'));
        await first.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher: greedy, last: true });
        await second.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher: owed });

        expect((await second.getChannelState()).paid).toBe(toNano('1'));
    });
});
