import { formatTon, parseTon } from '@cocoon-market/wrappers';

describe('amounts in TON', () => {
    it.each([
        [0n, '0'],
        [1n, '0.000000001'],
        [1_000_000_000n, '1'],
        [1_500_000_000n, '1.5'],
        [-20_000_001n, '-0.020000001'],
        [2n ** 64n - 1n, '18446744073.709551615'],
    ])('writes %s nanoTON as %s', (nano, text) => {
        expect(formatTon(nano)).toBe(text);
    });

    it.each([
        ['1.5', 1_500_000_000n],
        [' 0.05\n', 50_000_000n],
        ['12', 12_000_000_000n],
    ])('reads %j', (text, nano) => {
        expect(parseTon(text)).toBe(nano);
    });

    it('reads what it writes', () => {
        for (const nano of [0n, 1n, 999_999_999n, 1_000_000_000n, 123_456_789_012n, 2n ** 60n]) {
            expect(parseTon(formatTon(nano))).toBe(nano);
        }
    });

    it.each(['', ' ', '1,5', '1.', '.5', '-1', '+1', '1e3', '0x10', '1.0000000001', '1 000', '1.5 TON', 'NaN', '١'])(
        'refuses %j',
        (text) => {
            expect(() => parseTon(text)).toThrow('is not an amount in TON');
        },
    );
});
