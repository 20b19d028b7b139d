/**
 * Makes tests/vectors/*.json: every signed payload as fields, bytes and hash, for anyone who writes another client.
 * Fixed inputs only; `npm run generate` writes the files, tests/signed.spec.ts checks
 * that they are what this makes. Numbers above 32 bits are decimal strings, bytes are hex, cells are bags of cells.
 */
import { join } from 'node:path';
import { Address, Cell } from '@ton/core';
import {
    Accept,
    answerRoot,
    contentHash,
    Decline,
    Fail,
    Finish,
    Job,
    jobHash,
    jobOrderCell,
    NewJob,
    openJobsCell,
    PIECE_BYTES,
    priceOf,
    Rates,
    Reason,
    Result,
    signedOrder,
    signingKey,
    Terms,
    termsCell,
    TokenCounts,
    Verdict,
    Voucher,
} from '@cocoon-market/wrappers';

export const VECTORS = join(__dirname, '..', 'tests', 'vectors');
const MAX_32 = 0xffffffff;
const MAX_64 = 2n ** 64n - 1n;
const LAYOUTS = { Voucher, Job, Accept, Result, Decline, Fail, Verdict };

/** 32 bytes that tell themselves apart. */
function bytes(start: number): Buffer {
    return Buffer.from(Array.from({ length: 32 }, (_, i) => (start + i) & 0xff));
}

const zero = Buffer.alloc(32);
const ones = Buffer.alloc(32, 0xff);
const key = signingKey(bytes(1));

const refusal = {
    min: { job: zero, number: 0, request: zero, reason: 0, signedAt: 0 },
    usual: { job: bytes(1), number: 7, request: bytes(2), reason: Reason.TooBusy, signedAt: 1_795_435_200 },
    max: { job: ones, number: MAX_32, request: ones, reason: 255, signedAt: MAX_32 },
};

const PAYLOADS: { [Name in keyof typeof LAYOUTS]: Parameters<(typeof LAYOUTS)[Name]['encode']>[0][] } = {
    Voucher: [
        { network: 0, channel: zero, cumulative: 0n, count: 0 },
        { network: -239, channel: bytes(1), cumulative: 1_234_567_890n, count: 42 },
        { network: -3, channel: ones, cumulative: MAX_64, count: MAX_32 },
    ],
    Job: [
        { network: -239, channel: bytes(1), terms: bytes(2) },
        { network: -3, channel: ones, terms: zero },
    ],
    Accept: [
        { job: zero, number: 0, request: zero, ceiling: 0n, deadline: 0 },
        { job: bytes(1), number: 7, request: bytes(2), ceiling: 5_000_000n, deadline: 1_795_435_260 },
        { job: ones, number: MAX_32, request: ones, ceiling: MAX_64, deadline: MAX_32 },
    ],
    Result: [
        {
            job: bytes(1),
            number: 7,
            index: 5,
            content: bytes(2),
            prompt: 1000,
            cached: 200,
            completion: 300,
            reasoning: 40,
            price: 987_654n,
            cumulative: 1_234_567_890n,
            finishedAt: 1_795_435_230,
            finish: Finish.Stop,
        },
        {
            job: ones,
            number: MAX_32,
            index: MAX_32,
            content: ones,
            prompt: MAX_32,
            cached: MAX_32,
            completion: MAX_32,
            reasoning: MAX_32,
            price: MAX_64,
            cumulative: MAX_64,
            finishedAt: MAX_32,
            finish: 255,
        },
    ],
    Decline: [refusal.min, refusal.usual, refusal.max],
    Fail: [refusal.min, refusal.usual, refusal.max],
    Verdict: [
        { network: 0, dispute: zero, class: 0, basisPoints: 0, rulesVersion: 0, validUntil: 0 },
        {
            network: -239,
            dispute: bytes(1),
            class: 4,
            basisPoints: 2_500,
            rulesVersion: 3,
            validUntil: 1_795_435_260,
        },
        { network: -3, dispute: ones, class: 255, basisPoints: 65_535, rulesVersion: MAX_32, validUntil: MAX_32 },
    ],
};

const usualTerms: Terms = {
    escrow: bytes(1),
    provider: bytes(2),
    node: bytes(3),
    receiptKey: bytes(4),
    payout: bytes(5),
    voucherKey: bytes(6),
    model: bytes(7),
    rates: { prompt: 100_000_000n, cached: 10_000_000n, completion: 400_000_000n, reasoning: 400_000_000n },
    step: 2_000_000n,
    maxParallel: 4,
    maxAnswer: 1 << 20,
    notice: 86_400,
    end: 1_798_027_200,
};

const maxTerms: Terms = {
    ...{ escrow: ones, provider: ones, node: ones, receiptKey: ones, payout: ones, voucherKey: ones, model: ones },
    rates: { prompt: MAX_64, cached: MAX_64, completion: MAX_64, reasoning: MAX_64 },
    ...{ step: MAX_64, maxParallel: MAX_32, maxAnswer: MAX_32, notice: MAX_32, end: MAX_32 },
};

const job: NewJob = {
    deposit: 1_000_000_000n,
    end: 1_798_027_200,
    notice: 86_400,
    voucherKey: bytes(6),
    payout: bytes(5),
};

const head = { network: -239, escrow: new Address(0, bytes(1)), seqno: 9, validUntil: 1_795_435_260 };

/** The bytes of an answer of this size in the vectors. */
export function answerOf(size: number): Buffer {
    return Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8) + size) & 0xff));
}

const ANSWER_SIZES = [0, 1, 64, 127, 128, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 70_000];

const rates = (prompt: bigint, cached = prompt, completion = prompt, reasoning = prompt): Rates => ({
    ...{ prompt, cached, completion, reasoning },
});
const counts = (prompt: number, cached = 0, completion = 0, reasoning = 0): TokenCounts => ({
    ...{ prompt, cached, completion, reasoning },
});

const PRICES: [TokenCounts, Rates][] = [
    [counts(0), rates(MAX_64)],
    [counts(1), rates(0n)],
    [counts(1), rates(1n)], // a millionth of a nanoTON rounds up to one
    [counts(999_999), rates(1n)],
    [counts(1_000_000), rates(1n)],
    [counts(1_000_001), rates(1n)],
    [counts(1, 1, 1, 1), rates(250_000n)], // four quarters: rounded once, not four times
    [counts(1, 1, 1, 1), rates(250_001n)],
    [counts(1000, 200, 300, 40), usualTerms.rates],
    [counts(3, 5, 7, 11), rates(1_000_003n, 999_983n, 17n, 2n)],
    [counts(MAX_32, MAX_32, MAX_32, MAX_32), rates(MAX_64)],
];

/** What each file of tests/vectors holds. */
export function vectors(): Record<string, unknown[]> {
    const payloads = Object.entries(PAYLOADS).flatMap(([name, examples]) => {
        const layout = LAYOUTS[name as keyof typeof LAYOUTS];
        return examples.map((fields) => ({
            payload: name,
            fields,
            bytes: layout.encode(fields as never),
            hash: layout.hash(fields as never),
        }));
    });
    const terms = [usualTerms, maxTerms].map((each) => ({
        terms: each,
        cell: termsCell(each),
        hash: termsCell(each).hash(),
        network: -239,
        channel: bytes(9),
        job: jobHash(-239, bytes(9), each),
    }));
    const { deposit: _, ...rest } = job;
    const orders = [
        { order: 'OpenJobs', cell: openJobsCell({ ...head, jobs: [job] }) },
        { order: 'OpenJobs', cell: openJobsCell({ ...head, jobs: [job, job, { ...job, notice: 3600 }, job] }) },
        { order: 'OpenJobs', cell: openJobsCell({ ...head, jobs: [job], total: MAX_64 }) },
        { order: 'JobOrder', cell: jobOrderCell({ ...head, job: { ...rest, job: 37 }, action: 'leave' }) },
        { order: 'JobOrder', cell: jobOrderCell({ ...head, job: { ...rest, job: 37 }, action: 'refund' }) },
    ].map(({ order, cell }) => ({ order, cell, hash: cell.hash(), key: key.publicKey, body: signedOrder(cell, key) }));
    const answers = ANSWER_SIZES.map((size) => {
        const root = answerRoot(answerOf(size));
        return { size, root, request: bytes(3), content: contentHash(bytes(3), root) };
    });
    const prices = PRICES.map(([of, at]) => ({ counts: of, rates: at, price: priceOf(of, at) }));
    return plain({ payloads, terms, orders, answers, price: prices });
}

/** The same with amounts as decimal strings, bytes as hex and cells as bags of cells in hex. */
function plain<T>(value: T): T {
    return JSON.parse(
        JSON.stringify(value, function (this: Record<string, unknown>, name: string, text: unknown) {
            const raw = this[name];
            if (typeof raw === 'bigint') return raw.toString();
            if (raw instanceof Buffer) return raw.toString('hex');
            if (raw instanceof Cell) return raw.toBoc().toString('hex');
            return text;
        }),
    ) as T;
}
