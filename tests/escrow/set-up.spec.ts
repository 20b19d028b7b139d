import { beginCell, Cell, toNano } from '@ton/core';
import { computeFee, errors, forwardFee, gas, isWeakKey, pricesOf, sizeOf } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { WEAK_KEYS } from '../support/keys';
import {
    DAY_LIMIT,
    DEPOSIT,
    JOB_LIMIT,
    Market,
    plain,
    spendKey,
    testKey,
    useMarket,
    valueSent,
} from '../support/market';

describe('Escrow: SetUp', () => {
    const market = useMarket();

    const refused = async (settings: Parameters<Market['setUp']>[0], exitCode: number, by = market().owner) => {
        const result = await expectConserved(market().blockchain, () => market().setUp(settings, by));
        expectRefused(result, { from: by.address, to: market().escrow.address, exitCode });
    };

    it('deploys the account with its deposit, key, limits and code, and returns the rest of the value', async () => {
        const fresh = await Market.deploy({ setUp: false });

        const result = await fresh.setUp({ deposit: toNano('3'), value: toNano('5') });

        expect(plain(await fresh.escrow.getEscrowState())).toEqual({
            $$type: 'EscrowState',
            owner: fresh.owner.address.toString(),
            spendKey: BigInt(`0x${spendKey.publicKey.toString('hex')}`),
            jobLimit: JOB_LIMIT,
            dayLimit: DAY_LIMIT,
            seqno: 0n,
            day: 0n,
            spent: 0n,
            codeHash: BigInt(`0x${fresh.code.hash().toString('hex')}`),
        });
        expect(await fresh.balanceOf(fresh.escrow)).toBe(toNano('3'));
        expect(valueSent(result, fresh.escrow, fresh.owner)).toBeGreaterThan(toNano('1.98'));
    });

    it('keeps exactly the deposit besides what was there', async () => {
        const rise = -(await market().fallOf(market().escrow, () => market().setUp({ deposit: 7n })));

        expect(rise).toBe(7n);
    });

    it('keeps nothing when the deposit is 0', async () => {
        const rise = -(await market().fallOf(market().escrow, () => market().setUp()));

        expect(rise).toBe(0n);
    });

    it('takes the minimum value', async () => {
        const value = DEPOSIT + (await market().escrow.getSetUpValue());

        const rise = -(await market().fallOf(market().escrow, () => market().setUp({ deposit: DEPOSIT, value })));

        expect(rise).toBe(DEPOSIT);
    });

    it('refuses a nanoTON below the minimum value', async () => {
        const value = DEPOSIT + (await market().escrow.getSetUpValue()) - 1n;

        await refused({ deposit: DEPOSIT, value }, errors.ErrLowValue);
    });

    it('refuses anyone but the owner', async () => {
        await refused({}, errors.ErrNotOwner, market().stranger);
        await refused({}, errors.ErrNotOwner, market().payout);
    });

    it('refuses every spend key that anyone can sign with', async () => {
        for (const weak of WEAK_KEYS.filter((key) => !key.equals(Buffer.alloc(32)))) {
            expect(isWeakKey(weak)).toBe(true);
            await refused({ spendKey: weak }, errors.ErrWeakKey);
        }
    });

    it('takes key 0 for no key', async () => {
        await market().setUp({ spendKey: Buffer.alloc(32) });

        expect((await market().escrow.getEscrowState()).spendKey).toBe(0n);
    });

    it('leaves the channel code when it is null', async () => {
        const before = await market().escrow.getEscrowState();

        await market().setUp({ channelCode: null, jobLimit: 5n });

        expect(await market().escrow.getEscrowState()).toMatchObject({ codeHash: before.codeHash, jobLimit: 5n });
    });

    it('counts what the code costs to carry into the fee of an opening', async () => {
        const before = await market().escrow.getOpenFeeOf(1n);

        await market().setUp({ channelCode: beginCell().storeUint(1, 8).endCell() });

        expect(await market().escrow.getOpenFeeOf(1n)).toBeLessThan(before - 2_000_000n);
    });

    it('counts the job in its order and the data of its channel besides the code, for each job and one more', async () => {
        const { basechain } = pricesOf(market().blockchain.config);
        const code = sizeOf(market().code);
        const fee = (besides: bigint) => {
            const sent = { cells: code.cells + 2n, bits: code.bits + besides };
            return 5n * (computeFee(basechain, gas.GasOpenJob) + forwardFee(basechain, sent));
        };

        const asked = await market().escrow.getOpenFeeOf(4n);

        expect(asked).toBeGreaterThanOrEqual(fee(640n + 947n));
        expect(asked).toBeLessThan(fee(640n + 947n + 64n));
    });

    describe('with a code of many cells', () => {
        /** A tree of so many cells, of which no two are the same. */
        const treeOf = (cells: number): Cell => {
            const cell = (i: number): Cell => {
                const children = [1, 2, 3, 4].map((n) => 4 * i + n).filter((child) => child < cells);
                return children.reduce((b, child) => b.storeRef(cell(child)), beginCell().storeUint(i, 32)).endCell();
            };
            return cell(0);
        };

        it('takes one of 1,024', async () => {
            await market().setUp({ channelCode: treeOf(1024), value: toNano('2') });

            const { codeHash } = await market().escrow.getEscrowState();
            expect(codeHash).toBe(BigInt(`0x${treeOf(1024).hash().toString('hex')}`));
        });

        it('refuses one of 1,025', async () => {
            await refused({ channelCode: treeOf(1025), value: toNano('2') }, 8);
        });
    });

    it('keeps seqno and the spending of the day', async () => {
        await market().openJob();
        const { seqno, spent, day } = await market().escrow.getEscrowState();

        await market().setUp({ spendKey: testKey(9).publicKey });

        expect(await market().escrow.getEscrowState()).toMatchObject({ seqno, spent, day });
    });

    it('changes the spend key while jobs run: the old one opens nothing, the new one goes on', async () => {
        const { channel } = await market().openJob();
        const before = await channel.getChannelState();
        const next = testKey(9);

        await market().setUp({ spendKey: next.publicKey });

        await expect(market().openJobs([market().newJob()])).rejects.toMatchObject({
            exitCode: errors.ErrBadSignature,
        });
        await market().openJobs([market().newJob()], { key: next });
        expect(await market().seqno()).toBe(2);
        expect(plain(await channel.getChannelState())).toEqual(plain(before));
        await channel.sendClaim(market().payout.getSender(), {
            value: toNano('0.05'),
            voucher: market().voucher(channel, toNano('0.2')),
        });
        expect((await channel.getChannelState()).paid).toBe(toNano('0.2'));
    });

    it('lets a withdrawn key sign nothing more', async () => {
        await market().setUp({ spendKey: Buffer.alloc(32) });

        await expect(market().openJobs([market().newJob()])).rejects.toMatchObject({ exitCode: errors.ErrNoKey });
    });

    it("answers with the query's number", async () => {
        const result = await market().setUp({ queryId: 77n });

        const body = transactionsOn(result, market().owner.address, market().escrow.address)[0].inMessage!.body;
        expect(body.beginParse().skip(32).loadUint(64)).toBe(77);
    });

    it('refuses a spend key before any channel code was set', async () => {
        const fresh = await Market.deploy({ setUp: false });

        const result = await fresh.setUp({ channelCode: null });

        expectRefused(result, { to: fresh.escrow.address, exitCode: errors.ErrWrongCode });
    });

    it('stays within its gas ceiling, deploying or not', async () => {
        const fresh = await Market.deploy({ setUp: false });

        const results = [
            await fresh.setUp({ deposit: 1n }),
            await fresh.setUp(),
            await fresh.setUp({ channelCode: null }),
        ];

        for (const result of results) {
            expect(gasOf(transactionsOn(result, fresh.escrow.address))).toBeLessThanOrEqual(gas.GasSetUp);
        }
    });
});
