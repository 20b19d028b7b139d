// Longer than 350 lines because its cases share one set-up.
import {
    Accept,
    answerRoot,
    contentHash,
    Decline,
    Fail,
    Finish,
    noTokens,
    priceOf,
    Result,
    Verifier,
} from '@cocoon-market/wrappers';
import {
    encodeRecord,
    FrameKind,
    FrameWriter,
    MAX_RETRY_AFTER,
    RecordReader,
    RecordType,
    signReceipt,
} from '../../../offchain/link';
import type { ClockReading } from '../../../offchain/payer/check';
import { Breach, ClockInDoubt, IncomingAnswer, partsOf, recordsOf, takeChunk } from '../../../offchain/payer/incoming';
import { takeStored } from '../../../offchain/payer/stored';
import { eventLoop } from '../../../offchain/process/loopShare';
import { BYTES, counterOf } from '../../../offchain/tokens';
import { testKey } from '../../support/market';

const NOW = 1_800_000_000;
const node = testKey(60);
const secret = Buffer.alloc(32, 3);
const salt = Buffer.alloc(16, 4);
const rates = { prompt: 10_000_000n, cached: 1_000_000n, completion: 20_000_000n, reasoning: 30_000_000n };
const query = {
    ...{ job: Buffer.alloc(32, 1), number: 7, request: Buffer.alloc(32, 2), ceiling: 1000n, rates },
    ...{ askedAt: NOW, promptBound: 50, stopBound: 0 },
};
const CLOCK: ClockReading = { now: NOW, tolerance: 60, offset: 0 };

const answerTo = ({ maxAnswer = 1000, late = false, clock = CLOCK, asked = query, choices = 1 } = {}) =>
    new IncomingAnswer(asked, new Verifier(node.publicKey), secret, counterOf(BYTES), {
        ...{ maxAnswer, clock: () => clock, late, choices },
    });

const { job, number, request, ceiling } = query;
const record = (type: RecordType, bytes: Buffer) => ({ type, bytes });
const accept = (changes: object = {}, key = node) =>
    record(
        RecordType.Accept,
        signReceipt(Accept, { job, number, request, ceiling, deadline: NOW + 600, ...changes }, key),
    );
const refusal = (layout: typeof Decline, changes: object = {}) =>
    signReceipt(layout, { job, number, request, reason: 2, signedAt: NOW, ...changes }, node);

const COUNTS = { prompt: 10, cached: 0, completion: 5, reasoning: 0 };
const PROMPT_ONLY = { completion: 0, price: 100n, cumulative: 100n };

/** The bytes of an answer of these texts; the last frame is the final one unless the answer is cut. */
function bytesOf(texts: string[], { isCut = false, completion = 2 } = {}): Buffer[] {
    const writer = new FrameWriter(secret, number, salt);
    const frames = texts.map((text, i) =>
        writer.write({
            meter: { ...noTokens, prompt: 10, completion: completion * i },
            ...{ kind: FrameKind.Content, choice: 0, text, more: false },
            final: !isCut && i === texts.length - 1,
        }),
    );
    return [Buffer.concat([salt, frames[0]]), ...frames.slice(1)];
}

const result = (bytes: Buffer[], changes: object = {}) => {
    const price = priceOf(COUNTS, rates);
    const content = contentHash(request, answerRoot(Buffer.concat(bytes)));
    const rest = { price, cumulative: price, finishedAt: NOW, finish: Finish.Stop, ...changes };
    return record(RecordType.Result, signReceipt(Result, { job, number, index: 1, content, ...COUNTS, ...rest }, node));
};

describe('An answer as it arrives', () => {
    const bytes = bytesOf(['Hello', ' there', '.']);

    it('brings its frames, its meter, its accept and its result', () => {
        const answer = answerTo();
        const [accepted, ended] = [accept(), result(bytes)];

        expect(answer.take(accepted)).toEqual([]);
        const texts = bytes.map((part) => answer.take(record(RecordType.Answer, part)).map(({ text }) => text));
        expect(answer.take(ended)).toEqual([]);

        expect(texts).toEqual([['Hello'], [' there'], ['.']]);
        expect(answer.number).toBe(number);
        expect(answer.meter).toEqual({ ...noTokens, prompt: 10, completion: 4 });
        expect(answer.accept).toEqual(accepted.bytes);
        expect(answer.received).toEqual(Buffer.concat(bytes));
        expect(answer.ending).toMatchObject({ type: 'result', receipt: ended.bytes, result: { price: 200n } });
    });

    it('is counted as often as its meter asks for, not with every frame: a node may send a hundred thousand', () => {
        const text = jest.fn((one: string) => one.length);
        const counter = { ...counterOf(BYTES), isExact: true, text };
        const options = { maxAnswer: 100_000, clock: () => CLOCK, late: true, choices: 1 };
        const answer = new IncomingAnswer(query, new Verifier(node.publicKey), secret, counter, options);
        answer.take(accept());
        const take = (parts: Buffer[]) => parts.forEach((part) => answer.take(record(RecordType.Answer, part)));
        take(bytesOf(Array<string>(2000).fill('a'), { completion: 0 }));

        expect(text.mock.calls.reduce((sum, [one]) => sum + one.length, 0)).toBeLessThanOrEqual(2000);
    });

    it('is counted up to a frame whose meter is above what was counted before', () => {
        const counter = { ...counterOf(BYTES), isExact: true, text: (one: string) => one.length };
        const options = { maxAnswer: 100_000, clock: () => CLOCK, late: false, choices: 1 };
        const texts = Array<string>(40).fill('a');
        for (const [completion, isTooHigh] of [
            [1, false],
            [3, true],
        ] as const) {
            const answer = new IncomingAnswer(query, new Verifier(node.publicKey), secret, counter, options);
            answer.take(accept());
            const take = () =>
                bytesOf(texts, { completion }).forEach((part) => answer.take(record(RecordType.Answer, part)));
            if (isTooHigh) {
                expect(take).toThrow('the meter is too high');
            } else {
                expect(take).not.toThrow();
            }
        }
    });

    it('keeps its receipts when the buffers of the connection are used again', () => {
        const answer = answerTo();
        const [accepted, part, ended] = [accept(), bytes[0], result(bytes)].map((one) =>
            Buffer.isBuffer(one) ? record(RecordType.Answer, Buffer.from(one)) : one,
        );
        const rest = bytes.slice(1).map((each) => record(RecordType.Answer, Buffer.from(each)));
        for (const one of [accepted, part, ...rest, ended]) {
            answer.take(one);
            one.bytes.fill(0);
        }

        expect(answer.accept).toEqual(accept().bytes);
        expect(answer.ending?.receipt).toEqual(result(bytes).bytes);
        expect(answer.received).toEqual(Buffer.concat(bytes));
    });

    const started = () => {
        const answer = answerTo();
        answer.take(accept());
        return answer;
    };
    const delivered = () => {
        const answer = started();
        bytes.forEach((part) => answer.take(record(RecordType.Answer, part)));
        return answer;
    };
    const other = testKey(61);
    const random = Buffer.alloc(200, 9);
    const noFrame = Buffer.concat([salt, Buffer.of(0, 0, 0, 20), Buffer.alloc(20, 9)]);

    it.each<[string, () => IncomingAnswer, { type: RecordType; bytes: Buffer }, string, boolean]>([
        ['a second accept', started, accept(), 'there are two accepts', true],
        ['an accept of another key', answerTo, accept({}, other), 'the node did not sign this accept', true],
        ['an accept of another query', answerTo, accept({ number: 8 }), 'the accept is refused', true],
        ['an answer before its accept', answerTo, record(RecordType.Answer, bytes[0]), 'before its accept', false],
        ['an empty record', started, record(RecordType.Answer, Buffer.alloc(0)), 'is empty', false],
        ['a frame that does not open', started, record(RecordType.Answer, noFrame), 'a frame does not open', false],
        ['a result without an accept', answerTo, result(bytes), 'comes without an accept', true],
        ['a result of another price', delivered, result(bytes, { price: 201n }), 'the result is refused', true],
        ['a result before the final frame', started, result([]), 'the final frame is missing', true],
        ['a result of another answer', delivered, result(bytes.slice(1)), 'is not the answer that arrived', true],
        ['random bytes as a result', delivered, record(RecordType.Result, random), 'did not sign this result', true],
        ['a decline after an accept', started, record(RecordType.Decline, refusal(Decline)), 'follows an accept', true],
        [
            'a fail of another request',
            started,
            record(RecordType.Fail, refusal(Fail, { request: job })),
            'the fail is refused',
            true,
        ],
        [
            'a decline in place of a fail',
            started,
            record(RecordType.Fail, refusal(Decline)),
            'did not sign this fail',
            true,
        ],
        ['a hint of five bytes', started, record(RecordType.RetryAfter, Buffer.alloc(5)), 'is malformed', false],
    ])('is refused at %s', (_case, make, bad, message, isEvidence) => {
        const answer = make();
        let breach: unknown;
        try {
            answer.take(bad);
        } catch (error) {
            breach = error;
        }

        expect(breach).toBeInstanceOf(Breach);
        expect([(breach as Breach).name, (breach as Breach).message]).toEqual([
            ...['Breach', expect.stringContaining(message)],
        ]);
        expect((breach as Breach).receipt).toEqual(isEvidence ? bad.bytes : undefined);
        expect(answer.ending).toBeUndefined();
    });

    it.each([
        ['result', delivered, result(bytes)],
        ['fail', started, record(RecordType.Fail, refusal(Fail))],
        ['decline', answerTo, record(RecordType.Decline, refusal(Decline))],
    ] as const)('ends with its %s, and nothing follows', (type, make, ending) => {
        const answer = make();
        expect(answer.take(ending)).toEqual([]);

        expect(answer.ending).toMatchObject({ type, receipt: ending.bytes });
        expect(() => answer.take(ending)).toThrow('a record follows the end of the answer');
    });

    it.each([Finish.CutByClient, Finish.CutByBackend, Finish.CutByWorker])(
        'may have no final frame when its result says that it was cut (%s)',
        (finish) => {
            const [answer, cut] = [started(), bytesOf(['Hello', ' there'], { isCut: true })];
            cut.forEach((part) => answer.take(record(RecordType.Answer, part)));
            answer.take(result(cut, { finish }));

            expect(answer.ending?.type).toBe('result');
        },
    );

    it.each([Finish.CutByClient, Finish.CutByBackend, Finish.CutByWorker])(
        'is refused when its result says that it was cut before it had a word (%s)',
        (finish) => {
            const empty = bytesOf([''], { isCut: true });
            for (const cut of [[], empty]) {
                const answer = started();
                cut.forEach((part) => answer.take(record(RecordType.Answer, part)));
                expect(() => answer.take(result(cut, { finish, ...PROMPT_ONLY }))).toThrow('that has no word');
            }
        },
    );

    it('is refused above the size in its terms, and taken up to it', () => {
        const size = Buffer.concat(bytes).length;
        const [within, above] = [size, size - 1].map((maxAnswer) => answerTo({ maxAnswer }));
        for (const answer of [within, above]) answer.take(accept());
        const [last, ...rest] = [...bytes].reverse();
        for (const part of rest.reverse()) {
            for (const answer of [within, above]) answer.take(record(RecordType.Answer, part));
        }

        expect(within.take(record(RecordType.Answer, last))).toHaveLength(1);
        expect(() => above.take(record(RecordType.Answer, last))).toThrow('longer than the terms allow');
    });

    it('may come in sixteen short records, and then in records of sixteen bytes on average', () => {
        const long = Buffer.concat(bytesOf(['x'.repeat(600), '']));
        const answer = started();
        for (let at = 0; at < 16; at++) answer.take(record(RecordType.Answer, long.subarray(at, at + 1)));
        answer.take(record(RecordType.Answer, long.subarray(16, 272))); // 17 records, 272 bytes

        expect(() => answer.take(record(RecordType.Answer, long.subarray(272, 287)))).toThrow('shorter than frames');
        const other = started();
        for (let at = 0; at < 16; at++) other.take(record(RecordType.Answer, long.subarray(at, at + 1)));
        expect(() => other.take(record(RecordType.Answer, long.subarray(16, 271)))).toThrow('shorter than frames');
    });

    it('is refused at a meter that falls, or counts what did not arrive', () => {
        const writer = new FrameWriter(secret, number, salt);
        const frame = { kind: FrameKind.Content, choice: 0, text: 'Hello', more: false, final: false };
        const first = Buffer.concat([salt, writer.write({ ...frame, meter: { ...noTokens, prompt: 10 } })]);
        const second = writer.write({ ...frame, meter: { ...noTokens, prompt: 9 } });
        const answer = started();
        answer.take(record(RecordType.Answer, first));

        expect(() => answer.take(record(RecordType.Answer, second))).toThrow('the frame is refused: the meter fell');
        expect(answer.meter).toEqual({ ...noTokens, prompt: 10 });
        const high = bytesOf(['Hello', 'there'], { completion: 40 });
        const greedy = started();
        greedy.take(record(RecordType.Answer, high[0]));
        expect(() => greedy.take(record(RecordType.Answer, high[1]))).toThrow('more completion tokens than arrived');
    });

    it.each([
        ['of a kind that no app is shown', { kind: 7 as FrameKind, choice: 0 }, 1],
        ['of a choice that was not asked for', { kind: FrameKind.Content, choice: 2 }, 2],
    ])('is not billed for text %s', (_, hidden, choices) => {
        const writer = new FrameWriter(secret, number, salt);
        const frame = { ...hidden, text: 'x'.repeat(200), more: false, final: false };
        const [free, billed] = [0, 30].map((completion) =>
            writer.write({ ...frame, meter: { ...noTokens, completion } }),
        );
        const answer = answerTo({ choices });
        answer.take(accept());
        answer.take(record(RecordType.Answer, Buffer.concat([salt, free])));

        expect(() => answer.take(record(RecordType.Answer, billed))).toThrow('more completion tokens than arrived');
    });

    it('comes in records, and any other bytes are a breach', () => {
        expect(recordsOf(new RecordReader(), Buffer.of(1, 0, 0, 0, 1, 7))).toEqual([record(1, Buffer.of(7))]);
        expect(() => recordsOf(new RecordReader(), Buffer.of(9, 0, 0, 0, 1))).toThrow(Breach);
    });

    it('is cut into parts where a record of it is long, and no other record is', () => {
        const long = record(RecordType.Answer, Buffer.alloc(100_000, 1));
        const parts = [...partsOf(long)];

        expect(Math.max(...parts.map(({ bytes }) => bytes.length))).toBe(32 << 10);
        expect(Buffer.concat(parts.map(({ bytes }) => bytes))).toEqual(long.bytes);
        const result = record(RecordType.Result, long.bytes);
        expect([...partsOf(result)]).toEqual([result]);
    });

    it('has a part for each 32 KiB of a record, and one of 32 KiB is not cut', () => {
        const answerOf = (size: number) => record(RecordType.Answer, Buffer.alloc(size, 1));
        const sizesOf = (size: number) => [...partsOf(answerOf(size))].map(({ bytes }) => bytes.length);
        const whole = answerOf(32 << 10);

        expect([...partsOf(whole)][0]).toBe(whole);
        expect([32 << 10, (32 << 10) + 1, 64 << 10].map(sizesOf)).toEqual([
            [32 << 10],
            [32 << 10, 1],
            [32 << 10, 32 << 10],
        ]);
    });

    it('is taken from a chunk record by record, and a long record in turns of the event loop', async () => {
        const turns = jest.spyOn(eventLoop, 'take');
        const long = Buffer.concat(
            bytesOf(
                Array.from({ length: 1000 }, () => 'word'),
                { completion: 1 },
            ),
        );
        const chunkOf = (...records: { type: RecordType; bytes: Buffer }[]) =>
            Buffer.concat(records.map(({ type, bytes }) => encodeRecord(type, bytes)));
        const taken = async (chunk: Buffer) => {
            const asked = { ...query, ceiling: 1_000_000n };
            const answer = answerTo({ asked, maxAnswer: 1_000_000 });
            const parts: [RecordType, string[]][] = [];
            for await (const { type, frames } of takeChunk(answer, new RecordReader(), chunk)) {
                parts.push([type, frames.map(({ text }) => text)]);
            }
            return parts;
        };
        const accepted = accept({ ceiling: 1_000_000n });

        const short = await taken(chunkOf(accepted, record(RecordType.Answer, bytes[0])));
        expect(short).toEqual([
            [RecordType.Accept, []],
            [RecordType.Answer, ['Hello']],
        ]);
        expect(turns).not.toHaveBeenCalled();
        const parts = await taken(chunkOf(accepted, record(RecordType.Answer, long)));
        expect(parts.slice(1).every(([type]) => type === RecordType.Answer)).toBe(true);
        expect(parts.flatMap(([, texts]) => texts)).toEqual(Array.from({ length: 1000 }, () => 'word'));
        expect(turns.mock.calls.flat()).toEqual(
            [...partsOf(record(RecordType.Answer, long))].map((part) => part.bytes.length),
        );
        expect(turns.mock.calls.length).toBeGreaterThan(1);
        turns.mockRestore();
    });

    it('may hint once when to ask again, by an hour at most', () => {
        const hint = (seconds: number) => {
            const bytes = Buffer.alloc(4);
            bytes.writeUInt32BE(seconds);
            return record(RecordType.RetryAfter, bytes);
        };
        const [soon, late] = [started(), started()];
        expect(soon.take(hint(5))).toEqual([]);
        late.take(hint(MAX_RETRY_AFTER + 1));

        expect([soon.retryAfter, late.retryAfter]).toEqual([5, MAX_RETRY_AFTER]);
        expect(() => soon.take(hint(5))).toThrow('comes twice');
    });

    it('of a query of long ago has an accept as old as the query, if it is fetched afterwards', () => {
        const asked = { ...query, askedAt: NOW - 5000 };
        const old = accept({ deadline: NOW - 5000 + 600 });

        expect(() => answerTo({ asked, late: true }).take(old)).not.toThrow();
        expect(() => answerTo({ asked }).take(old)).toThrow('the accept is refused');
    });

    it('does not blame the node for a time while this clock may be the wrong one', () => {
        const early = accept({ deadline: NOW + 5000 });
        const unknown = { now: NOW, tolerance: 60 };

        expect(() => answerTo({ clock: unknown }).take(early)).toThrow(ClockInDoubt);
        expect(() => answerTo({ clock: unknown }).take(early)).toThrow("this machine's clock has not been compared");
        expect(() => answerTo({ clock: { ...CLOCK, offset: -61 } }).take(early)).toThrow('clock is 61 s off');
        expect(() => answerTo({ clock: { ...CLOCK, offset: 60 } }).take(early)).toThrow(Breach);
        expect(() => answerTo({ clock: unknown }).take(accept({ number: 8 }))).toThrow(Breach);
    });
});

describe('A stored answer', () => {
    const answer = bytesOf(['Hello', ' there', '.']);
    const written = (...records: { type: RecordType; bytes: Buffer }[]) =>
        Buffer.concat(records.map(({ type, bytes }) => encodeRecord(type, bytes)));
    const frames = answer.map((part) => record(RecordType.Answer, part));

    it('is opened once it has its ending and not before, however often a node hands it out', async () => {
        const made = answerTo({ late: true });
        const take = jest.spyOn(made, 'take');
        const partial = written(accept(), ...frames);

        expect(await takeStored(made, partial, Buffer.alloc(0))).toBeUndefined();
        expect(take).not.toHaveBeenCalled();
        const whole = Buffer.concat([partial, written(result(answer))]);
        expect(await takeStored(made, whole, answer[0])).toMatchObject({ type: 'result', result: { price: 200n } });
    });

    it('of many small frames is opened in many turns of the event loop, each of which goes on at once', async () => {
        const small = bytesOf(Array<string>(5000).fill('a'), { completion: 0 });
        const made = answerTo({ late: true, maxAnswer: 1 << 20 });
        let turn = 0;
        let next = setImmediate(function count() {
            turn++;
            next = setImmediate(count);
        });
        const taken = new Map<number, number>(); // bytes by turn
        const take = made.take.bind(made);
        jest.spyOn(made, 'take').mockImplementation((one) => {
            taken.set(turn, (taken.get(turn) ?? 0) + one.bytes.length);
            return take(one);
        });

        const bytes = written(accept(), record(RecordType.Answer, Buffer.concat(small)), result(small));
        expect(await takeStored(made, bytes, Buffer.alloc(0))).toMatchObject({ type: 'result' });
        clearImmediate(next);
        expect(Math.max(...taken.values())).toBeLessThanOrEqual(33 << 10);
    });

    it('of a million records is not taken apart: a node may hand one out for each query, again and again', async () => {
        const many = Buffer.alloc(5 << 20);
        for (let at = 0; at < many.length; at += 5) {
            many[at] = RecordType.Answer;
        }
        const push = jest.spyOn(RecordReader.prototype, 'push');
        const endless = await takeStored(answerTo({ late: true }), many, Buffer.alloc(0));
        const ended = () => takeStored(answerTo({ late: true }), written(...frames, result(answer)), Buffer.alloc(0));
        const short = Buffer.concat([many.subarray(0, 5000), written(result(answer))]);

        expect(endless).toBeUndefined();
        await expect(takeStored(answerTo({ late: true }), short, Buffer.alloc(0))).rejects.toThrow(
            'shorter than frames',
        );
        expect(push).not.toHaveBeenCalled();
        push.mockRestore();
        await expect(ended()).rejects.toThrow('before its accept');
    });

    it('may have 32 records of any length, and besides one for each 21 bytes', async () => {
        const end = written(result(answer));
        const taken = (records: number, bytes: number) => {
            const short = Buffer.alloc(5 * (records - 2)); // empty records, then one that is as long as is left
            for (let at = 0; at < short.length; at += 5) short[at] = RecordType.Answer;
            const long = written(record(RecordType.Answer, Buffer.alloc(bytes - short.length - end.length - 5)));
            return takeStored(answerTo({ late: true }), Buffer.concat([short, long, end]), Buffer.alloc(0));
        };

        await expect(taken(32 + 40, 21 * 40)).rejects.toThrow('before its accept');
        await expect(taken(32 + 41, 21 * 40)).rejects.toThrow('shorter than frames');
    });

    it('is refused where it is another than what had arrived, and may be longer or shorter than that', async () => {
        const stored = written(accept(), ...frames, result(answer));
        const all = Buffer.concat(answer);
        const after = (received: Buffer) => takeStored(answerTo({ late: true }), stored, received);
        const other = Buffer.from(all);
        other[other.length - 1] ^= 1;

        expect((await after(all))?.type).toBe('result');
        expect((await after(Buffer.concat([all, Buffer.alloc(1)])))?.type).toBe('result');
        await expect(after(other)).rejects.toThrow('the stored answer is another than the one that was sent');
        expect((await after(other.subarray(0, -1)))?.type).toBe('result');
    });

    it('with a record of no version is refused, also without an ending', async () => {
        const unknown = Buffer.concat([written(accept()), Buffer.from([99, 0, 0, 0, 0])]);
        await expect(takeStored(answerTo({ late: true }), unknown, Buffer.alloc(0))).rejects.toThrow(Breach);
    });
});
