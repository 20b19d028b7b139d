/**
 * Hashes and Ed25519 of Node.js. The build for browsers has web.ts in its place, which answers the same; the tests of
 * keys run against both.
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, hash, sign as nodeSign, verify as nodeVerify } from 'node:crypto';

const PKCS8_SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410, section 7

// In one call, which takes half as long for a cell as an object that is fed and asked.
const digest = (algorithm: 'sha256' | 'sha512', parts: Uint8Array[]): Buffer =>
    hash(algorithm, parts.length === 1 ? parts[0] : Buffer.concat(parts), 'buffer');

/** SHA-256 of these bytes, one after another. */
export const sha256 = (...parts: Uint8Array[]): Buffer => digest('sha256', parts);

/** SHA-512 of these bytes, one after another. */
export const sha512 = (...parts: Uint8Array[]): Buffer => digest('sha512', parts);

/** The public key of a 32-byte seed, and what signs with it. */
export function keyPairOf(seed: Buffer): { publicKey: Buffer; sign(message: Buffer): Buffer } {
    const privateKey = createPrivateKey({
        key: Buffer.concat([PKCS8_SEED_PREFIX, seed]),
        format: 'der',
        type: 'pkcs8',
    });
    const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
    return { publicKey, sign: (message) => nodeSign(null, message, privateKey) };
}

/** Checks signatures of one key faster than by the equation, and agrees with it unless R is of small order. */
export interface FastVerifier {
    verify(message: Buffer, signature: Buffer): boolean;
    verifyAside(message: Buffer, signature: Buffer): Promise<boolean>;
    /** Runs slow work that has no thread: one piece in a turn of the event loop, in the order of the calls. */
    inTurn<T>(work: () => T): Promise<T>;
}

let lastTurn: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => T): Promise<T> {
    const turn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve))).then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
}

/** What checks signatures of this public key natively; undefined where nothing does. */
export function fastVerifierOf(publicKey: Buffer): FastVerifier | undefined {
    // As a JWK, which OpenSSL takes over as it is. To decode DER costs as much as to check a signature.
    const key: KeyObject = createPublicKey({
        key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') },
        format: 'jwk',
    });
    return {
        inTurn,
        verify: (message, signature) => nodeVerify(null, message, key, signature),
        verifyAside: (message, signature) =>
            new Promise((resolve, reject) => {
                nodeVerify(null, message, key, signature, (error, isValid) =>
                    error ? reject(error) : resolve(isValid),
                );
            }),
    };
}
