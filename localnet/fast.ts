// Longer than 350 lines because its replacements share the tables of one reader of cells.
/**
 * Makes `@ton/core` and the sandbox's emulator several times faster, with the same results: the cells of each message
 * are read, hashed and written again. tests/support/fast.spec.ts compares what is replaced. Imported for its effect, by
 * programs and by this project's tests, before the network runs. The package's API leaves it out, because an import
 * must not change the libraries of other projects. Nothing that holds money imports it.
 */
import type { Address, BitBuilder, ShardAccount } from '@ton/core';
import { BitString, Cell, CellType, loadShardAccount } from '@ton/core';
import { Executor, SmartContract } from '@ton/sandbox';
import { hash } from 'node:crypto';

/** The replacement of `original`. The original stays available for comparison. */
type Replaced = { original?: unknown };

/** Puts a function in the place of another; one that was put there before gives way. */
function replace<F>(holder: object, name: string, make: (original: F) => F): void {
    const functions = holder as Record<string, F & Replaced>;
    const original = (functions[name].original ?? functions[name]) as F;
    functions[name] = Object.assign(make(original) as F & object, { original });
}

/* eslint-disable @typescript-eslint/no-require-imports -- the objects that the libraries read their functions from */
const { LevelMask } = require('@ton/core/dist/boc/cell/LevelMask') as { LevelMask: new () => object };
const { getRepr } = require('@ton/core/dist/boc/cell/descriptor') as {
    getRepr(own: BitString, bits: BitString, refs: Cell[], level: number, mask: number, type: CellType): Buffer;
};
const { BitReader } = require('@ton/core') as { BitReader: { prototype: object } };
const { BitBuilder: Builder } = require('@ton/core') as { BitBuilder: new (size: number) => BitBuilder };

interface Fields {
    _data: Buffer;
    _offset: number; // in bits
    _length: number; // in bits
}

replace<(source: Buffer | string) => Buffer>(
    require('@ton/crypto/dist/primitives/sha256') as object,
    'sha256_sync',
    () => (source) => hash('sha256', source, 'buffer'),
);

replace<(source: Uint8Array) => Buffer>(require('@ton/core/dist/utils/crc32c') as object, 'crc32c', () => (source) => {
    let crc = 0xffffffff;
    for (const byte of source) {
        crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
    }
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(crc ^ 0xffffffff);
    return bytes;
});

const CRC = new Int32Array(256).map((_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
        crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    return crc;
});

/** The bits `from` up to `to` of bytes as a number; a range that lies outside them is not for this. */
function numberOf(data: Buffer, from: number, to: number): bigint {
    const [first, end] = [from >> 3, (to + 7) >> 3];
    const spare = end * 8 - to;
    if (end - first <= 6) {
        let value = 0;
        for (let at = first; at < end; at++) {
            value = value * 256 + data[at];
        }
        return BigInt(Math.floor(value / 2 ** spare) % 2 ** (to - from));
    }
    const bytes = Buffer.from(data.buffer, data.byteOffset + first, end - first);
    return BigInt.asUintN(to - from, BigInt(`0x${bytes.toString('hex')}`) >> BigInt(spare));
}

type Preload = (this: { _bits: Fields }, bits: number, offset: number) => bigint;

for (const [name, as] of [
    ['_preloadUint', BigInt.asUintN],
    ['_preloadInt', BigInt.asIntN],
] as const) {
    replace<Preload>(BitReader.prototype, name, (original) => {
        return function (bits, offset) {
            const { _data, _offset, _length } = this._bits;
            if (!(bits > 0 && offset >= 0 && offset + bits <= _length)) {
                return original.call(this, bits, offset); // it throws the right error
            }
            return as(bits, numberOf(_data, _offset + offset, _offset + offset + bits));
        };
    });
}

replace<(this: { _buffer: Buffer; _length: number }, source: Fields) => void>(
    Builder.prototype as object,
    'writeBits',
    (original) => {
        return function (source) {
            const { _data: data, _offset: offset, _length: length } = source;
            const buffer = this._buffer;
            if (this._length + length > buffer.length * 8) {
                return original.call(this, source);
            }
            let to = this._length;
            this._length += length;
            let done = 0;
            if (((to | offset) & 7) === 0) {
                data.copy(buffer, to >> 3, offset >> 3, (offset + length) >> 3);
                done = length & ~7;
                to += done;
            }
            for (; done < length; done += 8, to += 8) {
                const [from, count] = [offset + done, Math.min(8, length - done)];
                const pair = (data[from >> 3] << 8) | (data[(from >> 3) + 1] ?? 0);
                const byte = (pair >> (8 - (from & 7))) & (0xff00 >> count) & 0xff;
                buffer[to >> 3] |= byte >> (to & 7);
                if ((to & 7) + count > 8) {
                    buffer[(to >> 3) + 1] |= (byte << (8 - (to & 7))) & 0xff;
                }
            }
        };
    },
);

replace<(bits: BitString) => Buffer>(
    require('@ton/core/dist/boc/utils/paddedBits') as object,
    'bitsToPaddedBuffer',
    () => (bits) => {
        const size = Math.ceil(bits.length / 8) * 8;
        const builder = new Builder(size);
        builder.writeBits(bits);
        if (bits.length < size) {
            builder.writeUint(1 << (size - bits.length - 1), size - bits.length);
        }
        return builder.buffer();
    },
);

/**
 * The four hashes of an ordinary cell, which are equal. They are computed on request, because most cells never need
 * them.
 */
class Hashes {
    #value?: Buffer;
    readonly #bits: BitString;
    readonly #refs: Cell[];

    constructor(bits: BitString, refs: Cell[]) {
        this.#bits = bits;
        this.#refs = refs;
    }

    get length(): number {
        return 4;
    }

    get 3(): Buffer {
        this.#value ??= hash('sha256', getRepr(this.#bits, this.#bits, this.#refs, 0, 0, CellType.Ordinary), 'buffer');
        return this.#value;
    }

    get 2(): Buffer {
        return this[3];
    }

    get 1(): Buffer {
        return this[3];
    }

    get 0(): Buffer {
        return this[3];
    }
}

const depths: number[][] = [];

interface Wonders {
    mask: object;
    hashes: Hashes | Buffer[];
    depths: number[];
}

replace<(type: CellType, bits: BitString, refs: Cell[]) => Wonders>(
    require('@ton/core/dist/boc/cell/wonderCalculator') as object,
    'wonderCalculator',
    (original) => (type, bits, refs) => {
        if (type !== CellType.Ordinary || refs.some(({ mask }) => mask.value !== 0)) {
            return original(type, bits, refs);
        }
        const depth = refs.reduce((max, ref) => Math.max(max, ref.depth() + 1), 0);
        depths[depth] ??= [depth, depth, depth, depth];
        return { mask: new LevelMask(), hashes: new Hashes(bits, refs), depths: depths[depth] };
    },
);

interface Boc {
    size: number; // bytes of a reference
    cells: number;
    root: number[];
    cellData: Buffer;
}

const serialization = require('@ton/core/dist/boc/cell/serialization') as { parseBoc(source: Buffer): Boc };

const MAX_KNOWN = 30_000;
let cellsByBytes = new Map<string, Cell>(); // by their bytes and the numbers of their references
const numbers = new WeakMap<Cell, number>();
let count = 0;

/**
 * The ordinary cells of a bag. Equal cells are shared between bags, because every message carries the same codes.
 * Undefined if a cell is not ordinary.
 */
function cellsIn({ size, cells, cellData: data }: Boc): Cell[] | undefined {
    const starts: number[] = [];
    let at = 0;
    for (let i = 0; i < cells; i++) {
        if (data[at] > 4) {
            return undefined; // exotic, or with a level, or with hashes
        }
        starts.push(at);
        at += 2 + ((data[at + 1] + 1) >> 1) + data[at] * size;
    }
    if (!(at <= data.length)) {
        return undefined;
    }
    const found: Cell[] = [];
    for (let i = cells - 1; i >= 0; i--) {
        const [start, length] = [starts[i], (data[starts[i] + 1] + 1) >> 1];
        const bytes = data.subarray(start + 2, start + 2 + length);
        const padded = data[start + 1] % 2 === 1;
        const refs: Cell[] = [];
        let key = data.toString('latin1', start + 1, start + 2 + length);
        for (let ref = 0; ref < data[start]; ref++) {
            const cell = found[data.readUIntBE(start + 2 + length + ref * size, size)];
            if (cell === undefined) {
                return undefined;
            }
            refs.push(cell);
            key += `,${numbers.get(cell)}`;
        }
        if (padded && bytes[length - 1] === 0) {
            return undefined;
        }
        found[i] = cellsByBytes.get(key) ?? keep(key, bitsOf(Buffer.from(bytes), padded), refs);
    }
    return found;
}

function bitsOf(bytes: Buffer, padded: boolean): BitString {
    const last = bytes[bytes.length - 1];
    // After the last bit comes a 1, then zeros.
    const length = bytes.length * 8 - (padded ? 32 - Math.clz32(last & -last) : 0);
    return length === 0 ? BitString.EMPTY : new BitString(bytes, 0, length);
}

function keep(key: string, bits: BitString, refs: Cell[]): Cell {
    const cell = new Cell({ bits, refs });
    if (cellsByBytes.size >= MAX_KNOWN) {
        cellsByBytes = new Map();
    }
    cellsByBytes.set(key, cell);
    numbers.set(cell, count++);
    return cell;
}

replace<(source: Buffer) => Cell[]>(serialization, 'deserializeBoc', (original) => (source) => {
    const boc = serialization.parseBoc(source);
    const cells = cellsIn(boc);
    const roots = boc.root.map((root) => cells?.[root]);
    return roots.includes(undefined) ? original(source) : (roots as Cell[]); // it throws the right error
});

const written = new WeakMap<Cell, Buffer>();

replace<(this: Cell, options?: { idx?: boolean | null; crc32?: boolean | null }) => Buffer>(
    Cell.prototype,
    'toBoc',
    (original) => {
        return function (options) {
            if ((options?.idx ?? false) || !(options?.crc32 ?? true)) {
                return original.call(this, options); // not as messages and configurations are written
            }
            const bytes = written.get(this) ?? original.call(this);
            written.set(this, bytes);
            return Buffer.from(bytes); // the caller's own
        };
    },
);

/** What the sandbox's own snapshots of an account have, and its state as it is stored. */
interface Snapshot {
    readonly address: Address;
    readonly account: ShardAccount; // a new one for each reader
    readonly lastTxTime: number;
    readonly verbosity: object | undefined;
    readonly stored?: string;
}

interface EmulatedAccount {
    address: Address;
    _account: string;
    parsedAccount: ShardAccount | undefined;
    lastTxTime: number;
    _verbosity: object | undefined;
}

replace<(this: EmulatedAccount) => Snapshot>(SmartContract.prototype, 'snapshot', () => {
    return function () {
        const { address, _account: stored, lastTxTime, _verbosity: verbosity } = this;
        let cell: Cell | undefined;
        return {
            get account() {
                cell ??= Cell.fromBase64(stored);
                return loadShardAccount(cell.beginParse());
            },
            ...{ address, stored, lastTxTime, verbosity: verbosity && { ...verbosity } },
        };
    };
});

replace<(this: EmulatedAccount, snapshot: Snapshot) => void>(SmartContract.prototype, 'loadFrom', (original) => {
    return function (snapshot) {
        if (snapshot.stored === undefined || !snapshot.address.equals(this.address)) {
            return original.call(this, snapshot); // it throws the right error
        }
        this._account = snapshot.stored;
        this.parsedAccount = undefined; // read again when somebody needs it
        this.lastTxTime = snapshot.lastTxTime;
        this._verbosity = snapshot.verbosity && { ...snapshot.verbosity };
    };
});

interface Emulating {
    emulator?: { ptr: number };
    invoke(name: string, args: unknown[]): unknown;
    hadLibraries?: boolean;
}

// The emulator keeps the libraries that it was given last: a message without any needs a new one.
for (const name of ['runTransaction', 'runTickTock']) {
    replace<(this: Emulating, args: { libs: Cell | null }) => unknown>(Executor.prototype, name, (original) => {
        return function (args) {
            if (args.libs === null && this.hadLibraries === true && this.emulator !== undefined) {
                this.invoke('_destroy_emulator', [this.emulator.ptr]);
                this.emulator = undefined;
            }
            this.hadLibraries = args.libs !== null;
            return original.call(this, args);
        };
    });
}

/** A table of functions as a list: the emulator looks one up for each call that may throw. */
type Mirrored = { mirror?: unknown[] };

const { Table } = (globalThis as unknown as { WebAssembly: { Table: { prototype: object } } }).WebAssembly;

replace<(this: Mirrored, index: number) => unknown>(Table.prototype, 'get', (original) => {
    return function (index) {
        this.mirror ??= [];
        return (this.mirror[index] ??= original.call(this, index));
    };
});

for (const name of ['set', 'grow']) {
    replace<(this: Mirrored, ...args: unknown[]) => unknown>(Table.prototype, name, (original) => {
        return function (...args) {
            this.mirror = undefined;
            return original.apply(this, args);
        };
    });
}
/* eslint-enable @typescript-eslint/no-require-imports */
