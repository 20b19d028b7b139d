/** Accounts of the masterchain that share their 256 bits with someone of the basechain: anyone can deploy some of them. */
import { Address, Cell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';
import { claimBody, errors, opcodes } from '../../wrappers';
import { exitCodeOf, expectRefused, transactionsOn } from '../support/chain';
import { bodyOf, OpenJob, paidFrom, rentOf, useMarket, valueSent } from '../support/market';

const twinOf = ({ address }: { address: Address }) => ({ address: new Address(-1, address.hash) });

describe('A twin in the masterchain', () => {
    const market = useMarket({ slim: false });
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob({ deposit: toNano('1') }));
    });

    const sends = (from: { address: Address }, to: { address: Address }, body: Cell, value = toNano('0.5')) =>
        market().blockchain.sendMessage(internal({ from: from.address, to: to.address, value, bounce: true, body }));

    const refused = async (from: { address: Address }, to: { address: Address }, body: Cell, exitCode: number) =>
        expectRefused(await sends(from, to, body), { from: from.address, to: to.address, exitCode });

    /** A bounce to the masterchain costs more than these values: they stay with the job. */
    const expectUndone = (result: SendMessageResult, exitCode: number) => {
        expect(result.transactions).toHaveLength(1);
        expect(exitCodeOf(result.transactions[0])).toBe(exitCode);
        expect(paidFrom(result, channel)).toBeLessThanOrEqual(0n);
    };

    it('of the payout cannot end the job, with a voucher or without', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));

        await refused(twinOf(market().payout), channel, claimBody(voucher, true), errors.ErrNotPayout);
        await refused(twinOf(market().payout), channel, claimBody(undefined, true), errors.ErrNotPayout);
    });

    it('of the payout claims as any third party does: the payout is paid exactly, the twin gets its surplus', async () => {
        const twin = twinOf(market().payout);
        const body = claimBody(market().voucher(channel, toNano('0.3')), false);

        const result = await sends(twin, channel, body);

        expect(valueSent(result, channel, market().payout)).toBe(toNano('0.3'));
        expect(valueSent(result, channel, twin)).toBeGreaterThan(toNano('0.4'));
        expect(valueSent(result, channel, twin)).toBeLessThan(toNano('0.5'));
        expect((await channel.getChannelState()).paid).toBe(toNano('0.3'));
    });

    it('of the payout needs the minimum value of a third party', async () => {
        const value = (await channel.getClaimValue()) - 1n;
        const body = claimBody(market().voucher(channel, 5n), false);

        const result = await sends(twinOf(market().payout), channel, body, value);

        expectUndone(result, Number(errors.ErrLowValue));
    });

    it('of the escrow makes no job leave', async () => {
        await refused(twinOf(market().escrow), channel, bodyOf(opcodes.Leave), errors.ErrNotEscrow);
    });

    it('of the escrow may refund, as anyone: the rest goes to the escrow itself', async () => {
        market().blockchain.now = job.end;
        const there = await market().balanceOf(channel);

        const result = await sends(twinOf(market().escrow), channel, bodyOf(opcodes.Refund));

        const rent = rentOf(transactionsOn(result, channel.address)[0]);
        expect(valueSent(result, channel, market().escrow)).toBe(there - rent);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('of anyone pays the dearer way back of its surplus itself, or nothing happens at all', async () => {
        const value = await channel.getClaimValue();
        const body = claimBody(market().voucher(channel, 5n), false);

        const result = await sends(twinOf(market().stranger), channel, body, value);

        expectUndone(result, 37);
        expect((await channel.getChannelState()).paid).toBe(0n);
    });

    it('of the owner moves nothing', async () => {
        const { escrow, owner, blockchain } = market();
        const jobs = [market().newJob()];
        const seqno = await market().seqno();
        const before = blockchain.snapshot();
        for (const act of [
            () => escrow.sendWithdraw(owner.getSender(), { value: toNano('0.5'), amount: 0n }),
            () => escrow.sendLeaveJob(owner.getSender(), { value: toNano('0.5'), channel: channel.address }),
            () => escrow.sendOpen(owner.getSender(), { value: toNano('0.5'), seqno, jobs }),
            () => market().setUp(),
        ]) {
            const [done] = transactionsOn(await act(), escrow.address);
            expect(exitCodeOf(done)).toBe(0);
            await blockchain.loadFrom(before);

            await refused(twinOf(owner), escrow, done.inMessage!.body, errors.ErrNotOwner);
        }
    });
});
