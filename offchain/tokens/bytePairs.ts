/**
 * Counts the tokens of byte-level vocabularies: a text is cut into pieces by regular expressions, and the bytes of each
 * piece are merged, the pair with the lowest rank first. Text never becomes a special token.
 */

const SPREAD = 2_654_435_769; // 2 ** 32 divided by the golden ratio

/** The merges of a vocabulary, by rank: tokens 0 to 255 are bytes, and merge i makes token 256 + i. */
export class Merges {
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

// A regular expression may need memory for each character that it matches, so a text goes through it in slices.
const SLICE = 16_384; // UTF-16 units
const SEAM = 256; // units before the end of a slice in which it may end before a space
const SHORT = 48; // bytes of a piece up to which looking through all pairs is the fastest
const MAX_WORDS = 50_000; // pieces whose count is kept
const MAX_WORD = 32; // characters

/** Counts tokens of texts; the time is near linear in their length, whatever they contain. */
export class BytePairCounter {
    private words = new Map<string, number>();

    /** `splits`: applied one after the other, each to the pieces of the one before. What does not match is a piece. */
    constructor(
        private readonly merges: Merges,
        private readonly splits: readonly RegExp[],
        private readonly normalize: (text: string) => string = (text) => text,
    ) {}

    count(text: string): number {
        const whole = this.normalize(text);
        let tokens = 0;
        for (let from = 0; from < whole.length;) {
            const to = sliceEnd(whole, from);
            tokens += this.countSplit(whole.slice(from, to), 0);
            from = to;
        }
        return tokens;
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
            return this.merge(piece);
        }
        const stored = this.words.get(piece);
        if (stored !== undefined) {
            return stored;
        }
        if (this.words.size >= MAX_WORDS) {
            this.words = new Map();
        }
        const tokens = this.merge(piece);
        this.words.set(piece, tokens);
        return tokens;
    }

    private merge(piece: string): number {
        const bytes = Buffer.from(piece);
        if (bytes.length < 2) {
            return bytes.length;
        }
        const tokens = Int32Array.from(bytes);
        return tokens.length <= SHORT ? mergeShort(tokens, this.merges) : mergeLong(tokens, this.merges);
    }
}

/** Where a slice ends: before the last space of its end, or between two characters. */
function sliceEnd(text: string, from: number): number {
    const to = from + SLICE;
    if (to >= text.length) {
        return text.length;
    }
    const space = text.lastIndexOf(' ', to);
    if (space > to - SEAM) {
        return space;
    }
    const isHigh = (text.charCodeAt(to - 1) & 0xfc00) === 0xd800;
    return isHigh ? to - 1 : to;
}

function mergeShort(tokens: Int32Array, merges: Merges): number {
    let { length } = tokens;
    for (;;) {
        let best = -1;
        let at = 0;
        for (let i = 0; i + 1 < length; i++) {
            const made = merges.of(tokens[i], tokens[i + 1]);
            if (made !== -1 && (best === -1 || made < best)) {
                best = made;
                at = i;
            }
        }
        if (best === -1) {
            return length;
        }
        tokens[at] = best;
        tokens.copyWithin(at + 1, at + 2, length);
        length--;
    }
}

/** As {@link mergeShort}, with the pairs in a heap and the tokens in a linked list. */
function mergeLong(tokens: Int32Array, merges: Merges): number {
    const { length } = tokens;
    const next = Int32Array.from(tokens, (_, i) => i + 1);
    const previous = Int32Array.from(tokens, (_, i) => i - 1);
    const heap = new PairHeap();
    const push = (at: number) => {
        const made = at >= 0 && next[at] < length ? merges.of(tokens[at], tokens[next[at]]) : -1;
        if (made !== -1) {
            heap.push(made * length + at); // the leftmost of equal pairs comes first
        }
    };
    for (let i = 0; i + 1 < length; i++) {
        push(i);
    }
    let remaining = length;
    for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
        const at = key % length;
        const made = Math.floor(key / length);
        const second = next[at];
        // A pair whose tokens were merged meanwhile is passed over.
        if (tokens[at] === -1 || second >= length || merges.of(tokens[at], tokens[second]) !== made) {
            continue;
        }
        tokens[at] = made;
        tokens[second] = -1;
        next[at] = next[second];
        if (next[at] < length) {
            previous[next[at]] = at;
        }
        remaining--;
        push(previous[at]);
        push(at);
    }
    return remaining;
}

/** Numbers, of which the lowest comes first. */
class PairHeap {
    private readonly keys: number[] = [];

    push(key: number): void {
        const { keys } = this;
        let at = keys.push(key) - 1;
        while (at > 0 && keys[(at - 1) >> 1] > key) {
            keys[at] = keys[(at - 1) >> 1];
            at = (at - 1) >> 1;
        }
        keys[at] = key;
    }

    pop(): number | undefined {
        const { keys } = this;
        const lowest = keys[0];
        const last = keys.pop();
        if (last === undefined || keys.length === 0) {
            return last;
        }
        let at = 0;
        for (let child = 1; child < keys.length; child = 2 * at + 1) {
            if (child + 1 < keys.length && keys[child + 1] < keys[child]) {
                child++;
            }
            if (keys[child] >= last) {
                break;
            }
            keys[at] = keys[child];
            at = child;
        }
        keys[at] = last;
        return lowest;
    }
}
