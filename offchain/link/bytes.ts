const SMALL = 512; // bytes of a piece below which it is copied
const BLOCK = 4096; // bytes of room for small pieces

/**
 * Bytes that arrive in pieces of any size and leave in others. Large pieces are joined only when something whole is
 * taken. Small ones are copied one behind the other as they come: a Buffer for each byte would take hundreds.
 */
export class ByteQueue {
    private chunks: Buffer[] = [];
    private total = 0;
    private block: Buffer = Buffer.alloc(0);
    private used = 0; // bytes of the block

    get length(): number {
        return this.total;
    }

    push(chunk: Buffer): void {
        if (chunk.length >= SMALL) {
            this.chunks.push(chunk);
        } else if (chunk.length > 0) {
            this.copy(chunk);
        }
        this.total += chunk.length;
    }

    private copy(piece: Buffer): void {
        if (this.used + piece.length > this.block.length) {
            [this.block, this.used] = [Buffer.alloc(BLOCK), 0];
        }
        const { block, used } = this;
        block.set(piece, used);
        this.used += piece.length;
        const last = this.chunks.at(-1);
        const isNext = last?.buffer === block.buffer && last.byteOffset + last.length === block.byteOffset + used;
        const from = isNext ? used - last.length : used;
        this.chunks[this.chunks.length - (isNext ? 1 : 0)] = block.subarray(from, this.used);
    }

    /** The first `length` bytes, which stay in the queue. The queue must have so many. */
    peek(length: number): Buffer {
        if (this.chunks[0] !== undefined && this.chunks[0].length >= length) {
            return this.chunks[0].subarray(0, length);
        }
        const parts: Buffer[] = [];
        let remaining = length;
        for (let i = 0; remaining > 0; i++) {
            const part = this.chunks[i].subarray(0, remaining);
            parts.push(part);
            remaining -= part.length;
        }
        return Buffer.concat(parts);
    }

    /** Takes the first `length` bytes out. The queue must have so many. */
    take(length: number): Buffer {
        const bytes = this.peek(length);
        this.total -= length;
        let remaining = length;
        let whole = 0; // pieces that leave
        while (remaining > 0 && this.chunks[whole].length <= remaining) {
            remaining -= this.chunks[whole++].length;
        }
        this.chunks.splice(0, whole);
        if (remaining > 0) {
            this.chunks[0] = this.chunks[0].subarray(remaining);
        }
        return bytes;
    }
}
