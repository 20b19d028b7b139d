// Longer than 350 lines because its cases share one set-up.
/**
 * The origin of every gas ceiling in contracts/protocol/fees.tact that Escrow and Channel use, and the proof that what
 * they ask for is enough at every price level.
 */
import { beginCell, toNano } from '@ton/core';
import {
    claimBody,
    errors,
    forwardFee,
    gas,
    jobOrderCell,
    NewJob,
    opcodes,
    pricesOf,
    signedOrder,
    sizeOf,
} from '@cocoon-market/wrappers';
import { exitCodeOf, gasOf, PriceLevel, START, transactionsOn } from './support/chain';
import {
    bodyOf,
    DAY,
    DAY_LIMIT,
    expectNotAccepted,
    Market,
    paidFrom,
    rentOf,
    spendKey,
    useMarket,
} from './support/market';

const LEVELS: PriceLevel[] = ['2025', '2026', 'tenfold'];
const SLACK = 1.25; // a ceiling is at most this much above what was measured

function expectCeiling(name: keyof typeof gas, measured: bigint | number): void {
    expect({ name, measured, enough: gas[name] >= measured, close: gas[name] <= Number(measured) * SLACK }).toEqual({
        name,
        measured,
        enough: true,
        close: true,
    });
}

function max(...results: bigint[]): bigint {
    return results.reduce((a, b) => (a > b ? a : b));
}

describe('gas ceilings', () => {
    const market = useMarket();

    const gasOn = (result: Parameters<typeof transactionsOn>[0], account: { address: Market['owner']['address'] }) =>
        gasOf(transactionsOn(result, account.address).slice(0, 1));

    const jobOrder = async (job: Parameters<typeof jobOrderCell>[0]['job'], action: 'leave' | 'refund') =>
        market().carry(signedOrder(jobOrderCell({ ...(await market().head()), job, action }), spendKey));

    it('GasChannelDeploy', async () => {
        const { channel, result } = await market().openJob();

        expectCeiling('GasChannelDeploy', gasOn(result, channel));
    });

    it('GasClaim: by payout, by a third party, up to the whole balance, and the last one', async () => {
        const { channel } = await market().openJob();
        const claim = async (by: Market['payout'], cumulative: bigint, last = false) => {
            const body = claimBody(market().voucher(channel, cumulative), { last });
            return gasOn(await market().send(by, channel, { value: toNano('0.1'), body }), channel);
        };

        expectCeiling(
            'GasClaim',
            max(
                await claim(market().payout, toNano('0.1')),
                await claim(market().stranger, toNano('0.2')),
                await claim(market().payout, toNano('0.3')),
                await claim(market().stranger, toNano('0.4')),
                await claim(market().payout, toNano('0.5'), true),
            ),
        );
    });

    it('GasLeave', async () => {
        const { channel } = await market().openJob();
        const body = bodyOf(opcodes.Leave);

        const result = await market().send(market().escrow, channel, { value: toNano('0.1'), body });

        expectCeiling('GasLeave', gasOn(result, channel));
    });

    it('GasRefund: by anyone', async () => {
        const { channel, job } = await market().openJob();
        market().blockchain.now = job.end;
        const body = bodyOf(opcodes.Refund);

        const result = await market().send(market().stranger, channel, { value: toNano('0.1'), body });

        expectCeiling('GasRefund', gasOn(result, channel));
    });

    it('GasOpenJob: one to four jobs, good or bad, by order or by message', async () => {
        const orders: bigint[] = [];
        for (const count of [1, 1, 2, 3, 4]) {
            const result = await market().openJobs(Array<NewJob>(count).fill(market().newJob()));
            orders.push(gasOf(result.transactions));
        }
        const [, one, two, three, four] = orders as [bigint, bigint, bigint, bigint, bigint];
        const job = max(two - one, three - two, four - three);

        expectCeiling('GasOpenJob', max(job, one - job));

        const jobs = Array<NewJob>(4).fill(market().newJob());
        const bad = await market().openJobs([...jobs.slice(1), market().newJob({ voucherKey: Buffer.alloc(32) })]);
        const seqno = await market().seqno();
        const owned = await market().escrow.sendOpen(market().owner.getSender(), { value: toNano('1'), seqno, jobs });
        for (const result of [bad, owned]) {
            expect(gasOn(result, market().escrow)).toBeLessThanOrEqual(5 * gas.GasOpenJob);
        }
    });

    it('GasJobOrder: leave and refund', async () => {
        const { job } = await market().openJob();
        const leave = gasOn(await jobOrder(job, 'leave'), market().escrow);
        market().blockchain.now! += DAY;
        const refund = gasOn(await jobOrder(job, 'refund'), market().escrow);

        expectCeiling('GasJobOrder', max(leave, refund));
    });

    it('GasLeaveJob', async () => {
        const { channel } = await market().openJob();

        const result = await market().escrow.sendLeaveJob(market().owner.getSender(), {
            value: toNano('0.1'),
            channel: channel.address,
        });

        expectCeiling('GasLeaveJob', gasOn(result, market().escrow));
    });

    it('GasSetUp: deploying, with the code of this release', async () => {
        const fresh = await Market.deploy({ setUp: false });
        const deploying = gasOn(await fresh.setUp({ deposit: 1n }), fresh.escrow);
        const changing = gasOn(await fresh.setUp(), fresh.escrow);

        expectCeiling('GasSetUp', max(deploying, changing));
    });

    it('GasWithdraw', async () => {
        const result = await market().escrow.sendWithdraw(market().owner.getSender(), {
            value: toNano('1'),
            amount: 0n,
        });

        expectCeiling('GasWithdraw', gasOn(result, market().escrow));
    });

    it('GasWholeJob: open, claim last, rest home', async () => {
        await market().openJob();
        const { channel, result } = await market().openJob();
        const body = claimBody(market().voucher(channel, toNano('0.1')), { last: true });
        const ended = await market().send(market().payout, channel, { value: toNano('0.1'), body });

        const home = transactionsOn(ended, market().escrow.address);
        expectCeiling('GasWholeJob', gasOf(result.transactions) + gasOn(ended, channel) + gasOf(home));
    });

    it('EscrowCells and EscrowBits: what an escrow with the code of this release occupies', async () => {
        await market().openJob();
        const reserve = await market().escrow.getReserve();
        const before = await market().balanceOf(market().escrow);
        market().blockchain.now! += 31557600;

        await market().send(market().stranger, market().escrow, { value: 1n });

        const rent = before + 1n - (await market().balanceOf(market().escrow));
        expect(rent).toBeLessThanOrEqual(reserve);
        expect(Number(reserve)).toBeLessThanOrEqual(Number(rent) * SLACK);
    });
});

describe.each(LEVELS)('at the prices of %s', (prices) => {
    const market = useMarket({ prices });
    /** Plenty at any level. */
    const PLENTY = toNano('2');

    const rich = () => market().setUp({ deposit: toNano('1000'), value: toNano('1003'), dayLimit: toNano('1000') });

    /** Both sides of a minimum: a nanoTON less is refused, the minimum does it and takes nothing of the account's. */
    const bothSides = async (
        account: { address: Market['owner']['address'] },
        minimum: bigint,
        act: (value: bigint) => ReturnType<Market['carry']>,
        pays: bigint,
    ) => {
        const open = market().blockchain.snapshot();
        const short = transactionsOn(await act(minimum - 1n), account.address)[0];
        expect(exitCodeOf(short)).toBe(1020);
        await market().blockchain.loadFrom(open);

        const result = await act(minimum);

        const [tx] = transactionsOn(result, account.address);
        expect(exitCodeOf(tx)).toBe(0);
        expect(paidFrom({ ...result, transactions: [tx] }, account)).toBe(pays);
        expect(tx.outMessages.values().every(({ info }) => info.type === 'internal' && info.value.coins > 0n)).toBe(
            true,
        );
    };

    it('a channel holds its deposit once it has run', async () => {
        await rich();
        const deposit = await market().escrow.getMinDeposit();

        const { channel } = await market().openJob({ deposit });

        expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(deposit);
    });

    it('the minimum value of a claim is enough for a third party', async () => {
        await rich();
        const { channel } = await market().openJob();
        const minimum = await channel.getClaimValue();
        const body = claimBody(market().voucher(channel, 5n));

        await bothSides(channel, minimum, (value) => market().send(market().stranger, channel, { value, body }), 5n);
    });

    it('the minimum value of the last claim is enough', async () => {
        await rich();
        const { channel } = await market().openJob();
        const there = await market().balanceOf(channel);
        const minimum = await channel.getClaimValue();
        const body = claimBody(market().voucher(channel, 5n), { last: true });

        const result = await market().send(market().payout, channel, { value: minimum, body });

        expect(paidFrom({ ...result, transactions: transactionsOn(result, channel.address) }, channel)).toBe(there);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('the minimum value of a refund is enough, and the escrow gets the whole rest', async () => {
        await rich();
        const { channel, job } = await market().openJob({ end: START + 1 });
        const there = await market().balanceOf(channel);
        market().blockchain.now = job.end;
        const minimum = await channel.getRefundValue();
        const body = bodyOf(opcodes.Refund);
        const open = market().blockchain.snapshot();
        const act = (value: bigint) => market().send(market().stranger, channel, { value, body });
        const rent = rentOf(transactionsOn(await act(PLENTY), channel.address)[0]);
        await market().blockchain.loadFrom(open);

        await bothSides(channel, minimum, act, there - rent);

        expect(await market().isGone(channel)).toBe(true);
    });

    it('the minimum value of SetUp is enough', async () => {
        const minimum = toNano('5') + (await market().escrow.getSetUpValue());

        await bothSides(
            market().escrow,
            minimum,
            (value) => market().setUp({ deposit: toNano('5'), value }),
            -toNano('5'),
        );
    });

    it('the minimum value of Withdraw is enough', async () => {
        const minimum = await market().escrow.getWithdrawValue();
        const act = (value: bigint) => market().escrow.sendWithdraw(market().owner.getSender(), { value, amount: 5n });

        await bothSides(market().escrow, minimum, act, 5n);
    });

    it('the minimum value of LeaveJob is enough, there and in the channel', async () => {
        await rich();
        const { channel, job } = await market().openJob();
        const minimum = await market().escrow.getLeaveJobValue();
        const act = (value: bigint) =>
            market().escrow.sendLeaveJob(market().owner.getSender(), { value, channel: channel.address });

        await bothSides(market().escrow, minimum, act, 0n);

        expect(await channel.getChannelState()).toMatchObject({ refundAt: BigInt(market().now + job.notice) });
    });

    it('the smallest deposit opens a job, a nanoTON less is left out', async () => {
        await rich();
        const deposit = await market().escrow.getMinDeposit();

        const short = await market().openJob({ deposit: deposit - 1n });
        const enough = await market().openJob({ deposit });

        expect(exitCodeOf(transactionsOn(short.result, market().escrow.address)[0])).toBe(errors.ErrLowDeposit);
        expect(await market().balanceOf(short.channel)).toBe(0n);
        expect(await market().balanceOf(enough.channel)).toBeGreaterThanOrEqual(deposit);
    });

    it('an order needs its deposits, its fee and the reserve to be there, and not a nanoTON more', async () => {
        const deposit = toNano('1');
        const fee = await market().escrow.getOpenFeeOf(1n);
        const order = await market().openOrder([market().newJob({ deposit })]);
        const carried = forwardFee(pricesOf(market().blockchain.config).basechain, sizeOf(order.refs[0])); // taken before it runs
        const min = carried + deposit + fee + (await market().escrow.getReserve());
        const hold = async (balance: bigint) => {
            (await market().blockchain.getContract(market().escrow.address)).balance = balance;
        };

        await hold(min - 1n);
        await expectNotAccepted(market(), () => market().carry(order), errors.ErrLowBalance);
        await hold(min);
        const result = await market().carry(order);

        expect(exitCodeOf(result.transactions[0])).toBe(0);
    });

    it('an order costs no more than the fee that is counted, and not much less', async () => {
        await rich();
        await market().openJob();
        for (const count of [1, 2, 3, 4]) {
            const jobs = Array<NewJob>(count).fill(market().newJob());
            const fee = await market().escrow.getOpenFeeOf(BigInt(count));

            const fall = await market().fallOf(market().escrow, () => market().openJobs(jobs));

            const cost = fall - BigInt(count) * toNano('1');
            expect(cost).toBeLessThanOrEqual(fee);
            // The order itself counts as one more job.
            expect(Number(fee * BigInt(count)) / (count + 1)).toBeLessThanOrEqual(Number(cost) * SLACK);
        }
    });

    it('an order about a running job costs no more than the fee that is counted, and does what it says', async () => {
        await rich();
        const { channel, job } = await market().openJob();
        const fee = await market().escrow.getJobOrderFeeOf();
        const give = async (action: 'leave' | 'refund') =>
            market().carry(signedOrder(jobOrderCell({ ...(await market().head()), job, action }), spendKey));

        const leave = await market().fallOf(market().escrow, () => give('leave'));
        market().blockchain.now! += DAY;
        const result = await give('refund');

        expect(leave).toBeLessThanOrEqual(fee);
        expect(
            paidFrom({ ...result, transactions: result.transactions.slice(0, 1) }, market().escrow),
        ).toBeLessThanOrEqual(fee);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('an order in the largest form its message can take costs no more than that either', async () => {
        await rich();
        const { job } = await market().openJob();
        const order = signedOrder(jobOrderCell({ ...(await market().head()), job, action: 'leave' }), spendKey);
        const fee = await market().escrow.getJobOrderFeeOf();
        const message = beginCell()
            .storeUint(0b10, 2) // ext_in_msg_info
            .storeUint(0b01, 2) // from an external address of 511 bits
            .storeUint(511, 9)
            .storeUint(0, 256)
            .storeUint(0, 255)
            .storeAddress(market().escrow.address)
            .storeCoins(0)
            .storeBit(0)
            .storeBit(1) // the body in a reference
            .storeRef(order)
            .endCell();

        const fall = await market().fallOf(market().escrow, () => market().blockchain.sendMessage(message));

        expect(fall).toBeLessThanOrEqual(fee);
    });

    it('the reserve of an escrow is at least its rent of a year', async () => {
        await market().openJob({ deposit: await market().escrow.getMinDeposit() });
        const reserve = await market().escrow.getReserve();
        const before = await market().balanceOf(market().escrow);
        market().blockchain.now! += 31557600;

        await market().send(market().stranger, market().escrow, { value: 1n });

        expect(before + 1n - (await market().balanceOf(market().escrow))).toBeLessThanOrEqual(reserve);
        expect(DAY_LIMIT).toBeGreaterThan(0n);
    });
});
