/**
 * Every way a job can end, at every price level. Each claim lowers its channel by exactly what it paid; what the
 * channel held is split between payout, escrow and rent to the nanoTON; in the end there is no account and nothing in
 * it.
 */
import { toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';
import { claimBody, jobOrderCell, loadChannelData, opcodes, signedOrder } from '@cocoon-market/wrappers';
import { expectConserved, PriceLevel, transactionsOn } from '../support/chain';
import { bodyOf, DAY, Market, OpenJob, paidFrom, rentOf, spendKey, useMarket, valueSent } from '../support/market';

const LEVELS: PriceLevel[] = ['2025', '2026', 'tenfold'];
const VALUE = toNano('1');
const DEPOSIT = toNano('3');
const YEAR = 365 * DAY;

/** One job on its way, and what it has paid, sent home and lost to rent so far (nanoTON). */
class Life {
    given: bigint;
    paid = 0n;
    home = 0n;
    rent = 0n;

    constructor(
        readonly market: Market,
        readonly channel: OpenJob['channel'],
        readonly job: OpenJob['job'],
        held: bigint,
    ) {
        this.given = held;
    }

    private async run(action: () => Promise<SendMessageResult>) {
        const there = await this.market.balanceOf(this.channel);
        const result = await expectConserved(this.market.blockchain, action);
        const [tx] = transactionsOn(result, this.channel.address);
        const rent = rentOf(tx);
        this.rent += rent;
        return { result, there: there - rent, fall: paidFrom({ ...result, transactions: [tx] }, this.channel) };
    }

    async claim(cumulative: bigint, by: keyof Pick<Market, 'payout' | 'stranger' | 'owner'> = 'payout') {
        const body = claimBody(this.market.voucher(this.channel, cumulative));
        const { there, fall } = await this.run(() =>
            this.market.send(this.market[by], this.channel, { value: VALUE, body }),
        );
        const due = min(cumulative - this.paid, there);

        expect(fall).toBe(due);
        this.paid += due;
        expect(await this.market.balanceOf(this.channel)).toBe(there - due);
        expect((await this.channel.getChannelState()).paid).toBe(this.paid);
    }

    async claimLast(cumulative = 0n) {
        const voucher = cumulative === 0n ? undefined : this.market.voucher(this.channel, cumulative);
        const { result, there } = await this.run(() =>
            this.market.send(this.market.payout, this.channel, {
                value: VALUE,
                body: claimBody(voucher, { last: true }),
            }),
        );
        const due = min(cumulative > this.paid ? cumulative - this.paid : 0n, there);

        this.paid += due;
        this.wentHome(result, there - due);
    }

    async refund(by: keyof Pick<Market, 'payout' | 'stranger' | 'owner'> = 'stranger') {
        const { result, there } = await this.run(() =>
            this.market.send(this.market[by], this.channel, { value: VALUE, body: bodyOf(opcodes.Refund) }),
        );
        this.wentHome(result, there);
    }

    private wentHome(result: SendMessageResult, rest: bigint) {
        expect(valueSent(result, this.channel, this.market.escrow)).toBe(rest);
        this.home += rest;
    }

    /**
     * The spend key's order. What its message brings, less the gas it buys, is the job's or goes home with the rest.
     */
    async order(action: 'leave' | 'refund') {
        const { market, job } = this;
        const body = signedOrder(jobOrderCell({ ...(await market.head()), job, action }), spendKey);
        const { result, there, fall } = await this.run(() => market.carry(body));
        if (action === 'leave') {
            this.given -= fall;
            expect(await this.refundAt()).toBeLessThanOrEqual(market.now + job.notice);
        } else {
            expect(valueSent(result, this.channel, market.escrow)).toBeGreaterThanOrEqual(there);
            this.home += there;
        }
    }

    async leaveByOwner() {
        const { escrow, owner } = this.market;
        const value = await escrow.getLeaveJobValue();
        const { fall } = await this.run(() =>
            escrow.sendLeaveJob(owner.getSender(), { value, channel: this.channel.address }),
        );
        this.given -= fall;
    }

    async topUp(value: bigint, by: keyof Pick<Market, 'stranger' | 'owner'> = 'stranger') {
        const { fall } = await this.run(() => this.market.send(this.market[by], this.channel, { value }));
        this.given -= fall;
    }

    wait(seconds: number) {
        this.market.blockchain.now! += seconds;
    }

    private async refundAt(): Promise<number> {
        const { accountState } = await this.market.blockchain.getContract(this.channel.address);
        const data = accountState?.type === 'active' ? accountState.state.data : undefined;
        return loadChannelData(data!).refundAt;
    }
}

function min(a: bigint, b: bigint): bigint {
    return a < b ? a : b;
}

const WAYS: [string, (life: Life) => Promise<void>][] = [
    ['the last claim, with nothing owed', (life) => life.claimLast()],
    ['the last claim of a part', (life) => life.claimLast(toNano('1'))],
    ['the last claim of all there is', async (life) => life.claimLast(await life.market.balanceOf(life.channel))],
    ['the last claim of more than there is', (life) => life.claimLast(toNano('9'))],
    [
        'claims and the last claim of the difference',
        async (life) => {
            await life.claim(1n);
            await life.claim(toNano('1'), 'stranger');
            await life.claimLast(toNano('2'));
        },
    ],
    [
        'claims up to what is owed and a last claim without a voucher',
        async (life) => {
            await life.claim(toNano('1'), 'owner');
            await life.claimLast();
        },
    ],
    [
        'a claim of everything, and a last claim of nothing',
        async (life) => {
            await life.claim(toNano('9'));
            await life.claimLast(toNano('9'));
        },
    ],
    [
        'a claim of everything, and a refund of nothing at its end',
        async (life) => {
            await life.claim(toNano('9'), 'stranger');
            life.wait(31 * DAY);
            await life.refund();
        },
    ],
    [
        'an order to leave, and an order to refund',
        async (life) => {
            await life.order('leave');
            life.wait(DAY);
            await life.order('refund');
        },
    ],
    [
        'an order to leave, claims during the notice, and a refund by anyone',
        async (life) => {
            await life.order('leave');
            await life.claim(toNano('1'));
            life.wait(DAY - 1);
            await life.claim(toNano('2'), 'stranger');
            life.wait(1);
            await life.refund();
        },
    ],
    [
        "the owner's leave, and the last claim during the notice",
        async (life) => {
            await life.leaveByOwner();
            life.wait(DAY - 1);
            await life.claimLast(toNano('2'));
        },
    ],
    [
        "the owner's leave, and his own refund",
        async (life) => {
            await life.leaveByOwner();
            life.wait(DAY);
            await life.refund('owner');
        },
    ],
    [
        'the last claim after the notice, before anyone refunds',
        async (life) => {
            await life.order('leave');
            life.wait(7 * DAY);
            await life.claimLast(toNano('1'));
        },
    ],
    [
        'its end, and a refund by the payout',
        async (life) => {
            life.wait(30 * DAY);
            await life.refund('payout');
        },
    ],
    [
        'its end, and an order to refund after a claim',
        async (life) => {
            await life.claim(toNano('1'));
            life.wait(30 * DAY);
            await life.order('refund');
        },
    ],
    [
        'top-ups by client and stranger, and the last claim of more than the deposit',
        async (life) => {
            await life.topUp(toNano('2'), 'owner');
            await life.claim(toNano('4'));
            await life.topUp(toNano('1'));
            await life.claimLast(toNano('5'));
        },
    ],
    [
        'years in which nobody came, and a refund',
        async (life) => {
            life.wait(6 * YEAR);
            await life.refund();
        },
    ],
    [
        'years in which nobody came, and the last claim',
        async (life) => {
            life.wait(6 * YEAR);
            await life.claimLast(toNano('9'));
        },
    ],
];

describe.each(LEVELS)('At the prices of %s nothing is left of a job', (prices) => {
    const market = useMarket({ prices });

    it.each(WAYS)('that ends by %s', async (_, end) => {
        const { channel, job } = await market().openJob({ deposit: DEPOSIT, notice: DAY });
        const life = new Life(market(), channel, job, await market().balanceOf(channel));

        await end(life);

        expect(await market().isGone(channel)).toBe(true);
        expect(life.paid + life.home + life.rent).toBe(life.given);
    });

    it('that the wallet opened and the wallet ended, without a spend key', async () => {
        await market().setUp({ spendKey: Buffer.alloc(32) });
        const jobs = [market().newJob({ deposit: DEPOSIT, notice: DAY })];
        await market().escrow.sendOpen(market().owner.getSender(), { value: VALUE, seqno: 0, jobs });
        const { channel, job } = await market().jobOf(jobs[0], 0);
        const life = new Life(market(), channel, job, await market().balanceOf(channel));

        await life.claim(toNano('1'));
        await life.leaveByOwner();
        life.wait(DAY);
        await life.refund('owner');

        expect(await market().isGone(channel)).toBe(true);
        expect(life.paid + life.home + life.rent).toBe(life.given);
    });

    it('whose last nanoTON a claim took: the empty account ends like any other', async () => {
        const { channel, job } = await market().openJob({ deposit: DEPOSIT });
        const life = new Life(market(), channel, job, await market().balanceOf(channel));
        await life.claim(life.given - 1n);
        await life.claim(life.given);
        expect(await market().balanceOf(channel)).toBe(0n);

        await life.claimLast();

        expect(await market().isGone(channel)).toBe(true);
        expect(life.paid).toBe(life.given);
    });
});
