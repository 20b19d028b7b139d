// Longer than 350 lines because its cases share one set-up.
import { beginCell, Cell, Dictionary, toNano } from '@ton/core';
import {
    computeFee,
    errors,
    gas,
    jobRules,
    NewJob,
    openJobsCell,
    pricesOf,
    signedOrder,
    tags,
} from '@cocoon-market/wrappers';
import { exitCodeOf, expectConserved, gasOf, transactionsOn } from '../support/chain';
import { NON_CANONICAL_KEYS, WEAK_KEYS } from '../support/keys';
import { DAY, expectNotAccepted, Market, NETWORK, otherKey, spendKey, useMarket, valueSent } from '../support/market';
import { withSmallMessages } from '../support/networks';

type Order = Parameters<Market['openOrder']>[1];

describe('Escrow: OpenJobs', () => {
    const market = useMarket();

    const opens = async (jobs: NewJob[], overrides: Order = {}) => {
        const order = await market().openOrder(jobs, overrides);
        return expectConserved(market().blockchain, () => market().carry(order));
    };

    const refused = async (jobs: NewJob[], overrides: Order, exitCode: number) => {
        const order = await market().openOrder(jobs, overrides);
        await expectNotAccepted(market(), () => market().carry(order), exitCode);
    };

    /** How many of the order's jobs hold money, by number. */
    const opened = async (jobs: NewJob[], first: number) => {
        const channels = await Promise.all(jobs.map((job, i) => market().jobOf(job, first + i)));
        return Promise.all(channels.map(async ({ channel }) => (await market().balanceOf(channel)) > 0n));
    };

    describe('accepted', () => {
        it('deploys the job with its deposit, without a wallet', async () => {
            const { channel } = await market().openJob({ deposit: toNano('2') });

            expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(toNano('2'));
            expect(await market().balanceOf(channel)).toBeLessThan(toNano('2.01'));
        });

        it("sends the deposit with what the channel's first run costs", async () => {
            const { channel, result } = await market().openJob({ deposit: toNano('2') });

            const { basechain } = pricesOf(market().blockchain.config);
            const run = computeFee(basechain, gas.GasChannelDeploy);
            expect(valueSent(result, market().escrow, channel)).toBe(toNano('2') + run);
        });

        it('opens four jobs in one order, numbered by seqno and position', async () => {
            const jobs = [1, 2, 3, 4].map((n) => market().newJob({ deposit: toNano(`${n}`) }));
            await market().openJob();

            await opens(jobs);

            for (const [i, job] of jobs.entries()) {
                const { channel } = await market().jobOf(job, 4 + i);
                expect(await channel.getChannelState()).toMatchObject({ job: BigInt(4 + i) });
                expect(await market().balanceOf(channel)).toBeGreaterThanOrEqual(job.deposit);
            }
        });

        it('opens four equal jobs as four channels', async () => {
            const jobs = Array<NewJob>(4).fill(market().newJob());

            await opens(jobs);

            expect(await opened(jobs, 0)).toEqual([true, true, true, true]);
        });

        it('costs no more than deposits and the fee the getter names, which is what the day counts', async () => {
            for (const count of [1, 2, 3, 4]) {
                const jobs = Array<NewJob>(count).fill(market().newJob());
                const fee = await market().escrow.getOpenFeeOf(BigInt(count));
                const total = BigInt(count) * toNano('1');
                const { spent } = await market().escrow.getEscrowState();

                const fall = await market().fallOf(market().escrow, () => opens(jobs));

                expect(fall).toBeLessThanOrEqual(total + fee);
                expect((await market().escrow.getEscrowState()).spent - spent).toBe(total + fee);
            }
        });

        it('takes a total above the deposits: it counts, and stays in the escrow', async () => {
            const fall = await market().fallOf(market().escrow, () =>
                opens([market().newJob()], { total: toNano('5') }),
            );

            expect(fall).toBeLessThan(toNano('1.02'));
            expect((await market().escrow.getEscrowState()).spent).toBeGreaterThan(toNano('5'));
        });

        it('is taken in the last second of its time', async () => {
            await opens([market().newJob()], { validUntil: market().now });

            expect(await market().seqno()).toBe(1);
        });

        it('can be carried by anyone in any form of the same message', async () => {
            const body = await market().openOrder([market().newJob()]);

            await market().blockchain.sendMessage(
                beginCell()
                    .storeUint(0b1000, 4) // ext_in_msg_info, from addr_none
                    .storeAddress(market().escrow.address)
                    .storeCoins(0)
                    .storeBit(0)
                    .storeBit(1) // the body in a reference
                    .storeRef(body)
                    .endCell(),
            );

            expect(await market().seqno()).toBe(1);
        });

        it('stays within its gas ceiling for one to four jobs', async () => {
            for (const count of [1, 2, 3, 4]) {
                const result = await opens(Array<NewJob>(count).fill(market().newJob()));
                expect(gasOf(transactionsOn(result, market().escrow.address))).toBeLessThanOrEqual(
                    (count + 1) * gas.GasOpenJob,
                );
            }
        });
    });

    describe('refused before it costs anything', () => {
        it('when no spend key is set', async () => {
            await market().setUp({ spendKey: Buffer.alloc(32) });

            await refused([market().newJob()], {}, errors.ErrNoKey);
        });

        it('when another key signed it', async () => {
            await refused([market().newJob()], { key: otherKey }, errors.ErrBadSignature);
        });

        it('when anything in it was altered after it was signed', async () => {
            const honest = { ...(await market().head()), jobs: [market().newJob()] };
            const signature = spendKey.sign(openJobsCell(honest).hash());
            const altered = [
                { ...honest, seqno: 1 },
                { ...honest, validUntil: honest.validUntil + 1 },
                { ...honest, total: toNano('2') },
                { ...honest, jobs: [market().newJob({ deposit: toNano('2') })] },
                { ...honest, jobs: [market().newJob({ payout: market().stranger.address.hash })] },
                { ...honest, jobs: [market().newJob(), market().newJob()] },
            ];
            for (const order of altered) {
                const body = beginCell().storeBuffer(signature).storeRef(openJobsCell(order)).endCell();
                await expectNotAccepted(market(), () => market().carry(body), errors.ErrBadSignature);
            }
        });

        it('when it is for another network', async () => {
            await refused([market().newJob()], { network: -3 }, errors.ErrWrongNetwork);
        });

        it('when it is for another escrow', async () => {
            await refused([market().newJob()], { escrow: market().owner.address }, errors.ErrWrongEscrow);
        });

        it('when it was carried before', async () => {
            const order = await market().openOrder([market().newJob()]);
            await market().carry(order);

            await expectNotAccepted(market(), () => market().carry(order), errors.ErrStaleSeqno);
        });

        it('when another order with its seqno came first', async () => {
            const [first, second] = [
                await market().openOrder([market().newJob()]),
                await market().openOrder([market().newJob({ deposit: toNano('2') })]),
            ];
            await market().carry(first);

            await expectNotAccepted(market(), () => market().carry(second), errors.ErrStaleSeqno);
        });

        it('when its seqno is not the next one', async () => {
            await refused([market().newJob()], { seqno: 1 }, errors.ErrStaleSeqno);
        });

        it('a second after its time', async () => {
            await refused([market().newJob()], { validUntil: market().now - 1 }, errors.ErrExpired);
        });

        it('when its tag is unknown', async () => {
            const cell = openJobsCell({ ...(await market().head()), jobs: [market().newJob()] });
            for (const tag of [tags.TagVoucher, tags.TagOpenJobs + 0x100, 0]) {
                const slice = cell.beginParse().skip(32);
                const order = beginCell().storeUint(tag, 32).storeSlice(slice).endCell();
                const body = signedOrder(order, spendKey);
                await expectNotAccepted(market(), () => market().carry(body), errors.ErrUnknownOrder);
            }
        });

        it('when it has no jobs', async () => {
            await refused([], {}, errors.ErrWrongCount);
        });

        it('when it is longer or shorter than an order', async () => {
            const cell = openJobsCell({ ...(await market().head()), jobs: [market().newJob()] });
            const long = beginCell().storeSlice(cell.beginParse()).storeBit(0).endCell();
            const short = beginCell().storeBits(cell.bits.substring(0, 447)).storeRef(cell.refs[0]).endCell();

            await expectNotAccepted(market(), () => market().carry(signedOrder(long, spendKey)), errors.ErrMalformed);
            await expectNotAccepted(market(), () => market().carry(signedOrder(short, spendKey)), 9);
        });

        it('when its message holds more than a signature and one cell', async () => {
            const order = openJobsCell({ ...(await market().head()), jobs: [market().newJob()] });
            const signature = spendKey.sign(order.hash());
            const bodies = [
                beginCell().storeBuffer(signature).storeBit(0).storeRef(order),
                beginCell().storeBuffer(signature.subarray(0, 63)).storeRef(order),
                beginCell().storeBuffer(signature).storeRef(order).storeRef(order),
            ];
            for (const body of bodies) {
                await expectNotAccepted(market(), () => market().carry(body.endCell()), errors.ErrMalformed);
            }
            const empty = beginCell().storeBuffer(signature).endCell();
            await expectNotAccepted(market(), () => market().carry(empty), 9);
        });

        it('when its jobs carry cells of their own, which the escrow would pay to import', async () => {
            const head = openJobsCell({ ...(await market().head()), jobs: [] });
            let ballast = Cell.EMPTY;
            for (let i = 0; i < 100; i++) {
                const job = beginCell().storeUint(0, 640).storeRef(ballast).endCell();
                const order = beginCell().storeSlice(head.beginParse()).storeRef(job).endCell();
                if (i === 0 || i === 99) {
                    const body = signedOrder(order, spendKey);
                    await expectNotAccepted(market(), () => market().carry(body), errors.ErrMalformed);
                }
                ballast = beginCell().storeUint(i, 1000).storeRef(ballast).endCell();
            }
        });

        it("when someone adds the escrow's own state to it, which the escrow would pay to import", async () => {
            const order = await market().openOrder([market().newJob()]);

            await expectNotAccepted(market(), () => market().carry(order, market().escrow.init), errors.ErrMalformed);
            await market().carry(order);
            expect(await market().seqno()).toBe(1);
        });

        it('when the escrow is a nanoTON short of deposits, fee and reserve, and not when it has them', async () => {
            const needed =
                toNano('1') + (await market().escrow.getOpenFeeOf(1n)) + (await market().escrow.getReserve());
            // The import fee of the message is gone from the balance before the escrow looks at it.
            const order = await market().openOrder([market().newJob()]);
            const importFee = await importFeeOf(order);
            const account = await market().blockchain.getContract(market().escrow.address);

            account.balance = needed + importFee - 1n;
            await expectNotAccepted(market(), () => market().carry(order), errors.ErrLowBalance);
            account.balance = needed + importFee;
            await market().carry(order);

            expect(await market().balanceOf(market().escrow)).toBeGreaterThanOrEqual(
                await market().escrow.getReserve(),
            );
        });

        const importFeeOf = async (order: Cell) => {
            const snapshot = market().blockchain.snapshot();
            const [tx] = (await market().carry(order)).transactions;
            await market().blockchain.loadFrom(snapshot);
            const gasFees =
                tx.description.type === 'generic' && tx.description.computePhase.type === 'vm'
                    ? tx.description.computePhase.gasFees
                    : 0n;
            const actionFees =
                tx.description.type === 'generic' ? (tx.description.actionPhase?.totalActionFees ?? 0n) : 0n;
            return tx.totalFees.coins - gasFees - actionFees;
        };
    });

    describe('with a job that breaks a rule', () => {
        const min = () => market().escrow.getMinDeposit();

        /** Opens [good, bad, good]: the good ones must open, the exit code must name the rule, the seqno is used. */
        const leavesOut = async (bad: NewJob, exitCode: number, overrides: Order = {}) => {
            const seqno = await market().seqno();
            const jobs = [market().newJob(), bad, market().newJob()];
            const order = await market().openOrder(jobs, { seqno, ...overrides });

            const result = await expectConserved(market().blockchain, () => market().carry(order));

            expect(exitCodeOf(transactionsOn(result, market().escrow.address)[0])).toBe(exitCode);
            expect(await opened(jobs, seqno * 4)).toEqual([true, false, true]);
            expect(await market().seqno()).toBe(seqno + 1);
            await expectNotAccepted(market(), () => market().carry(order), errors.ErrStaleSeqno);
        };

        it('opens the others when a deposit is a nanoTON below the minimum, and all at the minimum', async () => {
            await leavesOut(market().newJob({ deposit: (await min()) - 1n }), errors.ErrLowDeposit);

            const result = await opens([market().newJob({ deposit: await min() })]);
            expect(exitCodeOf(result.transactions[0])).toBe(0);
        });

        it('opens the others when a deposit is a nanoTON above the job limit, and all at the limit', async () => {
            await market().setUp({ jobLimit: toNano('3') });
            await leavesOut(market().newJob({ deposit: toNano('3') + 1n }), errors.ErrOverJobLimit);

            const result = await opens([market().newJob({ deposit: toNano('3') })]);
            expect(exitCodeOf(result.transactions[0])).toBe(0);
        });

        it('opens the others when a deposit exceeds what is left of the total by a nanoTON', async () => {
            const jobs = [market().newJob(), market().newJob()];

            const result = await opens(jobs, { total: toNano('2') - 1n });

            expect(exitCodeOf(result.transactions[0])).toBe(errors.ErrWrongTotal);
            expect(await opened(jobs, 0)).toEqual([true, false]);
        });

        it('opens nothing for a total of 0, and keeps the money', async () => {
            const fall = await market().fallOf(market().escrow, () => opens([market().newJob()], { total: 0n }));

            expect(fall).toBeLessThan(await market().escrow.getOpenFeeOf(1n));
        });

        it('opens the others when an end has come, and all when it is a second ahead', async () => {
            await leavesOut(market().newJob({ end: market().now }), errors.ErrWrongEnd);
            await leavesOut(market().newJob({ end: 0 }), errors.ErrWrongEnd);

            const result = await opens([market().newJob({ end: market().now + 1 })]);
            expect(exitCodeOf(result.transactions[0])).toBe(0);
        });

        it('opens the others when an end is a second beyond 90 days, and all at 90 days', async () => {
            expect(jobRules.maxEnd).toBe(90 * DAY);
            await leavesOut(market().newJob({ end: market().now + 90 * DAY + 1 }), errors.ErrWrongEnd);

            const result = await opens([market().newJob({ end: market().now + 90 * DAY })]);
            expect(exitCodeOf(result.transactions[0])).toBe(0);
        });

        it('opens the others when a notice is a second too short or too long, and all at both limits', async () => {
            const { minNotice, maxNotice } = jobRules;
            expect([minNotice, maxNotice]).toEqual([3600, 7 * DAY]);
            await leavesOut(market().newJob({ notice: minNotice - 1 }), errors.ErrWrongNotice);
            await leavesOut(market().newJob({ notice: maxNotice + 1 }), errors.ErrWrongNotice);

            const result = await opens([minNotice, maxNotice].map((notice) => market().newJob({ notice })));
            expect(exitCodeOf(result.transactions[0])).toBe(0);
        });

        it('opens the others when anyone could sign for a voucher key, in all 14 encodings and all not canonical', async () => {
            await market().setUp({ dayLimit: toNano('100000') });
            const keys = [...WEAK_KEYS, ...NON_CANONICAL_KEYS];
            expect(WEAK_KEYS.length).toBe(14);
            for (let seqno = 0; seqno * 3 < keys.length; seqno++) {
                const bad = keys.slice(seqno * 3, seqno * 3 + 3).map((key) => market().newJob({ voucherKey: key }));
                const jobs = [...bad, market().newJob()];

                const result = await market().openJobs(jobs, { seqno });

                expect(exitCodeOf(result.transactions[0])).toBe(errors.ErrWeakKey);
                expect(await opened(jobs, seqno * 4)).toEqual([...bad.map(() => false), true]);
            }
        });

        it('opens the others when the cell of a job is too long or too short', async () => {
            const good = openJobsCell({ ...(await market().head()), jobs: [market().newJob()] });
            for (const bits of [0, 639, 641, 1023]) {
                const seqno = await market().seqno();
                const head = openJobsCell({ ...(await market().head()), jobs: [], total: toNano('1') });
                const order = beginCell()
                    .storeSlice(head.beginParse())
                    .storeRef(beginCell().storeBits(padded(bits)))
                    .storeRef(good.refs[0])
                    .endCell();

                const result = await market().carry(signedOrder(order, spendKey));

                expect(exitCodeOf(result.transactions[0])).toBe(errors.ErrMalformed);
                expect(await market().seqno()).toBe(seqno + 1);
                expect(await opened([market().newJob()], seqno * 4 + 1)).toEqual([true]);
            }
        });

        const padded = (bits: number) => {
            let builder = beginCell();
            for (let i = 0; i < bits; i++) builder = builder.storeBit(i % 2);
            return builder.endCell().bits;
        };

        it('costs a fee and nothing else when all jobs break rules', async () => {
            const jobs = Array<NewJob>(4).fill(market().newJob({ notice: 0 }));

            const fall = await market().fallOf(market().escrow, () => opens(jobs));

            expect(fall).toBeLessThan(await market().escrow.getOpenFeeOf(4n));
            expect(fall).toBeGreaterThan(0n);
            expect((await market().escrow.getEscrowState()).spent).toBeGreaterThan(toNano('4'));
        });

        it('stays within its gas ceiling', async () => {
            const jobs = Array<NewJob>(4).fill(market().newJob({ voucherKey: Buffer.alloc(32) }));

            const result = await opens(jobs);

            expect(gasOf(result.transactions)).toBeLessThanOrEqual(5 * gas.GasOpenJob);
        });
    });

    describe('with limits', () => {
        const fee = () => market().escrow.getOpenFeeOf(1n);

        it('refuses a nanoTON above the day limit, fees included, and takes the limit itself', async () => {
            await market().setUp({ dayLimit: toNano('2') + (await fee()) - 1n });
            await refused([market().newJob({ deposit: toNano('2') })], {}, errors.ErrOverDayLimit);
            await market().setUp({ dayLimit: toNano('2') + (await fee()) });

            await opens([market().newJob({ deposit: toNano('2') })]);

            expect(await market().seqno()).toBe(1);
        });

        it('counts all orders of a day together', async () => {
            await market().setUp({ dayLimit: 2n * (toNano('2') + (await fee())) });
            await opens([market().newJob({ deposit: toNano('2') })]);

            await refused([market().newJob({ deposit: toNano('2') + 1n })], {}, errors.ErrOverDayLimit);
            await opens([market().newJob({ deposit: toNano('2') })]);
            await refused(
                [market().newJob({ deposit: await market().escrow.getMinDeposit() })],
                {},
                errors.ErrOverDayLimit,
            );
        });

        it('begins a new day at midnight UTC, and not a second before', async () => {
            await market().setUp({ dayLimit: toNano('2') + (await fee()) });
            await opens([market().newJob({ deposit: toNano('2') })]);
            market().nextDay();
            market().blockchain.now! -= 1;
            await refused([market().newJob({ deposit: toNano('2') })], {}, errors.ErrOverDayLimit);
            market().blockchain.now! += 1;

            await opens([market().newJob({ deposit: toNano('2') })]);

            const { day, spent } = await market().escrow.getEscrowState();
            expect(day).toBe(BigInt(market().now / DAY));
            expect(spent).toBe(toNano('2') + (await fee()));
        });

        it('takes no opening at all when a limit is 0', async () => {
            await market().setUp({ dayLimit: 0n });

            await refused([market().newJob()], {}, errors.ErrOverDayLimit);
        });

        const MANY = 200; // orders, several times what the limit of a thief's day lets through

        /** Carries orders of these jobs until one is refused, MANY at most; how many were taken. */
        const carriedBy = async (jobs: NewJob[]) => {
            for (let orders = 0; orders < MANY; orders++) {
                const order = await market().openOrder(jobs);
                const taken = await market()
                    .carry(order)
                    .then(
                        () => true,
                        () => false,
                    );
                if (!taken) return orders;
            }
            return MANY;
        };

        it('stops a thief who opens the smallest jobs: he moves no more than the day limit', async () => {
            const dayLimit = toNano('1');
            await market().setUp({ dayLimit });
            const deposit = await market().escrow.getMinDeposit();
            const before = await market().balanceOf(market().escrow);
            const jobs = Array<NewJob>(4).fill(market().newJob({ deposit }));

            const orders = await carriedBy(jobs);

            expect(orders).toBeGreaterThan(5);
            expect(orders).toBeLessThan(MANY);
            expect(before - (await market().balanceOf(market().escrow))).toBeLessThanOrEqual(dayLimit);
            await refused(jobs, {}, errors.ErrOverDayLimit);
        });

        it('stops a thief who signs orders that open nothing: they cost no more than the day limit', async () => {
            const dayLimit = toNano('1');
            await market().setUp({ dayLimit });
            const before = await market().balanceOf(market().escrow);
            const jobs = Array.from({ length: 4 }, (_, i) => market().newJob({ deposit: 0n, notice: i }));

            const orders = await carriedBy(jobs);

            expect(orders).toBeLessThan(MANY);
            expect(before - (await market().balanceOf(market().escrow))).toBeLessThanOrEqual(dayLimit);
        });
    });

    describe('whose deploys fail', () => {
        it('keeps the money of a channel whose code throws, and counts the opening', async () => {
            const thrower = beginCell().storeUint(0xff00, 16).storeUint(0xf22a, 16).endCell(); // SETCP 0, THROW 42
            await market().setUp({ channelCode: thrower });
            const before = await market().balanceOf(market().escrow);

            const result = await opens([market().newJob()]);

            const { channel } = await market().jobOf(market().newJob(), 0, thrower);
            expect(await market().balanceOf(channel)).toBe(0n);
            expect(before - (await market().balanceOf(market().escrow))).toBeLessThan(toNano('0.02'));
            expect(await market().escrow.getEscrowState()).toMatchObject({ seqno: 1n });
            expect((await market().escrow.getEscrowState()).spent).toBeGreaterThan(toNano('1'));
            expect(transactionsOn(result, market().escrow.address).length).toBe(2);
        });

        it('keeps the money of a channel whose library is missing, and opens it once the library is there', async () => {
            const library = libraryCell(market().code);
            await market().setUp({ channelCode: library });
            await opens([market().newJob()]);
            const first = await market().jobOf(market().newJob(), 0, library);
            expect(await market().balanceOf(first.channel)).toBe(0n);

            const libs = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
            libs.set(market().code.hash(), market().code);
            market().blockchain.libs = beginCell().storeDictDirect(libs).endCell();
            await opens([market().newJob()]);

            const second = await market().jobOf(market().newJob(), 4, library);
            expect(await market().balanceOf(second.channel)).toBeGreaterThanOrEqual(toNano('1'));
            market().blockchain.libs = undefined;
        });

        const libraryCell = (code: Cell) =>
            beginCell().storeUint(2, 8).storeBuffer(code.hash()).endCell({ exotic: true });
    });

    it('lets no order that fails in the action phase be carried again: the seqno was committed before', async () => {
        // A network whose messages may hold 5 cells: the deploys do not fit, whatever the escrow checked.
        const usual = market().blockchain.config;
        market().blockchain.setConfig(withSmallMessages(usual, 5));
        const order = await market().openOrder([market().newJob()]);
        const before = await market().balanceOf(market().escrow);

        const result = await market().carry(order);

        expect(result.transactions.length).toBe(1);
        expect(before - (await market().balanceOf(market().escrow))).toBeLessThan(toNano('0.02'));
        await expectNotAccepted(market(), () => market().carry(order), errors.ErrStaleSeqno);
        market().blockchain.setConfig(usual);
    });

    it('costs the same gas to open and to claim for the first job and after two hundred', async () => {
        await market().setUp({ dayLimit: toNano('100000'), deposit: toNano('200'), value: toNano('201') });
        const jobs = Array<NewJob>(4).fill(market().newJob());
        await market().openJobs(jobs, { seqno: 0 }); // the first order of a day costs less: nothing was spent
        const first = await market().openJob();
        for (let seqno = 2; seqno < 51; seqno++) {
            await market().openJobs(jobs, { seqno });
        }

        const last = await market().openJob();

        expect(last.job.job).toBeGreaterThan(200);
        expect(gasOf(last.result.transactions)).toBe(gasOf(first.result.transactions));
        const gasOfClaim = async ({ channel }: typeof first) => {
            const voucher = market().voucher(channel, toNano('0.3'));
            const result = await channel.sendClaim(market().payout.getSender(), { value: toNano('0.05'), voucher });
            return gasOf(transactionsOn(result, channel.address));
        };
        expect(await gasOfClaim(last)).toBe(await gasOfClaim(first));
    });

    it('refuses whatever else the spend key may have signed, such as a job payload', async () => {
        const order = beginCell().storeUint(tags.TagJob, 32).storeInt(NETWORK, 32).endCell();

        await expectNotAccepted(market(), () => market().carry(signedOrder(order, spendKey)), 9);
    });
});
