/**
 * Counts the tokens of byte-level vocabularies: a text is cut into pieces by regular expressions, and the bytes of each
 * piece are merged, the pair with the lowest rank first. Text never becomes a special token.
 */

const SPREAD = 2_654_435_769; // 2 ** 32 divided by the golden ratio

/** The merges of a vocabulary, by rank: tokens 0 to 255 are bytes, and merge i makes token 256 + i. */
export class Merges {
    /** The token that a pair of bytes makes, at 256 * first + second; -1 if it makes none. */
    readonly ofBytes = new Int32Array(1 << 16).fill(-1);
    private readonly slots: Int32Array; // open addressing: first token, second token, made token; -1: free
    private readonly mask: number;

    constructor(first: Int32Array, second: Int32Array) {
        const size = 2 ** Math.ceil(Math.log2(first.length * 2 + 1));
        this.mask = size - 1;
        this.slots = new Int32Array(size * 3).fill(-1);
        first.forEach((one, i) => {
            const at = this.slotOf(one, second[i]);
            if (this.slots[at] === -1) {
                this.slots.set([one, second[i], 256 + i], at);
                if (one < 256 && second[i] < 256) {
                    this.ofBytes[256 * one + second[i]] = 256 + i;
                }
            }
        });
    }

    /** The token that a pair makes, which is also its rank; -1 if it makes none. */
    of(first: number, second: number): number {
        return this.slots[this.slotOf(first, second) + 2];
    }

    private slotOf(first: number, second: number): number {
        let at = (Math.imul(first, SPREAD) ^ Math.imul(second, SPREAD + 2)) >>> 0;
        for (at = (at ^ (at >>> 15)) & this.mask; ; at = (at + 1) & this.mask) {
            const slot = at * 3;
            if (this.slots[slot] === -1 || (this.slots[slot] === first && this.slots[slot + 1] === second)) {
                return slot;
            }
        }
    }
}

/**
 * UTF-16 units of a slice. A text is counted slice by slice, so that the time is linear in its length: normalization,
 * regular expressions and merges may each take the square of the length that they are given.
 */
const SLICE = 2048;
const SEAM = 256; // units before the end of a slice in which it may end before a space
const SHORT = 64; // bytes of a piece up to which looking through all pairs is the fastest
const MAX_WORDS = 50_000; // pieces whose count is kept
const MAX_WORD = 32; // characters
const GROWTH = 3; // by which normalization may lengthen a text
const MAX_PIECE = GROWTH * 3 * SLICE; // UTF-8 bytes

/** Counts tokens of texts; the time is linear in their length, whatever they contain. */
export class BytePairCounter {
    private words = new Map<string, number>();

    /** `splits`: applied one after the other, each to the pieces of the one before. What does not match is a piece. */
    constructor(
        private readonly merges: Merges,
        private readonly splits: readonly RegExp[],
        private readonly normalize: (text: string) => string = (text) => text,
    ) {}

    count(text: string): number {
        let tokens = 0;
        for (const slice of slices(text)) {
            tokens += this.countSlice(slice);
        }
        return tokens;
    }

    /** Tokens of one of the {@link slices} of a text. */
    countSlice(slice: string): number {
        return this.countSplit(this.normalize(slice), 0);
    }

    private countSplit(text: string, level: number): number {
        if (level === this.splits.length) {
            return this.countPiece(text);
        }
        let tokens = 0;
        let from = 0;
        for (const match of text.matchAll(this.splits[level])) {
            if (match.index > from) {
                tokens += this.countSplit(text.slice(from, match.index), level + 1);
            }
            tokens += this.countSplit(match[0], level + 1);
            from = match.index + match[0].length;
        }
        return from < text.length ? tokens + this.countSplit(text.slice(from), level + 1) : tokens;
    }

    private countPiece(piece: string): number {
        if (piece.length > MAX_WORD) {
            return merge(piece, this.merges);
        }
        const stored = this.words.get(piece);
        if (stored !== undefined) {
            return stored;
        }
        if (this.words.size >= MAX_WORDS) {
            this.words = new Map();
        }
        const tokens = merge(piece, this.merges);
        this.words.set(piece, tokens);
        return tokens;
    }
}

/** The slices of a text, in which it is counted. */
export function* slices(text: string): Generator<string> {
    for (let from = 0; from < text.length;) {
        const to = sliceEnd(text, from);
        yield text.slice(from, to);
        from = to;
    }
}

/** Where a slice ends: before the last space of its end, or between two characters. */
function sliceEnd(text: string, from: number): number {
    const to = from + SLICE;
    if (to >= text.length) {
        return text.length;
    }
    for (let space = to; space > to - SEAM; space--) {
        if (text.charCodeAt(space) === 0x20) {
            return space;
        }
    }
    const isHigh = (text.charCodeAt(to - 1) & 0xfc00) === 0xd800;
    return isHigh ? to - 1 : to;
}

// Of the piece that is being merged; one after the other is, so all use the same memory.
const bytes = Buffer.alloc(MAX_PIECE);
const tokens = new Int32Array(MAX_PIECE);
const made = new Int32Array(MAX_PIECE); // what a token and the next one make; -1: nothing
const next = new Int32Array(MAX_PIECE);
const previous = new Int32Array(MAX_PIECE);

/** Tokens of a piece. */
function merge(piece: string, merges: Merges): number {
    const length = bytes.write(piece);
    for (let i = 0; i < length; i++) {
        tokens[i] = bytes[i];
        made[i] = i + 1 < length ? merges.ofBytes[256 * bytes[i] + bytes[i + 1]] : -1;
    }
    return length <= SHORT ? mergeShort(length, merges) : mergeLong(length, merges);
}

function mergeShort(bytesOfPiece: number, merges: Merges): number {
    let length = bytesOfPiece;
    for (;;) {
        let best = -1;
        let at = 0;
        for (let i = 0; i + 1 < length; i++) {
            if (made[i] !== -1 && (best === -1 || made[i] < best)) {
                best = made[i];
                at = i;
            }
        }
        if (best === -1) {
            return length;
        }
        tokens[at] = best;
        length--;
        tokens.copyWithin(at + 1, at + 2, length + 1);
        made.copyWithin(at + 1, at + 2, length + 1);
        made[at] = at + 1 < length ? merges.of(best, tokens[at + 1]) : -1;
        if (at > 0) {
            made[at - 1] = merges.of(tokens[at - 1], best);
        }
    }
}

/** As {@link mergeShort}, with the pairs in a heap and the tokens in a linked list. */
function mergeLong(length: number, merges: Merges): number {
    heapSize = 0;
    for (let i = 0; i < length; i++) {
        next[i] = i + 1;
        previous[i] = i - 1;
        if (made[i] !== -1) {
            heap[heapSize++] = made[i] * length + i; // the leftmost of equal pairs comes first
        }
    }
    for (let at = (heapSize >> 1) - 1; at >= 0; at--) {
        sink(at, heap[at]);
    }
    let remaining = length;
    while (heapSize > 0) {
        const key = heap[0];
        const at = key % length;
        const token = (key - at) / length;
        heapSize--;
        if (heapSize > 0) {
            sink(0, heap[heapSize]);
        }
        // A pair whose tokens were merged meanwhile is passed over.
        if (made[at] !== token) {
            continue;
        }
        const second = next[at];
        const right = next[second];
        const first = previous[at];
        tokens[at] = token;
        made[second] = -1;
        next[at] = right;
        made[at] = right < length ? merges.of(token, tokens[right]) : -1;
        if (right < length) {
            previous[right] = at;
        }
        if (made[at] !== -1) {
            push(made[at] * length + at);
        }
        if (first >= 0) {
            made[first] = merges.of(tokens[first], token);
            if (made[first] !== -1) {
                push(made[first] * length + first);
            }
        }
        remaining--;
    }
    return remaining;
}

// Numbers, of which the lowest comes first: a key for each pair, and for each of two more that a merge makes.
const heap = new Float64Array(3 * MAX_PIECE);
let heapSize = 0;

function push(key: number): void {
    let at = heapSize++;
    while (at > 0 && heap[(at - 1) >> 1] > key) {
        heap[at] = heap[(at - 1) >> 1];
        at = (at - 1) >> 1;
    }
    heap[at] = key;
}

/** Puts a key in the place of another, and down to where it belongs. */
function sink(from: number, key: number): void {
    let at = from;
    for (let child = 2 * at + 1; child < heapSize; child = 2 * at + 1) {
        if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
            child++;
        }
        if (heap[child] >= key) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
}
