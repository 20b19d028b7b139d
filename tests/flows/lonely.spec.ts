/** Either side ends a job alone, on chain, at every price level; and what everyone has then adds up. */
import { toNano } from '@ton/core';
import { BlockchainTransaction } from '@ton/sandbox';
import { claimBody, jobOrderCell, opcodes, signedOrder } from '@cocoon-market/wrappers';
import { feesOf, PriceLevel, totalBalance } from '../support/chain';
import { bodyOf, DAY, OpenJob, spendKey, useMarket } from '../support/market';

const LEVELS: PriceLevel[] = ['2025', '2026', 'tenfold'];
const VALUE = toNano('1');

describe.each(LEVELS)('at the prices of %s', (prices) => {
    const market = useMarket({ prices });
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];
    let before: bigint;
    let seen: BlockchainTransaction[];

    /** Everything that happens is counted, so that the money can be added up in the end. */
    const count = async (action: Promise<{ transactions: BlockchainTransaction[] }>) => {
        seen.push(...(await action).transactions);
    };

    beforeEach(async () => {
        before = totalBalance(market().blockchain);
        seen = [];
        const opened = await market().openJob({ deposit: toNano('10'), notice: DAY });
        seen.push(...opened.result.transactions);
        ({ channel, job } = opened);
    });

    afterEach(async () => {
        expect(await market().isGone(channel)).toBe(true);
        expect(before - totalBalance(market().blockchain)).toBe(feesOf(seen));
    });

    const order = async (action: 'leave' | 'refund') =>
        count(market().carry(signedOrder(jobOrderCell({ ...(await market().head()), job, action }), spendKey)));

    const claim = async (cumulative: bigint, by = market().payout, last = false) => {
        const body = claimBody(market().voucher(channel, cumulative), { last });
        await count(market().send(by, channel, { value: VALUE, body }));
    };

    /** The payout has this much more, less what its own wallet and its own claims cost. */
    const expectPaid = async (had: bigint, amount: bigint, fees = toNano('0.01')) => {
        const gain = (await market().balanceOf(market().payout)) - had;
        expect(gain).toBeLessThanOrEqual(amount);
        expect(gain).toBeGreaterThan(amount - fees);
    };

    it('a provider whose client has vanished is paid in one message, without waiting', async () => {
        const had = await market().balanceOf(market().payout);

        await claim(toNano('4'), market().payout, true);

        await expectPaid(had, toNano('4'), toNano('0.1'));
    });

    it('a client whose provider has vanished has its money back after the notice, with the spend key alone', async () => {
        const had = await market().balanceOf(market().escrow);

        await order('leave');
        market().blockchain.now! += DAY;
        await order('refund');

        const cost = had + toNano('10') - (await market().balanceOf(market().escrow));
        expect(cost).toBeLessThan(2n * (await market().escrow.getJobOrderFeeOf()));
    });

    it('a client has its money back with its wallet alone, when the spend key is lost', async () => {
        const { owner, escrow } = market();
        const value = 2n * (await escrow.getLeaveJobValue());
        await count(escrow.sendLeaveJob(owner.getSender(), { value, channel: channel.address }));
        market().blockchain.now! += DAY;

        await count(market().send(owner, channel, { value: VALUE, body: bodyOf(opcodes.Refund) }));

        expect(await market().balanceOf(escrow)).toBeGreaterThan(toNano('99'));
    });

    it('a forgotten job ends by itself: anyone sends the rest home at its end', async () => {
        market().blockchain.now = job.end;

        await count(market().send(market().stranger, channel, { value: VALUE, body: bodyOf(opcodes.Refund) }));

        expect(await market().balanceOf(market().escrow)).toBeGreaterThan(toNano('99'));
    });

    it('a watcher claims for a provider that sleeps through the notice, and pays itself nothing', async () => {
        const had = await market().balanceOf(market().payout);
        await order('leave');
        market().blockchain.now! += DAY - 1;

        await claim(toNano('7'), market().stranger);
        market().blockchain.now! += 1;
        await order('refund');

        await expectPaid(had, toNano('7'));
    });

    it('a provider that sleeps through the whole notice loses what it had not claimed', async () => {
        const had = await market().balanceOf(market().payout);
        await claim(toNano('2'), market().stranger);
        await order('leave');
        market().blockchain.now! += DAY;

        await order('refund');
        await claim(toNano('7'), market().stranger);

        await expectPaid(had, toNano('2'));
    });

    it('a claim in the last second of the notice is paid before the refund', async () => {
        const had = await market().balanceOf(market().payout);
        await order('leave');
        market().blockchain.now! += DAY - 1;
        await order('refund');

        await claim(toNano('10'), market().stranger);
        market().blockchain.now! += 1;
        await order('refund');

        await expectPaid(had, toNano('10'));
    });
});
