/** Bytes that come in pieces, in about as many bytes of memory, whatever pieces a sender makes of them. */

const FIRST_BYTES = 4 << 10; // of room where nobody knows how many will come

/** Bytes that come in pieces, each of which is copied as it comes, in room that is at most twice as large. */
export class GrowingBytes {
    length = 0;
    private room: Buffer | undefined;

    /** `first`: bytes of room from the first piece on. */
    constructor(private readonly first = FIRST_BYTES) {}

    get all(): Buffer {
        return this.room?.subarray(0, this.length) ?? Buffer.alloc(0);
    }

    add(piece: Uint8Array): void {
        const needed = this.length + piece.length;
        this.room ??= Buffer.allocUnsafe(Math.max(this.first, needed));
        if (needed > this.room.length) {
            const larger = Buffer.allocUnsafe(Math.max(2 * this.room.length, needed));
            this.room.copy(larger, 0, 0, this.length);
            this.room = larger;
        }
        this.room.set(piece, this.length);
        this.length = needed;
    }
}

/** All that a server answers; undefined when it is more than `max` bytes. Throws when it breaks off. */
export async function wholeAnswer(pieces: AsyncIterable<unknown>, max: number): Promise<Buffer | undefined> {
    const bytes = new GrowingBytes();
    for await (const piece of pieces as AsyncIterable<Uint8Array>) {
        if (bytes.length + piece.length > max) {
            return undefined;
        }
        bytes.add(piece);
    }
    return bytes.all;
}
