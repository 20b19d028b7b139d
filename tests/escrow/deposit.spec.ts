import { beginCell, StateInit, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { opcodes } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused } from '../support/chain';
import { bodyOf, DAY, Market, plain, spendKey, useMarket, valueSent } from '../support/market';

describe('Escrow: deposits and other messages', () => {
    const market = useMarket();

    const rises = (by = market().stranger, body = beginCell().endCell(), bounce = true) =>
        market()
            .fallOf(market().escrow, () =>
                expectConserved(market().blockchain, () =>
                    market().send(by, market().escrow, { value: toNano('1'), body, bounce }),
                ),
            )
            .then((fall) => -fall);

    it('keeps a plain transfer from anyone, and changes nothing else', async () => {
        const before = plain(await market().escrow.getEscrowState());

        expect(await rises()).toBeGreaterThan(toNano('0.999'));

        expect(plain(await market().escrow.getEscrowState())).toEqual(before);
    });

    it('keeps a transfer with an empty comment from anyone, and changes nothing else', async () => {
        const before = plain(await market().escrow.getEscrowState());

        expect(await rises(market().stranger, beginCell().storeUint(0, 32).endCell())).toBeGreaterThan(toNano('0.998'));

        expect(plain(await market().escrow.getEscrowState())).toEqual(before);
    });

    it('keeps a Deposit from anyone, and changes nothing else', async () => {
        const before = plain(await market().escrow.getEscrowState());
        const body = bodyOf(opcodes.Deposit, beginCell().storeUint(5, 64).endCell());

        expect(await rises(market().stranger, body)).toBeGreaterThan(toNano('0.998'));

        expect(plain(await market().escrow.getEscrowState())).toEqual(before);
    });

    it('is deployed by the first deposit, from anyone, and waits for its owner then', async () => {
        const fresh = await Market.deploy({ setUp: false });

        await fresh.escrow.sendDeposit(fresh.stranger.getSender(), { value: toNano('2'), opens: true });

        expect(await fresh.balanceOf(fresh.escrow)).toBeGreaterThan(toNano('1.99'));
        expect(plain(await fresh.escrow.getEscrowState())).toMatchObject({
            owner: fresh.owner.address.toString(),
            spendKey: 0n,
            codeHash: 0n,
        });
        await fresh.setUp();
        await fresh.openJob();
        expect(await fresh.seqno()).toBe(1);
    });

    it('refuses an unknown opcode and a text comment', async () => {
        for (const body of [bodyOf(0xc0c004ff), beginCell().storeUint(0, 32).storeStringTail('hi').endCell()]) {
            const result = await market().send(market().stranger, market().escrow, { value: toNano('1'), body });
            expectRefused(result, { to: market().escrow.address, exitCode: 130 });
        }
    });

    it('refuses truncated bodies', async () => {
        for (const name of ['SetUp', 'Open', 'LeaveJob', 'Withdraw'] as const) {
            const body = bodyOf(opcodes[name], beginCell().storeUint(0, 63).endCell());
            const result = await market().send(market().owner, market().escrow, { value: toNano('1'), body });
            expectRefused(result, { to: market().escrow.address, exitCode: 9 });
        }
    });

    it('takes a truncated Deposit for a deposit: nothing is read of it', async () => {
        expect(await rises(market().stranger, bodyOf(opcodes.Deposit))).toBeGreaterThan(toNano('0.998'));
    });

    it('takes a body longer than its message: nothing is read of the rest', async () => {
        const body = bodyOf(opcodes.Deposit, beginCell().storeUint(5, 64).storeUint(1, 500).endCell());

        expect(await rises(market().stranger, body)).toBeGreaterThan(toNano('0.998'));
    });

    describe('left empty for six years at the prices of 2025', () => {
        const everything = () =>
            market().escrow.sendWithdraw(market().owner.getSender(), { value: toNano('0.1'), amount: 0n });
        const account = async () => (await market().blockchain.getContract(market().escrow.address)).accountState;
        const give = (init?: StateInit) =>
            market().send(market().stranger, market().escrow, {
                value: toNano('5'),
                bounce: false,
                ...(init && { init }),
            });
        let last: StateInit;
        beforeEach(async () => {
            await everything();
            const state = await account();
            last = state?.type === 'active' ? state.state : {};
            market().blockchain.now! += 6 * 365 * DAY;
        });

        it('is as it was after a deposit that asks for no bounce', async () => {
            await give();
            const before = await market().escrow.getEscrowState();

            const fall = await market().fallOf(market().escrow, everything);

            expect(before.spendKey).toBe(BigInt(`0x${spendKey.publicKey.toString('hex')}`));
            expect(fall).toBeGreaterThan(toNano('4.8'));
        });

        it('is frozen by any other message, which comes back, and whoever brings its last state wakes it', async () => {
            const refused = await market().setUp({ deposit: toNano('10'), value: toNano('11') });
            expect((await account())?.type).toBe('frozen');
            expect(valueSent(refused, market().escrow, market().owner)).toBeGreaterThan(toNano('10.9'));
            await give();
            await everything();
            expect((await account())?.type).toBe('frozen');

            await give(last);

            expect(await market().fallOf(market().escrow, everything)).toBeGreaterThan(toNano('9.8'));
        });
    });

    it('keeps the money of a channel that bounced an opening', async () => {
        const before = plain(await market().escrow.getEscrowState());
        const body = beginCell().storeUint(0xffffffff, 32).storeUint(opcodes.Withdraw, 32).endCell();

        const rise = -(await market().fallOf(market().escrow, () =>
            market().blockchain.sendMessage(
                internal({
                    from: market().stranger.address,
                    to: market().escrow.address,
                    value: toNano('1'),
                    bounce: false,
                    bounced: true,
                    body,
                }),
            ),
        ));

        expect(rise).toBeGreaterThan(toNano('0.99'));
        expect(plain(await market().escrow.getEscrowState())).toEqual(before);
    });
});
