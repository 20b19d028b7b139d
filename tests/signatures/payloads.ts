/**
 * Signed payloads of every kind, good ones and altered ones: a bit of a field or of the signature, the tag of another
 * kind, another network, channel, job or key, too few or too many bytes, a hash of another kind.
 */
import { createHash } from 'node:crypto';
import {
    Accept,
    cellHash,
    Decline,
    Fail,
    Finish,
    jobHash,
    type Layout,
    priceOf,
    Result,
    type SignedVoucher,
    type SigningKey,
    tags,
    type Terms,
    Verdict,
    Voucher,
} from '@cocoon-market/wrappers';
import { beginCell, type Cell } from '@ton/core';
import { endHash, sessionHash } from '../../offchain/link';
import { GROUP_ORDER, fromLittleEndian, littleEndian, WEAK_KEYS } from '../support/keys';
import { NETWORK, spendKey, testKey, voucherKey } from '../support/market';
import { bytesFrom, numbers } from '../support/numbers';
import type { ReceiptKind, Verdicts, Verifiers } from './verifiers';

/** A case, and what everybody said. */
export interface Asked {
    family: string;
    isGood: boolean;
    verdicts: Verdicts;
}

interface Alteration {
    payload: Buffer;
    signature: Buffer;
    job?: Buffer;
    key?: Buffer;
}

const receiptKey = testKey(40);
const otherKey = testKey(41);
const OTHER_NETWORK = -3;
const TAGS = Object.values(tags);

const flipped = (bytes: Buffer, bit: number) => {
    const other = Buffer.from(bytes);
    other[bit >> 3] ^= 0x80 >> (bit & 7);
    return other;
};

const plusOrder = (signature: Buffer) =>
    Buffer.concat([signature.subarray(0, 32), littleEndian(fromLittleEndian(signature.subarray(32)) + GROUP_ORDER)]);

/** Draws payloads from a seed and shows them. */
export class Payloads {
    private readonly below: (max: number) => number;
    private readonly counters = new Map<string, number>();
    private readonly terms: Terms;
    private readonly job: Buffer;

    constructor(
        seed: number,
        private readonly verifiers: Verifiers,
    ) {
        this.below = numbers(seed);
        const rates = { prompt: 10n, cached: 1n, completion: 20n, reasoning: 30n };
        const [escrow, provider, node, payout, model] = [1, 2, 3, 4, 5].map(() => this.bytes());
        const parties = { escrow, provider, node, payout, model, receiptKey: receiptKey.publicKey };
        const limits = { step: 1n, maxParallel: 1, maxAnswer: 1, notice: 1, end: 1 };
        this.terms = { ...parties, voucherKey: voucherKey.publicKey, rates, ...limits };
        this.job = jobHash(NETWORK, verifiers.channel, this.terms);
    }

    private bytes(length = 32): Buffer {
        return bytesFrom(this.below, length);
    }

    private u32 = () => this.below(2 ** 31) + 1;

    private next(name: string, length: number): number {
        const at = this.counters.get(name) ?? 0;
        this.counters.set(name, at + 1);
        return at % length;
    }

    /** Shows the payload number `index`; the kinds take turns, and within each its alterations. */
    async show(index: number): Promise<Asked> {
        const shows = [
            () => this.receipt('accept'),
            () => this.voucher(),
            () => this.receipt('result'),
            () => this.order(),
            () => this.receipt('fail'),
            () => this.voucher(),
            () => this.other('decline', Decline.encode({ ...this.refusal() })),
            () => this.voucher(),
            () => this.other('verdict', Verdict.encode(this.verdict())),
        ];
        return shows[index % shows.length]();
    }

    private refusal = () => ({
        ...{ job: this.job, number: this.u32(), request: this.bytes(), reason: this.below(256), signedAt: this.u32() },
    });

    private verdict = () => ({
        ...{ network: NETWORK, dispute: this.bytes(), class: this.below(256), basisPoints: this.below(10_001) },
        ...{ rulesVersion: this.u32(), validUntil: this.u32() },
    });

    private payloadOf(kind: ReceiptKind): Buffer {
        const [number, counts] = [this.u32(), { prompt: 3, cached: 1, completion: this.below(1000), reasoning: 0 }];
        switch (kind) {
            case 'accept':
                return Accept.encode({
                    ...{
                        job: this.job,
                        number,
                        request: this.bytes(),
                        ceiling: BigInt(this.u32()),
                        deadline: this.u32(),
                    },
                });
            case 'fail':
                return Fail.encode(this.refusal());
            case 'result': {
                const price = priceOf(counts, this.terms.rates);
                const money = { price, cumulative: price, finishedAt: this.u32(), finish: Finish.Stop };
                return Result.encode({ job: this.job, number, index: 1, content: this.bytes(), ...counts, ...money });
            }
        }
    }

    /** What may be done to any payload and its signature, by the name of the family. */
    private alterations(payload: Buffer, key: SigningKey): Record<string, () => Alteration> {
        const sign = (bytes: Buffer, by = key) => by.sign(cellHash(bytes));
        const signature = sign(payload);
        const signed = (bytes: Buffer, by = key) => ({ payload: bytes, signature: sign(bytes, by) });
        const tag = payload.readUInt32BE(0);
        return {
            'a bit': () => ({
                payload: flipped(payload, this.next(`bit ${tag}`, payload.length * 8)),
                signature,
            }),
            'a bit of the signature': () => ({ payload, signature: flipped(signature, this.next('signature', 512)) }),
            'another key': () => signed(payload, otherKey),
            'S plus the order': () => ({ payload, signature: plusOrder(signature) }),
            'the bytes, not the hash of the cell': () => ({
                payload,
                signature: key.sign(createHash('sha256').update(payload).digest()),
            }),
            zeros: () => ({ payload, signature: Buffer.alloc(64) }),
        };
    }

    /** The tag of another kind, signed; fewer bytes, or more, signed; a signature that is too short or too long. */
    private reshaped(payload: Buffer, key: SigningKey): Record<string, () => Alteration> {
        const signed = (bytes: Buffer) => ({ payload: bytes, signature: key.sign(cellHash(bytes)) });
        const { signature } = signed(payload);
        return {
            'another tag': () => {
                const other = Buffer.from(payload);
                const others = TAGS.filter((tag) => tag !== payload.readUInt32BE(0));
                other.writeUInt32BE(others[this.next('tag', others.length)]);
                return signed(other);
            },
            'fewer bytes': () => signed(payload.subarray(0, payload.length - 1 - this.next('fewer', payload.length))),
            'more bytes': () => signed(Buffer.concat([payload, this.bytes(1 + this.below(12))])),
            'a short signature': () => ({ payload, signature: signature.subarray(0, this.next('short', 64)) }),
            'a long signature': () => ({
                payload,
                signature: Buffer.concat([signature, this.bytes(1 + this.next('long', 32))]),
            }),
        };
    }

    private choose<T>(name: string, families: Record<string, T>): [string, T] {
        const entries = Object.entries(families);
        const [family, choice] = entries[this.next(name, entries.length)];
        return [`${name}: ${family}`, choice];
    }

    private async receipt(kind: ReceiptKind): Promise<Asked> {
        const payload = this.payloadOf(kind);
        const signature = receiptKey.sign(cellHash(payload));
        const good = () => ({ payload, signature });
        const ofJob = (network: number, channel: Buffer, terms: Partial<Terms> = {}) => ({
            ...good(),
            job: jobHash(network, channel, { ...this.terms, ...terms }),
        });
        const [family, alter] = this.choose<() => Alteration>(kind, {
            good,
            ...this.alterations(payload, receiptKey),
            ...this.reshaped(payload, receiptKey),
            'of another network': () => ofJob(OTHER_NETWORK, this.verifiers.channel),
            'of another channel': () => ofJob(NETWORK, this.bytes()),
            'of other terms': () => ofJob(NETWORK, this.verifiers.channel, { step: 2n }),
            'a weak key': () => ({ ...good(), key: WEAK_KEYS[this.next('weak', WEAK_KEYS.length)] }),
        });
        const shown = { kind, job: this.job, key: receiptKey.publicKey, ...alter() };
        const verdicts = await this.verifiers.ofReceipt(shown, this.terms);
        return { family, isGood: family === `${kind}: good`, verdicts };
    }

    private async voucher(): Promise<Asked> {
        const values = {
            ...{ network: NETWORK, channel: this.verifiers.channel },
            ...{ cumulative: BigInt(this.u32() % 1_000_000_000) + 1n, count: this.u32() },
        };
        const payload = Voucher.encode(values);
        const { cumulative, count } = values;
        const as = (signature: Buffer): SignedVoucher => ({ cumulative, count, signature });
        const signed = (changes: object) => as(voucherKey.sign(Voucher.hash({ ...values, ...changes })));
        const { signature } = signed({});
        const asOther = (layout: Layout<never>) => as(voucherKey.sign(cellHash(this.withTag(payload, layout.tag))));
        const ofAlteration = (alter: () => Alteration) => () => as(alter().signature);
        // Amounts and count are the fields that a voucher brings; the rest of its payload is the channel's own.
        const { 'a bit': _, ...alterations } = this.alterations(payload, voucherKey);
        const [family, make] = this.choose<() => SignedVoucher>('voucher', {
            good: () => signed({}),
            'a bit of the amount': () => ({
                ...as(signature),
                cumulative: cumulative ^ (1n << BigInt(this.next('amount', 64))),
            }),
            'a bit of the count': () => ({ ...as(signature), count: (count ^ (1 << this.next('count', 32))) >>> 0 }),
            'another network': () => signed({ network: OTHER_NETWORK }),
            'another channel': () => signed({ channel: this.bytes() }),
            'another tag': () => asOther([Accept, Result, Decline, Fail, Verdict][this.next('tag', 5)] as never),
            'a short signature': () => as(signature.subarray(0, this.next('short', 64))),
            'the end of a job': () => as(voucherKey.sign(endHash(this.job))),
            'the session of a job': () =>
                as(voucherKey.sign(sessionHash(this.job, { enc: this.bytes(), wire: 'cocoon-market/2' }))),
            ...Object.fromEntries(Object.entries(alterations).map(([name, alter]) => [name, ofAlteration(alter)])),
        });
        return { family, isGood: family === 'voucher: good', verdicts: await this.verifiers.ofVoucher(make()) };
    }

    private withTag(payload: Buffer, tag: number): Buffer {
        const other = Buffer.from(payload);
        other.writeUInt32BE(tag);
        return other;
    }

    private async order(): Promise<Asked> {
        const { order, signature } = await this.verifiers.order();
        const bits = Buffer.from(order.bits.toString(), 'hex');
        const [family, make] = this.choose<() => Promise<{ order: Cell; signature: Buffer }>>('order', {
            good: async () => ({ order, signature }),
            'a bit': async () => {
                const changed = flipped(bits, this.next('order', bits.length * 8));
                return { order: withBytes(order, changed), signature };
            },
            'a bit of the signature': async () => ({
                order,
                signature: flipped(signature, this.next('signature', 512)),
            }),
            'another key': async () => this.verifiers.order(otherKey),
            'S plus the order': async () => ({ order, signature: plusOrder(signature) }),
            'a short signature': async () => ({ order, signature: signature.subarray(0, this.next('short', 64)) }),
            'a long signature': async () => ({ order, signature: Buffer.concat([signature, this.bytes(1)]) }),
            'the cell of a payload': async () => ({ order, signature: spendKey.sign(cellHash(bits)) }),
        });
        const made = await make();
        const verdicts = await this.verifiers.ofOrder(made.order, made.signature);
        return { family, isGood: family === 'order: good', verdicts };
    }

    private async other(kind: string, payload: Buffer): Promise<Asked> {
        const [family, alter] = this.choose<() => Alteration>(kind, {
            good: () => ({ payload, signature: receiptKey.sign(cellHash(payload)) }),
            ...this.alterations(payload, receiptKey),
        });
        const { payload: bytes, signature } = alter();
        const verdicts = await this.verifiers.ofPayload(bytes, signature, receiptKey.publicKey);
        return { family, isGood: family === `${kind}: good`, verdicts };
    }
}

/** The cell with other bits and the same references. */
function withBytes(cell: Cell, bytes: Buffer): Cell {
    const builder = beginCell().storeBuffer(bytes);
    cell.refs.forEach((ref) => builder.storeRef(ref));
    return builder.endCell();
}
