/** Cells in the answers of an endpoint: a few bytes on the wire are two thousand in memory. */

/** Cells that one bag of an answer may have: an account has 65,536 at most, and a transaction fewer. */
export const MAX_CELLS = 131_072;

// The first bytes of a bag. In a generic one, flags share a byte with the size.
const GENERIC = 'b5ee9c72';
const INDEXED = ['68ff65f3', 'acc3a728'];

/** True if a text in the answer is a bag, in base64, of more than {@link MAX_CELLS} cells. */
export function hasLargeBag(answer: unknown): boolean {
    const rest = [answer]; // an answer may have many levels
    while (rest.length > 0) {
        const value = rest.pop();
        if (typeof value === 'string') {
            if (value.length > MAX_CELLS && cellsOf(Buffer.from(value, 'base64')) > MAX_CELLS) {
                return true;
            }
        } else if (typeof value === 'object' && value !== null) {
            for (const one of Object.values(value)) {
                rest.push(one);
            }
        }
    }
    return false;
}

/** The number of cells by the head of a bag; 0 if it is none. */
function cellsOf(bag: Buffer): number {
    const magic = bag.toString('hex', 0, 4);
    if (bag.length < 12 || (magic !== GENERIC && !INDEXED.includes(magic))) {
        return 0;
    }
    const size = magic === GENERIC ? bag[4] & 7 : bag[4];
    return size === 0 ? 0 : size > 6 ? Infinity : bag.readUIntBE(6, size);
}
