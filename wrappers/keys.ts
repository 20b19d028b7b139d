/**
 * Ed25519 keys by the rules of the TVM. In Node.js signatures are checked with node:crypto, which agrees with the
 * TVM. Other libraries accept signatures (S + L, cofactored) that a contract refuses, so a worker could serve for
 * worthless vouchers. Versions of Node.js differ if R is of small order; then, and in browsers always, the equation is
 * computed here.
 */
import { CURVE, ExtendedPoint, Point } from '@noble/ed25519';
import { bytesToNumber } from './bytes';
import { fastVerifierOf, keyPairOf, sha512 } from './platform/node';

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
    return keyPairOf(seed);
}

/** Checks signatures of one public key. */
export class Verifier {
    private readonly fast: ReturnType<typeof fastVerifierOf>;
    private readonly publicKey: Buffer;

    /** `publicKey` has 32 bytes. Throws when it is weak, see {@link isWeakKey}. */
    constructor(publicKey: Buffer) {
        assertUsableKey(publicKey);
        this.publicKey = Buffer.from(publicKey);
        this.fast = fastVerifierOf(this.publicKey);
    }

    /** True when `signature` (64 bytes) is this key's over the 32-byte `hash`, exactly as the TVM decides. */
    verify(hash: Buffer, signature: Buffer): boolean {
        if (signature.length !== 64) {
            return false;
        }
        return this.fast === undefined || isWeakKey(signature.subarray(0, 32))
            ? verifyByEquation(this.publicKey, hash, signature)
            : this.fast.verify(hash, signature);
    }

    /**
     * {@link verify} in a thread of its own, so that several signatures are checked at once and nothing waits. The
     * equation takes milliseconds, and strangers may send signatures that need it: one in a turn of the event loop.
     */
    async verifyAside(hash: Buffer, signature: Buffer): Promise<boolean> {
        if (this.fast === undefined || signature.length !== 64) {
            return this.verify(hash, signature);
        }
        return isWeakKey(signature.subarray(0, 32))
            ? this.fast.inTurn(() => this.verify(hash, signature))
            : this.fast.verifyAside(hash, signature);
    }
}

/** Whether R is the encoding of S·B - k·A, with S below the group's order: RFC 8032 without the cofactor. */
function verifyByEquation(publicKey: Buffer, hash: Buffer, signature: Buffer): boolean {
    const r = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    const k = littleEndian(sha512(r, publicKey, hash)) % CURVE.l;
    if (s >= CURVE.l) {
        return false;
    }
    let key: ExtendedPoint;
    try {
        key = ExtendedPoint.fromAffine(Point.fromHex(publicKey));
    } catch {
        return false; // no point of the curve
    }
    const found = ExtendedPoint.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k));
    return r.equals(Buffer.from(found.toAffine().toRawBytes())); // the Buffer of browsers compares with its own kind
}

function littleEndian(bytes: Buffer): bigint {
    return bytesToNumber(Buffer.from(bytes).reverse());
}

const MIDDLES = [
    '00'.repeat(15), // y is 0 or 1
    'ff'.repeat(15), // y is p - 1 or above
    'e8958fc2b227b045c3f489f2ef98f0', // y of order 8, and its complement
    '176a703d4dd84fba3c0b760d10670f',
];

/**
 * True for a key with which anyone can sign: of small order (y is 0, 1, p - 1 or of order 8) or not canonical (y >=
 * p). Decided by bytes 1 to 15, as `isWeakKey` in contracts/protocol/signed.tact does.
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
