import { beginCell, toNano } from '@ton/core';
import { Escrow, errors, gas, opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { bodyOf, DAY, HOUR, OpenJob, plain, useMarket } from '../support/market';

const VALUE = toNano('0.01');

describe('Channel: Leave', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob({ notice: DAY }));
    });

    const leave = (from: { address: typeof channel.address } = market().escrow) =>
        expectConserved(market().blockchain, () =>
            market().send(from, channel, { value: VALUE, body: bodyOf(opcodes.Leave) }),
        );

    const refundAt = async () => Number((await channel.getChannelState()).refundAt);

    it('brings refundAt as near as the notice when the escrow asks', async () => {
        await leave();

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('changes nothing but refundAt', async () => {
        const before = plain(await channel.getChannelState());

        await leave();

        expect(plain(await channel.getChannelState())).toEqual({ ...before, refundAt: BigInt(market().now + DAY) });
    });

    it('keeps the end of a job that ends before the notice would', async () => {
        market().blockchain.now = job.end - HOUR;

        await leave();

        expect(await refundAt()).toBe(job.end);
    });

    it('cannot be postponed by a second Leave', async () => {
        await leave();
        const first = await refundAt();
        market().blockchain.now! += HOUR;

        await leave();

        expect(await refundAt()).toBe(first);
    });

    it('changes nothing once the moment has come', async () => {
        await leave();
        const first = await refundAt();
        market().blockchain.now = first + DAY;

        await leave();

        expect(await refundAt()).toBe(first);
    });

    it('cannot be called off by a top-up, not even by the client', async () => {
        await leave();

        await channel.sendTopUp(market().owner.getSender(), { value: toNano('1') });

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it('keeps what is left of its value with the money of the job', async () => {
        const rise = -(await market().fallOf(channel, () => leave()));

        expect(rise).toBeGreaterThan(0n);
        expect(rise).toBeLessThan(VALUE);
    });

    it('takes a body that is longer than its opcode: nothing is read of the rest', async () => {
        const body = bodyOf(opcodes.Leave, beginCell().storeUint(1, 300).endCell());

        await market().send(market().escrow, channel, { value: VALUE, body });

        expect(await refundAt()).toBe(market().now + DAY);
    });

    it("refuses the owner's wallet: the escrow asks for it", async () => {
        const result = await leave(market().owner);

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNotEscrow });
    });

    it('refuses the payout and a third party', async () => {
        for (const by of [market().payout, market().stranger]) {
            const result = await leave(by);
            expectRefused(result, { to: channel.address, exitCode: errors.ErrNotEscrow });
        }
    });

    it('refuses the escrow of another client', async () => {
        const other = await Escrow.ofOwner(market().stranger.address);
        await market().send(market().stranger, other, { value: toNano('1'), bounce: false });

        const result = await leave(other);

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNotEscrow });
    });

    it('stays within its gas ceiling', async () => {
        const result = await leave();

        expect(gasOf(transactionsOn(result, channel.address))).toBeLessThanOrEqual(gas.GasLeave);
    });
});
