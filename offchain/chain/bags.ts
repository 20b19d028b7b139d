/** What is too much in the answers of an endpoint: a few bytes on the wire may be two thousand in memory. */

import { Cell } from '@ton/core';

/** Cells that the bags of one answer may have: an account has 65,536 at most. */
export const MAX_CELLS = 131_072;
/** Cells that a getter of this project may return, and that a parameter of the network may have: they are hundreds. */
const MAX_OWN = 4096;
/** Cells that code or data of a contract of this project may have: the code of a Provider has the most, some 200. */
const MAX_CONTRACT = 512;
/** Methods whose answers have no more. */
const OWN = ['runGetMethod', 'getConfigParam'];
/** Methods whose answers list transactions: of these the reader takes one at a time, and judges its size. */
const LISTS = ['getTransactions', 'tryLocateSourceTx', 'tryLocateResultTx'];
/** Cells that a transaction may have. A message has 8192 at most, and contracts of this project send few of those. */
const MAX_LISTED = 32_768;

/** Elements of one list in an answer: a page has a hundred transactions at most, and one of them 255 messages. */
const MAX_ELEMENTS = 256;

/** Characters of a text that is no bag, such as a number, of which millions take seconds to read. */
const MAX_TEXT = 4096;

/** Characters of a hash in base64 or hex: the next call may repeat it, or a page show it. */
export const MAX_HASH = 64;
const MAX_LT = 1n << 64n; // above every logical time
const SMALLEST = 16; // characters of a bag
const CELL_BYTES = 300; // that a cell takes at most: its content, four references and the hashes of its levels
// The first bytes of a bag. In a generic one, flags share a byte with the size.
const GENERIC = 'b5ee9c72';
const INDEXED = ['68ff65f3', 'acc3a728'];

/** What an answer holds. */
interface Measure {
    excess: string | undefined; // why it is not used
    cells: number; // of the bags that are read whole; a page's are read one by one
}

/**
 * Measures an answer. It is not used if its bags, in base64, have too many cells, a list has more values than any, or a
 * number is longer than any. A list of a million wrong values, on two megabytes, would else become a gigabyte of
 * errors. So would an object with a length, in the place of a text: a Buffer of it has as many bytes.
 */
export function measureOf(method: string, answer: unknown): Measure {
    const refused = (excess: string): Measure => ({ excess, cells: 0 });
    const isList = LISTS.includes(method);
    const [max, maxRead] = OWN.includes(method) ? [MAX_OWN, MAX_OWN] : [MAX_CELLS, MAX_CONTRACT];
    const rest: [name: string, value: unknown][] = [['', answer]]; // an answer may have many levels
    let [cells, read] = [0, 0];
    while (rest.length > 0) {
        const [name, value] = rest.pop()!;
        if (Array.isArray(value) && value.length > MAX_ELEMENTS) {
            return refused(`more than ${MAX_ELEMENTS} values in one list`);
        }
        if (typeof value === 'string') {
            const own = isContent(method, name) ? 0 : sizeOf(value);
            cells = (isList ? 0 : cells) + own;
            read += isList || own > maxRead ? 0 : own;
            if (cells > max) {
                return refused(`more than ${max} cells`);
            }
            if (!isList && own === 0 && value.length > MAX_TEXT) {
                return refused(`a text of more than ${MAX_TEXT} characters`);
            }
        } else if (typeof value === 'object' && value !== null) {
            if (!Array.isArray(value) && Object.hasOwn(value, 'length')) {
                return refused('an object that has a length');
            }
            for (const one of Object.entries(value)) {
                rest.push(one);
            }
        }
    }
    return { excess: undefined, cells: read };
}

const sizeOf = (text: string): number => (text.length < SMALLEST ? 0 : cellsOf(Buffer.from(text, 'base64')));

/**
 * True for a text that nobody reads as a bag: what a message in a list contains, or a cell that a getter returns,
 * beside the bag itself. A stranger chooses it, so that it may begin as a bag does.
 */
const isContent = (method: string, name: string): boolean =>
    LISTS.includes(method) ? name !== 'data' : method === 'runGetMethod' && name === 'b64';

/** The logical time that an API names; undefined if it is none, such as a number of millions of digits. */
export function logicalTimeOf(text: string): bigint | undefined {
    const lt = /^\d{1,20}$/.test(text) ? BigInt(text) : MAX_LT;
    return lt < MAX_LT ? lt : undefined;
}

/** Why a transaction in base64 is not read: a contract of a stranger may send any number of large messages in one. */
export function excessOfTransaction(bag: string): string | undefined {
    return cellsOf(Buffer.from(bag, 'base64')) > MAX_LISTED
        ? `more than ${MAX_LISTED} cells in a transaction`
        : undefined;
}

/**
 * Code or data of an account; undefined if it has none, one that cannot be read, or more cells than any contract of
 * this project: to read those of a large one takes a second, in which nothing else is done.
 */
export function smallCell(bag: Buffer | null): Cell | undefined {
    try {
        return bag === null || cellsOf(bag) > MAX_CONTRACT ? undefined : Cell.fromBoc(bag)[0];
    } catch {
        return undefined;
    }
}

/**
 * The number of cells by the head of a bag; 0 if it is none. As many as it has roots or room for, if these are more:
 * no real bag has, each root takes a microsecond to read, and a checksum of forty megabytes two seconds.
 */
export function cellsOf(bag: Buffer): number {
    const magic = bag.toString('hex', 0, 4);
    if (bag.length < 12 || (magic !== GENERIC && !INDEXED.includes(magic))) {
        return 0;
    }
    const size = magic === GENERIC ? bag[4] & 7 : bag[4];
    if (size === 0) {
        return 0;
    }
    const isRead = size <= 6 && bag.length >= 6 + 2 * size;
    const numbers = isRead ? [bag.readUIntBE(6, size), bag.readUIntBE(6 + size, size)] : [Infinity];
    return Math.max(...numbers, Math.floor(bag.length / CELL_BYTES));
}
