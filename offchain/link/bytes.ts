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

    /** The first `length` bytes, which stay; there must be so many. */
    peek(length: number): Buffer {
        if (this.chunks[0] !== undefined && this.chunks[0].length >= length) {
            return this.chunks[0].subarray(0, length);
        }
        const parts: Buffer[] = [];
        let left = length;
        for (let i = 0; left > 0; i++) {
            const part = this.chunks[i].subarray(0, left);
            parts.push(part);
            left -= part.length;
        }
        return Buffer.concat(parts);
    }

    /** The first `length` bytes, which leave; there must be so many. */
    take(length: number): Buffer {
        const taken = this.peek(length);
        this.total -= length;
        let left = length;
        let gone = 0;
        while (left > 0 && this.chunks[gone].length <= left) {
            left -= this.chunks[gone++].length;
        }
        this.chunks.splice(0, gone);
        if (left > 0) {
            this.chunks[0] = this.chunks[0].subarray(left);
        }
        return taken;
    }
}
