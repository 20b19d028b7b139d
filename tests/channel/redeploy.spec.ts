import { toNano } from '@ton/core';
import { channelInit, claimBody, errors, opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { bodyOf, OpenJob, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');

describe('Channel: deployed by a stranger', () => {
    const market = useMarket();

    const deploy = (job: OpenJob['job'], channel: OpenJob['channel'], value: bigint) => {
        const { code, data } = channelInit(market().escrow.address, job, market().code);
        return market().send(market().stranger, channel, { value, init: { code, data }, bounce: false });
    };

    it("pays old vouchers from the stranger's money once the job has ended", async () => {
        const { channel, job } = await market().openJob();
        const voucher = market().voucher(channel, toNano('0.4'));
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher, last: true });
        const before = await market().balanceOf(market().escrow);

        await deploy(job, channel, toNano('2'));
        const result = await market().send(market().payout, channel, {
            value: ENOUGH,
            body: claimBody(voucher),
        });

        expect(valueSent(result, channel, market().payout)).toBeGreaterThan(toNano('0.4'));
        expect(await market().balanceOf(channel)).toBeGreaterThan(toNano('1.59'));
        expect(await market().balanceOf(market().escrow)).toBe(before);
    });

    it('gives a top-up back that was under way as the payout ended the job and deployed it again', async () => {
        const { channel, job } = await market().openJob();
        const voucher = market().voucher(channel, toNano('0.9'));
        const { payout, owner } = market();
        await channel.sendClaim(payout.getSender(), { value: ENOUGH, voucher, last: true });
        await deploy(job, channel, toNano('0.01'));

        const result = await channel.sendTopUp(owner.getSender(), { value: toNano('2'), signed: toNano('0.9') });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrLowBalance });
        expect(valueSent(result, channel, owner)).toBeGreaterThan(toNano('1.99'));
    });

    it('gains nothing by own money that makes it take a top-up', async () => {
        const { channel, job } = await market().openJob();
        const { payout, owner } = market();
        const [some, all] = ['0.4', '0.9'].map((amount) => market().voucher(channel, toNano(amount)));
        await channel.sendClaim(payout.getSender(), { value: ENOUGH, voucher: all, last: true });
        const before = await market().balanceOf(payout);
        await market().send(market().stranger, payout, { value: toNano('0.9') });
        const { code, data } = channelInit(market().escrow.address, job, market().code);
        await market().send(payout, channel, { value: toNano('0.9'), init: { code, data } });
        await channel.sendClaim(payout.getSender(), { value: ENOUGH, voucher: some });

        await channel.sendTopUp(owner.getSender(), { value: toNano('2'), signed: toNano('0.9') });
        await channel.sendClaim(payout.getSender(), { value: ENOUGH, voucher: all, last: true });

        expect(await market().balanceOf(payout)).toBeLessThanOrEqual(before + toNano('0.9'));
    });

    it("sends what is left of the stranger's money to the client at the end", async () => {
        const { channel, job } = await market().openJob();
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });
        await deploy(job, channel, toNano('2'));
        market().blockchain.now = job.end;

        const result = await market().send(market().stranger, channel, {
            value: ENOUGH,
            body: bodyOf(opcodes.Refund),
        });

        expect(valueSent(result, channel, market().escrow)).toBeGreaterThan(toNano('1.99'));
        expect(await market().isGone(channel)).toBe(true);
    });

    it('changes nothing when it happens before the order arrives: the opening is a gift then', async () => {
        const seqno = await market().seqno();
        const { channel, job } = await market().jobOf(market().newJob(), seqno * 4);
        await deploy(job, channel, toNano('0.2'));

        await market().openJob();

        expect(await market().balanceOf(channel)).toBeGreaterThan(toNano('1.199'));
        expect(await channel.getChannelState()).toMatchObject({ paid: 0n, job: BigInt(seqno * 4) });
    });

    it('does not begin a running job again: what was paid stays paid', async () => {
        const { channel, job } = await market().openJob();
        const voucher = market().voucher(channel, toNano('0.4'));
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher });
        const { code, data } = channelInit(market().escrow.address, job, market().code);
        const body = claimBody(voucher);

        const result = await market().send(market().payout, channel, { value: ENOUGH, init: { code, data }, body });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNothingNew });
        expect((await channel.getChannelState()).paid).toBe(toNano('0.4'));
    });

    it('leaves an empty account behind when only a refused message came with the state', async () => {
        const { channel, job } = await market().openJob();
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });
        const { code, data } = channelInit(market().escrow.address, job, market().code);

        const result = await expectConserved(market().blockchain, () =>
            market().send(market().stranger, channel, {
                value: ENOUGH,
                init: { code, data },
                body: claimBody(market().voucher(channel, 1n)),
            }),
        );

        expect(transactionsOn(result, market().stranger.address, channel.address).length).toBe(1);
        expect(await market().balanceOf(channel)).toBe(0n);
    });
});
