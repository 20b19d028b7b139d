/**
 * What the wire between payer and worker takes of node:crypto. The build for browsers has this file in its place. A
 * browser's own ciphers answer later, and frames are opened in the order in which they come, at once.
 */
import { gcm } from '@noble/ciphers/aes';
import { hmac } from '@noble/hashes/hmac';
import { sha256 } from '@noble/hashes/sha2';

/** A function that the wire calls on the worker's side only. */
const absent = (name: string) => () => {
    throw new Error(`${name} belongs to the worker's side of the wire`);
};

interface Digest {
    update(bytes: Uint8Array): unknown;
    digest(): Uint8Array;
}

/** Bytes as the libraries want them, and not as a Buffer, which in a page is a class of its own. */
const plain = (bytes: Uint8Array | string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(bytes as Uint8Array));

class Hash {
    constructor(private readonly inner: Digest) {}

    update(bytes: Uint8Array | string): this {
        this.inner.update(plain(bytes));
        return this;
    }

    digest(): Buffer {
        return Buffer.from(this.inner.digest());
    }
}

function requireSha256(algorithm: string): void {
    if (algorithm !== 'sha256') {
        throw new Error(`Only sha256 is here, not ${algorithm}`);
    }
}

export function createHash(algorithm: string): Hash {
    requireSha256(algorithm);
    return new Hash(sha256.create());
}

export function createHmac(algorithm: string, key: Uint8Array): Hash {
    requireSha256(algorithm);
    return new Hash(hmac.create(sha256, plain(key)));
}

/** AES-256-GCM that opens one text when `final` is called, and gives nothing before its tag was checked. */
class Decipher {
    private aad = new Uint8Array(0);
    private tag = new Uint8Array(0);
    private readonly parts: Uint8Array[] = [];

    constructor(
        private readonly key: Uint8Array,
        private readonly nonce: Uint8Array,
    ) {}

    setAAD(aad: Uint8Array): this {
        this.aad = plain(aad);
        return this;
    }

    setAuthTag(tag: Uint8Array): this {
        this.tag = plain(tag);
        return this;
    }

    update(sealed: Uint8Array): Buffer {
        this.parts.push(sealed);
        return Buffer.alloc(0);
    }

    /** Throws if anything was changed. */
    final(): Buffer {
        const sealed = plain(Buffer.concat([...this.parts, this.tag]));
        return Buffer.from(gcm(plain(this.key), plain(this.nonce), this.aad).decrypt(sealed));
    }
}

export function createDecipheriv(algorithm: string, key: Uint8Array, nonce: Uint8Array): Decipher {
    if (algorithm !== 'aes-256-gcm') {
        throw new Error(`Only aes-256-gcm is here, not ${algorithm}`);
    }
    return new Decipher(key, nonce);
}

export function timingSafeEqual(one: Uint8Array, other: Uint8Array): boolean {
    return one.length === other.length && one.reduce((sum, byte, i) => sum | (byte ^ other[i]), 0) === 0;
}

export const createCipheriv = absent('createCipheriv');
