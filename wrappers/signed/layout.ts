/**
 * Fixed layouts of whole bytes. The hash that is signed is the representation hash of the one cell that holds them,
 * which for a cell without references is a single SHA-256 over two descriptor bytes and the data.
 */
import { Cell, BitString } from '@ton/core';
import { bigUint, bytes, checkKnownFields, ValueCheck, int, uint } from '../fields';
import { sha256 } from '../platform/node';

/** u8, u16, u32, i32 are numbers; u64 is bigint; b256 is a Buffer of 32 bytes. */
export type FieldKind = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'b256';

type ValueOf<Kind extends FieldKind> = Kind extends 'u64' ? bigint : Kind extends 'b256' ? Buffer : number;

export type Fields = Record<string, FieldKind>;

export type Values<F extends Fields> = { [Name in keyof F]: ValueOf<F[Name]> };

const BYTES: Record<FieldKind, number> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, b256: 32 };

const CHECKS: Record<FieldKind, ValueCheck> = {
    u8: uint(8),
    u16: uint(16),
    u32: uint(32),
    i32: int(32),
    u64: bigUint(64),
    b256: bytes(32),
};

/** A payload's layout: a 32-bit tag, then the fields in order, big-endian. */
export class Layout<F extends Fields> {
    readonly bytes: number;
    private readonly entries: [keyof F & string, FieldKind][];
    private readonly checks: Record<string, ValueCheck>;

    constructor(
        readonly name: string,
        readonly tag: number,
        readonly fields: F,
    ) {
        this.entries = Object.entries(fields);
        this.checks = Object.fromEntries(this.entries.map(([field, kind]) => [field, CHECKS[kind]]));
        this.bytes = 4 + this.entries.reduce((sum, [, kind]) => sum + BYTES[kind], 0);
    }

    /** The bytes of the payload's cell. @throws {InvalidField} when a field is missing or does not fit */
    encode(values: Values<F>): Buffer {
        checkKnownFields(this.name, this.checks, values);
        const out = Buffer.allocUnsafe(this.bytes);
        let at = out.writeUInt32BE(this.tag, 0);
        for (const [name, kind] of this.entries) {
            at = write(out, at, kind, values[name]);
        }
        return out;
    }

    /** The payload that these bytes are. Throws when the length or the tag is not this layout's. */
    decode(bytes: Buffer): Values<F> {
        if (bytes.length !== this.bytes) {
            throw new Error(`${this.name} has ${this.bytes} bytes, these are ${bytes.length}`);
        }
        if (bytes.readUInt32BE(0) !== this.tag) {
            throw new Error(`${this.name} begins with tag 0x${this.tag.toString(16)}`);
        }
        const values: Record<string, number | bigint | Buffer> = {};
        let at = 4;
        for (const [name, kind] of this.entries) {
            values[name] = read(bytes, at, kind);
            at += BYTES[kind];
        }
        return values as Values<F>;
    }

    /** The 32-byte hash that is signed. */
    hash(values: Values<F>): Buffer {
        return cellHash(this.encode(values));
    }
}

function write(out: Buffer, at: number, kind: FieldKind, value: number | bigint | Buffer): number {
    switch (kind) {
        case 'u8':
            return out.writeUInt8(value as number, at);
        case 'u16':
            return out.writeUInt16BE(value as number, at);
        case 'u32':
            return out.writeUInt32BE(value as number, at);
        case 'i32':
            return out.writeInt32BE(value as number, at);
        case 'u64':
            return out.writeBigUInt64BE(value as bigint, at);
        case 'b256':
            return at + (value as Buffer).copy(out, at);
    }
}

function read(source: Buffer, at: number, kind: FieldKind): number | bigint | Buffer {
    switch (kind) {
        case 'u8':
            return source.readUInt8(at);
        case 'u16':
            return source.readUInt16BE(at);
        case 'u32':
            return source.readUInt32BE(at);
        case 'i32':
            return source.readInt32BE(at);
        case 'u64':
            return source.readBigUInt64BE(at);
        case 'b256':
            return source.subarray(at, at + 32);
    }
}

/** Representation hash of a cell that holds these bytes (at most 127) and no references. */
export function cellHash(bytes: Buffer): Buffer {
    const descriptors = Buffer.of(0, bytes.length * 2);
    return sha256(descriptors, bytes);
}

/** Representation hash of a cell with these bytes (at most 127) and one reference, whose hash and depth are given. */
export function parentHash(bytes: Buffer, child: { hash: Buffer; depth: number }): Buffer {
    const { length } = bytes;
    const cell = Buffer.allocUnsafe(length + 36); // made at once, because an answer has many cells
    cell[0] = 1;
    cell[1] = length * 2;
    cell.set(bytes, 2);
    cell.writeUInt16BE(child.depth, length + 2);
    cell.set(child.hash, length + 4);
    return sha256(cell);
}

/** The cell that holds these bytes (at most 127) and no references. */
export function cellOf(bytes: Buffer): Cell {
    return new Cell({ bits: new BitString(bytes, 0, bytes.length * 8) });
}
