/** Random changes of bytes, drawn from the numbers of a seed. */
import { bytesFrom } from '../../support/numbers';

export type Below = (max: number) => number;

/** The bytes with one bit the other way. */
export function flippedBit(below: Below, bytes: Buffer): Buffer {
    const other = Buffer.from(bytes);
    other[below(bytes.length)] ^= 1 << below(8);
    return other;
}

const CHANGES: ((below: Below, bytes: Buffer) => Buffer)[] = [
    // One bit, one byte, or a few that follow each other.
    flippedBit,
    (below, bytes) => {
        const other = Buffer.from(bytes);
        other[below(bytes.length)] = [0, 1, 0x7f, 0x80, 0xff, below(256)][below(6)];
        return other;
    },
    (below, bytes) => {
        const other = Buffer.from(bytes);
        bytesFrom(below, 1 + below(8)).copy(other, below(bytes.length));
        return other;
    },
    // The end is missing, a part is missing, comes twice, or is of another place.
    (below, bytes) => bytes.subarray(0, below(bytes.length)),
    (below, bytes) => {
        const at = below(bytes.length);
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(40))]);
    },
    (below, bytes) => {
        const at = below(bytes.length);
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 1 - below(40)))]);
    },
    (below, bytes) => {
        const [at, from] = [below(bytes.length), below(bytes.length)];
        const part = bytes.subarray(from, from + 1 + below(40));
        return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + part.length)]);
    },
    // Bytes are added.
    (below, bytes) => {
        const at = below(bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, at), bytesFrom(below, 1 + below(40)), bytes.subarray(at)]);
    },
];

/** The bytes after one to three changes, which may undo each other. */
export function changedBytes(below: Below, bytes: Buffer): Buffer {
    let changed = bytes;
    for (let times = 1 + below(3); times > 0; times--) {
        changed =
            changed.length === 0 ? bytesFrom(below, 1 + below(40)) : CHANGES[below(CHANGES.length)](below, changed);
    }
    return changed;
}

/** The bytes in pieces of random size. */
export function pieces(below: Below, bytes: Buffer): Buffer[] {
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
        const size = below(4) === 0 ? 1 + below(8) : 1 + below(bytes.length);
        found.push(bytes.subarray(at, at + size));
        at += size;
    }
    return found;
}
