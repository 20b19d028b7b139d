/**
 * Accounts of the masterchain that share their 256 bits with someone of the basechain: anyone can deploy some of them.
 */
import { Address, beginCell, Cell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';
import { claimBody, errors, opcodes } from '@cocoon-market/wrappers';
import { CaseMarket, caseMarket, report } from '../support/cases';
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

        await refused(twinOf(market().payout), channel, claimBody(voucher, { last: true }), errors.ErrNotPayout);
        await refused(twinOf(market().payout), channel, claimBody(undefined, { last: true }), errors.ErrNotPayout);
    });

    it('of the payout claims as any third party does: the payout is paid exactly, the twin gets its surplus', async () => {
        const twin = twinOf(market().payout);
        const body = claimBody(market().voucher(channel, toNano('0.3')));

        const result = await sends(twin, channel, body);

        expect(valueSent(result, channel, market().payout)).toBe(toNano('0.3'));
        expect(valueSent(result, channel, twin)).toBeGreaterThan(toNano('0.4'));
        expect(valueSent(result, channel, twin)).toBeLessThan(toNano('0.5'));
        expect((await channel.getChannelState()).paid).toBe(toNano('0.3'));
    });

    it('of the payout needs the minimum value of a third party', async () => {
        const value = (await channel.getClaimValue()) - 1n;
        const body = claimBody(market().voucher(channel, 5n));

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
        const body = claimBody(market().voucher(channel, 5n));

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

/** What comes back to the masterchain costs more than the values of a report: a slash must not fail for that. */
describe('Who reports or ends a case from the masterchain', () => {
    let market: CaseMarket;

    beforeEach(async () => {
        market = await caseMarket();
    });

    const sends = (to: { address: Address }, body: Cell, value: bigint) =>
        market.blockchain.sendMessage(
            internal({ from: twinOf(market.owner).address, to: to.address, value, bounce: true, body }),
        );

    it('cannot have a key die without a slash', async () => {
        const { job, node, provider } = market;
        const dear = { price: toNano('1000'), cumulative: toNano('1000') };
        const body = job.report.twice(job.result(dear), job.result({ ...dear, index: 2 }));
        const before = await node.getNodeRecord();

        const result = await sends(node, body, (await node.getValuesFor(body)).twice);

        expect(exitCodeOf(transactionsOn(result, node.address)[0])).toBe(errors.ErrNotBasechain);
        expect(await node.getNodeRecord()).toEqual(before);
        expect(transactionsOn(result, provider.address)).toEqual([]);
    });

    it('cannot end a case without a slash', async () => {
        const { job, provider, blockchain } = market;
        await report(market, 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        blockchain.now! += 25 * 3600;
        const { stake } = await provider.getProviderState();

        const body = beginCell().storeUint(opcodes.DecideCase, 32).storeUint(0, 64).endCell();
        const result = await sends(dispute, body, await dispute.getCloseValue());

        expect(exitCodeOf(transactionsOn(result, dispute.address)[0])).toBe(errors.ErrNotBasechain);
        await dispute.sendDecide(market.stranger.getSender(), { value: await dispute.getCloseValue() });
        expect((await provider.getProviderState()).stake).toBeLessThan(stake);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });
});
