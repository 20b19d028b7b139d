/**
 * The answer root of a result: a Merkle root over the concatenated sealed frames in pieces of 16 KiB, the last one
 * shorter. A piece is a snake cell, so a contract checks it with one cell hash.
 */
import { beginCell, Cell } from '@ton/core';
import { cellHash, parentHash } from './layout';

/** Bytes of a piece; the last one may be shorter. */
export const PIECE_BYTES = 16 * 1024;

const CELL_BYTES = 127;
const HASHES_PER_CELL = 3;
const BRANCH = Buffer.from('c0c0fe01', 'hex'); // keeps an inner node from being taken for a piece of 64 bytes
const ROOT = Buffer.from('c0c0fe02', 'hex');

/** The snake cell of a piece: 127 bytes a cell, the rest in its reference. */
export function pieceCell(piece: Buffer): Cell {
    let cell: Cell | undefined;
    const last = Math.max(Math.ceil(piece.length / CELL_BYTES) - 1, 0);
    for (let i = last; i >= 0; i--) {
        const builder = beginCell().storeBuffer(piece.subarray(i * CELL_BYTES, (i + 1) * CELL_BYTES));
        cell = (cell === undefined ? builder : builder.storeRef(cell)).endCell();
    }
    return cell!;
}

/** The hash of a piece's {@link pieceCell}, without its cells: both sides of each query compute it. */
function pieceHash(piece: Buffer): Buffer {
    const last = Math.max(Math.ceil(piece.length / CELL_BYTES) - 1, 0);
    let hash = cellHash(piece.subarray(last * CELL_BYTES));
    for (let i = last - 1; i >= 0; i--) {
        hash = parentHash(piece.subarray(i * CELL_BYTES, (i + 1) * CELL_BYTES), { hash, depth: last - i - 1 });
    }
    return hash;
}

/** The answer root of these bytes: covers their length and every piece. */
export function answerRoot(frames: Buffer): Buffer {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frames.length);
    return cellHash(Buffer.concat([ROOT, length, levelsOf(frames).at(-1)![0] ?? Buffer.alloc(32)]));
}

/** Piece number `index` of an answer. */
export function pieceOf(frames: Buffer, index: number): Buffer {
    return frames.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
}

/** Number of pieces of an answer of so many bytes. */
export function pieceCount(length: number): number {
    return Math.ceil(length / PIECE_BYTES);
}

/** The sibling hashes from piece `index` to the root, as a contract reads them; null if there are none. */
export function proofCell(frames: Buffer, index: number): Cell | null {
    const siblings = levelsOf(frames).flatMap((level, height) => {
        const partner = level[(index >> height) ^ 1];
        return partner === undefined ? [] : [partner];
    });
    const cells = (from: number): Cell => {
        const builder = beginCell().storeBuffer(Buffer.concat(siblings.slice(from, from + HASHES_PER_CELL)));
        const next = from + HASHES_PER_CELL;
        return (next < siblings.length ? builder.storeRef(cells(next)) : builder).endCell();
    };
    return siblings.length === 0 ? null : cells(0);
}

/** The tree's levels from the leaves to the root. A hash without a partner moves up unchanged. */
function levelsOf(frames: Buffer): Buffer[][] {
    const leaves = Array.from({ length: pieceCount(frames.length) }, (_, index) => pieceHash(pieceOf(frames, index)));
    const levels = [leaves];
    for (let level = leaves; level.length > 1; levels.push(level)) {
        const below = level;
        level = Array.from({ length: Math.ceil(below.length / 2) }, (_, i) =>
            below[2 * i + 1] === undefined
                ? below[2 * i]
                : cellHash(Buffer.concat([BRANCH, below[2 * i], below[2 * i + 1]])),
        );
    }
    return levels;
}

/** The `content` of a result: hash of the request's hash and the answer root. */
export function contentHash(request: Buffer, root: Buffer): Buffer {
    return cellHash(Buffer.concat([request, root]));
}
