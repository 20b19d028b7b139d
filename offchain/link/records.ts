/** The body of a worker's answer to a query: records of a type (1 byte), a length (4 bytes) and that many bytes. */
import {
    Accept,
    Decline,
    Fail,
    type Fields,
    Layout,
    payloadOf,
    Result,
    SIGNATURE_BYTES,
    SigningKey,
    Values,
    Verifier,
} from '@cocoon-market/wrappers';
import { ByteQueue } from './bytes';

export enum RecordType {
    Accept = 1, // receipt
    Answer = 2, // the next bytes of the answer
    Result = 3, // receipt
    Decline = 4, // receipt
    Fail = 5, // receipt
    RetryAfter = 6, // seconds as 32 bits, at most once and before a fail: what a busy model server asks for; not signed
}

export interface WireRecord {
    type: RecordType;
    bytes: Buffer;
}

const HEADER_BYTES = 5;
const MAX_RECORD = 1 << 20; // bytes; a longer one is refused before it is read

export function encodeRecord(type: RecordType, bytes: Buffer): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(type);
    header.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([header, bytes]);
}

/**
 * The types of the records that are whole in some bytes, without a copy of any. Throws at a record of unknown type or
 * above 1 MiB.
 */
export function* typesIn(bytes: Buffer): Generator<RecordType> {
    for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
        const type = bytes.readUInt8(at);
        const length = bytes.readUInt32BE(at + 1);
        requireKnown(type, length);
        at += HEADER_BYTES + length;
        if (at <= bytes.length) {
            yield type;
        }
    }
}

function requireKnown(type: number, length: number): asserts type is RecordType {
    if (RecordType[type] === undefined || length > MAX_RECORD) {
        throw new Error('The worker sent a record that this version does not know');
    }
}

/** Cuts a stream of bytes into records. */
export class RecordReader {
    private readonly rest = new ByteQueue();

    /** The records these bytes complete. Throws at a record of unknown type or above 1 MiB. */
    push(chunk: Buffer): WireRecord[] {
        this.rest.push(chunk);
        const records: WireRecord[] = [];
        while (this.rest.length >= HEADER_BYTES) {
            const header = this.rest.peek(HEADER_BYTES);
            const type = header.readUInt8(0);
            const length = header.readUInt32BE(1);
            requireKnown(type, length);
            if (this.rest.length < HEADER_BYTES + length) {
                break;
            }
            records.push({ type, bytes: this.rest.take(HEADER_BYTES + length).subarray(HEADER_BYTES) });
        }
        return records;
    }
}

/** The record of {@link RecordType.RetryAfter}. */
export function encodeRetryAfter(seconds: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(seconds);
    return encodeRecord(RecordType.RetryAfter, bytes);
}

/** A receipt as it is stored and sent: the payload's bytes and the node's signature over their cell's hash. */
export function signReceipt<F extends Fields>(layout: Layout<F>, values: Values<F>, key: SigningKey): Buffer {
    return Buffer.concat([layout.encode(values), key.sign(layout.hash(values))]);
}

/** The payload of a receipt. Throws when its length or tag is wrong, or the signature is not the key's. */
export function openReceipt<F extends Fields>(layout: Layout<F>, receipt: Buffer, verifier: Verifier): Values<F> {
    const values = layout.decode(payloadOf(receipt));
    if (!verifier.verify(layout.hash(values), receipt.subarray(-SIGNATURE_BYTES))) {
        throw new Error(`The node did not sign this ${layout.name}`);
    }
    return values;
}

/** The layout of each receipt by the record that carries it. */
export const receiptLayouts = {
    [RecordType.Accept]: Accept,
    [RecordType.Result]: Result,
    [RecordType.Decline]: Decline,
    [RecordType.Fail]: Fail,
} as const;
