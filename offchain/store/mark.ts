/**
 * The mark of a receipt key: which store it signs with, and how much it has signed. The mark lies beside the key file,
 * so a store from a backup, an empty store and another store are detected.
 */
import { closeSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** The state of a store when its key last signed. */
export interface Marked {
    key: Buffer; // receipt key, 32 bytes
    store: Buffer; // 16 bytes, identifies the store
    sequences: ReadonlyMap<number, number>; // of receipts that each process of a cluster signed, by its number
}

const KEY_BYTES = 32;
const STORE_BYTES = 16;
const HEAD_BYTES = KEY_BYTES + STORE_BYTES;
const SEQUENCE_BYTES = 8; // of each process, in the order of their numbers

/**
 * The mark in a file; undefined when the file does not exist, or has nothing yet because a process ended right after it
 * had created it. Throws when it is damaged.
 */
export function readMark(path: string): Marked | undefined {
    let bytes: Buffer;
    try {
        bytes = readFileSync(path);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined;
        }
        throw error;
    }
    if (bytes.length === 0) {
        return undefined;
    }
    const count = (bytes.length - HEAD_BYTES) / SEQUENCE_BYTES;
    if (count < 1 || !Number.isInteger(count)) {
        throw new Error(`${path} is damaged, so the newest store is not known: cocoon worker restore`);
    }
    const sequenceOf = (member: number) => Number(bytes.readBigUInt64BE(placeOf(member)));
    return {
        key: bytes.subarray(0, KEY_BYTES),
        store: bytes.subarray(KEY_BYTES, HEAD_BYTES),
        sequences: new Map(Array.from({ length: count }, (_, i) => [i + 1, sequenceOf(i + 1)])),
    };
}

const placeOf = (member: number) => HEAD_BYTES + (member - 1) * SEQUENCE_BYTES;

/**
 * A mark that follows the store. A killed process loses nothing of it; a power cut may take the mark back, never the
 * store. Several processes of a cluster may have one file: each writes its own sequence.
 */
export class Mark {
    private readonly file: number;
    private readonly sequences: Map<number, number>;

    /** `member`: the number of this process. */
    constructor(
        path: string,
        { key, store, sequences }: Marked,
        private readonly member: number,
    ) {
        closeSync(openSync(path, 'a', 0o600)); // creates it
        this.file = openSync(path, 'r+');
        this.sequences = new Map([[member, 0], ...sequences]);
        const head = Buffer.concat([key, store]);
        const existing = readFileSync(path);
        if (!existing.subarray(0, HEAD_BYTES).equals(head)) {
            // Of another key or store: its sequences become 0, in one step.
            const size = Math.max(existing.length, placeOf(member + 1));
            writeSync(this.file, Buffer.concat([head, Buffer.alloc(size - HEAD_BYTES)]), 0, size, 0);
        }
        this.sequences.forEach((sequence, one) => this.write(one, sequence));
        fsyncSync(this.file);
    }

    /** Must be called after the COMMIT of the store, so that the mark is never ahead of the disk. */
    raise(sequence: number): void {
        this.raiseOf(this.member, sequence);
    }

    /** Follows what other processes have committed. */
    follow(sequences: ReadonlyMap<number, number>): void {
        sequences.forEach((sequence, member) => member !== this.member && this.raiseOf(member, sequence));
    }

    close(): void {
        fsyncSync(this.file);
        closeSync(this.file);
    }

    private raiseOf(member: number, sequence: number): void {
        if (sequence > (this.sequences.get(member) ?? 0)) {
            this.sequences.set(member, sequence);
            this.write(member, sequence);
        }
    }

    // That of another process on this machine may be newer than what this one knows.
    private write(member: number, sequence: number): void {
        const bytes = Buffer.alloc(SEQUENCE_BYTES);
        const place = placeOf(member);
        if (member !== this.member && readSync(this.file, bytes, 0, SEQUENCE_BYTES, place) === SEQUENCE_BYTES) {
            if (bytes.readBigUInt64BE() >= BigInt(sequence)) {
                return;
            }
        }
        bytes.writeBigUInt64BE(BigInt(sequence));
        writeSync(this.file, bytes, 0, SEQUENCE_BYTES, place);
    }
}
