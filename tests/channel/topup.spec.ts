import { toNano } from '@ton/core';
import { errors } from '@cocoon-market/wrappers';
import { expectRefused } from '../support/chain';
import { useMarket } from '../support/market';

const ENOUGH = toNano('0.05');
const DEPOSIT = toNano('1');

describe('Channel: a top-up', () => {
    const market = useMarket();

    it('is taken when the job has had exactly what the highest voucher says', async () => {
        const { channel } = await market().openJob();
        const signed = await market().balanceOf(channel);

        await channel.sendTopUp(market().stranger.getSender(), { value: toNano('2'), signed });

        expect(await market().balanceOf(channel)).toBeGreaterThan(toNano('2.99'));
    });

    it('comes back when the job has had a nanoTON less than the highest voucher says', async () => {
        const { channel } = await market().openJob();
        const signed = (await market().balanceOf(channel)) + 1n;

        const result = await channel.sendTopUp(market().stranger.getSender(), { value: toNano('2'), signed });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrLowBalance });
    });

    it('counts what was paid as what the job has had', async () => {
        const { channel } = await market().openJob();
        const voucher = market().voucher(channel, toNano('0.9'));
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher });

        await channel.sendTopUp(market().owner.getSender(), { value: DEPOSIT, signed: toNano('0.95') });

        expect(await market().balanceOf(channel)).toBeGreaterThan(toNano('1.09'));
    });

    it('asks the chain what the job has had when the sender does not say what was signed', async () => {
        const { channel } = await market().openJob();

        await channel.sendTopUp(market().owner.getSender(), { value: DEPOSIT });

        expect(await market().balanceOf(channel)).toBeGreaterThan(toNano('1.99'));
    });

    it('comes back from a job that is not there', async () => {
        const { channel } = await market().openJob();
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });
        const before = await market().balanceOf(market().owner);

        await channel.sendTopUp(market().owner.getSender(), { value: DEPOSIT });

        expect(await market().balanceOf(market().owner)).toBeGreaterThan(before - toNano('0.01'));
        expect(await market().isGone(channel)).toBe(true);
    });
});
