/** What the wire takes of node:crypto is the same in browsers. */
import * as node from 'node:crypto';
import * as web from '../../client/platform/crypto';

const KEY = Buffer.alloc(32, 1);
const NONCE = Buffer.alloc(12, 2);
const AAD = Buffer.from('head');

const sealed = (plain: Buffer) => {
    const cipher = node.createCipheriv('aes-256-gcm', KEY, NONCE).setAAD(AAD);
    return { text: Buffer.concat([cipher.update(plain), cipher.final()]), tag: cipher.getAuthTag() };
};
const opened = ({ text, tag }: ReturnType<typeof sealed>, aad = AAD) => {
    const decipher = web.createDecipheriv('aes-256-gcm', KEY, NONCE).setAAD(aad).setAuthTag(tag);
    return Buffer.concat([decipher.update(text), decipher.final()]);
};

describe("The wire's ciphers and hashes in browsers", () => {
    it.each([0, 1, 63, 64, 1000])('hash and authenticate %i bytes as Node.js does', (length) => {
        const bytes = node.randomBytes(length);
        const hash = (crypto: typeof web | typeof node) =>
            crypto.createHash('sha256').update('name').update(bytes).digest().toString('hex');
        const mac = (crypto: typeof web | typeof node) =>
            crypto.createHmac('sha256', KEY).update(bytes).update(AAD).digest().toString('hex');

        expect([hash(web), mac(web)]).toEqual([hash(node), mac(node)]);
    });

    it.each([0, 1, 16, 5000])('open what Node.js sealed of %i bytes', (length) => {
        const plain = node.randomBytes(length);

        expect(opened(sealed(plain)).equals(plain)).toBe(true);
    });

    it('refuse a text, a tag or a head with one bit changed', () => {
        const { text, tag } = sealed(Buffer.from('answer'));
        const flipped = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)));

        expect(() => opened({ text: flipped(text), tag })).toThrow();
        expect(() => opened({ text, tag: flipped(tag) })).toThrow();
        expect(() => opened({ text, tag }, flipped(AAD))).toThrow();
    });

    it.each([
        [Buffer.of(1, 2), Buffer.of(1, 2), true],
        [Buffer.of(1, 2), Buffer.of(1, 3), false],
        [Buffer.of(1, 2), Buffer.of(1), false],
    ])('compare %p with %p: %p', (one, other, isSame) => {
        expect(web.timingSafeEqual(one, other)).toBe(isSame);
    });
});
