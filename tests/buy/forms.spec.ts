/** What the page that buys makes of what people write, of its settings, and of errors. */
import { ClientError, memoryStore } from '@cocoon-market/client';
import { RefusedMessage } from '@cocoon-market/wrappers';
import { MarketError } from '@cocoon-market/wrappers/market';
import { Address, toNano } from '@ton/core';
import { amountOf, limitsOf, lossOf } from '../../examples/buy-page/src/amounts';
import { spendKey } from '../../examples/buy-page/src/keys';
import { readSettings } from '../../examples/buy-page/src/settings';
import { wordsOf } from '../../examples/buy-page/src/words';

const limits = { deposit: '5', jobLimit: '1', dayLimit: '2' };

describe('An amount on the page that buys', () => {
    it.each([
        ['1.5', 1_500_000_000n],
        ['1,5', 1_500_000_000n],
        [' 0.000000001 ', 1n],
        ['1000000', toNano('1000000')],
    ])('%p is read', (text, amount) => {
        expect(amountOf(text, 'Deposit')).toBe(amount);
    });

    it.each(['', '-1', '1e3', '1.0000000001', '1000000.1', 'x'])('%p is refused by its name', (text) => {
        expect(() => amountOf(text, 'Deposit')).toThrow(/^Deposit: /);
    });
});

describe('Limits on the page that buys', () => {
    it('are read as they were written', () => {
        expect(limitsOf(limits, 0n)).toEqual({
            ...{ deposit: toNano('5'), jobLimit: toNano('1'), dayLimit: toNano('2') },
        });
    });

    it.each([
        ['a job of nothing', { jobLimit: '0' }, 'Limit of a job: '],
        ['a day below a job', { dayLimit: '0.999999999' }, 'Limit of a day: '],
        ['a deposit below a job', { deposit: '0.999999999' }, 'Deposit: '],
    ])('refuse %s', (_, change, words) => {
        expect(() => limitsOf({ ...limits, ...change }, 0n)).toThrow(words);
    });

    it.each([
        ['a day of exactly a job', { dayLimit: '1' }, 0n],
        ['a deposit of exactly a job', { deposit: '1' }, 0n],
        ['no new deposit where enough is there', { deposit: '0' }, toNano('1')],
    ])('take %s', (_, change, present) => {
        expect(() => limitsOf({ ...limits, ...change }, present)).not.toThrow();
    });

    it('say what somebody with the key could spend: a day, and the deposit', () => {
        const read = limitsOf(limits, 0n);

        expect(lossOf(read, toNano('1'))).toContain('at most 2 TON a day (UTC)');
        expect(lossOf(read, toNano('1'))).toContain('your deposit of 6 TON');
    });

    it.each([
        ['2', 'everything that you deposit here: 2 TON'],
        ['2.000000001', 'at most 2 TON a day'],
    ])('say of a deposit of %s TON and a day of 2: %s', (deposit, words) => {
        expect(lossOf(limitsOf({ ...limits, deposit }, 0n), 0n)).toContain(words);
    });
});

describe('The spend key of the page that buys', () => {
    it('is made once and kept', async () => {
        const store = memoryStore();
        const made = await spendKey(store, 'key');

        expect((await spendKey(store, 'key')).publicKey).toEqual(made.publicKey);
        expect((await spendKey(store, 'other')).publicKey).not.toEqual(made.publicKey);
    });

    it('is never replaced when what is kept cannot be read', async () => {
        const store = memoryStore();
        await store.put('key', 'abcd');

        await expect(spendKey(store, 'key')).rejects.toThrow('cannot be read');
        expect(await store.get('key')).toBe('abcd');
    });
});

describe('The settings of the page that buys', () => {
    const settings = { endpoint: 'https://chain.example/jsonRPC', market: { globalId: -3, registry: 'EQ' } };

    it('are read, without names of models too', () => {
        expect(readSettings(settings)).toEqual({ ...settings, models: [] });
    });

    it.each([
        [undefined, '"endpoint"'],
        [{ ...settings, endpoint: 'file:///etc' }, '"endpoint"'],
        [{ ...settings, market: null }, '"market"'],
        [{ ...settings, models: [1] }, '"models"'],
    ])('%j are refused: %s', (value, words) => {
        expect(() => readSettings(value)).toThrow(words);
    });
});

describe('An error on the page that buys', () => {
    const address = new Address(0, Buffer.alloc(32, 1));

    it('names amounts in TON', () => {
        const error = new ClientError('low_funds', 'The query may cost 1500000000 nanoTON', 'x');

        expect(wordsOf(error)).toBe(
            'The query may cost 1.5 TON. Ask for a shorter answer, or settle this job and open a new one.',
        );
    });

    it.each([
        [new RefusedMessage(130, 'Escrow', address, 'SetUp'), 'The contract refused it'],
        [new MarketError('no-registry', 'There is no registry', 'Check the network.'), 'Check the network.'],
        [{ isAxiosError: true, message: 'Network Error' }, 'The chain does not answer'],
        [new TypeError('Failed to fetch'), 'The chain does not answer'],
        ['thrown text', 'Something failed that this page does not know.'],
    ])('%p is told in a sentence', (error, words) => {
        expect(wordsOf(error)).toContain(words);
    });

    it('is cut where a stranger wrote too much', () => {
        expect(wordsOf(new Error('x'.repeat(10_000))).length).toBeLessThan(450);
    });
});
