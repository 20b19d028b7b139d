/**
 * One AES-256-GCM text with one tag that opens under two keys. The tag is a polynomial in the text's blocks over
 * GF(2^128), at a point that depends on the key; with one block free, that both tags are equal is one linear equation.
 */
import { createCipheriv } from 'node:crypto';

export interface GcmKey {
    key: Buffer; // 32 bytes
    nonce: Buffer; // 12 bytes
}

const R = 0xe1n << 120n;

function multiply(x: bigint, y: bigint): bigint {
    let [product, shifted] = [0n, y];
    for (let bit = 127n; bit >= 0n; bit--) {
        product ^= (x >> bit) & 1n ? shifted : 0n;
        shifted = shifted & 1n ? (shifted >> 1n) ^ R : shifted >> 1n;
    }
    return product;
}

const ONE = 1n << 127n;

function power(x: bigint, exponent: bigint): bigint {
    let [result, base] = [ONE, x];
    for (let left = exponent; left > 0n; left >>= 1n) {
        result = left & 1n ? multiply(result, base) : result;
        base = multiply(base, base);
    }
    return result;
}

const inverse = (x: bigint) => power(x, (1n << 128n) - 2n);
const toInt = (block: Buffer) => BigInt(`0x${block.toString('hex')}`);
const toBlock = (value: bigint) => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');

function encryptBlock({ key }: GcmKey, block: Buffer): bigint {
    return toInt(createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block));
}

/** A sealed text of `blocks` whole blocks that opens under both keys with these associated data (at most 16 bytes). */
export function sealedUnderTwoKeys(keys: [GcmKey, GcmKey], associated: Buffer, blocks = 4): Buffer {
    const padded = Buffer.concat([associated, Buffer.alloc(16 - associated.length)]);
    const lengths = Buffer.alloc(16);
    lengths.writeBigUInt64BE(BigInt(associated.length * 8), 0);
    lengths.writeBigUInt64BE(BigInt(blocks * 128), 8);
    const text = Array.from({ length: blocks }, (_, i) => (i === 0 ? 0n : BigInt(i) * 0x1234567n)); // the first is free
    const sides = keys.map((side) => {
        const point = encryptBlock(side, Buffer.alloc(16));
        const mask = encryptBlock(side, Buffer.concat([side.nonce, Buffer.of(0, 0, 0, 1)]));
        const hash = [toInt(padded), ...text, toInt(lengths)].reduce((sum, block) => multiply(sum ^ block, point), 0n);
        return { free: power(point, BigInt(blocks + 1)), tag: hash ^ mask };
    });
    const [a, b] = sides;
    text[0] = multiply(a.tag ^ b.tag, inverse(a.free ^ b.free));
    return Buffer.concat([...text.map(toBlock), toBlock(a.tag ^ multiply(text[0], a.free))]);
}
