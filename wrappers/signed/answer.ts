/**
 * What a result says about the bytes of an answer: a Merkle root over the concatenated sealed frames in pieces of
 * 16 KiB, the last one shorter. A piece is a snake cell, so a contract checks it with one cell hash.
 */
import { beginCell, Cell } from '@ton/core';
import { cellHash } from './layout';

/** Bytes of a piece; the last one may be shorter. */
export const PIECE_BYTES = 16 * 1024;

const CELL_BYTES = 127;
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

/** The answer root of these bytes: covers their length and every piece. */
export function answerRoot(frames: Buffer): Buffer {
    const leaves: Buffer[] = [];
    for (let at = 0; at < frames.length; at += PIECE_BYTES) {
        leaves.push(pieceCell(frames.subarray(at, at + PIECE_BYTES)).hash());
    }
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frames.length);
    return cellHash(Buffer.concat([ROOT, length, merkle(leaves)]));
}

/** The root of the leaves, pairwise; a leaf without a partner moves up as it is. 32 zero bytes for none. */
function merkle(leaves: Buffer[]): Buffer {
    let level = leaves;
    while (level.length > 1) {
        const next: Buffer[] = [];
        for (let i = 0; i < level.length; i += 2) {
            const right = level[i + 1];
            next.push(right === undefined ? level[i] : cellHash(Buffer.concat([BRANCH, level[i], right])));
        }
        level = next;
    }
    return level[0] ?? Buffer.alloc(32);
}

/** The `content` of a result: hash of the request's hash and the answer root. */
export function contentHash(request: Buffer, root: Buffer): Buffer {
    return cellHash(Buffer.concat([request, root]));
}
