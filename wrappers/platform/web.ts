/**
 * The same as node.ts with nothing that a browser lacks. Signatures are checked by the equation alone, because
 * WebCrypto's verdicts on crafted signatures differ between browsers.
 */
import { sync, utils } from '@noble/ed25519';
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2';
import type { FastVerifier } from './node';

export const sha256 = (...parts: Uint8Array[]): Buffer => Buffer.from(nobleSha256(joined(parts)));

export const sha512 = (...parts: Uint8Array[]): Buffer => Buffer.from(nobleSha512(joined(parts)));

/** As a plain array, which the library wants. */
const joined = (parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

export function keyPairOf(seed: Buffer): { publicKey: Buffer; sign(message: Buffer): Buffer } {
    utils.sha512Sync ??= (...parts) => sha512(...parts);
    const secret = new Uint8Array(seed);
    return {
        publicKey: Buffer.from(sync.getPublicKey(secret)),
        sign: (message) => Buffer.from(sync.sign(new Uint8Array(message), secret)),
    };
}

export function fastVerifierOf(): FastVerifier | undefined {
    return undefined;
}
