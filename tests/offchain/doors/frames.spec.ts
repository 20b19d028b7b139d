/**
 * Bytes of the link that nobody should send: streams of an answer that were changed on their way, streams that a
 * hostile node seals and signs, and bodies of queries. A short run; `npm run test:doors` takes 50,000 of each.
 */
import {
    Accept,
    answerRoot,
    contentHash,
    Fail,
    type Fields,
    Finish,
    type Layout,
    noTokens,
    priceOf,
    Result,
    type TokenCounts,
    tokenKinds,
    Verifier,
} from '@cocoon-market/wrappers';
import { request } from 'undici';
import {
    AnswerSealer,
    countTolerance,
    decodeQuery,
    encodeQuery,
    encodeRecord,
    encodeRetryAfter,
    type Frame,
    FrameKind,
    FrameWriter,
    openReceipt,
    paths,
    PieceError,
    PieceReader,
    receiptLayouts,
    RecordReader,
    RecordType,
    requestHash,
    signReceipt,
    WholeAnswer,
} from '../../../offchain/link';
import { Breach, IncomingAnswer } from '../../../offchain/payer/incoming';
import { Ledger } from '../../../offchain/payer/ledger';
import { BYTES, counterOf } from '../../../offchain/tokens';
import { testKey } from '../../support/market';
import { bytesFrom, numbers } from '../../support/numbers';
import { TestClient } from '../support/client';
import { startFixture } from '../support/worker';
import { type Below, changedBytes, pieces } from './bytes';
import { COUNT } from './fuzz';

jest.setTimeout(1_800_000); // of the long run

const NOW = 1_800_000_000;
const node = testKey(60);
const verifier = new Verifier(node.publicKey);
const secret = Buffer.alloc(32, 3);
const salt = Buffer.alloc(16, 4);
const rates = { prompt: 10_000_000n, cached: 1_000_000n, completion: 20_000_000n, reasoning: 30_000_000n };
const query = {
    ...{ job: Buffer.alloc(32, 1), number: 7, request: Buffer.alloc(32, 2), ceiling: 2_000_000n, rates },
    ...{ askedAt: NOW, promptBound: 50, stopBound: 0 },
};
const MAX_ANSWER = 4000;

const newAnswer = () =>
    new IncomingAnswer(query, verifier, secret, counterOf(BYTES), {
        ...{ maxAnswer: MAX_ANSWER, clock: () => ({ now: NOW, tolerance: 60, offset: 0 }), late: false },
    });

const acceptOf = (changes: object = {}) => {
    const { job, number, request: hash, ceiling } = query;
    return signReceipt(Accept, { job, number, request: hash, ceiling, deadline: NOW + 600, ...changes }, node);
};

const resultOf = (answer: Buffer, counts: TokenCounts, changes: object = {}) => {
    const { job, number } = query;
    const price = priceOf(counts, rates);
    const content = contentHash(query.request, answerRoot(answer));
    const rest = { price, cumulative: price, finishedAt: NOW, finish: Finish.Stop };
    return signReceipt(Result, { job, number, index: 1, content, ...counts, ...rest, ...changes }, node);
};

const framesOf = (texts: string[]): Frame[] =>
    texts.map((text, i) => ({
        meter: { ...noTokens, prompt: 20, completion: 4 * i },
        ...{ kind: FrameKind.Content, choice: 0, text, more: false, final: i === texts.length - 1 },
    }));

const HONEST = framesOf(['The answer', ' to the question', ' is a long', ' one.', '']);
const COUNTS = { prompt: 20, cached: 0, completion: 18, reasoning: 0 };

/** The records of an honest answer. */
function honestStream(): Buffer {
    const writer = new FrameWriter(secret, query.number, salt);
    const parts = HONEST.map((frame) => writer.write(frame));
    const answer = Buffer.concat([salt, ...parts]);
    return Buffer.concat([
        encodeRecord(RecordType.Accept, acceptOf()),
        encodeRecord(RecordType.Answer, Buffer.concat([salt, parts[0]])),
        ...parts.slice(1).map((part) => encodeRecord(RecordType.Answer, part)),
        encodeRecord(RecordType.Result, resultOf(answer, COUNTS)),
    ]);
}

const REFUSED_RECORD = 'The worker sent a record that this version does not know';

/** Everything that a gateway takes of a stream: frames, the answer, and why it ends early. */
function taken(stream: Buffer, below: Below) {
    const [answer, reader] = [newAnswer(), new RecordReader()];
    const frames: Frame[] = [];
    let error: unknown;
    try {
        for (const piece of pieces(below, stream)) {
            for (const record of reader.push(piece)) {
                frames.push(...answer.take(record));
            }
        }
    } catch (reason) {
        error = reason;
    }
    return { answer, frames, error };
}

/** A refusal in words of its own; anything else is a fault of the reader. */
const isRefusal = (error: unknown) =>
    error === undefined || error instanceof Breach || (error as Error).message === REFUSED_RECORD;

describe('The stream of an answer that was changed on its way', () => {
    const stream = honestStream();

    it('is taken whole when nothing was changed', () => {
        const { answer, frames, error } = taken(stream, numbers(1));

        expect([error, frames, answer.ending?.type]).toEqual([undefined, HONEST, 'result']);
    });

    it('is refused in words, or brings a beginning of what was sent, and never costs another price', () => {
        const below = numbers(21);
        const honest = taken(stream, below).answer.ending;
        let refused = 0;
        for (let i = 0; i < COUNT; i++) {
            const { answer, frames, error } = taken(changedBytes(below, stream), below);
            if (!isRefusal(error)) throw error;
            refused += error === undefined ? 0 : 1;
            expect(HONEST.slice(0, frames.length)).toEqual(frames);
            expect(answer.meter).toEqual(frames.at(-1)?.meter ?? noTokens);
            expect([undefined, honest]).toContainEqual(answer.ending);
        }
        expect(refused).toBeGreaterThan(COUNT / 3);
    });
});

const MAX_U32 = 0xffffffff;

/** Mostly a number that may be right; else one beside it, at an end of its range, or any. */
function strangeNumber(below: Below, near: number): number {
    const strange = [near + below(3) - 1, near + below(100), 0, MAX_U32, below(2 ** 32)];
    return Math.min(MAX_U32, Math.max(0, below(16) === 0 ? strange[below(strange.length)] : near));
}

const TEXTS = [
    '',
    'a',
    'word ',
    '{"content":"x"}',
    '{"tool_calls":[{"index":4294967295}]}',
    '{"__proto__":{"x":1}}',
].concat(['[[[[', 'null', '{"a":{"b":{"c":1}}}', '\u0000', '\ud800', 'x'.repeat(300)]);

/** What a node that holds all keys may send: well sealed and well signed, with contents of its own choice. */
function hostileStream(below: Below): { stream: Buffer; counts: TokenCounts; changes: Record<string, unknown> } {
    const sealer = new AnswerSealer(secret, query.number, salt);
    const meter = { ...noTokens };
    const parts: Buffer[] = [salt];
    const count = 1 + below(6);
    for (let i = 0; i < count; i++) {
        for (const kind of tokenKinds) meter[kind] = strangeNumber(below, meter[kind] + below(6));
        const head = Buffer.alloc(18);
        tokenKinds.forEach((kind, at) => head.writeUInt32BE(meter[kind], at * 4));
        head.writeUInt8([below(6), below(256), 0x80 + below(6)][below(3)], 16);
        head.writeUInt8(below(4) === 0 ? below(256) : 0, 17);
        const plain = Buffer.concat([head, Buffer.from(TEXTS[below(TEXTS.length)])]);
        const final = below(12) === 0 || i === count - 1;
        const sealed = sealer.seal(below(8) === 0 ? plain.subarray(0, below(plain.length)) : plain, { final });
        const header = Buffer.alloc(4);
        header.writeUInt32BE(sealed.length);
        header.writeUInt8(final ? 1 : 0);
        parts.push(header, sealed);
    }
    const answer = Buffer.concat(parts);
    const counts = { ...noTokens };
    for (const kind of tokenKinds) counts[kind] = strangeNumber(below, meter[kind]);
    const price = priceOf(counts, rates);
    const possible: Record<string, () => unknown> = {
        price: () => [price + 1n, price - 1n, 0n, (1n << 64n) - 1n][below(4)],
        index: () => strangeNumber(below, 1),
        number: () => strangeNumber(below, query.number),
        cumulative: () => [price + 1n, 0n, (1n << 64n) - 1n][below(3)],
        finishedAt: () => strangeNumber(below, NOW),
        finish: () => below(256),
        content: () => bytesFrom(below, 32),
        job: () => bytesFrom(below, 32),
    };
    const names = Object.keys(possible);
    const changes: Record<string, unknown> = {};
    for (let i = below(3); i > 0; i--) {
        const name = names[below(names.length)];
        changes[name] = possible[name]();
    }
    const fits = typeof changes.price !== 'bigint' || changes.price >= 0n;
    const result = resultOf(answer, counts, fits ? changes : {});
    const { job, number, request: hash } = query;
    const fail = signReceipt(Fail, { job, number, request: hash, reason: below(256), signedAt: NOW }, node);
    const records = [
        ...(below(10) === 0 ? [] : [encodeRecord(RecordType.Accept, acceptOf(below(10) === 0 ? { ceiling: 1n } : {}))]),
        ...(below(6) === 0 ? [encodeRetryAfter(below(2 ** 32))] : []),
        ...pieces(below, answer).map((piece) => encodeRecord(RecordType.Answer, piece)),
        below(10) === 0 ? encodeRecord(RecordType.Fail, fail) : encodeRecord(RecordType.Result, result),
        ...(below(10) === 0 ? [encodeRecord(RecordType.Result, result)] : []),
    ];
    return { stream: Buffer.concat(records), counts, changes };
}

describe('The stream of a node that seals and signs what it likes', () => {
    it('is refused in words, or bills what its counts cost, within the ceiling and what arrived', () => {
        const below = numbers(22);
        let billed = 0;
        for (let i = 0; i < COUNT; i++) {
            const { answer, frames, error } = taken(hostileStream(below).stream, below);
            if (!isRefusal(error)) throw error;
            expect(priceOf(answer.meter, rates)).toBeLessThanOrEqual(query.ceiling);
            if (answer.ending?.type !== 'result') continue;
            billed++;
            const { result } = answer.ending;
            const bytes = (isReasoning: boolean) =>
                frames
                    .filter(({ kind }) => kind !== FrameKind.Empty && kind !== FrameKind.Note)
                    .filter(({ kind }) => (kind === FrameKind.Reasoning) === isReasoning)
                    .reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
            expect(result.price).toBe(priceOf(result, rates));
            expect(result.price).toBeLessThanOrEqual(query.ceiling);
            expect(result.prompt + result.cached).toBeLessThanOrEqual(countTolerance(query.promptBound));
            expect(result.completion).toBeLessThanOrEqual(countTolerance(bytes(false)));
            expect(result.reasoning).toBeLessThanOrEqual(countTolerance(bytes(true)));
            expect([result.job, result.number, result.index > 0]).toEqual([query.job, query.number, true]);
            // Its cumulative is compared with its neighbours; what the ledger takes is owed, and no more.
            const ledger = new Ledger();
            if (ledger.objection(result) === undefined) ledger.addResult(result.number, result);
            expect(ledger.nextVoucher().cumulative).toBeLessThanOrEqual(result.price);
        }
        expect(billed).toBeGreaterThan(0);
    });

    it('becomes pieces of an answer, or is refused in words, and changes no object of others', () => {
        const below = numbers(23);
        for (let i = 0; i < COUNT; i++) {
            const [reader, whole] = [new PieceReader(), new WholeAnswer()];
            const text = () =>
                below(3) === 0 ? bytesFrom(below, below(60)).toString('utf8') : TEXTS[below(TEXTS.length)];
            try {
                for (let j = below(8); j >= 0; j--) {
                    const frame = { kind: below(7), choice: below(256), text: text(), more: below(3) === 0 };
                    reader.push(frame).forEach((piece) => whole.add(piece));
                }
                reader.end().forEach((piece) => whole.add(piece));
                expect(whole.choices.length).toBeLessThanOrEqual(256);
            } catch (error) {
                if (!(error instanceof PieceError)) throw error;
            }
        }
        expect([Object.keys(Object.prototype), ({} as { x?: unknown }).x]).toEqual([[], undefined]);
    });
});

describe('The body of a query that was changed on its way', () => {
    it('is read as what it says, or refused in words', () => {
        const below = numbers(24);
        const head = {
            ...{ job: bytesFrom(below, 32), session: bytesFrom(below, 32), number: 7, salt, ceiling: 5n },
            ...{
                commitment: bytesFrom(below, 32),
                voucher: { cumulative: 3n, count: 2, signature: Buffer.alloc(64, 7) },
            },
        };
        const body = encodeQuery(head, bytesFrom(below, 100));
        for (let i = 0; i < COUNT; i++) {
            const changed = changedBytes(below, body);
            try {
                const { head: read, sealed } = decodeQuery(changed);
                expect(decodeQuery(encodeQuery(read, sealed))).toEqual({ head: read, sealed });
            } catch (error) {
                // Of the shape that zod names, of JSON, or too short.
                const { name, message } = error as Error;
                const isPlain = ['ZodError', 'SyntaxError'].includes(name) || message.includes('shorter than its head');
                if (!isPlain) throw error;
            }
        }
    });

    it('is answered by a worker without a failure, and whatever it signs is for what came, within its ceiling', async () => {
        const below = numbers(25);
        const fixture = await startFixture();
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const statuses = new Set<number>();
        for (let sent = 0, number = 1; sent < COUNT; sent += 4, number++) {
            await Promise.all(
                Array.from({ length: Math.min(4, COUNT - sent) }, async () => {
                    const { head, sealed } = client.seal(number, 'a question');
                    const body = changedBytes(below, encodeQuery(head, sealed));
                    const headers = { 'content-type': 'application/octet-stream' };
                    const answer = await request(fixture.worker.url + paths.query, { method: 'POST', headers, body });
                    const bytes = Buffer.from(await answer.body.arrayBuffer());
                    statuses.add(answer.statusCode);
                    if (answer.statusCode === 200) checkSigned(body, bytes, client.info.receiptKey);
                }),
            );
        }
        const other = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const last = await other.ask(1, 'an honest question');

        expect(statuses).not.toContain(500);
        expect(last.result?.index).toBe(1);
        await fixture.stop();
    }, 1_800_000);
});

/** Asserts that the receipts of an answer are for this body, and bill no more than it allows. */
function checkSigned(body: Buffer, answer: Buffer, receiptKey: Buffer): void {
    const { head, sealed } = decodeQuery(body);
    const hash = requestHash({ ...head, sealed });
    for (const { type, bytes } of new RecordReader().push(answer)) {
        if (type === RecordType.Answer || type === RecordType.RetryAfter) continue;
        const layout = receiptLayouts[type] as unknown as Layout<Fields>;
        const receipt = openReceipt(layout, bytes, new Verifier(receiptKey)) as unknown as SignedFields;
        expect([receipt.job, receipt.number]).toEqual([head.job, head.number]);
        expect(receipt.request ?? hash).toEqual(hash);
        expect(receipt.price ?? receipt.ceiling ?? 0n).toBeLessThanOrEqual(head.ceiling);
    }
}

interface SignedFields {
    job: Buffer;
    number: number;
    request?: Buffer;
    ceiling?: bigint;
    price?: bigint;
}
