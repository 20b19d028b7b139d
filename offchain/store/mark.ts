/**
 * What a receipt key remembers of its store: which one, and how much was signed. It lies beside the key file, so a store
 * that comes back from a backup, is empty or is another one does not pass for the newest.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** How far a store had come when its key last signed. */
export interface Marked {
    key: Buffer; // receipt key, 32 bytes
    store: Buffer; // 16 bytes, names the store
    sequence: number; // of what was signed
}

const KEY_BYTES = 32;
const STORE_BYTES = 16;
const BYTES = KEY_BYTES + STORE_BYTES + 8;

/** The mark in a file; undefined when there is none. Throws when it is damaged. */
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
    if (bytes.length !== BYTES) {
        throw new Error(`${path} is damaged, so nothing says whether the store is the newest: cocoon worker restore`);
    }
    return {
        key: bytes.subarray(0, KEY_BYTES),
        store: bytes.subarray(KEY_BYTES, KEY_BYTES + STORE_BYTES),
        sequence: Number(bytes.readBigUInt64BE(KEY_BYTES + STORE_BYTES)),
    };
}

/** A mark that is kept up. A killed process loses nothing of it; what a power cut takes, it takes from the mark alone. */
export class Mark {
    private readonly file: number;

    constructor(
        path: string,
        private readonly marked: Marked,
    ) {
        closeSync(openSync(path, 'a', 0o600)); // so that it is there
        this.file = openSync(path, 'r+');
        this.write();
        fsyncSync(this.file);
    }

    /** Notes that the store holds this much. Called only after its COMMIT, so the mark is never ahead of the disk. */
    raise(sequence: number): void {
        if (sequence > this.marked.sequence) {
            this.marked.sequence = sequence;
            this.write();
        }
    }

    close(): void {
        fsyncSync(this.file);
        closeSync(this.file);
    }

    private write(): void {
        const { key, store, sequence } = this.marked;
        const bytes = Buffer.concat([key, store, Buffer.alloc(8)]);
        bytes.writeBigUInt64BE(BigInt(sequence), KEY_BYTES + STORE_BYTES);
        writeSync(this.file, bytes, 0, BYTES, 0);
    }
}
