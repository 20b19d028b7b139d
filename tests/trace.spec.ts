import { beginCell, Cell, external, internal, loadTransaction, storeTransaction, toNano, Transaction } from '@ton/core';
import { claimBody, libraryOf, mTon, opcodes } from '@cocoon-market/wrappers';
import { feesOf, gasOf } from './support/chain';
import { bodyOf, Market, useMarket } from './support/market';
import { messageName, Names, trace, traceText } from '../demo/trace';

describe('trace', () => {
    const market = useMarket();
    let names: Names;

    const named = (accounts: Record<string, { address: Market['owner']['address'] }>): Names =>
        new Map(Object.entries(accounts).map(([name, { address }]) => [address.toRawString(), name]));

    beforeEach(() => {
        const { owner, payout, stranger, escrow } = market();
        names = named({ owner, payout, stranger, escrow });
    });

    it('names who sent what to whom', async () => {
        const { result, channel } = await market().openJob();
        names = new Map([...names, [channel.address.toRawString(), 'channel']]);

        const steps = trace(result.transactions, names);

        expect(steps.map(({ from, to, message, outcome }) => [from, to, message, outcome])).toEqual([
            ['outside', 'escrow', 'OpenJobs', 'ok'],
            ['escrow', 'channel', 'deploy', 'ok'],
        ]);
        expect(steps[0].value).toBeNull();
        expect(steps[1].value).toBeGreaterThan(toNano('1'));
    });

    it('names a message whose body or order is a library cell, which anyone may send, and goes on', () => {
        const { cell } = libraryOf(beginCell().storeUint(1, 32).endCell());
        const { address } = market().stranger;
        const inside = internal({ to: address, value: 1n, body: cell });

        expect(messageName({ ...inside, info: { ...inside.info, src: address } })).toBe('unreadable');
        expect(messageName(external({ to: address, body: cell }))).toBe('unreadable');
        expect(messageName(external({ to: address, body: beginCell().storeRef(cell).endCell() }))).toBe('external');
    });

    it('counts gas and fees as the helpers of the tests do', async () => {
        const { channel } = await market().openJob();
        const body = claimBody(market().voucher(channel, toNano('0.1')), { last: true });

        const { transactions } = await market().send(market().payout, channel, { value: toNano('0.1'), body });

        const steps = trace(transactions);
        expect(steps.length).toBe(transactions.length);
        expect(steps.reduce((total, { gas }) => total + gas, 0n)).toBe(gasOf(transactions));
        expect(steps.reduce((total, { fees }) => total + fees, 0n)).toBe(feesOf(transactions));
    });

    it('names what was refused, and the message that bounced', async () => {
        const { channel } = await market().openJob();
        const body = claimBody(market().voucher(channel, 0n));
        const { transactions } = await market().send(market().payout, channel, { value: toNano('0.1'), body });

        const steps = trace(transactions, names);

        expect(steps[0]).toMatchObject({ message: 'Claim', ok: false, outcome: 'ErrNothingNew (1012)' });
        expect(steps[1]).toMatchObject({ to: 'payout', message: 'bounced Claim', ok: true });
    });

    it('names the rule that an accepted order broke', async () => {
        const { transactions } = await market().openJobs([market().newJob({ notice: 0 })]);

        expect(trace(transactions, names)[0]).toMatchObject({ outcome: 'ErrWrongNotice (1041)' });
    });

    it('says that nobody was there', async () => {
        const { channel } = await market().jobOf(market().newJob(), 99);
        const body = bodyOf(opcodes.Refund);

        const { transactions } = await market().send(market().stranger, channel, { value: toNano('0.1'), body });

        expect(trace(transactions, names)[0]).toMatchObject({ ok: false, outcome: 'nobody there' });
    });

    it('shows the beginning of an address that has no name', async () => {
        const { result } = await market().openJob();

        expect(trace(result.transactions)[1].to).toMatch(/^0:[0-9a-f]{6}…$/);
    });

    it('reads transactions from their cells as well', async () => {
        const { result } = await market().openJob();
        const copies: Transaction[] = result.transactions.map((each) => {
            const cell = beginCell().store(storeTransaction(each)).endCell();
            return loadTransaction(Cell.fromBase64(cell.toBoc().toString('base64')).beginParse());
        });

        expect(trace(copies, names)).toEqual(trace(result.transactions, names));
    });

    it('names orders whether their body stands in the message or in a reference', async () => {
        const order = await market().openOrder([market().newJob()]);
        const info = { type: 'external-in', src: null, dest: market().escrow.address, importFee: 0n } as const;

        expect(messageName({ info, body: order })).toBe('OpenJobs');
        expect(messageName({ info, body: Cell.EMPTY })).toBe('external');
    });

    it('tells transfers, comments and unknown messages apart', () => {
        const info = { ...internalInfo(), dest: market().escrow.address, src: market().owner.address };

        expect(messageName({ info, body: Cell.EMPTY })).toBe('transfer');
        expect(messageName({ info, body: beginCell().storeUint(0, 32).storeStringTail('hi').endCell() })).toBe(
            'comment',
        );
        expect(messageName({ info, body: bodyOf(0x12345678) })).toBe('0x12345678');
        expect(messageName({ info, body: beginCell().storeUint(0xffffffff, 32).endCell() })).toBe('bounced transfer');
    });

    const internalInfo = () =>
        ({
            type: 'internal',
            ihrDisabled: true,
            bounce: true,
            bounced: false,
            value: { coins: 1n },
            ihrFee: 0n,
            forwardFee: 0n,
            createdLt: 0n,
            createdAt: 0,
        }) as const;

    it('aligns its columns', async () => {
        const { result } = await market().openJob();

        const lines = traceText(trace(result.transactions, names)).split('\n');

        expect(lines.length).toBe(2);
        expect(new Set(lines.map((line) => line.indexOf(' gas'))).size).toBe(1);
    });

    it.each([
        [0n, '0.000'],
        [1n, '0.001'],
        [1_500_000n, '1.500'],
        [10_654_800n, '10.655'],
        [123_456_789_123n, '123456.790'],
    ])('writes a fee of %s nanoTON as %s mTON', (nano, text) => {
        expect(mTon(nano)).toBe(text);
    });
});
