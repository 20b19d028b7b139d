/**
 * The mark of a receipt key: which store it signs with, and how much it has signed. The mark lies beside the key file,
 * so a store from a backup, an empty store and another store are detected.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** The state of a store when its key last signed. */
export interface Marked {
    key: Buffer; // receipt key, 32 bytes
    store: Buffer; // 16 bytes, identifies the store
    sequence: number; // of signed receipts
}

const KEY_BYTES = 32;
const STORE_BYTES = 16;
const BYTES = KEY_BYTES + STORE_BYTES + 8;

/** The mark in a file; undefined when the file does not exist. Throws when it is damaged. */
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
        throw new Error(`${path} is damaged, so the newest store is not known: cocoon worker restore`);
    }
    return {
        key: bytes.subarray(0, KEY_BYTES),
        store: bytes.subarray(KEY_BYTES, KEY_BYTES + STORE_BYTES),
        sequence: Number(bytes.readBigUInt64BE(KEY_BYTES + STORE_BYTES)),
    };
}

/**
 * A mark that follows the store. A killed process loses nothing of it; a power cut may take the mark back, never the
 * store.
 */
export class Mark {
    private readonly file: number;

    constructor(
        path: string,
        private readonly marked: Marked,
    ) {
        closeSync(openSync(path, 'a', 0o600)); // creates it
        this.file = openSync(path, 'r+');
        this.write();
        fsyncSync(this.file);
    }

    /** Must be called after the COMMIT of the store, so that the mark is never ahead of the disk. */
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
