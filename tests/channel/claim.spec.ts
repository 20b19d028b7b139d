import { beginCell, toNano } from '@ton/core';
import { cellHash, claimBody, errors, gas, opcodes, SignedVoucher, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { DAY, NETWORK, OpenJob, otherKey, rentOf, useMarket, valueSent, voucherKey } from '../support/market';

const ENOUGH = toNano('0.05');

describe('Channel: Claim', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob({ deposit: toNano('1') }));
    });

    const claim = (voucher: SignedVoucher, by = market().payout, value = ENOUGH) =>
        channel.sendClaim(by.getSender(), { value, voucher });

    const refused = async (voucher: SignedVoucher, exitCode: number, by = market().payout, value = ENOUGH) => {
        const result = await expectConserved(market().blockchain, () => claim(voucher, by, value));
        expectRefused(result, { from: by.address, to: channel.address, exitCode });
    };

    it('pays the payout what the voucher says, and falls by exactly that', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));

        const fall = await market().fallOf(channel, () => expectConserved(market().blockchain, () => claim(voucher)));

        expect(fall).toBe(toNano('0.3'));
        expect((await channel.getChannelState()).paid).toBe(toNano('0.3'));
    });

    it('sends the claimed amount and the rest of the value to the payout in one message', async () => {
        const { payout } = market();

        const result = await claim(market().voucher(channel, toNano('0.3')));

        expect(transactionsOn(result, payout.address, channel.address).length).toBe(1);
        expect(valueSent(result, channel, payout)).toBeGreaterThan(toNano('0.3'));
        expect(valueSent(result, channel, payout)).toBeLessThan(toNano('0.3') + ENOUGH);
    });

    it('pays the payout exactly, and the surplus of the value to a third party who carries the voucher', async () => {
        const { payout, stranger, blockchain } = market();
        const voucher = market().voucher(channel, toNano('0.3'));

        const result = await expectConserved(blockchain, () => claim(voucher, stranger));

        expect(valueSent(result, channel, payout)).toBe(toNano('0.3'));
        expect(valueSent(result, channel, stranger)).toBeGreaterThan(0n);
        expect(await channel.getChannelState()).toMatchObject({ paid: toNano('0.3') });
    });

    it('falls by exactly what it paid when a third party claims', async () => {
        const fall = await market().fallOf(channel, () =>
            claim(market().voucher(channel, toNano('0.3')), market().stranger),
        );

        expect(fall).toBe(toNano('0.3'));
    });

    it('pays only the difference to what an earlier voucher paid', async () => {
        await claim(market().voucher(channel, toNano('0.3')));

        const fall = await market().fallOf(channel, () => claim(market().voucher(channel, toNano('0.45'))));

        expect(fall).toBe(toNano('0.15'));
    });

    it('pays a single nanoTON', async () => {
        const fall = await market().fallOf(channel, () => claim(market().voucher(channel, 1n)));

        expect(fall).toBe(1n);
    });

    it('falls by the rent due besides what it paid', async () => {
        market().blockchain.now! += 20 * DAY;
        const before = await market().balanceOf(channel);

        const result = await claim(market().voucher(channel, toNano('0.3')));

        const rent = rentOf(transactionsOn(result, channel.address)[0]);
        expect(rent).toBeGreaterThan(0n);
        expect(before - (await market().balanceOf(channel))).toBe(toNano('0.3') + rent);
    });

    it('pays only what is there for a voucher above the deposit, and counts only that as paid', async () => {
        const there = await market().balanceOf(channel);

        const fall = await market().fallOf(channel, () => claim(market().voucher(channel, toNano('9'))));

        expect(fall).toBe(there);
        expect((await channel.getChannelState()).paid).toBe(there);
    });

    it('pays the rest of such a voucher after a top-up', async () => {
        const voucher = market().voucher(channel, toNano('9'));
        await claim(voucher);
        await refused(voucher, errors.ErrNothingNew);
        await channel.sendTopUp(market().stranger.getSender(), { value: toNano('2') });
        const there = await market().balanceOf(channel);

        const fall = await market().fallOf(channel, () => claim(voucher));

        expect(fall).toBe(there);
        expect(there).toBeGreaterThan(toNano('1.99'));
    });

    it('pays the largest amount a voucher can name no further than the balance', async () => {
        const there = await market().balanceOf(channel);

        const fall = await market().fallOf(channel, () => claim(market().voucher(channel, 2n ** 64n - 1n)));

        expect(fall).toBe(there);
    });

    it('pays during the notice', async () => {
        await market().send(market().escrow, channel, {
            value: toNano('0.01'),
            body: beginCell().storeUint(opcodes.Leave, 32).endCell(),
        });
        market().blockchain.now! += DAY - 1;

        await claim(market().voucher(channel, toNano('0.3')));

        expect((await channel.getChannelState()).paid).toBe(toNano('0.3'));
    });

    it('pays after refundAt as long as nobody has sent the rest home', async () => {
        market().blockchain.now = job.end + 5 * DAY;

        await claim(market().voucher(channel, toNano('0.3')));

        expect((await channel.getChannelState()).paid).toBe(toNano('0.3'));
    });

    it('pays a payout that has no code yet', async () => {
        const payout = Buffer.alloc(32, 0x77);
        ({ channel } = await market().openJob({ payout }));
        const { payout: address } = await channel.getChannelState();

        await claim(market().voucher(channel, toNano('0.3')), market().stranger);

        expect(await market().balanceOf({ address })).toBe(toNano('0.3'));
    });

    it('lets paid stay paid when the payout refuses the money', async () => {
        const payout = await market().deployRefuser();
        ({ channel } = await market().openJob({ payout: payout.hash }));

        const fall = await market().fallOf(channel, () =>
            claim(market().voucher(channel, toNano('0.3')), market().stranger),
        );

        expect(fall).toBe(toNano('0.3'));
        expect(await market().balanceOf({ address: payout })).toBeGreaterThan(toNano('1.29'));
    });

    it('takes the minimum value and needs nothing of the job for fees', async () => {
        const value = await channel.getClaimValue();

        const fall = await market().fallOf(channel, () => claim(market().voucher(channel, 5n), market().payout, value));

        expect(fall).toBe(5n);
    });

    it('takes the minimum value from a third party', async () => {
        const value = await channel.getClaimValue();

        const fall = await market().fallOf(channel, () =>
            claim(market().voucher(channel, 5n), market().stranger, value),
        );

        expect(fall).toBe(5n);
    });

    it('refuses a nanoTON below the minimum value from a third party', async () => {
        const value = (await channel.getClaimValue()) - 1n;

        await refused(market().voucher(channel, 5n), errors.ErrLowValue, market().stranger, value);
    });

    it("takes the fees out of what the payout gets when the payout's value buys little more than the gas", async () => {
        const voucher = market().voucher(channel, toNano('0.3'));

        const fall = await market().fallOf(channel, () => claim(voucher, market().payout, toNano('0.002')));

        expect(fall).toBe(toNano('0.3'));
    });

    it('refuses a voucher that was claimed already', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));
        await claim(voucher);

        await refused(voucher, errors.ErrNothingNew);
    });

    it('refuses an older voucher', async () => {
        await claim(market().voucher(channel, toNano('0.3')));

        await refused(market().voucher(channel, toNano('0.2')), errors.ErrNothingNew);
    });

    it('refuses a voucher over nothing', async () => {
        await refused(market().voucher(channel, 0n), errors.ErrNothingNew);
    });

    it('refuses a voucher of another key', async () => {
        await refused(market().voucher(channel, toNano('0.3'), { key: otherKey }), errors.ErrBadSignature);
    });

    it('refuses a voucher whose amount was altered', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));

        await refused({ ...voucher, cumulative: toNano('0.9') }, errors.ErrBadSignature);
    });

    it('refuses a voucher whose count was altered', async () => {
        const voucher = market().voucher(channel, toNano('0.3'), { count: 3 });

        await refused({ ...voucher, count: 4 }, errors.ErrBadSignature);
    });

    it('refuses a voucher with one altered bit of its signature, whichever byte it is in', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));
        for (const byte of [0, 31, 32, 63]) {
            const signature = Buffer.from(voucher.signature);
            signature[byte] ^= 1;
            await refused({ ...voucher, signature }, errors.ErrBadSignature);
        }
    });

    it('refuses the voucher of another job', async () => {
        const other = await market().openJob();

        await refused(market().voucher(other.channel, toNano('0.3')), errors.ErrBadSignature);
    });

    it('refuses the voucher of another network', async () => {
        await refused(market().voucher(channel, toNano('0.3'), { network: -3 }), errors.ErrBadSignature);
        expect(NETWORK).not.toBe(-3);
    });

    it('refuses a signature over the same bytes that begins with another tag', async () => {
        const bytes = Voucher.encode(voucherFor(NETWORK, channel.address, toNano('0.3'), 1));
        bytes.writeUInt32BE(bytes.readUInt32BE(0) + 1, 0);

        await refused(
            { cumulative: toNano('0.3'), count: 1, signature: voucherKey.sign(cellHash(bytes)) },
            errors.ErrBadSignature,
        );
    });

    it('refuses a signature shorter than 512 bits, and reads no further than those', async () => {
        const voucher = market().voucher(channel, toNano('0.3'));
        const body = claimBody(voucher);
        const short = beginCell()
            .storeBits(body.bits.substring(0, body.bits.length - 1))
            .endCell();
        const long = beginCell().storeSlice(body.beginParse()).storeBit(0).endCell();
        const empty = beginCell().storeBits(body.bits.substring(0, 128)).endCell();

        for (const wrong of [short, empty]) {
            const result = await market().send(market().payout, channel, { value: ENOUGH, body: wrong });
            expectRefused(result, { to: channel.address, exitCode: 9 });
        }
        const fall = await market().fallOf(channel, () =>
            market().send(market().payout, channel, { value: ENOUGH, body: long }),
        );
        expect(fall).toBe(toNano('0.3'));
    });

    it('keeps its money when a job has a key that is no point of the curve: nobody can sign for it', async () => {
        const key = Buffer.alloc(32, 2); // y = 0x0202...02 has no x
        ({ channel } = await market().openJob({ voucherKey: key }));

        await refused(market().voucher(channel, toNano('0.3')), errors.ErrBadSignature);
    });

    it('stays within its gas ceiling, whoever claims', async () => {
        for (const by of [market().payout, market().stranger]) {
            const { paid } = await channel.getChannelState();
            const result = await claim(market().voucher(channel, paid + 7n), by);
            expect(gasOf(transactionsOn(result, channel.address))).toBeLessThanOrEqual(gas.GasClaim);
        }
    });

    it('is answered with a bounce once the job has ended', async () => {
        await channel.sendClaim(market().payout.getSender(), { value: ENOUGH, last: true });

        const body = claimBody(market().voucher(channel, toNano('0.3')));
        const result = await market().send(market().payout, channel, { value: ENOUGH, body });

        expect(transactionsOn(result, market().payout.address, channel.address).length).toBe(1);
        expect(await market().isGone(channel)).toBe(true);
    });
});
