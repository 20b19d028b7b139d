// Longer than 350 lines because its cases share one set-up.
import { readFileSync } from 'node:fs';
import crypto from 'node:crypto';
import { join } from 'node:path';
import { Address, beginCell, Cell } from '@ton/core';
import { SandboxContract } from '@ton/sandbox';
import { signVerify } from '@ton/crypto';
import {
    Accept,
    answerRoot,
    cellHash,
    cellOf,
    contentHash,
    Decline,
    Fail,
    isWeakKey,
    Job,
    jobHash,
    jobNumber,
    jobOrderCell,
    loadTerms,
    NewJob,
    openJobsCell,
    PIECE_BYTES,
    pieceCell,
    priceOf,
    Result,
    signedOrder,
    signingKey,
    termsBytes,
    termsCell,
    termsFromBytes,
    Verdict,
    Verifier,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { answerOf, vectors } from '../tooling/vectors';
import { pieceOf, proofCell } from '../wrappers/signed/answer';
import { jobsCell, readOrder, seqnoOf } from '../wrappers/signed/orders';
import { keysOfBrowsers } from './support/browserKeys';
import { createBlockchain } from './support/chain';
import { add, BASE, compress, IDENTITY, multiply, ORDER_8_POINT, scalarOf, signWith } from './support/ed25519';
import { fromLittleEndian, GROUP_ORDER, littleEndian, NON_CANONICAL_KEYS, WEAK_KEYS } from './support/keys';
import { NETWORK, testKey } from './support/market';
import { deployProbe, Probe } from './support/probe';

const LAYOUTS = { Voucher, Job, Accept, Result, Decline, Fail, Verdict };
const AMOUNTS = new Set(['cumulative', 'ceiling', 'price']);

interface PayloadVector {
    payload: keyof typeof LAYOUTS;
    fields: Record<string, number | string>;
    bytes: string;
    hash: string;
}

function vectorFile<T>(name: string): T[] {
    return JSON.parse(readFileSync(join(__dirname, 'vectors', `${name}.json`), 'utf8')) as T[];
}

const hex = (text: string) => Buffer.from(text, 'hex');
const number = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);
const cellFrom = (boc: string) => Cell.fromBoc(hex(boc))[0];

/** The fields of a vector as the codec takes them. */
function fieldsOf({ fields }: PayloadVector): never {
    const entries = Object.entries(fields).map(([name, value]) => {
        if (AMOUNTS.has(name)) return [name, BigInt(value)];
        return [name, typeof value === 'string' ? hex(value) : value];
    });
    return Object.fromEntries(entries) as never;
}

describe('signed payloads', () => {
    let probe: SandboxContract<Probe>;

    beforeAll(async () => {
        probe = await deployProbe(await createBlockchain());
    });

    it('have committed vectors that are exactly what the generator makes', () => {
        for (const [name, content] of Object.entries(vectors())) {
            expect({ name, content: vectorFile(name) }).toEqual({ name, content });
        }
    });

    describe.each(
        vectorFile<PayloadVector>('payloads').map((vector, i) => ({ name: `${i} ${vector.payload}`, vector })),
    )('vector $name', ({ vector }) => {
        const layout = LAYOUTS[vector.payload];
        const bytes = hex(vector.bytes);

        it('is what its fields encode to, and decodes to its fields', () => {
            expect(layout.encode(fieldsOf(vector)).toString('hex')).toBe(vector.bytes);
            expect(layout.encode(layout.decode(bytes) as never).toString('hex')).toBe(vector.bytes);
        });

        it('has the hash that is signed, in TypeScript and on chain', async () => {
            expect(layout.hash(fieldsOf(vector)).toString('hex')).toBe(vector.hash);
            expect(cellOf(bytes).hash().toString('hex')).toBe(vector.hash);
            expect(await probe.getBuilt(cellOf(bytes))).toBe(number(hex(vector.hash)));
        });

        it('is refused when it is a byte short, a byte long, or of another kind', () => {
            const other = Buffer.from(bytes);
            other[3] ^= 0xf0;
            expect(() => layout.decode(bytes.subarray(0, -1))).toThrow('bytes');
            expect(() => layout.decode(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow('bytes');
            expect(() => layout.decode(Buffer.alloc(0))).toThrow('bytes');
            expect(() => layout.decode(other)).toThrow('tag');
        });
    });

    it('fit one cell of at most 1,023 bits', () => {
        for (const { bytes } of vectorFile<PayloadVector>('payloads')) {
            expect(bytes.length * 4).toBeLessThanOrEqual(1023);
        }
    });

    it('refuse numbers that do not fit their field, and bytes of another length', () => {
        const usual = { network: NETWORK, channel: Buffer.alloc(32), cumulative: 1n, count: 1 };
        const wrong = [
            { ...usual, cumulative: -1n },
            { ...usual, cumulative: 2n ** 64n },
            { ...usual, count: -1 },
            { ...usual, count: 2 ** 32 },
            { ...usual, count: 1.5 },
            { ...usual, network: 2 ** 31 },
            { ...usual, channel: Buffer.alloc(31) },
            { ...usual, channel: Buffer.alloc(33) },
        ];
        for (const values of wrong) {
            expect({ values, thrown: thrownBy(() => Voucher.encode(values)) }).toMatchObject({
                thrown: 'InvalidField',
            });
        }
    });

    const thrownBy = (action: () => unknown) => {
        try {
            action();
            return undefined;
        } catch (error) {
            return (error as Error).name;
        }
    };

    it('have the voucher hash that a channel computes for its own address and network', async () => {
        for (const [cumulative, count] of [
            [0n, 0],
            [1n, 1],
            [2n ** 64n - 1n, 2 ** 32 - 1],
        ] as const) {
            const hash = Voucher.hash(voucherFor(NETWORK, probe.address, cumulative, count));
            expect(await probe.getVoucher(cumulative, BigInt(count))).toBe(number(hash));
        }
        expect(await probe.getNetwork()).toBe(BigInt(NETWORK));
    });
});

describe('terms', () => {
    const files = vectorFile<{
        terms: object;
        cell: string;
        hash: string;
        network: number;
        channel: string;
        job: string;
    }>('terms');

    it('are read back from their cell, and hash to the job that receipts carry', () => {
        for (const { cell, hash, network, channel, job } of files) {
            const terms = loadTerms(cellFrom(cell));
            expect(termsCell(terms).hash().toString('hex')).toBe(hash);
            expect(jobHash(network, hex(channel), terms).toString('hex')).toBe(job);
        }
    });

    it('are read back from their bytes, and from no more and no fewer of them', () => {
        for (const { cell } of files) {
            const terms = loadTerms(cellFrom(cell));
            expect(termsFromBytes(termsBytes(terms))).toEqual(terms);
        }
        const bytes = termsBytes(loadTerms(cellFrom(files[0].cell)));
        expect(() => termsFromBytes(bytes.subarray(1))).toThrow('bytes');
        expect(() => termsFromBytes(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow('bytes');
    });

    it('are refused when a number does not fit, is no whole one, or a key has another length', () => {
        const terms = loadTerms(cellFrom(files[0].cell));
        for (const wrong of [{ end: 2 ** 32 }, { notice: 1.5 }, { step: 1n << 64n }, { model: Buffer.alloc(31) }]) {
            expect(() => termsBytes({ ...terms, ...wrong })).toThrow(RangeError);
        }
        expect(termsFromBytes(termsBytes({ ...terms, end: 2 ** 32 - 1 })).end).toBe(2 ** 32 - 1);
    });

    it('are refused when any of their three cells is longer, shorter or has more references', () => {
        const cell = cellFrom(files[0].cell);
        const [keys, prices] = [cell.refs[0], cell.refs[0].refs[0]];
        const longer = (each: Cell) => beginCell().storeSlice(each.beginParse()).storeBit(0).endCell();
        const shorter = (each: Cell, refs: Cell[]) =>
            refs
                .reduce(
                    (builder, ref) => builder.storeRef(ref),
                    beginCell().storeBits(each.bits.substring(0, each.bits.length - 1)),
                )
                .endCell();
        const around = (inner: Cell) =>
            beginCell().storeBits(cell.bits).storeRef(beginCell().storeBits(keys.bits).storeRef(inner)).endCell();

        for (const wrong of [
            longer(cell),
            shorter(cell, [keys]),
            around(longer(prices)),
            around(shorter(prices, [])),
            around(beginCell().storeSlice(prices.beginParse()).storeRef(Cell.EMPTY).endCell()),
        ]) {
            expect(() => loadTerms(wrong)).toThrow();
        }
    });

    it('change the job with the network and the channel', () => {
        const { cell, channel, job } = files[0];
        const terms = loadTerms(cellFrom(cell));

        expect(jobHash(-3, hex(channel), terms).toString('hex')).not.toBe(job);
        expect(jobHash(-239, Buffer.alloc(32), terms).toString('hex')).not.toBe(job);
    });
});

describe('orders', () => {
    it('have the hash that is signed, in TypeScript and on chain, and a body that verifies', async () => {
        const probe = await deployProbe(await createBlockchain());
        for (const { cell, hash, key, body } of vectorFile<Record<'cell' | 'hash' | 'key' | 'body', string>>(
            'orders',
        )) {
            const signed = cellFrom(body);
            const signature = signed.beginParse().loadBuffer(64);

            expect(cellFrom(cell).hash().toString('hex')).toBe(hash);
            expect(signed.refs[0].hash().toString('hex')).toBe(hash);
            expect(await probe.getHashOf(cellFrom(cell))).toBe(number(hex(hash)));
            expect(new Verifier(hex(key)).verify(hex(hash), signature)).toBe(true);
        }
    });

    it('refuse numbers that do not fit their field', () => {
        const head = { network: NETWORK, escrow: new Address(0, Buffer.alloc(32, 1)), seqno: 0, validUntil: 0 };
        const job = { deposit: 1n, end: 1, notice: 1, voucherKey: Buffer.alloc(32), payout: Buffer.alloc(32) };

        expect(() => openJobsCell({ ...head, jobs: [{ ...job, deposit: 2n ** 64n }] })).toThrow();
        expect(() => openJobsCell({ ...head, jobs: [{ ...job, end: 2 ** 32 }] })).toThrow();
        expect(() => openJobsCell({ ...head, jobs: [{ ...job, payout: Buffer.alloc(31) }] })).toThrow();
        expect(() => openJobsCell({ ...head, jobs: Array<typeof job>(5).fill(job) })).toThrow();
        const half = { ...job, deposit: 2n ** 63n };
        expect(() => openJobsCell({ ...head, jobs: [half, half] })).toThrow('OpenJobs.total must be a bigint');
        expect(() => jobOrderCell({ ...head, job: { ...job, job: 2 ** 40 }, action: 'leave' })).toThrow();
        expect(signedOrder(openJobsCell({ ...head, jobs: [job] }), testKey(1)).bits.length).toBe(512);
    });
});

describe('jobs of orders', () => {
    const job = (deposit: bigint): NewJob => ({
        ...{ deposit, end: 5, notice: 6, voucherKey: Buffer.alloc(32, 7), payout: Buffer.alloc(32, 8) },
    });
    const head = { network: NETWORK, escrow: new Address(0, Buffer.alloc(32, 1)), seqno: 9, validUntil: 0 };
    const key = testKey(1);
    const hashOf = (cell: Cell) => cell.hash().toString('hex');

    it('have the number seqno × 4 + position, which tells the seqno', () => {
        expect([jobNumber(0), jobNumber(9), jobNumber(9, 3)]).toEqual([0, 36, 39]);
        expect([0, 3, 4, 36, 39].map(seqnoOf)).toEqual([0, 0, 1, 9, 9]);
    });

    it('are the references of the order and of what an owner opens', () => {
        const jobs = [job(1n), job(2n)];

        expect(jobsCell(jobs).bits.length).toBe(0);
        expect(jobsCell(jobs).refs.map(hashOf)).toEqual(openJobsCell({ ...head, jobs }).refs.map(hashOf));
    });

    it.each([1, 4])('are read back from an order of %d', (count) => {
        const jobs = [job(1n), job(2n), job(2n ** 63n), job(4n)].slice(0, count);

        expect(readOrder(signedOrder(openJobsCell({ ...head, jobs }), key))).toEqual({ seqno: 9, jobs });
    });

    it('are none of an order about a running job, even with a reference', () => {
        const order = jobOrderCell({ ...head, job: { ...job(1n), job: 37 }, action: 'leave' });
        const withReference = beginCell()
            .storeBits(order.bits)
            .storeRef(openJobsCell({ ...head, jobs: [job(1n)] }));

        expect(readOrder(signedOrder(order, key))).toEqual({ seqno: 9, jobs: [] });
        expect(readOrder(signedOrder(withReference.endCell(), key))).toEqual({ seqno: 9, jobs: [] });
    });

    it('are not read from another payload', () => {
        const voucher = Voucher.encode(voucherFor(NETWORK, head.escrow, 1n, 1));

        expect(() => readOrder(signedOrder(cellOf(voucher), key))).toThrow('no order');
    });
});

describe('answer root', () => {
    const files = vectorFile<{ size: number; root: string; request: string; content: string }>('answers');

    it.each(files)('of $size bytes is the committed one', ({ size, root, request, content }) => {
        expect(answerRoot(answerOf(size)).toString('hex')).toBe(root);
        expect(contentHash(hex(request), hex(root)).toString('hex')).toBe(content);
    });

    it('covers every byte and the length', () => {
        const bytes = answerOf(PIECE_BYTES + 1);
        const root = answerRoot(bytes).toString('hex');
        for (const at of [0, 126, 127, PIECE_BYTES - 1, PIECE_BYTES]) {
            const altered = Buffer.from(bytes);
            altered[at] ^= 1;
            expect(answerRoot(altered).toString('hex')).not.toBe(root);
        }
        expect(answerRoot(bytes.subarray(0, -1)).toString('hex')).not.toBe(root);
        expect(answerRoot(Buffer.concat([bytes, Buffer.alloc(1)])).toString('hex')).not.toBe(root);
    });

    it('is rebuilt on chain from the hashes of its pieces', async () => {
        const probe = await deployProbe(await createBlockchain());
        const onChain = async (...parts: Buffer[]) => {
            const hash = await probe.getHashOf(cellOf(Buffer.concat(parts)));
            return hex(hash.toString(16).padStart(64, '0'));
        };
        const bytes = answerOf(2 * PIECE_BYTES + 5);
        const leaves: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
            const hash = await probe.getHashOf(pieceCell(bytes.subarray(at, at + PIECE_BYTES)));
            leaves.push(hex(hash.toString(16).padStart(64, '0')));
        }
        const length = Buffer.alloc(4);
        length.writeUInt32BE(bytes.length);

        const pair = await onChain(hex('c0c0fe01'), leaves[0], leaves[1]);
        const top = await onChain(hex('c0c0fe01'), pair, leaves[2]);
        const root = await onChain(hex('c0c0fe02'), length, top);

        expect(root.toString('hex')).toBe(answerRoot(bytes).toString('hex'));
    });

    it('follows from any piece and the hashes of its path, at most three in a cell', () => {
        for (const count of [1, 2, 3, 8, 9, 17]) {
            const bytes = answerOf((count - 1) * PIECE_BYTES + 5);
            const root = answerRoot(bytes).toString('hex');
            for (const index of new Set([0, 1, count - 2, count - 1].filter((each) => each >= 0 && each < count))) {
                const cells = cellsOf(proofCell(bytes, index));
                const leaf = pieceCell(pieceOf(bytes, index)).hash();
                const hashes = cells.flatMap((cell) => hashesOf(cell));
                expect({ count, index, root: rootOf(bytes.length, leaf, { index, count, hashes }) }).toEqual({
                    ...{ count, index, root },
                });
                expect(cells.slice(0, -1).map((cell) => hashesOf(cell).length)).toEqual(
                    Array<number>(Math.max(0, Math.ceil(hashes.length / 3) - 1)).fill(3),
                );
            }
        }
        expect([proofCell(answerOf(5), 0), proofCell(Buffer.alloc(0), 0)]).toEqual([null, null]);
    });

    /** A proof's cells, each the reference of the one before. */
    const cellsOf = (proof: Cell | null): Cell[] => (proof === null ? [] : [proof, ...cellsOf(proof.refs[0] ?? null)]);

    const hashesOf = ({ bits }: Cell): Buffer[] => {
        const bytes = bits.subbuffer(0, bits.length)!;
        return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(i * 32, (i + 1) * 32));
    };

    /** The root as contracts/protocol/receipts.tact computes it from a leaf; no hash of the path may be left. */
    const rootOf = (size: number, leaf: Buffer, path: { index: number; count: number; hashes: Buffer[] }): string => {
        let [{ index, count }, top] = [path, leaf];
        const rest = [...path.hashes];
        for (; count > 1; index >>= 1, count = (count + 1) >> 1) {
            if (index % 2 === 1) {
                top = cellHash(Buffer.concat([hex('c0c0fe01'), rest.shift()!, top]));
            } else if (index + 1 < count) {
                top = cellHash(Buffer.concat([hex('c0c0fe01'), top, rest.shift()!]));
            }
        }
        expect(rest).toEqual([]);
        const length = Buffer.alloc(4);
        length.writeUInt32BE(size);
        return cellHash(Buffer.concat([hex('c0c0fe02'), length, top])).toString('hex');
    };

    it('does not take the two halves of an inner node for a piece of 64 bytes', () => {
        const bytes = answerOf(PIECE_BYTES * 2);
        const halves = [bytes.subarray(0, PIECE_BYTES), bytes.subarray(PIECE_BYTES)].map((each) =>
            pieceCell(each).hash(),
        );

        expect(answerRoot(Buffer.concat(halves)).equals(answerRoot(bytes))).toBe(false);
        expect(cellHash(Buffer.concat(halves)).equals(answerRoot(bytes))).toBe(false);
    });
});

describe('price', () => {
    type PerKind<T> = Record<'prompt' | 'cached' | 'completion' | 'reasoning', T>;

    it('is the committed one in TypeScript and on chain, rounded up once', async () => {
        const probe = await deployProbe(await createBlockchain());
        const files = vectorFile<{ counts: PerKind<number>; rates: PerKind<string>; price: string }>('price');
        for (const { counts, rates, price } of files) {
            const { prompt, cached, completion, reasoning } = rates;
            const at = {
                prompt: BigInt(prompt),
                cached: BigInt(cached),
                completion: BigInt(completion),
                reasoning: BigInt(reasoning),
            };
            expect(priceOf(counts, at)).toBe(BigInt(price));
            const onChain = await probe.getPrice(
                BigInt(counts.prompt),
                BigInt(counts.cached),
                BigInt(counts.completion),
                BigInt(counts.reasoning),
                at.prompt,
                at.cached,
                at.completion,
                at.reasoning,
            );
            expect(onChain).toBe(BigInt(price));
        }
    });
});

describe('keys and signatures', () => {
    let probe: SandboxContract<Probe>;
    const message = cellHash(Buffer.from('a message'));
    const honest = testKey(5);
    const scalar = scalarOf(Buffer.alloc(32, 5));

    beforeAll(async () => {
        probe = await deployProbe(await createBlockchain());
    });

    const onChain = async (key: Buffer, hash: Buffer, signature: Buffer) =>
        probe.getVerifies(number(hash), beginCell().storeBuffer(signature).asSlice(), number(key));

    const inBrowsers = keysOfBrowsers();

    /** Asserts that chain and Verifier answer the same, also aside and in browsers, and returns the answer. */
    const agreed = async (key: Buffer, hash: Buffer, signature: Buffer): Promise<boolean> => {
        const chain = await onChain(key, hash, signature);
        expect(new Verifier(key).verify(hash, signature)).toBe(chain);
        expect(await new Verifier(key).verifyAside(hash, signature)).toBe(chain);
        expect(new inBrowsers.Verifier(key).verify(hash, signature)).toBe(chain);
        return chain;
    };

    /** R and S of a signature, S + L: the same point equation, another string of bytes. */
    const malleable = (signature: Buffer) =>
        Buffer.concat([
            signature.subarray(0, 32),
            littleEndian(fromLittleEndian(signature.subarray(32)) + GROUP_ORDER),
        ]);

    it('agree on good signatures', async () => {
        for (let i = 0; i < 8; i++) {
            const hash = cellHash(Buffer.of(i));
            expect(await agreed(honest.publicKey, hash, honest.sign(hash))).toBe(true);
        }
    });

    it('sign the same in browsers, with the same public key', () => {
        for (let i = 0; i < 8; i++) {
            const hash = cellHash(Buffer.of(i));
            const seed = cellHash(Buffer.of(i, i));
            const [own, other] = [signingKey(seed), inBrowsers.signingKey(seed)];
            expect(other.publicKey.equals(own.publicKey)).toBe(true);
            expect(other.sign(hash).equals(own.sign(hash))).toBe(true);
        }
    });

    it('agree that an altered message, R, S or key is bad', async () => {
        const signature = honest.sign(message);
        for (const at of [0, 15, 31, 32, 47, 63]) {
            const altered = Buffer.from(signature);
            altered[at] ^= 4;
            expect(await agreed(honest.publicKey, message, altered)).toBe(false);
        }
        expect(await agreed(honest.publicKey, cellHash(Buffer.of(9)), signature)).toBe(false);
        expect(await agreed(testKey(6).publicKey, message, signature)).toBe(false);
        expect(await agreed(honest.publicKey, message, Buffer.alloc(64))).toBe(false);
    });

    it('refuse S + L, which @ton/crypto accepts: the reason why it is not used', async () => {
        const signature = malleable(honest.sign(message));

        expect(signVerify(message, signature, honest.publicKey)).toBe(true);
        expect(await agreed(honest.publicKey, message, signature)).toBe(false);
    });

    it('refuse an S that is the order of the group itself', async () => {
        const [r, s] = [compress(IDENTITY), littleEndian(GROUP_ORDER)];

        expect(await agreed(honest.publicKey, message, Buffer.concat([r, s]))).toBe(false);
    });

    it('are checked aside in a thread of Node.js, and in browsers, which have none, at once', async () => {
        const signature = honest.sign(message);
        const altered = honest.sign(cellHash(Buffer.of(9)));
        const check = jest.spyOn(crypto, 'verify');
        try {
            expect(await new Verifier(honest.publicKey).verifyAside(message, signature)).toBe(true);
            expect(check.mock.calls.map((call) => typeof call[4])).toEqual(['function']); // it calls back
            const browser = new inBrowsers.Verifier(honest.publicKey);
            expect(await browser.verifyAside(message, signature)).toBe(true);
            expect(await browser.verifyAside(message, altered)).toBe(false);
            expect(check).toHaveBeenCalledTimes(1);
        } finally {
            check.mockRestore();
        }
    });

    it('are checked aside one in a turn of the event loop if R is of small order: each takes milliseconds', async () => {
        const signature = Buffer.concat([compress(IDENTITY), littleEndian(1n)]);
        let [turns, isOver] = [0, false];
        const turn = () => {
            turns++;
            if (!isOver) setImmediate(turn);
        };
        turn();
        const checks = Array.from({ length: 20 }, () => new Verifier(honest.publicKey).verifyAside(message, signature));
        expect(new Set(await Promise.all(checks))).toEqual(new Set([false]));
        isOver = true;

        expect(turns).toBeGreaterThanOrEqual(20);
    });

    it('agree on every signature of a key with a torsion part, good or bad', async () => {
        const key = compress(add(multiply(BASE, scalar), ORDER_8_POINT));
        expect(isWeakKey(key)).toBe(false);
        const answers: boolean[] = [];
        for (let nonce = 1n; nonce <= 24n; nonce++) {
            const r = compress(multiply(BASE, nonce));
            answers.push(await agreed(key, message, signWith(scalar, nonce, { r, key, message })));
        }

        // One challenge in eight is a multiple of 8, and only then does the torsion part vanish.
        expect(answers).toContain(true);
        expect(answers.filter((good) => good).length).toBeLessThan(12);
    });

    it('agree on an R with a torsion part, of small order, or not canonical', async () => {
        const key = honest.publicKey;
        const torsion = compress(add(multiply(BASE, 7n), ORDER_8_POINT));
        expect(await agreed(key, message, signWith(scalar, 7n, { r: torsion, key, message }))).toBe(false);
        expect(
            await agreed(key, message, signWith(scalar, 7n, { r: compress(multiply(BASE, 7n)), key, message })),
        ).toBe(true);
        // R = identity is the encoding that the check computes, so it is good; its other encodings are not.
        expect(await agreed(key, message, signWith(scalar, 0n, { r: compress(IDENTITY), key, message }))).toBe(true);
        for (const r of [...WEAK_KEYS, ...NON_CANONICAL_KEYS].filter((each) => !each.equals(compress(IDENTITY)))) {
            expect(await agreed(key, message, signWith(scalar, 0n, { r, key, message }))).toBe(false);
        }
    });

    it('agree on every R of small order under a key with a torsion part, good or bad', async () => {
        const key = compress(add(multiply(BASE, scalar), ORDER_8_POINT));
        const answers: boolean[] = [];
        for (let i = 0n; i < 8n; i++) {
            const r = compress(multiply(ORDER_8_POINT, i));
            for (let text = 0; text < 6; text++) {
                const hash = cellHash(Buffer.of(Number(i), text));
                const signature = signWith(scalar, 0n, { r, key, message: hash });
                answers.push(await agreed(key, hash, signature));
                expect(await agreed(key, hash, malleable(signature))).toBe(false);
                expect(await agreed(key, message, signature)).toBe(false);
            }
        }

        expect(answers).toContain(true);
        expect(answers).toContain(false);
    });

    it('never hand an R of small order to Node.js, whose versions differ about it', async () => {
        const key = honest.publicKey;
        const signature = signWith(scalar, 0n, { r: compress(IDENTITY), key, message });
        const differing = jest.spyOn(crypto, 'verify').mockReturnValue(false as never);
        try {
            expect(new Verifier(key).verify(message, signature)).toBe(true);
            expect(await new Verifier(key).verifyAside(message, signature)).toBe(true);
            expect(differing).not.toHaveBeenCalled();
            expect(new Verifier(key).verify(message, honest.sign(message))).toBe(false);
            expect(differing).toHaveBeenCalledTimes(1);
        } finally {
            differing.mockRestore();
        }
    });

    it('agree on keys that are no point of the curve', async () => {
        for (const start of [2, 7, 8]) {
            const key = Buffer.alloc(32, start);
            expect(await agreed(key, message, honest.sign(message))).toBe(false);
        }
    });

    it('would let anyone sign with the neutral point on chain: the reason why weak keys are refused', async () => {
        const neutral = compress(IDENTITY);
        const signature = Buffer.concat([compress(BASE), littleEndian(1n)]);

        expect(await onChain(neutral, message, signature)).toBe(true);
        expect(await onChain(neutral, cellHash(Buffer.of(1)), signature)).toBe(true);
        expect(() => new Verifier(neutral)).toThrow('small order');
    });

    it('are weak on chain exactly when they are weak in TypeScript', async () => {
        const strong = [testKey(1).publicKey, honest.publicKey, littleEndian(256n), littleEndian(2n ** 255n - 257n)];
        const near = [...WEAK_KEYS].slice(10).map((key) => {
            const other = Buffer.from(key);
            other[5] ^= 1;
            return other;
        });
        for (const key of [...WEAK_KEYS, ...NON_CANONICAL_KEYS]) {
            expect(isWeakKey(key)).toBe(true);
            expect(await probe.getWeak(number(key))).toBe(true);
            expect(() => new Verifier(key)).toThrow();
        }
        for (const key of [...strong, ...near]) {
            expect(isWeakKey(key)).toBe(false);
            expect(await probe.getWeak(number(key))).toBe(false);
        }
    });

    it('are refused by the Verifier when they have another length, as are signatures', async () => {
        const signature = honest.sign(message);
        const check = jest.spyOn(crypto, 'verify');
        try {
            for (const { Verifier: Kind } of [{ Verifier }, inBrowsers]) {
                expect(() => new Kind(honest.publicKey.subarray(1))).toThrow('32 bytes');
                const verifier = new Kind(honest.publicKey);
                for (const wrong of [signature.subarray(0, 63), Buffer.concat([signature, Buffer.alloc(1)])]) {
                    expect(verifier.verify(message, wrong)).toBe(false);
                    expect(await verifier.verifyAside(message, wrong)).toBe(false);
                }
            }
            expect(check).not.toHaveBeenCalled(); // what Node.js makes of them is not asked
        } finally {
            check.mockRestore();
        }
    });

    it('are made of seeds of 32 bytes, and of no others', () => {
        for (const { signingKey: make } of [{ signingKey }, inBrowsers]) {
            expect(() => make(Buffer.alloc(31))).toThrow('32 bytes');
            expect(() => make(Buffer.alloc(33))).toThrow('32 bytes');
            expect(make(Buffer.alloc(32)).publicKey.length).toBe(32);
        }
    });
});
