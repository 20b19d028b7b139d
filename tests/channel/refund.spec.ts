import { toNano } from '@ton/core';
import { errors, gas, opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { bodyOf, DAY, OpenJob, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');

describe('Channel: Refund', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob({ deposit: toNano('1'), notice: DAY }));
    });

    const refund = (by: { address: typeof channel.address } = market().stranger, value = ENOUGH) =>
        expectConserved(market().blockchain, () => market().send(by, channel, { value, body: bodyOf(opcodes.Refund) }));

    it("sends the rest to the escrow at the job's end, without a Leave", async () => {
        market().blockchain.now = job.end;
        const there = await market().balanceOf(channel);

        const result = await refund();

        const tx = transactionsOn(result, channel.address)[0];
        const rent = tx.description.type === 'generic' ? tx.description.storagePhase!.storageFeesCollected : 0n;
        expect(valueSent(result, channel, market().escrow)).toBe(there - rent);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('refuses a second before the end', async () => {
        market().blockchain.now = job.end - 1;

        expectRefused(await refund(), { to: channel.address, exitCode: errors.ErrTooEarly });
    });

    it('is open exactly when the notice is over, and not a second before', async () => {
        await market().send(market().escrow, channel, { value: toNano('0.01'), body: bodyOf(opcodes.Leave) });

        market().blockchain.now! += DAY - 1;
        expectRefused(await refund(), { to: channel.address, exitCode: errors.ErrTooEarly });
        market().blockchain.now! += 1;
        await refund();

        expect(await market().isGone(channel)).toBe(true);
    });

    it("returns the caller's surplus to the caller", async () => {
        market().blockchain.now = job.end;

        const result = await refund(market().stranger, toNano('3'));

        expect(valueSent(result, channel, market().stranger)).toBeGreaterThan(toNano('2.99'));
        expect(valueSent(result, channel, market().escrow)).toBeLessThan(toNano('1.01'));
    });

    it('may be asked by the payout, and then pays the payout nothing but its surplus', async () => {
        market().blockchain.now = job.end;

        const result = await refund(market().payout);

        expect(valueSent(result, channel, market().payout)).toBeLessThan(ENOUGH);
        expect(valueSent(result, channel, market().escrow)).toBeGreaterThan(toNano('0.99'));
    });

    it('sends the escrow everything in one message when the escrow asks', async () => {
        market().blockchain.now = job.end;

        const result = await refund(market().escrow);

        expect(transactionsOn(result, market().escrow.address, channel.address).length).toBe(1);
        expect(valueSent(result, channel, market().escrow)).toBeGreaterThan(toNano('1.03'));
        expect(await market().isGone(channel)).toBe(true);
    });

    it('sends home only what claims have left', async () => {
        await channel.sendClaim(market().payout.getSender(), {
            value: ENOUGH,
            voucher: market().voucher(channel, toNano('0.6')),
        });
        market().blockchain.now = job.end;

        const result = await refund();

        expect(valueSent(result, channel, market().escrow)).toBeLessThan(toNano('0.41'));
        expect(await market().isGone(channel)).toBe(true);
    });

    it('sends home a rest of one nanoTON', async () => {
        market().blockchain.now = job.end;
        await market().send(market().payout, channel, { value: toNano('0.1') }); // takes the rent of the month
        const all = await market().balanceOf(channel);
        const voucher = market().voucher(channel, all - 1n);
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, voucher });
        expect(await market().balanceOf(channel)).toBe(1n);

        const result = await refund();

        expect(valueSent(result, channel, market().escrow)).toBe(1n);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('ends a channel that holds nothing any more', async () => {
        await channel.sendClaim(market().payout.getSender(), {
            value: ENOUGH,
            voucher: market().voucher(channel, toNano('9')),
        });
        market().blockchain.now = job.end;

        const result = await refund();

        expect(transactionsOn(result, market().escrow.address).length).toBe(0);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('takes the minimum value, and the escrow pays nothing of the fees', async () => {
        await market().send(market().escrow, channel, { value: toNano('0.01'), body: bodyOf(opcodes.Leave) });
        market().blockchain.now! += DAY;
        await market().send(market().payout, channel, { value: toNano('0.1') }); // takes the rent of the day
        const there = await market().balanceOf(channel);

        const result = await refund(market().stranger, await channel.getRefundValue());

        expect(valueSent(result, channel, market().escrow)).toBe(there);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('refuses a nanoTON below the minimum value', async () => {
        market().blockchain.now = job.end;

        const result = await refund(market().stranger, (await channel.getRefundValue()) - 1n);

        expectRefused(result, { to: channel.address, exitCode: errors.ErrLowValue });
    });

    it('takes a body that is longer than its opcode: nothing is read of the rest', async () => {
        market().blockchain.now = job.end;

        await market().send(market().stranger, channel, {
            value: ENOUGH,
            body: bodyOf(opcodes.Refund, bodyOf(7)),
        });

        expect(await market().isGone(channel)).toBe(true);
    });

    it('stays within its gas ceiling', async () => {
        market().blockchain.now = job.end;

        const result = await refund();

        expect(gasOf(transactionsOn(result, channel.address))).toBeLessThanOrEqual(gas.GasRefund);
    });
});
