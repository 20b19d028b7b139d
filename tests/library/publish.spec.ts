// Longer than 350 lines because its cases share one set-up.
import { Address, beginCell, Cell, toNano } from '@ton/core';
import { Blockchain, SandboxContract, TreasuryContract } from '@ton/sandbox';
import {
    channelCode,
    errors,
    gas,
    jobRules,
    Library,
    libraryOf,
    libraryRent,
    loadLibraryData,
    opcodes,
    pricesOf,
    publishLibrary,
    sizeOf,
    topUpLibrary,
} from '@cocoon-market/wrappers';
import {
    createBlockchain,
    exitCodeOf,
    expectConserved,
    expectRefused,
    gasOf,
    PriceLevel,
    transactionsOn,
} from '../support/chain';
import { publishedLibraries } from '../support/library';
import { bodyOf, DAY, rentOf } from '../support/market';

const ENOUGH = toNano('20');
const YEAR = 31_557_600;
const FREEZING = toNano('0.1'); // of debt, in the masterchain

/** What the keeper asks for the gas of counting and publishing this code. */
const gasToPublish = (code: Cell) => gas.GasPublish + Number(sizeOf(code).cells) * gas.GasPublishCell;

/** A tree of so many different leaves, four to a parent. */
function treeOf(leaves: number): Cell {
    let width = Array.from({ length: leaves }, (_, i) => beginCell().storeUint(i, 16).endCell());
    while (width.length > 1) {
        const groups = Array.from({ length: Math.ceil(width.length / 4) }, (_, i) => width.slice(4 * i, 4 * i + 4));
        width = groups.map((group) => group.reduce((cell, each) => cell.storeRef(each), beginCell()).endCell());
    }
    return width[0];
}

describe('Library', () => {
    let blockchain: Blockchain;
    let anyone: SandboxContract<TreasuryContract>;
    let stranger: SandboxContract<TreasuryContract>;
    let code: Cell;
    let gasOfPublishing: number;
    let library: SandboxContract<Library>;
    let fresh: ReturnType<Blockchain['snapshot']>;

    beforeAll(async () => {
        blockchain = await createBlockchain({ prices: '2025' });
        anyone = await blockchain.treasury('anyone');
        stranger = await blockchain.treasury('stranger');
        code = await channelCode();
        gasOfPublishing = gasToPublish(code);
        library = blockchain.openContract(await Library.ofHash(code.hash()));
        fresh = blockchain.snapshot();
    });
    beforeEach(() => blockchain.loadFrom(fresh));

    const publish = (value = ENOUGH, by = anyone, published = code) =>
        expectConserved(blockchain, () => library.sendPublish(by.getSender(), { value, code: published }));

    const balance = async () => (await blockchain.getContract(library.address)).balance;

    const dataOf = async (address: Address) => {
        const { accountState } = await blockchain.getContract(address);
        return loadLibraryData(accountState?.type === 'active' ? accountState.state.data! : Cell.EMPTY);
    };

    const has = () => publishedLibraries(blockchain).has(code.hash());

    const expectEmpty = async () => {
        expect(has()).toBe(false);
        expect(await dataOf(library.address)).toMatchObject({ cells: 0n, bits: 0n });
    };

    const send = (body: Cell, value = toNano('1')) =>
        expectConserved(blockchain, () => stranger.send({ to: library.address, value, body }));

    it('stands in the masterchain and publishes the code of its hash for everyone', async () => {
        await publish();

        expect(library.address.workChain).toBe(-1);
        expect(publishedLibraries(blockchain).get(code.hash())?.equals(code)).toBe(true);
        expect(await dataOf(library.address)).toMatchObject({
            hash: BigInt(`0x${code.hash().toString('hex')}`),
            number: 0n,
            cells: sizeOf(code).cells,
            lastRunAt: BigInt(blockchain.now!),
        });
    });

    it('keeps the whole value for rent, but for the gas', async () => {
        const result = await publish();

        const [tx] = transactionsOn(result, library.address);
        expect(await balance()).toBe(ENOUGH - tx.totalFees.coins);
        expect(tx.outMessagesCount).toBe(0);
    });

    it('takes the bytes again from a stranger: nothing changes but the rent that is paid', async () => {
        await publish();
        const before = { ...(await dataOf(library.address)), balance: await balance() };

        const [tx] = transactionsOn(await publish(toNano('1'), stranger), library.address);

        expect(has()).toBe(true);
        expect({ ...(await dataOf(library.address)), balance: await balance() }).toEqual({
            ...before,
            balance: before.balance + toNano('1') - tx.totalFees.coins,
        });
    });

    it('refuses any other bytes, before it has published and after', async () => {
        const others = [Cell.EMPTY, libraryOf(code).cell, beginCell().storeRef(code).endCell(), code.refs[0]];
        await library.sendTopUp(anyone.getSender(), { value: ENOUGH });
        for (const other of others) {
            const result = await publish(ENOUGH, stranger, other);
            expectRefused(result, { to: library.address, exitCode: errors.ErrWrongCode });
        }
        await expectEmpty();

        await publish();
        for (const other of others) {
            const result = await publish(ENOUGH, stranger, other);
            expectRefused(result, { to: library.address, exitCode: errors.ErrWrongCode });
        }
        expect([...publishedLibraries(blockchain).values()].map((each) => each.equals(code))).toEqual([true]);
    });

    it('refuses a nanoTON below 90 days of rent and the gas, and takes those', async () => {
        const minimum = libraryRent(pricesOf(blockchain.config), code, 90 * DAY) + BigInt(gasOfPublishing) * 10_000n;

        const short = await publish(minimum - 1n);

        expectRefused(short, { to: library.address, exitCode: errors.ErrLowBalance });
        await expectEmpty();
        await publish(minimum);
        expect(has()).toBe(true);
        expect(Number(await library.getRunway())).toBeGreaterThanOrEqual(90 * DAY);
    });

    it('asks for the rent of the longest job there can be', () => {
        expect(jobRules.maxEnd).toBe(90 * DAY);
    });

    it('takes a code of 1,000 cells and refuses one of 1,001', async () => {
        for (const [leaves, size, exitCode] of [
            [749, 1000, 0],
            [750, 1001, 8],
        ]) {
            const big = treeOf(leaves);
            const keeper = blockchain.openContract(await Library.ofHash(big.hash()));
            const result = await keeper.sendPublish(anyone.getSender(), { value: toNano('2000'), code: big });
            expect([sizeOf(big).cells, exitCodeOf(transactionsOn(result, keeper.address)[0])]).toEqual([
                BigInt(size),
                exitCode,
            ]);
        }
    });

    it('asks for the gas of counting a code of 1,000 cells, besides 90 days of its rent', async () => {
        const big = treeOf(749);
        const keeper = blockchain.openContract(await Library.ofHash(big.hash()));
        const rent = libraryRent(pricesOf(blockchain.config), big, 90 * DAY);
        const minimum = rent + BigInt(gasToPublish(big)) * 10_000n;

        const short = await keeper.sendPublish(anyone.getSender(), { value: minimum - 1n, code: big });
        expectRefused(short, { to: keeper.address, exitCode: errors.ErrLowBalance });
        const result = await keeper.sendPublish(anyone.getSender(), { value: minimum, code: big });

        expect(Number(gasOf(transactionsOn(result, keeper.address)))).toBeLessThanOrEqual(gasToPublish(big));
        expect(Number(await keeper.getRunway())).toBeGreaterThanOrEqual(90 * DAY);
    });

    it('has no runway before it has published, whatever it was paid ahead', async () => {
        await library.sendTopUp(stranger.getSender(), { value: toNano('1000'), opens: true });

        expect(await library.getRunway()).toBe(0n);
    });

    it('refuses a library cell of the code that it keeps, where that is published too', async () => {
        const keeper = blockchain.openContract(await Library.ofHash(libraryOf(code).cell.hash()));
        await publish();

        const result = await keeper.sendPublish(anyone.getSender(), { value: ENOUGH, code: libraryOf(code).cell });

        expectRefused(result, { to: keeper.address, exitCode: errors.ErrWrongCode });
    });

    it('counts what was paid ahead before it was published', async () => {
        await library.sendTopUp(stranger.getSender(), { value: ENOUGH, opens: true });

        await publish(toNano('0.1'));

        expect(has()).toBe(true);
    });

    it.each([
        ['a plain transfer', Cell.EMPTY],
        ['a text comment', beginCell().storeUint(0, 32).storeStringTail('rent').endCell()],
        ['TopUpLibrary', beginCell().storeUint(opcodes.TopUpLibrary, 32).storeUint(7, 64).endCell()],
    ])('takes %s from a stranger for rent, and lives longer by what it pays', async (_, body) => {
        await publish();
        const before = { runway: await library.getRunway(), balance: await balance() };

        await send(body);

        const paid = (await balance()) - before.balance;
        expect(paid).toBeGreaterThan(toNano('0.95'));
        const year = libraryRent(pricesOf(blockchain.config), code, YEAR);
        const gained = (await library.getRunway()) - before.runway;
        expect(Number(gained - (paid * BigInt(YEAR)) / year)).toBeLessThanOrEqual(1);
        expect(has()).toBe(true);
    });

    it('refuses what it does not know, and a truncated Publish', async () => {
        await publish();
        for (const [body, exitCode] of [
            [bodyOf(opcodes.Withdraw), 130],
            [bodyOf(0xffffffff), 130],
            [bodyOf(opcodes.Publish, beginCell().storeUint(0, 64).endCell()), 9],
            [beginCell().storeUint(1, 8).endCell(), 9],
        ] as const) {
            expectRefused(await send(body), { to: library.address, exitCode });
        }
        expect(has()).toBe(true);
    });

    it('gives nobody anything: every message of the suite leaves code, library and money where they are', async () => {
        await publish();
        const state = async () => {
            const { accountState } = await blockchain.getContract(library.address);
            return accountState?.type === 'active' ? accountState.state.code?.hash().toString('hex') : undefined;
        };
        const [before, there] = [await state(), await balance()];
        for (const opcode of Object.values(opcodes)) {
            const result = await send(beginCell().storeUint(opcode, 32).storeUint(0, 512).storeRef(code).endCell());
            const sent = transactionsOn(result, library.address).flatMap((tx) => tx.outMessages.values());
            expect(sent.every(({ info }) => info.type === 'internal' && info.bounced)).toBe(true);
        }

        expect(await state()).toBe(before);
        expect(await balance()).toBeGreaterThanOrEqual(there);
        expect(has()).toBe(true);
    });

    it('is drained by nobody: a message too small for its gas costs it nothing', async () => {
        await publish();
        const there = await balance();

        for (const value of [1n, 1_000_000n, 20_000_000n]) {
            await stranger.send({ to: library.address, value, body: bodyOf(opcodes.Withdraw), bounce: false });
        }

        expect(await balance()).toBeGreaterThanOrEqual(there);
    });

    it('stays within its gas ceiling', async () => {
        const first = transactionsOn(await publish(), library.address);
        const again = transactionsOn(await publish(), library.address);

        for (const transactions of [first, again]) {
            expect(Number(gasOf(transactions))).toBeLessThanOrEqual(gasOfPublishing);
            expect(Number(gasOf(transactions)) * 1.25).toBeGreaterThan(gasOfPublishing);
        }
    });

    describe('whose rent runs out', () => {
        it('names the seconds that its balance lasts: a second before it has no debt, a day later it has', async () => {
            await publish(toNano('5'));
            const end = blockchain.now! + Number(await library.getRunway());
            const before = blockchain.snapshot();

            blockchain.now = end;
            await send(Cell.EMPTY, 1n);
            const due = async () =>
                (await blockchain.getContract(library.address)).account.account?.storageStats.duePayment ?? 0n;
            expect(await due()).toBe(0n);
            await blockchain.loadFrom(before);
            blockchain.now = end + DAY;
            await send(Cell.EMPTY, 1n);
            expect(await due()).toBeGreaterThan(0n);
        });

        it('has a runway that falls with time, and never below 0', async () => {
            await publish(toNano('5'));
            const runway = await library.getRunway();

            blockchain.now! += DAY;
            expect(await library.getRunway()).toBe(runway - BigInt(DAY));
            blockchain.now! += Number(runway);
            expect(await library.getRunway()).toBe(0n);
        });

        it('names less and never more after a message that was too small to run', async () => {
            await publish(toNano('5'));
            blockchain.now! += 30 * DAY;
            const honest = await library.getRunway();

            await send(Cell.EMPTY, 1n);

            expect(await library.getRunway()).toBeLessThan(honest);
            await library.sendTopUp(stranger.getSender(), { value: toNano('0.03') });
            expect(Number((await library.getRunway()) - honest)).toBeGreaterThanOrEqual(0);
        });

        it('is frozen with its library once it owes enough, and a fresh keeper publishes the same bytes', async () => {
            await publish(toNano('5'));
            blockchain.now! += YEAR;
            await send(Cell.EMPTY, 1n);
            const { accountState, account } = await blockchain.getContract(library.address);
            expect(accountState?.type).toBe('frozen');
            expect(account.account?.storageStats.duePayment).toBeGreaterThan(FREEZING);
            expect(has()).toBe(false);

            const another = blockchain.openContract(await Library.ofHash(code.hash(), 1));
            await another.sendPublish(stranger.getSender(), { value: ENOUGH, code });

            expect(another.address.equals(library.address)).toBe(false);
            expect(has()).toBe(true);
        });

        it.each([
            ['a month', 30 * DAY, 1],
            ['a year', YEAR, 2], // it owes so much then that the first message deletes it, and comes back
        ])('that a stranger deployed with next to nothing is published after %s', async (_, seconds, messages) => {
            await stranger.send({ to: library.address, value: toNano('0.03'), init: library.init, bounce: false });
            blockchain.now! += seconds;
            await send(Cell.EMPTY, 1n);

            for (let sent = 1; sent <= messages; sent++) {
                expect(has()).toBe(false);
                await publish();
            }

            expect(has()).toBe(true);
        });
    });

    it('is published and topped up by one call each', async () => {
        const actor = { sender: stranger.getSender(), open: blockchain.openContract.bind(blockchain) as never };
        const rent = libraryRent(pricesOf(blockchain.config), code, YEAR);

        const published = await publishLibrary(actor, { rent });
        const runway = await library.getRunway();
        await topUpLibrary(actor, { hash: code.hash(), amount: toNano('2') });
        await publishLibrary(actor, { rent, code, number: 9 });

        expect(published.address.equals(library.address)).toBe(true);
        expect(Number(runway)).toBeGreaterThan(YEAR);
        expect(await library.getRunway()).toBeGreaterThan(runway);
        expect(await dataOf((await Library.ofHash(code.hash(), 9)).address)).toMatchObject({
            number: 9n,
            cells: sizeOf(code).cells,
        });
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('A library at the prices of %s', (prices) => {
    it('takes its minimum, not a nanoTON less, and pays the rent that wrapper and getter say', async () => {
        const blockchain = await createBlockchain({ prices });
        const anyone = await blockchain.treasury('anyone');
        const code = await channelCode();
        const library = blockchain.openContract(await Library.ofHash(code.hash()));
        const year = libraryRent(pricesOf(blockchain.config), code, YEAR);
        const gasPrice = prices === 'tenfold' ? 100_000n : 10_000n;
        const minimum =
            libraryRent(pricesOf(blockchain.config), code, 90 * DAY) + BigInt(gasToPublish(code)) * gasPrice;

        const short = await library.sendPublish(anyone.getSender(), { value: minimum - 1n, code });
        expectRefused(short, { to: library.address, exitCode: errors.ErrLowBalance });
        await library.sendPublish(anyone.getSender(), { value: minimum, code });
        expect(publishedLibraries(blockchain).size).toBe(1);

        await library.sendTopUp(anyone.getSender(), { value: 2n * year });
        const { balance } = await blockchain.getContract(library.address);
        expect(await library.getRunway()).toBe((balance * BigInt(YEAR)) / year);
        const account = await blockchain.getContract(library.address);
        account.balance = 10n ** 18n; // more than there is, so that each second of the year counts
        expect(await library.getRunway()).toBe((account.balance * BigInt(YEAR)) / year);
        account.balance = balance;
        blockchain.now! += YEAR;
        const result = await library.sendTopUp(anyone.getSender(), { value: toNano('1') });
        expect(rentOf(transactionsOn(result, library.address)[0])).toBe(year);
    });
});
