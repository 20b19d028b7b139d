import { beginCell, toNano } from '@ton/core';
import {
    channelInit,
    computeFee,
    errors,
    Escrow,
    gas,
    jobOrderCell,
    JobParameters,
    OrderHead,
    pricesOf,
    signedOrder,
    SigningKey,
} from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { DAY, expectNotAccepted, OpenJob, otherKey, spendKey, useMarket, valueSent } from '../support/market';

const HEAD_BITS = 384; // what every order begins with

type Action = 'leave' | 'refund';

describe('Escrow: JobOrder', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob({ notice: DAY }));
    });

    const order = async (
        action: Action,
        {
            key = spendKey,
            job: asked = job,
            ...head
        }: Partial<OrderHead> & { key?: SigningKey; job?: JobParameters } = {},
    ) => signedOrder(jobOrderCell({ ...(await market().head(head)), job: asked, action }), key);

    const give = async (...args: Parameters<typeof order>) => {
        const body = await order(...args);
        return expectConserved(market().blockchain, () => market().carry(body));
    };

    const refused = async (exitCode: number, ...args: Parameters<typeof order>) => {
        const body = await order(...args);
        await expectNotAccepted(market(), () => market().carry(body), exitCode);
    };

    const refundAt = async () => Number((await channel.getChannelState()).refundAt);

    it('makes a job leave after its notice, without a wallet', async () => {
        await give('leave');

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('sends the rest of an ended job home', async () => {
        await give('leave');
        market().blockchain.now! += DAY;
        const before = await market().balanceOf(market().escrow);

        await give('refund');

        expect(await market().isGone(channel)).toBe(true);
        expect(await market().balanceOf(market().escrow)).toBeGreaterThan(before + toNano('0.98'));
    });

    it.each<[Action, () => Promise<bigint>]>([
        ['refund', () => channel.getRefundValue()],
        ['leave', async () => computeFee(pricesOf(market().blockchain.config).basechain, gas.GasLeave)],
    ])('sends a %s with what the channel asks for, and no more', async (action, value) => {
        const asked = await value();

        const result = await give(action);

        expect(valueSent(result, market().escrow, channel)).toBe(asked);
    });

    it('takes a refund for nothing while the job still runs, and keeps what the channel sends back', async () => {
        const before = await market().balanceOf(channel);

        const fall = await market().fallOf(market().escrow, () => give('refund'));

        expect(fall).toBeLessThanOrEqual(await market().escrow.getJobOrderFeeOf());
        expect(await market().balanceOf(channel)).toBe(before);
        expect(await refundAt()).toBe(job.end);
    });

    it('cannot postpone: a second leave changes nothing', async () => {
        await give('leave');
        const first = await refundAt();
        market().blockchain.now! += 3600;

        await give('leave');

        expect(await refundAt()).toBe(first);
    });

    it('costs no more than the fee the getter names, which is what the day counts', async () => {
        const { spent } = await market().escrow.getEscrowState();
        const fee = await market().escrow.getJobOrderFeeOf();

        const fall = await market().fallOf(market().escrow, () => give('leave'));

        expect(fall).toBeLessThanOrEqual(fee);
        expect((await market().escrow.getEscrowState()).spent - spent).toBe(fee);
    });

    it('refuses a nanoTON above the day limit, and takes the limit itself', async () => {
        const { spent } = await market().escrow.getEscrowState();
        const fee = await market().escrow.getJobOrderFeeOf();
        await market().setUp({ dayLimit: spent + fee - 1n });
        await refused(errors.ErrOverDayLimit, 'leave');
        await market().setUp({ dayLimit: spent + fee });

        await give('leave');

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('refuses when the balance does not cover fee and reserve', async () => {
        const reserve = await market().escrow.getReserve();
        (await market().blockchain.getContract(market().escrow.address)).balance = reserve;

        await refused(errors.ErrLowBalance, 'leave');
    });

    it('finds no channel for parameters that are not exactly those of the job', async () => {
        const wrong = [
            { ...job, job: job.job + 1 },
            { ...job, end: job.end + 1 },
            { ...job, notice: job.notice + 1 },
            { ...job, voucherKey: otherKey.publicKey },
            { ...job, payout: market().stranger.address.hash },
        ];
        for (const asked of wrong) {
            await give('leave', { job: asked });
        }

        expect(await refundAt()).toBe(job.end);
        expect(await market().seqno()).toBe(1 + wrong.length);
    });

    it("cannot make another client's job leave: its channel refuses, and the value comes back", async () => {
        const { address } = await Escrow.ofOwner(market().stranger.address);
        const { code, data, address: theirs } = channelInit(address, job, market().code);
        const value = toNano('1');
        await market().send(market().stranger, { address: theirs }, { value, init: { code, data }, bounce: false });
        const own = jobOrderCell({ ...(await market().head()), job, action: 'leave' });
        const altered = beginCell()
            .storeBits(own.bits.substring(0, HEAD_BITS))
            .storeBuffer(data!.hash())
            .storeUint(1, 8);

        const result = await market().carry(signedOrder(altered.endCell(), spendKey));

        expectRefused(result, { from: market().escrow.address, to: theirs, exitCode: errors.ErrNotEscrow });
        expect(transactionsOn(result, market().escrow.address, theirs)).toHaveLength(1);
    });

    it('does not find a channel of an older code', async () => {
        await market().setUp({ channelCode: beginCell().storeUint(1, 8).endCell() });

        await give('leave');

        expect(await refundAt()).toBe(job.end);
    });

    it('refuses no key, a wrong key, network, escrow, seqno and time, as for any order', async () => {
        await refused(errors.ErrBadSignature, 'leave', { key: otherKey });
        await refused(errors.ErrWrongNetwork, 'leave', { network: -3 });
        await refused(errors.ErrWrongEscrow, 'leave', { escrow: market().stranger.address });
        await refused(errors.ErrStaleSeqno, 'leave', { seqno: 0 });
        await refused(errors.ErrExpired, 'leave', { validUntil: market().now - 1 });
        await give('leave', { validUntil: market().now });
        await market().setUp({ spendKey: Buffer.alloc(32) });
        await refused(errors.ErrNoKey, 'leave');
    });

    it('refuses to be carried twice', async () => {
        const body = await order('leave');
        await market().carry(body);

        await expectNotAccepted(market(), () => market().carry(body), errors.ErrStaleSeqno);
    });

    it('refuses an action it does not know', async () => {
        const cell = jobOrderCell({ ...(await market().head()), job, action: 'leave' });
        for (const action of [0, 3, 255]) {
            const altered = beginCell()
                .storeBits(cell.bits.substring(0, cell.bits.length - 8))
                .storeUint(action, 8);
            const body = signedOrder(altered.endCell(), spendKey);
            await expectNotAccepted(market(), () => market().carry(body), errors.ErrUnknownOrder);
        }
    });

    it('refuses an order that is longer or shorter than its kind, or carries a cell', async () => {
        const cell = jobOrderCell({ ...(await market().head()), job, action: 'leave' });
        const wrong = [
            beginCell().storeSlice(cell.beginParse()).storeBit(0),
            beginCell().storeBits(cell.bits.substring(0, cell.bits.length - 1)),
            beginCell().storeSlice(cell.beginParse()).storeRef(beginCell().endCell()),
        ];
        for (const each of wrong) {
            const body = signedOrder(each.endCell(), spendKey);
            await expectNotAccepted(market(), () => market().carry(body), errors.ErrMalformed);
        }
    });

    it('stays within its gas ceiling', async () => {
        for (const action of ['leave', 'refund'] as const) {
            const result = await give(action);
            const [tx] = transactionsOn(result, market().escrow.address);
            expect(gasOf([tx])).toBeLessThanOrEqual(gas.GasJobOrder);
        }
    });
});
