import { beginCell, Cell, toNano } from '@ton/core';
import { errors, gas, jobsCell, NewJob, opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { bodyOf, DAY, Market, useMarket } from '../support/market';

describe('Escrow: Open', () => {
    const market = useMarket();

    const open = (
        jobs: NewJob[],
        {
            by = market().owner,
            value = toNano('0.1'),
            seqno = 0,
            total,
        }: Partial<{
            by: Market['owner'];
            value: bigint;
            seqno: number;
            total: bigint;
        }> = {},
    ) =>
        expectConserved(market().blockchain, () =>
            market().escrow.sendOpen(by.getSender(), { value, seqno, jobs, ...(total === undefined ? {} : { total }) }),
        );

    const refused = async (exitCode: number, ...args: Parameters<typeof open>) => {
        expectRefused(await open(...args), { to: market().escrow.address, exitCode });
    };

    it('opens up to four jobs for the owner and keeps the value as a deposit', async () => {
        const jobs = Array<NewJob>(4).fill(market().newJob());

        const fall = await market().fallOf(market().escrow, () => open(jobs, { value: toNano('5') }));

        expect(fall).toBeLessThan(toNano('-0.9'));
        for (let i = 0; i < 4; i++) {
            const { channel } = await market().jobOf(jobs[i], i);
            expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(toNano('1'));
        }
    });

    it('opens a job that is paid by the value of the same message', async () => {
        await market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('0.1'), amount: 0n });

        await open([market().newJob()], { value: toNano('1.1') });

        const { channel } = await market().jobOf(market().newJob(), 0);
        expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(toNano('1'));
        expect(await market().balanceOf(market().escrow)).toBeGreaterThanOrEqual(await market().escrow.getReserve());
    });

    it('is bound by neither limit, and counts nothing against the day', async () => {
        await market().setUp({ jobLimit: 0n, dayLimit: 0n });

        await open([market().newJob({ deposit: toNano('60') })]);

        const { channel } = await market().jobOf(market().newJob(), 0);
        expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(toNano('60'));
        expect((await market().escrow.getEscrowState()).spent).toBe(0n);
    });

    it('leaves the day as the spend key left it: whoever stole the key gains nothing by waiting for the owner', async () => {
        await market().openJob();
        const { day, spent } = await market().escrow.getEscrowState();
        expect(spent).toBeGreaterThan(toNano('1'));

        await open([market().newJob()], { seqno: 1 });

        expect(await market().escrow.getEscrowState()).toMatchObject({ seqno: 2n, day, spent });
    });

    it('numbers its jobs by seqno and position, so that no job, of the spend key either, has the number of another', async () => {
        await market().openJobs(Array<NewJob>(4).fill(market().newJob()));
        const jobs = Array<NewJob>(4).fill(market().newJob());

        await open(jobs, { seqno: 1 });

        for (const [i, job] of jobs.entries()) {
            const { channel } = await market().jobOf(job, 4 + i);
            expect(await channel.getChannelState()).toMatchObject({ job: BigInt(4 + i), paid: 0n });
        }
    });

    it('works without a spend key', async () => {
        await market().setUp({ spendKey: Buffer.alloc(32) });

        await open([market().newJob()]);

        expect(await market().seqno()).toBe(1);
    });

    it('uses the seqno of the spend key: either one makes the other stale', async () => {
        const order = await market().openOrder([market().newJob()]);
        await open([market().newJob()]);
        await expect(market().carry(order)).rejects.toMatchObject({ exitCode: errors.ErrStaleSeqno });

        await market().openJob();
        await refused(errors.ErrStaleSeqno, [market().newJob()], { seqno: 1 });
    });

    it('refuses anyone but the owner', async () => {
        await refused(errors.ErrNotOwner, [market().newJob()], { by: market().stranger });
    });

    it('refuses a stale and a future seqno', async () => {
        await refused(errors.ErrStaleSeqno, [market().newJob()], { seqno: 1 });
        await open([market().newJob()]);
        await refused(errors.ErrStaleSeqno, [market().newJob()], { seqno: 0 });
    });

    it('refuses an order without jobs', async () => {
        await refused(errors.ErrWrongCount, []);
    });

    it('refuses bits beside the jobs', async () => {
        const jobs = beginCell()
            .storeSlice(jobsCell([market().newJob()]).beginParse())
            .storeBit(1)
            .endCell();

        const result = await sendRaw(jobs);

        expectRefused(result, { to: market().escrow.address, exitCode: errors.ErrMalformed });
    });

    it('refuses the whole order when the cell of a job has the wrong length, or a reference', async () => {
        const good = jobsCell([market().newJob()]).refs[0];
        const odd = [
            beginCell().storeUint(0, 639).endCell(),
            beginCell().storeSlice(good.beginParse()).storeRef(Cell.EMPTY).endCell(),
        ];

        for (const job of odd) {
            const result = await sendRaw(beginCell().storeRef(good).storeRef(job).endCell());
            expectRefused(result, { to: market().escrow.address, exitCode: errors.ErrMalformed });
        }
    });

    const sendRaw = (jobs: Cell) =>
        market().send(market().owner, market().escrow, {
            value: toNano('1'),
            body: bodyOf(
                opcodes.Open,
                beginCell().storeUint(0, 64).storeUint(0, 32).storeUint(toNano('9'), 64).storeRef(jobs).endCell(),
            ),
        });

    it('refuses the whole order, and uses no seqno, when one job breaks a rule', async () => {
        const min = await market().escrow.getMinDeposit();
        const rules: [Partial<NewJob>, number][] = [
            [{ deposit: min - 1n }, errors.ErrLowDeposit],
            [{ end: market().now }, errors.ErrWrongEnd],
            [{ end: market().now + 90 * DAY + 1 }, errors.ErrWrongEnd],
            [{ notice: 3599 }, errors.ErrWrongNotice],
            [{ notice: 7 * DAY + 1 }, errors.ErrWrongNotice],
            [{ voucherKey: Buffer.alloc(32) }, errors.ErrWeakKey],
        ];
        for (const [broken, exitCode] of rules) {
            await refused(exitCode, [market().newJob(), market().newJob(broken)]);
        }
        expect(await market().seqno()).toBe(0);
        expect(await market().balanceOf((await market().jobOf(market().newJob(), 0)).channel)).toBe(0n);
    });

    it('takes all of these limits themselves', async () => {
        const deposit = await market().escrow.getMinDeposit();
        const jobs = [{ deposit }, { end: market().now + 1 }, { end: market().now + 90 * DAY }, { notice: 3600 }];

        await open(jobs.map((job) => market().newJob(job)));

        expect(await market().seqno()).toBe(1);
    });

    it('refuses deposits above the total', async () => {
        await refused(errors.ErrWrongTotal, [market().newJob(), market().newJob()], { total: toNano('2') - 1n });
    });

    it('refuses what the balance does not cover by a nanoTON, and takes what it covers', async () => {
        const value = toNano('0.1');
        const fee = await market().escrow.getOpenFeeOf(1n);
        const there = await market().escrow.getWithdrawable();
        const max = there + value - fee;

        await refused(errors.ErrLowBalance, [market().newJob({ deposit: max + 1n })], { value });
        await open([market().newJob({ deposit: max })], { value });

        expect(await market().balanceOf(market().escrow)).toBeGreaterThanOrEqual(await market().escrow.getReserve());
    });

    it('asks the fee of each of its jobs, to the nanoTON', async () => {
        const value = toNano('0.1');
        const fees = await market().escrow.getOpenFeeOf(4n);
        const max = (await market().escrow.getWithdrawable()) + value - fees - toNano('3');
        const jobs = (deposit: bigint) => [...Array<NewJob>(3).fill(market().newJob()), market().newJob({ deposit })];

        await refused(errors.ErrLowBalance, jobs(max + 1n), { value });
        await open(jobs(max), { value });

        expect(await market().seqno()).toBe(1);
    });

    it('refuses before any channel code was set', async () => {
        const fresh = await Market.deploy({ setUp: false });
        await fresh.setUp({ channelCode: null, spendKey: Buffer.alloc(32) });

        const result = await fresh.escrow.sendOpen(fresh.owner.getSender(), {
            value: toNano('2'),
            seqno: 0,
            jobs: [fresh.newJob()],
        });

        expectRefused(result, { to: fresh.escrow.address, exitCode: errors.ErrWrongCode });
    });

    it('opens again after everything was withdrawn and something deposited', async () => {
        await market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('0.1'), amount: 0n });
        await refused(errors.ErrLowBalance, [market().newJob()]);

        await market().escrow.sendDeposit(market().stranger.getSender(), { value: toNano('2') });
        await open([market().newJob()]);

        expect(await market().seqno()).toBe(1);
    });

    it('stays within the gas ceiling of an order', async () => {
        for (const [seqno, count] of [1, 2, 3, 4].entries()) {
            const result = await open(Array<NewJob>(count).fill(market().newJob()), { seqno });
            expect(gasOf(transactionsOn(result, market().escrow.address))).toBeLessThanOrEqual(
                (count + 1) * gas.GasOpenJob,
            );
        }
    });
});
