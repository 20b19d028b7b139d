import * as fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import {
    countTolerance,
    decodeQuery,
    encodeQuery,
    encodeRecord,
    Frame,
    FrameKind,
    FrameReader,
    FrameWriter,
    nodeInfo,
    nodeOffer,
    openReceipt,
    queryHead,
    QueryHead,
    RecordReader,
    RecordType,
    signReceipt,
    toWire,
} from '../../../offchain/link';
import { Accept, signingKey, Verifier } from '@cocoon-market/wrappers';
import { usedBytes } from '../../support/memory';

const secret = Buffer.alloc(32, 3);
const salt = Buffer.alloc(16, 4);
const meter = { prompt: 9, cached: 0, completion: 3, reasoning: 0 };
const frames: Frame[] = [
    { meter, kind: FrameKind.Content, choice: 0, text: 'Grüße', more: false, final: false },
    { meter: { ...meter, completion: 7 }, kind: FrameKind.Reasoning, choice: 2, text: '', more: false, final: false },
    { meter: { ...meter, completion: 8 }, kind: FrameKind.Empty, choice: 0, text: '', more: false, final: true },
];

function answerBytes(): Buffer {
    const writer = new FrameWriter(secret, 1, salt);
    return Buffer.concat([salt, ...frames.map((frame) => writer.write(frame))]);
}

describe('what a node says of itself', () => {
    it('names versions, features and tokenizers in printable ASCII only, because they are shown', () => {
        const { wire } = nodeInfo.shape;
        const { features, tokenizer } = nodeOffer.shape;
        const takes = (name: string) => [
            ...[wire, features].map((list) => list.safeParse([name]).success),
            tokenizer.safeParse(name).success,
        ];

        expect(takes('cocoon-market/9')).toEqual([true, true, true]);
        for (const name of ['\u001b[2J', 'a\u009b', 'a\u202eb', 'a b', '', 'x'.repeat(41)]) {
            expect([name, takes(name)]).toEqual([name, [false, false, false]]);
        }
    });
});

describe('a sender that dribbles', () => {
    it('a whole record byte by byte does not have every byte copied again and again', () => {
        const copied = jest.spyOn(Buffer, 'concat');
        const bytes = randomBytes(100_000);
        const record = encodeRecord(RecordType.Answer, bytes);
        const reader = new RecordReader();
        const frame = new FrameReader(secret, 1);
        const whole = [...record].flatMap((byte) => reader.push(Buffer.of(byte)));
        const head = Buffer.concat([salt, Buffer.of(0, 1, 0x86, 0xa0)]); // a frame of 100,000 bytes, never whole
        [...head, ...bytes.subarray(1)].forEach((byte) => frame.push(Buffer.of(byte)));
        const max = copied.mock.calls.reduce(
            (sum, [parts]) => sum + parts.reduce((all, { length }) => all + length, 0),
            0,
        );
        copied.mockRestore();

        expect(whole).toEqual([{ type: RecordType.Answer, bytes }]);
        expect(max).toBeLessThan(20 * bytes.length); // joined at every byte it was 50,000 times as much
    });

    it('a record or a frame byte by byte has it take about as much memory as it has bytes', () => {
        const [reader, frame] = [new RecordReader(), new FrameReader(secret, 1)];
        const [record, rest] = [encodeRecord(RecordType.Answer, randomBytes(50_000)), randomBytes(50_000)];
        const head = Buffer.concat([salt, Buffer.of(0, 1, 0x86, 0xa0)]); // of a frame of 100,000 bytes
        const before = usedBytes();
        for (const byte of record.subarray(0, -1)) reader.push(Buffer.of(byte));
        for (const byte of Buffer.concat([head, rest])) frame.push(Buffer.of(byte));

        const used = usedBytes() - before;

        expect(used).toBeLessThan(2 << 20); // a Buffer for each byte takes ten times as much
        expect(reader.push(record.subarray(-1))).toHaveLength(1);
        expect(frame.complete).toBe(false);
    });
});

describe('frames', () => {
    it('come back the same however the bytes are cut', () => {
        const bytes = answerBytes();
        fc.assert(
            fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }), (sizes) => {
                const reader = new FrameReader(secret, 1);
                const read: Frame[] = [];
                let at = 0;
                for (let i = 0; at < bytes.length; i++) {
                    const size = sizes[i % sizes.length];
                    read.push(...reader.push(bytes.subarray(at, at + size)));
                    at += size;
                }
                expect(read).toEqual(frames);
                expect(reader.complete).toBe(true);
            }),
            { seed: 1, numRuns: 50 },
        );
    });

    it('are not complete after a cut, be it between frames or inside one', () => {
        const writer = new FrameWriter(secret, 1, salt);
        const first = writer.write(frames[0]);
        const reader = new FrameReader(secret, 1);

        reader.push(Buffer.concat([salt, first]));
        expect(reader.complete).toBe(false);

        reader.push(writer.write(frames[1]).subarray(0, 9));
        expect(reader.complete).toBe(false);
    });

    it('may not follow the final one', () => {
        const writer = new FrameWriter(secret, 1, salt);
        const bytes = Buffer.concat([salt, writer.write(frames[2]), writer.write(frames[2])]);

        expect(() => new FrameReader(secret, 1).push(bytes)).toThrow('ends with its final frame');
    });

    it('do not open when one was left out', () => {
        const writer = new FrameWriter(secret, 1, salt);
        writer.write(frames[0]);

        expect(() => new FrameReader(secret, 1).push(Buffer.concat([salt, writer.write(frames[1])]))).toThrow();
    });
});

describe('records', () => {
    it('come back the same however the bytes are cut', () => {
        const bytes = Buffer.concat([
            encodeRecord(RecordType.Accept, Buffer.alloc(148, 1)),
            encodeRecord(RecordType.Answer, Buffer.alloc(0)),
            encodeRecord(RecordType.Result, Buffer.alloc(177, 2)),
        ]);
        const reader = new RecordReader();

        const read = [...bytes].flatMap((byte) => reader.push(Buffer.of(byte)));

        expect(read.map(({ type, bytes: { length } }) => [type, length])).toEqual([
            [RecordType.Accept, 148],
            [RecordType.Answer, 0],
            [RecordType.Result, 177],
        ]);
    });

    it('of unknown type or above 1 MiB are refused before they are read', () => {
        expect(() => new RecordReader().push(Buffer.of(9, 0, 0, 0, 1))).toThrow('does not know');
        expect(() => new RecordReader().push(Buffer.of(2, 0, 0x20, 0, 0))).toThrow('does not know');
    });
});

describe('receipts', () => {
    const key = signingKey(Buffer.alloc(32, 5));
    const verifier = new Verifier(key.publicKey);
    const accept = {
        job: randomBytes(32),
        number: 1,
        request: randomBytes(32),
        ceiling: 10n ** 9n,
        deadline: 1_800_000_000,
    };

    it('open to what was signed', () => {
        expect(openReceipt(Accept, signReceipt(Accept, accept, key), verifier)).toEqual(accept);
    });

    it('do not open when one byte was changed', () => {
        const receipt = signReceipt(Accept, accept, key);
        receipt[40] = receipt[40] ^ 1;

        expect(() => openReceipt(Accept, receipt, verifier)).toThrow('did not sign this Accept');
    });

    it('do not open when cut short or longer', () => {
        const receipt = signReceipt(Accept, accept, key);

        expect(() => openReceipt(Accept, receipt.subarray(1), verifier)).toThrow('Accept has 84 bytes');
        expect(() => openReceipt(Accept, Buffer.concat([receipt, Buffer.of(0)]), verifier)).toThrow();
    });
});

describe('query body', () => {
    const head: QueryHead = {
        job: randomBytes(32),
        session: randomBytes(32),
        number: 7,
        salt,
        commitment: randomBytes(32),
        ceiling: 5n,
        voucher: { cumulative: 3n, count: 2, signature: randomBytes(64) },
    };

    it('comes back the same', () => {
        expect(decodeQuery(encodeQuery(head, Buffer.from('sealed')))).toEqual({ head, sealed: Buffer.from('sealed') });
    });

    it('is refused when it is shorter than its head says', () => {
        const body = encodeQuery(head, Buffer.alloc(0));

        expect(() => decodeQuery(body.subarray(0, -1))).toThrow('shorter than its head');
        expect(() => decodeQuery(Buffer.alloc(2))).toThrow('shorter than its head');
    });

    it.each([
        ['number 0', { number: 0 }],
        ['a short salt', { salt: '00' }],
        ['an amount above 64 bits', { ceiling: (1n << 64n).toString() }],
        ['a negative amount', { ceiling: '-1' }],
        ['upper-case hex', { job: 'AB'.repeat(32) }],
    ])('with %s is refused', (_, change) => {
        expect(queryHead.safeParse({ ...(toWire(head) as object), ...change }).success).toBe(false);
    });
});

describe('token counts', () => {
    it('may lie 2 % and 16 tokens above the own count, no more', () => {
        expect([countTolerance(0), countTolerance(100), countTolerance(1000)]).toEqual([16, 118, 1036]);
    });
});
