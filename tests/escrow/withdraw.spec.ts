import { toNano } from '@ton/core';
import { errors, Escrow, gas } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, gasOf, transactionsOn } from '../support/chain';
import { expectNotAccepted, Market, rentOf, useMarket, valueSent } from '../support/market';

const VALUE = toNano('0.1');

describe('Escrow: Withdraw', () => {
    const market = useMarket();

    const withdraw = (amount: bigint, by = market().owner, value = VALUE) =>
        expectConserved(market().blockchain, () => market().escrow.sendWithdraw(by.getSender(), { value, amount }));

    const refused = async (exitCode: number, ...args: Parameters<typeof withdraw>) => {
        const result = await withdraw(...args);
        expectRefused(result, { to: market().escrow.address, exitCode });
    };

    it('sends the owner the amount and the rest of the value, and falls by exactly the amount', async () => {
        let sent = 0n;

        const fall = await market().fallOf(market().escrow, async () => {
            sent = valueSent(await withdraw(toNano('7')), market().escrow, market().owner);
        });

        expect(fall).toBe(toNano('7'));
        expect(sent).toBeGreaterThan(toNano('7.09'));
    });

    it('takes 0 for everything above the reserve', async () => {
        await withdraw(0n);

        expect(await market().balanceOf(market().escrow)).toBe(await market().escrow.getReserve());
        expect(await market().escrow.getWithdrawable()).toBe(0n);
    });

    it.each([
        ['all rent that has just been taken', 30, (rent: bigint) => rent],
        ['half the reserve when more rent was taken', 4 * 365, (_: bigint, reserve: bigint) => reserve / 2n],
    ])('need not leave %s', async (_, days, forgiven) => {
        const { escrow, blockchain } = market();
        const reserve = await escrow.getReserve();
        blockchain.now! += days * 86400;

        const [tx] = transactionsOn(await withdraw(0n), escrow.address);

        expect(await market().balanceOf(escrow)).toBe(reserve - forgiven(rentOf(tx), reserve));
    });

    it('takes exactly what the getter names', async () => {
        await withdraw(await market().escrow.getWithdrawable());

        expect(await market().balanceOf(market().escrow)).toBe(await market().escrow.getReserve());
    });

    it('refuses a nanoTON more', async () => {
        await refused(errors.ErrLowBalance, (await market().escrow.getWithdrawable()) + 1n);
    });

    it('refuses to send nothing', async () => {
        await withdraw(0n);

        await refused(errors.ErrLowBalance, 0n);
        await refused(errors.ErrLowBalance, 1n);
    });

    it('refuses when even the reserve is not there', async () => {
        (await market().blockchain.getContract(market().escrow.address)).balance = 5n;

        await refused(errors.ErrLowBalance, 0n);
    });

    it('leaves nothing to open jobs with', async () => {
        await withdraw(0n);

        const order = await market().openOrder([market().newJob()]);
        await expectNotAccepted(market(), () => market().carry(order), errors.ErrLowBalance);
    });

    it('makes an order of the spend key lack its money when it comes first, and the order costs nothing then', async () => {
        const order = await market().openOrder([market().newJob({ deposit: toNano('10') })]);

        await withdraw(toNano('95'));

        await expectNotAccepted(market(), () => market().carry(order), errors.ErrLowBalance);
    });

    it('gets what an order has left when the order comes first', async () => {
        await market().openJobs([market().newJob({ deposit: toNano('10') })]);

        await refused(errors.ErrLowBalance, toNano('95'));
        await withdraw(0n);

        expect(await market().balanceOf(market().escrow)).toBe(await market().escrow.getReserve());
    });

    it('takes the minimum value', async () => {
        const fall = await market().fallOf(market().escrow, async () =>
            withdraw(5n, market().owner, await market().escrow.getWithdrawValue()),
        );

        expect(fall).toBe(5n);
    });

    it('refuses a nanoTON below the minimum value', async () => {
        const value = (await market().escrow.getWithdrawValue()) - 1n;

        await refused(errors.ErrLowValue, 5n, market().owner, value);
    });

    it('refuses anyone but the owner', async () => {
        await refused(errors.ErrNotOwner, 5n, market().stranger);
        await refused(errors.ErrNotOwner, 5n, market().payout);
    });

    it("leaves another client's escrow alone", async () => {
        const other = market().blockchain.openContract(await Escrow.ofOwner(market().stranger.address));
        await other.sendDeposit(market().stranger.getSender(), { value: toNano('5'), opens: true });
        const before = await market().balanceOf(other);

        await withdraw(0n);

        expect(await market().balanceOf(other)).toBe(before);
    });

    it("answers with the query's number", async () => {
        const result = await market().escrow.sendWithdraw(market().owner.getSender(), {
            value: VALUE,
            amount: 1n,
            queryId: 9n,
        });

        const body = transactionsOn(result, market().owner.address, market().escrow.address)[0].inMessage!.body;
        expect(body.beginParse().skip(32).loadUint(64)).toBe(9);
    });

    it('stays within its gas ceiling', async () => {
        for (const amount of [5n, 0n]) {
            const result = await withdraw(amount);
            expect(gasOf(transactionsOn(result, market().escrow.address))).toBeLessThanOrEqual(gas.GasWithdraw);
        }
    });

    it('keeps its balance above the reserve for a year without a deposit', async () => {
        const fresh: Market = market();
        await withdraw(0n);
        fresh.blockchain.now! += 365 * 86400;

        await fresh.escrow.sendDeposit(fresh.stranger.getSender(), { value: toNano('1') });

        expect(await fresh.balanceOf(fresh.escrow)).toBeGreaterThan(toNano('0.99'));
    });
});
