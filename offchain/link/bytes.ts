/**
 * Bytes that arrive in pieces of any size and leave in others. Pieces are joined only when something whole is taken, so
 * a record of a megabyte that comes byte by byte costs one copy and not half a million.
 */
export class ByteQueue {
    private chunks: Buffer[] = [];
    private total = 0;

    get length(): number {
        return this.total;
    }

    push(chunk: Buffer): void {
        if (chunk.length > 0) {
            this.chunks.push(chunk);
            this.total += chunk.length;
        }
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
