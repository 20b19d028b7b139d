/** Jobs of library code while the masterchain does not have it, and after it does again: nothing is lost. */
import { Cell, toNano } from '@ton/core';
import {
    channelCode,
    claimBody,
    errors,
    jobOrderCell,
    Library,
    libraryOf,
    loadChannelData,
    opcodes,
    signedOrder,
} from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { publishedLibraries, reflectLibraries } from '../support/library';
import { bodyOf, DAY, OpenJob, spendKey, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');
const WAY_BACK = 500_000n; // nanoTON a bounced deposit pays for its way home, and for the escrow to take it
const NO_LIBRARY = 9; // cell underflow: the code cannot be read

describe('While the library is absent', () => {
    const market = useMarket({ library: true });
    let open: OpenJob;

    beforeEach(async () => {
        open = await market().openJob();
    });

    /** The keeper has owed rent for long enough, and somebody sent it a nanoTON: it is frozen, and its library gone. */
    const lose = async () => {
        const keeper = await market().blockchain.getContract(
            (await Library.ofHash((await channelCode()).hash())).address,
        );
        const owing = keeper.account;
        owing.account!.storage.balance = { coins: 0n }; // the fixture paid a century ahead
        owing.account!.storageStats.lastPaid = market().now - 60 * DAY;
        keeper.account = owing;
        await market().send(market().stranger, keeper, { value: 1n, bounce: false });
        reflectLibraries(market().blockchain);
        expect(publishedLibraries(market().blockchain).size).toBe(0);
    };

    /** A stranger brings the bytes again, to a fresh keeper. */
    const restore = async () => {
        const code = await channelCode();
        const keeper = market().blockchain.openContract(await Library.ofHash(code.hash(), 1));
        await keeper.sendPublish(market().stranger.getSender(), { value: toNano('20'), code });
        reflectLibraries(market().blockchain);
        expect(publishedLibraries(market().blockchain).size).toBe(1);
    };

    const dataOf = async ({ channel }: Pick<OpenJob, 'channel'>) => {
        const { accountState } = await market().blockchain.getContract(channel.address);
        return loadChannelData(accountState?.type === 'active' ? accountState.state.data! : Cell.EMPTY);
    };

    const conserved = (action: Parameters<typeof expectConserved>[1]) => expectConserved(market().blockchain, action);

    const claim = (cumulative: bigint, last = false, { channel } = open) =>
        conserved(() =>
            market().send(market().payout, channel, {
                value: ENOUGH,
                body: claimBody(market().voucher(channel, cumulative), { last }),
            }),
        );

    const order = async (action: 'leave' | 'refund', { job } = open) => {
        const body = signedOrder(jobOrderCell({ ...(await market().head()), job, action }), spendKey);
        return conserved(() => market().carry(body));
    };

    const refund = ({ channel } = open) =>
        conserved(() => market().send(market().stranger, channel, { value: ENOUGH, body: bodyOf(opcodes.Refund) }));

    it('an opening bounces: the deposits are back in the escrow, the order is used and counted', async () => {
        await lose();
        const jobs = [0, 1, 2, 3].map((i) => market().newJob({ deposit: toNano('1') + BigInt(i) }));
        const { spent, seqno } = await market().escrow.getEscrowState();
        const before = await market().balanceOf(market().escrow);

        const result = await conserved(() => market().openJobs(jobs));

        const returned = transactionsOn(result, market().escrow.address).slice(1);
        expect(returned.map((tx) => tx.inMessage?.info.type === 'internal' && tx.inMessage.info.bounced)).toEqual(
            Array(4).fill(true),
        );
        const fee = await market().escrow.getOpenFeeOf(4n);
        const cost = before - (await market().balanceOf(market().escrow));
        expect(cost).toBeLessThan(fee + 4n * WAY_BACK);
        expect(await market().escrow.getEscrowState()).toMatchObject({
            seqno: seqno + 1n,
            spent: spent + toNano('4') + 6n + fee,
        });
    });

    it('an opening leaves an account that holds nothing, which anyone ends after the end of its job', async () => {
        await lose();
        const lost = await market().openJob();
        expect(await market().balanceOf(lost.channel)).toBe(0n);
        await restore();

        const early = await refund(lost);
        expectRefused(early, { to: lost.channel.address, exitCode: errors.ErrTooEarly });
        market().blockchain.now = lost.job.end;
        await refund(lost);

        expect(await market().isGone(lost.channel)).toBe(true);
    });

    it('a voucher of an opening that bounced pays nothing, and a top-up makes the job real', async () => {
        await lose();
        const lost = await market().openJob();
        await restore();

        const result = await claim(toNano('0.1'), false, lost);
        expectRefused(result, { to: lost.channel.address, exitCode: errors.ErrNothingNew });

        await lost.channel.sendTopUp(market().stranger.getSender(), { value: toNano('1') });
        await claim(toNano('0.1'), true, lost);
        expect(await market().isGone(lost.channel)).toBe(true);
    });

    it('the same job opened by the next order runs once the library is back', async () => {
        await lose();
        await market().openJob();
        await restore();

        const { channel } = await market().openJob();
        await claim(toNano('0.4'), true, { ...open, channel });

        expect(await market().isGone(channel)).toBe(true);
    });

    it('a claim comes back and the voucher pays later, every nanoTON of it', async () => {
        const there = await market().balanceOf(open.channel);
        await lose();

        const result = await claim(toNano('0.4'));

        expectRefused(result, { to: open.channel.address, exitCode: NO_LIBRARY });
        expect(await market().balanceOf(open.channel)).toBe(there);
        expect(await dataOf(open)).toMatchObject({ paid: 0n });
        await restore();
        await claim(toNano('0.4'));
        expect(await market().balanceOf(open.channel)).toBe(there - toNano('0.4'));
    });

    it('the last claim comes back, and ends the job later', async () => {
        const there = await market().balanceOf(open.channel);
        await lose();

        expectRefused(await claim(toNano('0.4'), true), { to: open.channel.address, exitCode: NO_LIBRARY });
        await restore();
        const result = await claim(toNano('0.4'), true);

        expect(valueSent(result, open.channel, market().escrow)).toBe(there - toNano('0.4'));
        expect(await market().isGone(open.channel)).toBe(true);
    });

    it('leaving changes nothing, by order or by message, and what it carried is back in the escrow', async () => {
        await lose();
        const before = await market().balanceOf(market().escrow);

        const ordered = await order('leave');
        const asked = await conserved(() =>
            market().escrow.sendLeaveJob(market().owner.getSender(), { value: ENOUGH, channel: open.channel.address }),
        );

        for (const result of [ordered, asked]) {
            expectRefused(result, { to: open.channel.address, exitCode: NO_LIBRARY });
        }
        expect(await dataOf(open)).toMatchObject({ refundAt: open.job.end });
        expect(before - (await market().balanceOf(market().escrow))).toBeLessThan(
            await market().escrow.getJobOrderFeeOf(),
        );
        await restore();
        await order('leave');
        expect(await dataOf(open)).toMatchObject({ refundAt: market().now + open.job.notice });
    });

    it('a refund at the end comes back, and sends everything home later', async () => {
        market().blockchain.now = open.job.end;
        await lose();

        const asked = await refund();
        const ordered = await order('refund');

        for (const result of [asked, ordered]) {
            expectRefused(result, { to: open.channel.address, exitCode: NO_LIBRARY });
        }
        await restore();
        const there = await market().balanceOf(open.channel);
        const result = await refund();
        expect(valueSent(result, open.channel, market().escrow)).toBe(there);
        expect(await market().isGone(open.channel)).toBe(true);
    });

    it('a top-up comes back, unless it asked for no bounce: then it is the money of the job', async () => {
        const there = await market().balanceOf(open.channel);
        await lose();

        const asked = await conserved(() => market().send(market().stranger, open.channel, { value: ENOUGH }));
        expectRefused(asked, { to: open.channel.address, exitCode: NO_LIBRARY });
        await market().send(market().stranger, open.channel, { value: ENOUGH, bounce: false });

        const fees = ENOUGH + there - (await market().balanceOf(open.channel));
        expect(Number(fees)).toBeGreaterThanOrEqual(0);
        expect(fees).toBeLessThan(toNano('0.001'));
    });

    it('a notice goes on: both sides can act as soon as the library is back, whoever brings it', async () => {
        await order('leave');
        await lose();
        market().blockchain.now! += open.job.notice + DAY;
        expectRefused(await refund(), { to: open.channel.address, exitCode: NO_LIBRARY });

        await restore();
        await claim(toNano('0.4'));
        expect(await dataOf(open)).toMatchObject({ paid: toNano('0.4') });
        await refund();
        expect(await market().isGone(open.channel)).toBe(true);
    });

    it('plain channels of the same escrow run: the owner sets the code itself', async () => {
        await lose();
        const plain = await channelCode();
        await market().setUp({ channelCode: plain });
        const seqno = await market().seqno();
        await market().openJobs([market().newJob()]);

        const { channel } = await market().jobOf(market().newJob(), seqno * 4, plain);
        await claim(toNano('0.4'), true, { ...open, channel });

        expect(await market().isGone(channel)).toBe(true);
        expect(libraryOf(plain).cell.equals(market().code)).toBe(true);
    });
});
