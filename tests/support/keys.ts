/** Fresh keys and what they sign, and the Ed25519 points that no key may be. */
import { ExtendedPoint } from '@noble/ed25519';
import { createHash, randomBytes } from 'node:crypto';
import { type SigningKey, signingKey } from '../../wrappers/keys';
import { cellOf } from '../../wrappers/signed/layout';

/** A fresh random key pair. */
export function randomSigningKey(): SigningKey {
    return signingKey(randomBytes(32));
}

/** A receipt as it is stored and sent, over any payload's bytes. */
export function signedReceipt(payload: Buffer, key: SigningKey): Buffer {
    return Buffer.concat([payload, key.sign(cellOf(payload).hash())]);
}

const P = 2n ** 255n - 19n;
const ORDER_8 = [
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map((hex) => Buffer.from(hex, 'hex'));

/** Order of the group that the base point generates. */
export const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** 32 bytes, little-endian. */
export function littleEndian(value: bigint): Buffer {
    return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}

/** The number that 32 little-endian bytes are. */
export function fromLittleEndian(bytes: Buffer): bigint {
    return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/**
 * The key of 32 zero bytes, for which anyone can sign: it is a point of order 4, so it drops out of the equation for
 * one in four points R.
 */
export const keyZero: SigningKey = {
    publicKey: Buffer.alloc(32),
    sign(hash) {
        for (let nonce = 1n; ; nonce++) {
            const r = ExtendedPoint.BASE.multiply(nonce).toAffine().toRawBytes();
            const challenge = createHash('sha512').update(r).update(this.publicKey).update(hash).digest();
            if ((BigInt(`0x${challenge.reverse().toString('hex')}`) % GROUP_ORDER) % 4n === 0n) {
                return Buffer.concat([r, littleEndian(nonce)]);
            }
        }
    },
};

function withSign(key: Buffer): Buffer {
    const signed = Buffer.from(key);
    signed[31] |= 0x80;
    return signed;
}

/** y = 0, 1, p - 1, p, p + 1 and the two of order 8, each without and with the sign of x: 14 encodings. */
export const WEAK_KEYS: Buffer[] = [0n, 1n, P - 1n, P, P + 1n]
    .map(littleEndian)
    .concat(ORDER_8)
    .flatMap((key) => [key, withSign(key)]);

/** Every other encoding that is not canonical: y from p + 2 to 2^255 - 1, without and with the sign. */
export const NON_CANONICAL_KEYS: Buffer[] = Array.from({ length: 17 }, (_, i) =>
    littleEndian(P + 2n + BigInt(i)),
).flatMap((key) => [key, withSign(key)]);
