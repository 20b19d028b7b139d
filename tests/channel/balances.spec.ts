import { toNano } from '@ton/core';
import { claimBody, errors, opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { bodyOf, DAY, OpenJob, rentOf, useMarket, valueSent } from '../support/market';

const ENOUGH = toNano('0.05');
const FORWARD = 400_000n; // nanoTON a message costs at the prices of the small configuration
/** Every balance near nothing, near what a message costs and near what a claim costs. */
const BALANCES = [
    ...Array.from({ length: 13 }, (_, i) => BigInt(i)),
    ...[FORWARD, 2n * FORWARD, 3n * FORWARD, 3_000_000n, 3_800_000n, 5_000_000n].flatMap((n) => [n - 1n, n, n + 1n]),
    10_000_000n,
    77_777_777n,
];
const OWED = [1n, 5n, FORWARD, 4_000_000n];

// The balance is set by hand: no message could leave a channel with so little and nothing paid.
describe('Channel: every balance from 0 up', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob());
    });

    const hold = async (balance: bigint) => {
        (await market().blockchain.getContract(channel.address)).balance = balance;
    };

    const forEachCase = async (check: (balance: bigint, owed: bigint) => Promise<void>) => {
        const open = market().blockchain.snapshot();
        for (const balance of BALANCES) {
            for (const owed of OWED) {
                await market().blockchain.loadFrom(open);
                await hold(balance);
                await check(balance, owed);
            }
        }
    };

    it('lets a claim pay what is owed and there, and nothing else leaves', async () => {
        await forEachCase(async (balance, owed) => {
            const due = owed < balance ? owed : balance;
            const by = owed === 5n ? market().stranger : market().payout;
            const body = claimBody(market().voucher(channel, owed));

            const result = await expectConserved(market().blockchain, () =>
                market().send(by, channel, { value: ENOUGH, body }),
            );

            if (due === 0n) {
                expectRefused(result, { to: channel.address, exitCode: errors.ErrNothingNew });
            }
            expect({ balance, owed, left: await market().balanceOf(channel) }).toEqual({
                balance,
                owed,
                left: balance - due,
            });
        });
    });

    it('lets the last claim send the escrow what is not owed, to the nanoTON, and end the account', async () => {
        await forEachCase(async (balance, owed) => {
            const due = owed < balance ? owed : balance;
            const body = claimBody(market().voucher(channel, owed), { last: true });

            const result = await expectConserved(market().blockchain, () =>
                market().send(market().payout, channel, { value: ENOUGH, body }),
            );

            expect(valueSent(result, channel, market().escrow)).toBe(balance - due);
            expect(await market().isGone(channel)).toBe(true);
        });
    });

    it('lets a refund send the escrow all there is and end the account', async () => {
        const open = market().blockchain.snapshot();
        for (const balance of BALANCES) {
            await market().blockchain.loadFrom(open);
            market().blockchain.now = job.end;
            await hold(balance);

            const result = await expectConserved(market().blockchain, () =>
                market().send(market().stranger, channel, { value: ENOUGH, body: bodyOf(opcodes.Refund) }),
            );

            const [tx] = transactionsOn(result, channel.address);
            const rest = balance - rentOf(tx) > 0n ? balance - rentOf(tx) : 0n;
            expect(valueSent(result, channel, market().escrow)).toBe(rest);
            expect(await market().isGone(channel)).toBe(true);
        }
    });
});

describe('Channel: rent', () => {
    const market = useMarket();
    let channel: OpenJob['channel'];
    let job: OpenJob['job'];

    beforeEach(async () => {
        ({ channel, job } = await market().openJob());
        (await market().blockchain.getContract(channel.address)).balance = 1_000_000n;
        market().blockchain.now = job.end + 4 * 365 * DAY; // owes more rent than it has
    });

    it('does not keep the payout from ending the channel with the minimum value: the debt ends with the account', async () => {
        const value = await channel.getClaimValue();
        const body = claimBody(market().voucher(channel, toNano('1')), { last: true });

        const result = await market().send(market().payout, channel, { value, body });

        expect(valueSent(result, channel, market().escrow)).toBe(0n);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('leaves nothing to claim, and a claim says so', async () => {
        const body = claimBody(market().voucher(channel, toNano('1')));

        const result = await market().send(market().payout, channel, { value: ENOUGH, body });

        expectRefused(result, { to: channel.address, exitCode: errors.ErrNothingNew });
    });

    it('does not keep anyone from ending the channel', async () => {
        const result = await market().send(market().stranger, channel, {
            value: ENOUGH,
            body: bodyOf(opcodes.Refund),
        });

        expect(valueSent(result, channel, market().stranger)).toBeGreaterThan(0n);
        expect(await market().isGone(channel)).toBe(true);
    });

    it('is taken out of the value of a message that asks for no bounce, before the channel runs', async () => {
        const value = await channel.getClaimValue();
        const body = claimBody(market().voucher(channel, toNano('1')), { last: true });

        const result = await market().send(market().payout, channel, { value, body, bounce: false });

        expect(await market().isGone(channel)).toBe(false);
        expect(valueSent(result, channel, market().payout)).toBe(0n);
    });

    it('is taken out of a top-up by the next message, and the rest of that is the job again', async () => {
        await channel.sendTopUp(market().stranger.getSender(), { value: toNano('1') });

        const result = await market().send(market().payout, channel, {
            value: ENOUGH,
            body: claimBody(market().voucher(channel, toNano('5'))),
        });

        const debt = rentOf(transactionsOn(result, channel.address)[0]);
        const { paid } = await channel.getChannelState();
        expect(debt).toBeGreaterThan(1_000_000n); // more than was there
        expect(paid + debt).toBeGreaterThan(toNano('0.999'));
        expect(paid + debt).toBeLessThan(toNano('1'));
    });
});
