/**
 * The life of money beyond one job: several jobs and clients at once, days and keys that change, years without rent.
 */
import { beginCell, Cell, external, toNano } from '@ton/core';
import { claimBody, errors, Escrow, jobOrderCell, opcodes, signedOrder } from '@cocoon-market/wrappers';
import { expectConserved, exitCodeOf, transactionsOn } from '../support/chain';
import {
    bodyOf,
    DAY,
    DAY_LIMIT,
    expectNotAccepted,
    Market,
    NETWORK,
    OpenJob,
    plain,
    spendKey,
    testKey,
    useMarket,
} from '../support/market';

const ENOUGH = toNano('0.05');
const YEAR = 365 * DAY;

describe('Several jobs at once', () => {
    const market = useMarket();

    const claim = (channel: OpenJob['channel'], cumulative: bigint, last = false) =>
        expectConserved(market().blockchain, () =>
            market().send(market().payout, channel, {
                value: ENOUGH,
                body: claimBody(market().voucher(channel, cumulative), { last }),
            }),
        );

    it('of one client with one node pay what their own vouchers say, in whatever order they end', async () => {
        const jobs = [1, 2, 3, 4].map((tons) => market().newJob({ deposit: toNano(`${tons}`) }));
        await market().openJobs(jobs, { seqno: 0 });
        const channels = await Promise.all(jobs.map(async (job, i) => (await market().jobOf(job, i)).channel));
        const held = await Promise.all(channels.map((channel) => market().balanceOf(channel)));
        const had = await market().balanceOf(market().escrow);

        for (const i of [2, 0, 3, 1]) {
            await claim(channels[i], toNano('0.1'));
            const others = await Promise.all(channels.map((channel) => market().balanceOf(channel)));
            await claim(channels[i], toNano('0.2') * BigInt(i), true);
            const after = await Promise.all(channels.map((channel) => market().balanceOf(channel)));
            expect(after).toEqual(others.map((balance, j) => (j === i ? 0n : balance)));
        }

        const owed = [toNano('0.1'), toNano('0.2'), toNano('0.4'), toNano('0.6')];
        const home = held.reduce((sum, each) => sum + each, 0n) - owed.reduce((sum, each) => sum + each, 0n);
        const got = (await market().balanceOf(market().escrow)) - had;
        expect(got).toBeLessThanOrEqual(home);
        expect(got).toBeGreaterThan(home - toNano('0.001')); // the escrow's gas for four plain deposits
    });

    it('of two clients with one node touch neither the other escrow nor its limits', async () => {
        const mine = await market().openJob();
        const owner = await market().blockchain.treasury('second owner');
        const escrow = market().blockchain.openContract(await Escrow.ofOwner(owner.address));
        const settings = { spendKey: spendKey.publicKey, jobLimit: toNano('5'), dayLimit: toNano('5') };
        const args = { value: toNano('11'), deposit: toNano('10'), channelCode: market().code };
        await escrow.sendSetUp(owner.getSender(), { ...settings, ...args });
        const stand = async () => ({
            ...plain(await market().escrow.getEscrowState()),
            balance: await market().balanceOf(market().escrow),
        });
        const before = await stand();

        const head = { network: NETWORK, seqno: 0, validUntil: market().now + 60 };
        await escrow.sendOpenJobs({ ...head, key: spendKey, jobs: [market().newJob()] });
        await claim(mine.channel, toNano('0.3'));

        expect(await stand()).toEqual(before);
        expect((await escrow.getEscrowState()).seqno).toBe(1n);
    });

    it('survive the spend key: the next key ends what the first one opened, and an order of the first dies', async () => {
        const { channel, job } = await market().openJob({ notice: DAY });
        const late = await market().openOrder([market().newJob()]);
        const next = testKey(9);
        await market().setUp({ spendKey: next.publicKey });

        await expectNotAccepted(market(), () => market().carry(late), errors.ErrBadSignature);
        for (const action of ['leave', 'refund'] as const) {
            await market().carry(signedOrder(jobOrderCell({ ...(await market().head()), job, action }), next));
            market().blockchain.now! += DAY;
        }

        expect(await market().isGone(channel)).toBe(true);
        await expectNotAccepted(market(), () => market().carry(late), errors.ErrBadSignature);
    });

    it('live on without a spend key: vouchers pay, and the owner ends them by wallet', async () => {
        const paid = await market().openJob({ notice: DAY });
        const left = await market().openJob({ notice: DAY });
        await market().setUp({ spendKey: Buffer.alloc(32) });

        await claim(paid.channel, toNano('0.5'), true);
        const leave = { value: ENOUGH, channel: left.channel.address };
        await market().escrow.sendLeaveJob(market().owner.getSender(), leave);
        market().blockchain.now! += DAY;
        await market().send(market().owner, left.channel, { value: ENOUGH, body: bodyOf(opcodes.Refund) });

        expect(await market().isGone(paid.channel)).toBe(true);
        expect(await market().isGone(left.channel)).toBe(true);
    });
});

describe('The limit of a day', () => {
    const market = useMarket();

    const spent = async () => (await market().escrow.getEscrowState()).spent;

    it('counts an order about a running job on the day of that order, not of the opening', async () => {
        const { job } = await market().openJob({ deposit: toNano('10'), notice: DAY });
        market().nextDay();

        await market().carry(signedOrder(jobOrderCell({ ...(await market().head()), job, action: 'leave' }), spendKey));

        expect(await spent()).toBe(await market().escrow.getJobOrderFeeOf());
        expect((await market().escrow.getEscrowState()).day).toBe(BigInt(Math.floor(market().now / DAY)));
    });

    it('begins anew after days without orders, however many, and never adds what days before left over', async () => {
        await market().openJob({ deposit: toNano('1') });
        for (const days of [1, 2, 40]) {
            market().blockchain.now! += (days - 1) * DAY;
            market().nextDay();
            const fee = await market().escrow.getOpenFeeOf(1n);

            const order = await market().openOrder([market().newJob()], { total: DAY_LIMIT - fee + 1n });
            await expectNotAccepted(market(), () => market().carry(order), errors.ErrOverDayLimit);
            await market().openJobs([market().newJob()], { total: DAY_LIMIT - fee });

            expect(await spent()).toBe(DAY_LIMIT);
            await market().escrow.sendDeposit(market().owner.getSender(), { value: toNano('2') });
        }
    });

    it('is spent twice around midnight at most: in the last second of a day and the first of the next', async () => {
        market().nextDay();
        market().blockchain.now! -= 1;
        const half = DAY_LIMIT - (await market().escrow.getOpenFeeOf(1n));
        await market().openJobs([market().newJob()], { total: half });
        market().blockchain.now! += 1;
        await market().openJobs([market().newJob()], { total: half });

        const order = await market().openOrder([market().newJob()]);
        await expectNotAccepted(market(), () => market().carry(order), errors.ErrOverDayLimit);
    });
});

describe('A withdrawal between an order and its end', () => {
    const market = useMarket();

    it('takes what is there, and a deposit that bounces back later is there for the next one', async () => {
        const thrower = beginCell().storeUint(0xff00, 16).storeUint(0xf22a, 16).endCell(); // SETCP 0, THROW 42
        await market().setUp({ channelCode: thrower });
        const body = await market().openOrder([market().newJob({ deposit: toNano('20') })]);
        const chain = await market().blockchain.sendMessageIter(external({ to: market().escrow.address, body }), {
            allowParallel: true,
        });
        await chain.next(); // the escrow; the deploy is on its way

        const early = { value: toNano('1'), amount: 0n };
        await market().escrow.sendWithdraw(market().owner.getSender(), early);
        const reserve = await market().escrow.getReserve();
        expect(await market().balanceOf(market().escrow)).toBe(reserve);
        for await (const _ of chain);

        const back = (await market().balanceOf(market().escrow)) - reserve;
        expect(back).toBeGreaterThan(toNano('19.98'));
        expect(await market().escrow.getWithdrawable()).toBe(back);
    });
});

describe('Years without rent', () => {
    const market = useMarket();

    /** As the escrow stands: what brings a frozen account back. */
    const stateOf = async (account: { address: Market['owner']['address'] }) => {
        const { accountState } = await market().blockchain.getContract(account.address);
        return accountState?.type === 'active' ? accountState.state : undefined;
    };

    it('make an escrow owe, and the message after the next deposit pays that: the rest is the deposit', async () => {
        await market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('1'), amount: 0n });
        market().blockchain.now! += 3 * YEAR;

        await market().send(market().stranger, market().escrow, { value: 1n });
        const { account } = await market().blockchain.getContract(market().escrow.address);
        const due = account.account!.storageStats.duePayment!;
        for (const value of [toNano('1'), 1n]) {
            await market().send(market().stranger, market().escrow, { value });
        }

        expect(due).toBeGreaterThan(0n);
        const left = await market().balanceOf(market().escrow);
        expect(left).toBeLessThanOrEqual(toNano('1') + 1n - due);
        expect(left).toBeGreaterThan(toNano('0.999') - due);
    });

    it('freeze an escrow in the end; what its jobs send home waits there, and anyone brings it back', async () => {
        const { channel } = await market().openJob({ deposit: toNano('5') });
        await market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('1'), amount: 0n });
        const init = await stateOf(market().escrow);
        market().blockchain.now! += 15 * YEAR;
        await market().send(market().stranger, market().escrow, { value: 1n });
        expect((await market().blockchain.getContract(market().escrow.address)).accountState?.type).toBe('frozen');

        await expectConserved(market().blockchain, () =>
            market().send(market().stranger, channel, { value: ENOUGH, body: bodyOf(opcodes.Refund) }),
        );
        expect(await market().isGone(channel)).toBe(true);
        const waiting = await market().balanceOf(market().escrow);
        await market().send(market().stranger, market().escrow, { value: toNano('1'), init: init!, bounce: false });
        const result = await market().escrow.sendWithdraw(market().owner.getSender(), {
            value: toNano('1'),
            amount: 0n,
        });

        expect(waiting).toBeGreaterThan(toNano('4'));
        expect(exitCodeOf(transactionsOn(result, market().escrow.address)[0])).toBe(0);
        expect(await market().balanceOf(market().escrow)).toBe(await market().escrow.getReserve());
    });

    it('remove a channel that owes them, whose money is gone by then: nothing is left of it', async () => {
        const { channel, job } = await market().openJob();
        (await market().blockchain.getContract(channel.address)).balance = 1_000_000n;
        market().blockchain.now = job.end + 40 * YEAR;

        await market().send(market().stranger, channel, { value: 1n, bounce: false });

        expect(await market().isGone(channel)).toBe(true);
    });
});

describe('Money from strangers', () => {
    const market = useMarket();

    it.each([
        ['a plain transfer', Cell.EMPTY],
        ['an empty comment', beginCell().storeUint(0, 32).endCell()],
    ])('as %s is the job\u2019s and then the client\u2019s, wherever it is sent', async (_, body) => {
        const { channel, job } = await market().openJob();
        const before = (await market().balanceOf(channel)) + (await market().balanceOf(market().escrow));

        for (const account of [channel, market().escrow]) {
            await expectConserved(market().blockchain, () =>
                market().send(market().stranger, account, { value: toNano('3'), body }),
            );
        }
        market().blockchain.now = job.end;
        await market().send(market().stranger, channel, { value: ENOUGH, body: bodyOf(opcodes.Refund) });

        const after = await market().balanceOf(market().escrow);
        expect(after - before).toBeGreaterThan(toNano('5.99'));
        expect(after - before).toBeLessThanOrEqual(toNano('6'));
    });
});
