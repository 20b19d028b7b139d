/** As much of Ed25519 as it takes to make the signatures on which libraries disagree. Slow, never for real keys. */
import { createHash } from 'node:crypto';
import { fromLittleEndian, GROUP_ORDER, littleEndian } from './keys';

const P = 2n ** 255n - 19n;
const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

export interface Point {
    x: bigint;
    y: bigint;
}

export const IDENTITY: Point = { x: 0n, y: 1n };
export const BASE: Point = decompress(littleEndian(mod(4n * power(5n, P - 2n))));
/** A point of order 8. */
export const ORDER_8_POINT: Point = decompress(
    Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'),
);

function mod(a: bigint, m = P): bigint {
    const rest = a % m;
    return rest < 0n ? rest + m : rest;
}

function power(base: bigint, exponent: bigint): bigint {
    let [result, square] = [1n, mod(base)];
    for (let e = exponent; e > 0n; e >>= 1n) {
        if (e & 1n) result = mod(result * square);
        square = mod(square * square);
    }
    return result;
}

export function add(a: Point, b: Point): Point {
    const product = mod(D * a.x * b.x * a.y * b.y);
    return {
        x: mod((a.x * b.y + a.y * b.x) * power(1n + product, P - 2n)),
        y: mod((a.y * b.y + a.x * b.x) * power(1n - product, P - 2n)),
    };
}

export function multiply(point: Point, factor: bigint): Point {
    let [result, doubled] = [IDENTITY, point];
    for (let rest = factor; rest > 0n; rest >>= 1n) {
        if (rest & 1n) result = add(result, doubled);
        doubled = add(doubled, doubled);
    }
    return result;
}

export function compress({ x, y }: Point): Buffer {
    const bytes = littleEndian(y);
    bytes[31] |= Number(x & 1n) << 7;
    return bytes;
}

export function decompress(bytes: Buffer): Point {
    const sign = bytes[31] >> 7;
    const unsigned = Buffer.from(bytes);
    unsigned[31] &= 0x7f;
    const y = fromLittleEndian(unsigned);
    const xx = mod((y * y - 1n) * power(D * y * y + 1n, P - 2n));
    let x = power(xx, (P + 3n) / 8n);
    if (mod(x * x - xx) !== 0n) x = mod(x * SQRT_MINUS_1);
    if (mod(x * x - xx) !== 0n) throw new Error('no point has this y');
    return { x: Number(x & 1n) === sign ? x : mod(-x), y };
}

/** The scalar of a seed, as RFC 8032 makes it. */
export function scalarOf(seed: Buffer): bigint {
    const digest = createHash('sha512').update(seed).digest().subarray(0, 32);
    digest[0] &= 248;
    digest[31] = (digest[31] & 127) | 64;
    return fromLittleEndian(digest);
}

/** The challenge of a signature: SHA-512 of R, key and message, modulo the group's order. */
export function challenge(r: Buffer, key: Buffer, message: Buffer): bigint {
    const digest = createHash('sha512').update(r).update(key).update(message).digest();
    return mod(BigInt(`0x${digest.reverse().toString('hex')}`), GROUP_ORDER);
}

/** A signature whose R and key bytes are given, as the holder of `scalar` computes it with the secret `nonce`. */
export function signWith(
    scalar: bigint,
    nonce: bigint,
    { r, key, message }: { r: Buffer; key: Buffer; message: Buffer },
): Buffer {
    const s = mod(nonce + challenge(r, key, message) * scalar, GROUP_ORDER);
    return Buffer.concat([r, littleEndian(s)]);
}
