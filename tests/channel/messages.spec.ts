import { beginCell, Cell, external, internal as transfer, SendMode, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { claimBody, opcodes } from '@cocoon-market/wrappers';
import { exitCodeOf, expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { bodyOf, DAY, OpenJob, plain, useMarket } from '../support/market';

describe('Channel: other messages', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];

    beforeEach(async () => {
        ({ channel } = await market().openJob({ deposit: toNano('1') }));
    });

    const sends = (body: ReturnType<typeof bodyOf>, bounce = true) =>
        expectConserved(market().blockchain, () =>
            market().send(market().stranger, channel, { value: toNano('0.5'), body, bounce }),
        );

    it('holds its deposit once it is deployed, and keeps its terms', async () => {
        const { job } = await market().openJob({ deposit: toNano('2') });

        const fresh = await market().openJob({ deposit: toNano('2') });

        expect(await market().balanceOf(fresh.channel)).toBeGreaterThanOrEqual(toNano('2'));
        expect(plain(await fresh.channel.getChannelState())).toEqual({
            $$type: 'ChannelState',
            escrow: market().escrow.address.toString(),
            payout: market().payout.address.toString(),
            voucherKey: BigInt(`0x${job.voucherKey.toString('hex')}`),
            notice: BigInt(job.notice),
            job: BigInt(job.job + 4),
            paid: 0n,
            refundAt: BigInt(job.end),
        });
    });

    it('adds a plain transfer from anyone to the money of the job', async () => {
        const rise = -(await market().fallOf(channel, () => sends(beginCell().endCell())));

        expect(rise).toBeGreaterThan(toNano('0.499'));
    });

    it('adds money that comes with a fee smaller than its gas, too: nothing is computed then', async () => {
        const rise = -(await market().fallOf(channel, () => market().send(market().stranger, channel, { value: 1n })));

        expect(rise).toBe(1n);
    });

    it.each<['payout' | 'stranger', 'claim' | 'claimLast' | 'refund', number]>([
        ['payout', 'claim', 1],
        ['stranger', 'claim', 2],
        ['payout', 'claimLast', 2],
        ['stranger', 'refund', 2],
    ])('pays by messages that carry nothing but money: to the %s with %s', async (name, message, count) => {
        const voucher = market().voucher(channel, toNano('0.3'));
        const bodies = {
            claim: claimBody(voucher),
            claimLast: claimBody(voucher, { last: true }),
            refund: bodyOf(opcodes.Refund),
        };
        market().blockchain.now! += message === 'refund' ? 31 * DAY : 0;

        const value = toNano('0.5');
        const result = await market().send(market()[name], channel, { value, body: bodies[message] });

        const sent = transactionsOn(result, channel.address)[0].outMessages.values();
        expect(sent.length).toBe(count);
        for (const { info, init, body } of sent) {
            expect([info.type, init, body.equals(Cell.EMPTY)]).toEqual(['internal', null, true]);
        }
    });

    it('refuses an unknown opcode', async () => {
        expectRefused(await sends(bodyOf(0xc0c005ff)), { to: channel.address, exitCode: 130 });
    });

    it('refuses a text comment', async () => {
        const comment = beginCell().storeUint(0, 32).storeStringTail('hello').endCell();

        expectRefused(await sends(comment), { to: channel.address, exitCode: 130 });
    });

    it('adds a transfer with an empty comment to the money of the job', async () => {
        const rise = -(await market().fallOf(channel, () => sends(bodyOf(0))));

        expect(rise).toBeGreaterThan(toNano('0.499'));
    });

    it('refuses a body shorter than an opcode', async () => {
        expectRefused(await sends(beginCell().storeUint(5, 31).endCell()), { to: channel.address, exitCode: 9 });
    });

    it('refuses a truncated Claim and a truncated ClaimLast', async () => {
        for (const name of ['Claim', 'ClaimLast'] as const) {
            const body = bodyOf(opcodes[name], beginCell().storeUint(0, 95).endCell());
            const result = await market().send(market().payout, channel, { value: toNano('0.5'), body });
            expectRefused(result, { to: channel.address, exitCode: 9 });
        }
    });

    it('keeps the money of a refused message that asked for no bounce: it is the sender who gave it up', async () => {
        const rise = -(await market().fallOf(channel, () => sends(bodyOf(0xc0c005ff), false)));

        expect(rise).toBeGreaterThan(toNano('0.49'));
    });

    it('takes no external message', async () => {
        const action = market().blockchain.sendMessage(external({ to: channel.address, body: bodyOf(opcodes.Refund) }));

        await expect(action).rejects.toThrow('External message not accepted');
    });

    it('drops a message that bounced back to it', async () => {
        const before = plain(await channel.getChannelState());

        const result = await market().blockchain.sendMessage(
            internal({
                from: market().escrow.address,
                to: channel.address,
                value: toNano('0.1'),
                bounce: false,
                bounced: true,
                body: beginCell().storeUint(0xffffffff, 32).storeUint(opcodes.Leave, 32).endCell(),
            }),
        );

        expect(exitCodeOf(transactionsOn(result, channel.address)[0])).toBe(0);
        expect(plain(await channel.getChannelState())).toEqual(before);
    });

    it('is claimed together with others when a wallet sends many claims in one message', async () => {
        const jobs = [await market().openJob(), await market().openJob(), await market().openJob()];
        const claims = jobs.map(({ channel: each }) => {
            const body = claimBody(market().voucher(each, toNano('0.1')));
            return transfer({ to: each.address, value: toNano('0.02'), body });
        });

        await market().payout.sendMessages(claims, SendMode.PAY_GAS_SEPARATELY);

        for (const { channel: each } of jobs) {
            expect((await each.getChannelState()).paid).toBe(toNano('0.1'));
        }
    });
});
