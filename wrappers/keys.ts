/**
 * Ed25519 keys as the chain sees them. Signatures are checked with node:crypto, which agrees with the TVM: other
 * libraries accept signatures (S + L, cofactored) that a contract refuses, so a worker could serve for worthless vouchers.
 */
import {
    createPrivateKey,
    createPublicKey,
    KeyObject,
    randomBytes,
    sign as nodeSign,
    verify as nodeVerify,
} from 'node:crypto';

const PKCS8_SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410, section 7
const SPKI_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex'); // RFC 8410, section 4

/** A key pair whose private half never leaves the object. */
export interface SigningKey {
    readonly publicKey: Buffer; // 32 bytes
    /** Signs a 32-byte hash; returns 64 bytes. */
    sign(hash: Buffer): Buffer;
}

/** The key pair of a 32-byte seed. */
export function signingKey(seed: Buffer): SigningKey {
    if (seed.length !== 32) {
        throw new Error(`An Ed25519 seed has 32 bytes, this one has ${seed.length}`);
    }
    const privateKey = createPrivateKey({
        key: Buffer.concat([PKCS8_SEED_PREFIX, seed]),
        format: 'der',
        type: 'pkcs8',
    });
    const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
    return { publicKey, sign: (hash) => nodeSign(null, hash, privateKey) };
}

/** A fresh random key pair. */
export function randomSigningKey(): SigningKey {
    return signingKey(randomBytes(32));
}

/** Checks signatures of one public key; importing the key once makes each check about twice as fast. */
export class Verifier {
    private readonly key: KeyObject;

    /** `publicKey` has 32 bytes. Throws when it is weak, see {@link isWeakKey}. */
    constructor(publicKey: Buffer) {
        assertUsableKey(publicKey);
        this.key = createPublicKey({ key: Buffer.concat([SPKI_KEY_PREFIX, publicKey]), format: 'der', type: 'spki' });
    }

    /** True when `signature` (64 bytes) is this key's over the 32-byte `hash`, exactly as the TVM decides. */
    verify(hash: Buffer, signature: Buffer): boolean {
        return signature.length === 64 && nodeVerify(null, hash, this.key, signature);
    }
}

const MIDDLES = [
    '00'.repeat(15), // y is 0 or 1
    'ff'.repeat(15), // y is p - 1 or above
    'e8958fc2b227b045c3f489f2ef98f0', // y of order 8, and its complement
    '176a703d4dd84fba3c0b760d10670f',
];

/**
 * True for a key with which anyone can sign: of small order (y is 0, 1, p - 1 or of order 8) or not canonical (y >= p).
 * Told by bytes 1 to 15, the same rule as `isWeakKey` in contracts/protocol/signed.tact.
 */
export function isWeakKey(publicKey: Buffer): boolean {
    return MIDDLES.includes(publicKey.subarray(1, 16).toString('hex'));
}

/** Throws an error that says why, unless this is a 32-byte key that only its owner can sign with. */
export function assertUsableKey(publicKey: Buffer): void {
    if (publicKey.length !== 32) {
        throw new Error(`An Ed25519 public key has 32 bytes, this one has ${publicKey.length}`);
    }
    if (isWeakKey(publicKey)) {
        throw new Error('This Ed25519 public key is of small order or not canonical: anyone could sign for it');
    }
}
