/**
 * Crafted signatures. Each family is one way in which libraries of Ed25519 disagree, or in which a forger may try. Each
 * case says whether the signature is good: it follows from how the case was made, and from no library.
 */
import { createHash } from 'node:crypto';
import { signingKey } from '@cocoon-market/wrappers';
import {
    add,
    BASE,
    challenge,
    compress,
    decompress,
    IDENTITY,
    multiply,
    ORDER_8_POINT,
    type Point,
    signWith,
} from '../support/ed25519';
import { fromLittleEndian, GROUP_ORDER, littleEndian, NON_CANONICAL_KEYS, WEAK_KEYS } from '../support/keys';
import { bytesFrom, numbers } from '../support/numbers';

/** A key, 32 bytes of what was signed or not, and a signature. */
export interface SignatureCase {
    family: string;
    key: Buffer; // 32 bytes
    hash: Buffer; // 32 bytes
    signature: Buffer; // 64 bytes
    isGood: boolean; // a contract takes this key, and then this signature
}

type Draft = Omit<SignatureCase, 'family'>;

interface Key {
    scalar: bigint;
    encodings: Buffer[]; // of the point plus 0 to 7 times the point of order 8
}

const KEYS = 8;
const MAX_256 = 1n << 256n;

/** The points of order 1, 2, 4 and 8: 0 to 7 times one of order 8. */
const TORSION: Point[] = [IDENTITY];
for (let i = 1; i < 8; i++) {
    TORSION.push(add(TORSION[i - 1], ORDER_8_POINT));
}
const SMALL_ORDER = TORSION.map(compress);
const isSmallOrder = (bytes: Buffer) => SMALL_ORDER.some((each) => each.equals(bytes));
/** Encodings that no point is written in: y is p or above, or x is 0 with a sign. */
const NOT_CANONICAL = [...WEAK_KEYS, ...NON_CANONICAL_KEYS].filter((each) => !isSmallOrder(each));
const SCALARS = [0n, 1n, GROUP_ORDER - 1n, GROUP_ORDER, GROUP_ORDER + 1n, 1n << 252n, (1n << 253n) - 1n]
    .concat([(1n << 255n) - 1n, MAX_256 - 1n])
    .map(littleEndian);

const sha512 = (...parts: Buffer[]) => createHash('sha512').update(Buffer.concat(parts)).digest();
const partsOf = (signature: Buffer) => [signature.subarray(0, 32), signature.subarray(32)] as const;
const withBit = (bytes: Buffer, bit: number) => {
    const other = Buffer.from(bytes);
    other[bit >> 3] ^= 1 << (bit & 7);
    return other;
};
const reversed = (bytes: Buffer) => Buffer.from(bytes).reverse();
const negated = (point: Buffer) => withBit(point, 255); // the sign of x

/** Draws cases from a seed. */
export class Forger {
    private readonly below: (max: number) => number;
    private readonly keys: Key[];
    private nonce: bigint; // the next one is one more, so that its point takes one addition
    private noncePoint: Point;
    private readonly counters = new Map<string, number>();

    constructor(seed: number) {
        this.below = numbers(seed);
        const first = this.scalar();
        let point = multiply(BASE, first);
        this.keys = Array.from({ length: KEYS }, (_, i) => {
            const encodings = TORSION.map((torsion) => compress(add(point, torsion)));
            point = add(point, BASE);
            return { scalar: first + BigInt(i), encodings };
        });
        this.nonce = this.scalar();
        this.noncePoint = multiply(BASE, this.nonce);
    }

    private bytes(length = 32): Buffer {
        return bytesFrom(this.below, length);
    }

    private scalar(): bigint {
        return (fromLittleEndian(this.bytes()) % (GROUP_ORDER >> 1n)) + 1n;
    }

    /** The next of a list, so that a long run has all of them. */
    private next<T>(name: string, list: readonly T[]): T {
        const at = this.counters.get(name) ?? 0;
        this.counters.set(name, at + 1);
        return list[at % list.length];
    }

    private key(): Key {
        return this.keys[this.below(KEYS)];
    }

    private freshNonce(): { nonce: bigint; point: Point } {
        this.nonce += 1n;
        this.noncePoint = add(this.noncePoint, BASE);
        return { nonce: this.nonce, point: this.noncePoint };
    }

    /**
     * A signature by the holder of the scalar, whose key and R have so many points of order 8 in them. The equation
     * without the cofactor holds if these cancel out.
     */
    private signed({ keyTorsion = 0, torsion = 0, noNonce = false, hash = this.bytes() } = {}): Draft {
        const { scalar, encodings } = this.key();
        const key = encodings[keyTorsion];
        const { nonce, point } = noNonce ? { nonce: 0n, point: IDENTITY } : this.freshNonce();
        const r = compress(add(point, TORSION[torsion]));
        const signature = signWith(scalar, nonce, { r, key, message: hash });
        const rest = (BigInt(torsion) + challenge(r, key, hash) * BigInt(keyTorsion)) % 8n;
        return { key, hash, signature, isGood: rest === 0n };
    }

    /** A good signature with something else in place of a part. */
    private altered(change: (good: Draft) => Partial<Draft>): Draft {
        const good = this.signed();
        return { ...good, ...change(good), isGood: false };
    }

    /** The case number `index`; the families take turns. */
    draw(index: number): SignatureCase {
        const names = Object.keys(this.families);
        const family = names[index % names.length];
        return { family, ...this.families[family]() };
    }

    private readonly families: Record<string, () => Draft> = {
        good: () => this.signed(),
        'good, of a seed': () => {
            const pair = signingKey(this.bytes());
            const hash = this.bytes();
            return { key: pair.publicKey, hash, signature: pair.sign(hash), isGood: true };
        },
        'S plus a multiple of the order': () =>
            this.altered(({ signature }) => {
                const [r, s] = partsOf(signature);
                const multiple = this.next('multiple', [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n, 13n, 14n]);
                return { signature: Buffer.concat([r, littleEndian(fromLittleEndian(s) + multiple * GROUP_ORDER)]) };
            }),
        'high bits of S': () =>
            this.altered(({ signature }) => ({ signature: withBit(signature, 256 + 253 + this.below(3)) })),
        'S at an end of its range': () =>
            this.altered(({ signature }) => ({
                signature: Buffer.concat([partsOf(signature)[0], this.next('scalar', SCALARS)]),
            })),
        'R of small order': () =>
            this.signed({
                keyTorsion: this.below(8),
                torsion: this.next('R', [0, 1, 2, 3, 4, 5, 6, 7]),
                noNonce: true,
            }),
        'R not canonical': () => {
            const { scalar, encodings } = this.key();
            const [key, hash, r] = [encodings[this.below(8)], this.bytes(), this.next('other R', NOT_CANONICAL)];
            return { key, hash, signature: signWith(scalar, 0n, { r, key, message: hash }), isGood: false };
        },
        'key with torsion': () => this.signed({ keyTorsion: 1 + this.below(7) }),
        'R with torsion': () => this.signed({ torsion: 1 + this.below(7) }),
        'key and R with torsion': () => this.signed({ keyTorsion: 1 + this.below(7), torsion: 1 + this.below(7) }),
        'key of small order': () => this.withWeakKey(this.below(8)),
        'key not canonical': () => ({
            ...this.signed({ noNonce: this.below(2) === 0 }),
            key: this.next('other key', NOT_CANONICAL),
            isGood: false,
        }),
        'key that is no point': () => ({ ...this.signed(), key: this.noPoint(), isGood: false }),
        'R that is no point': () =>
            this.altered(({ signature }) => ({ signature: Buffer.concat([this.noPoint(), partsOf(signature)[1]]) })),
        'zeros in place of R, S or both': () =>
            this.altered(({ signature }) => {
                const other = Buffer.from(signature);
                const [from, to] = this.next('zeros', [
                    [0, 32],
                    [32, 64],
                    [0, 64],
                ] as const);
                return { signature: other.fill(0, from, to) };
            }),
        'a bit of R': () => this.withFlip('signature', 0, 256),
        'a bit of S': () => this.withFlip('signature', 256, 256),
        'a bit of the key': () => this.withFlip('key', 0, 256),
        'a bit of what is signed': () => this.withFlip('hash', 0, 256),
        'another key': () => this.altered(({ key }) => ({ key: this.otherKey(key) })),
        'another hash': () => this.altered(() => ({ hash: this.bytes() })),
        'R and S exchanged': () =>
            this.altered(({ signature }) => ({ signature: Buffer.concat([...partsOf(signature)].reverse()) })),
        'bytes in the other order': () =>
            this.altered(({ signature }) => {
                const [r, s] = partsOf(signature);
                const parts = this.next('order', [
                    [reversed(r), s],
                    [r, reversed(s)],
                    [reversed(r), reversed(s)],
                ]);
                return { signature: Buffer.concat(parts) };
            }),
        'R and S of two signatures': () =>
            this.altered(({ signature }) => ({
                signature: Buffer.concat([partsOf(signature)[0], partsOf(this.signed().signature)[1]]),
            })),
        'R, S or the key negated': () =>
            this.altered(({ key, signature }) => {
                const [r, s] = partsOf(signature);
                const minusS = littleEndian(GROUP_ORDER - fromLittleEndian(s));
                const changes = [
                    { signature: Buffer.concat([negated(r), s]) },
                    { signature: Buffer.concat([r, minusS]) },
                    { signature: Buffer.concat([negated(r), minusS]) },
                    { key: negated(key) },
                    { key: negated(key), signature: Buffer.concat([negated(r), minusS]) },
                ];
                return this.next('sign', changes);
            }),
        'another message of the same hash': () => {
            const hash = this.bytes();
            const messages = [sha512(hash), Buffer.from(hash.toString('hex')), Buffer.concat([hash, Buffer.of(0)])];
            const message = this.next('message', [...messages, hash.subarray(1), reversed(hash), Buffer.alloc(0)]);
            return { ...this.signed({ hash: message }), hash, isGood: false };
        },
        'a challenge of other parts': () => {
            const { scalar, encodings } = this.key();
            const [key] = encodings;
            const hash = this.bytes();
            const { nonce, point } = this.freshNonce();
            const r = compress(point);
            const empty = Buffer.alloc(0);
            const parts = this.next('challenge', [
                [r, empty, hash],
                [key, r, hash],
                [empty, key, hash],
                [r, hash, key],
            ]);
            const s = (nonce + challenge(parts[0], parts[1], parts[2]) * scalar) % GROUP_ORDER;
            return { key, hash, signature: Buffer.concat([r, littleEndian(s)]), isGood: false };
        },
        random: () => ({ key: this.bytes(), hash: this.bytes(), signature: this.bytes(64), isGood: false }),
    };

    /** What its holder, and so anyone, signs with a key of small order: the equation holds, and the key is refused. */
    private withWeakKey(keyTorsion: number): Draft {
        const [key, hash] = [SMALL_ORDER[keyTorsion], this.bytes()];
        const { nonce, point } = this.freshNonce();
        const found = TORSION.map((torsion) => compress(add(point, torsion))).find(
            (r, i) => (BigInt(i) + challenge(r, key, hash) * BigInt(keyTorsion)) % 8n === 0n,
        );
        return { key, hash, signature: Buffer.concat([found ?? compress(point), littleEndian(nonce)]), isGood: false };
    }

    private withFlip(part: 'key' | 'hash' | 'signature', from: number, bits: number): Draft {
        const bit =
            from +
            this.next(
                `${part} ${from}`,
                Array.from({ length: bits }, (_, i) => i),
            );
        return this.altered((good) => ({ [part]: withBit(good[part], bit) }));
    }

    private otherKey(key: Buffer): Buffer {
        return this.keys.map(({ encodings }) => encodings[0]).find((each) => !each.equals(key))!;
    }

    private noPoint(): Buffer {
        for (;;) {
            const bytes = this.bytes();
            try {
                decompress(bytes);
            } catch {
                return bytes;
            }
        }
    }
}
