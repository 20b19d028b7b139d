/** Numbers of keys and hashes, as bytes and in hex. */
import fc from 'fast-check';
import { bytesToNumber, numberToBytes, numberToHex } from '@cocoon-market/wrappers';

describe('Numbers of 32 bytes', () => {
    it('come back from their bytes, which keep their zeros', () => {
        fc.assert(
            fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (array) => {
                const bytes = Buffer.from(array);
                const number = bytesToNumber(bytes);
                expect(numberToBytes(number)).toEqual(bytes);
                expect(numberToHex(number)).toBe(bytes.toString('hex'));
            }),
        );
        expect(numberToBytes(1n, 4)).toEqual(Buffer.from([0, 0, 0, 1]));
    });
});
