/**
 * The bytes of an answer: 16 bytes of salt, then frames. A frame on the wire is a final mark (1 byte), the length of
 * its sealed text (3 bytes) and the sealed text; opened, it is the meter (four counts of 32 bits), a kind, the index of
 * a choice and text.
 * A result's content covers exactly these bytes, salt included.
 */
import { TokenCounts } from '@cocoon-market/wrappers';
import { ByteQueue } from './bytes';
import { AnswerOpener, AnswerSealer, SALT_BYTES } from './sealing';

/** What the text of a frame is. On the wire, 128 more says that the next frame goes on with the same text. */
export enum FrameKind {
    Content = 0,
    Reasoning = 1,
    Empty = 2,
    Fields = 3, // JSON: the other fields of a message's delta, such as tool calls; billed like content
    Note = 4, // JSON: what is said about the next delta of this choice, or its end, such as logprobs; not billed
}

const MORE = 0x80;

export interface Frame {
    meter: TokenCounts; // a floor of what the result will bill, covering committed bytes only
    kind: FrameKind;
    choice: number; // index of the answer among several, 0 to 255
    text: string;
    more: boolean; // the text goes on in the next frame of this choice
    final: boolean;
}

/** What a reader of the text needs of a frame. */
export type FrameText = Pick<Frame, 'kind' | 'choice' | 'text' | 'more'>;

const HEADER_BYTES = 4;
const METER_BYTES = 16;

const HEAD_BYTES = METER_BYTES + 2; // of an opened frame: meter, kind and choice

/** Bytes of a frame besides its text: header, head and seal. */
export const FRAME_OVERHEAD = HEADER_BYTES + HEAD_BYTES + 16;

/** Makes the bytes of an answer, one frame at a time. */
export class FrameWriter {
    private readonly sealer: AnswerSealer;

    constructor(
        secret: Buffer,
        number: number,
        readonly salt: Buffer,
    ) {
        this.sealer = new AnswerSealer(secret, number, salt);
    }

    /** The bytes of the next frame; those of the first do not contain the salt, which goes before it. */
    write(frame: Frame): Buffer {
        const head = Buffer.alloc(HEAD_BYTES);
        const { prompt, cached, completion, reasoning } = frame.meter;
        [prompt, cached, completion, reasoning].forEach((count, i) => head.writeUInt32BE(count, i * 4));
        head.writeUInt8(frame.kind + (frame.more ? MORE : 0), METER_BYTES);
        head.writeUInt8(frame.choice, METER_BYTES + 1);
        const sealed = this.sealer.seal(Buffer.concat([head, Buffer.from(frame.text, 'utf8')]), frame);
        const header = Buffer.alloc(HEADER_BYTES);
        header.writeUInt32BE(sealed.length);
        header.writeUInt8(frame.final ? 1 : 0);
        return Buffer.concat([header, sealed]);
    }
}

/** Opens the bytes of an answer as they arrive, in pieces of any size. */
export class FrameReader {
    private opener: AnswerOpener | undefined;
    private readonly rest = new ByteQueue();
    private ended = false;

    constructor(
        private readonly secret: Buffer,
        private readonly number: number,
    ) {}

    /** True once the frame with the final mark was opened. */
    get complete(): boolean {
        return this.ended;
    }

    /**
     * The frames these bytes complete. Throws when a frame was changed, left out or moved, or follows the final one.
     */
    push(chunk: Buffer): Frame[] {
        this.rest.push(chunk);
        if (this.opener === undefined) {
            if (this.rest.length < SALT_BYTES) {
                return [];
            }
            this.opener = new AnswerOpener(this.secret, this.number, this.rest.take(SALT_BYTES));
        }
        const frames: Frame[] = [];
        while (this.rest.length >= HEADER_BYTES) {
            const header = this.rest.peek(HEADER_BYTES);
            const mark = header.readUInt8(0);
            const length = header.readUIntBE(1, 3);
            if (this.rest.length < HEADER_BYTES + length) {
                break;
            }
            if (this.ended || mark > 1) {
                throw new Error('An answer ends with its final frame');
            }
            const sealed = this.rest.take(HEADER_BYTES + length).subarray(HEADER_BYTES);
            const final = mark === 1;
            frames.push({ ...parse(this.opener.open(sealed, { final })), final });
            this.ended = final;
        }
        return frames;
    }
}

function parse(plain: Buffer): Omit<Frame, 'final'> {
    const [prompt, cached, completion, reasoning] = [0, 4, 8, 12].map((at) => plain.readUInt32BE(at)) as [
        number,
        number,
        number,
        number,
    ];
    const kind = plain.readUInt8(METER_BYTES);
    return {
        meter: { prompt, cached, completion, reasoning },
        kind: kind % MORE,
        choice: plain.readUInt8(METER_BYTES + 1),
        text: plain.toString('utf8', HEAD_BYTES),
        more: kind >= MORE,
    };
}
