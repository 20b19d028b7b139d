/**
 * Dictionaries in cells that others made. A dictionary of a few cells that refer twice to the next one has more entries
 * than any memory, and one with labels that are too long keeps its reader for ever.
 */
import { Cell, Dictionary, type Slice } from '@ton/core';

/** Entries of all dictionaries in one reading. A transaction has 255 messages, and 1024 libraries at maxLength. */
const MAX_ENTRIES = 4096;

/**
 * Reads what others made, such as a transaction. `read` makes no calls.
 * @throws what `read` throws; Error if the dictionaries that it loads are malformed or have more than 4096 entries
 */
export function withFewEntries<T>(read: () => T): T {
    // The loaders of @ton/core and those that the Tact compiler generates call this one, and it has no limit.
    const load = Dictionary.loadDirect;
    let remaining = MAX_ENTRIES;
    Dictionary.loadDirect = (key, value, from) => {
        remaining -= from === null ? 0 : entriesOf(from, key.bits, remaining);
        return load(key, value, from);
    };
    try {
        return read();
    } finally {
        Dictionary.loadDirect = load;
    }
}

/** The number of entries, as many as `max`; a part that is an exotic cell counts as one. */
function entriesOf(dictionary: Cell | Slice, keyBits: number, max: number): number {
    const root = dictionary instanceof Cell ? dictionary.beginParse() : dictionary.clone();
    const rest = [{ slice: root, bits: keyBits }];
    let entries = 0;
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
        const bits = part.bits - labelLength(part.slice, part.bits);
        if (bits < 0) {
            throw new Error('A dictionary has a key that is too long');
        }
        const children = bits === 0 ? [] : [part.slice.loadRef(), part.slice.loadRef()];
        const ordinary = children.filter((child) => !child.isExotic);
        entries += bits === 0 ? 1 : children.length - ordinary.length;
        if (entries > max) {
            throw new Error(`Dictionaries have more than ${MAX_ENTRIES} entries`);
        }
        rest.push(...ordinary.map((child) => ({ slice: child.beginParse(), bits: bits - 1 })));
    }
    return entries;
}

/** The bits of a key that one part has in common (HmLabel), of a rest of `maxLength`. */
function labelLength(slice: Slice, maxLength: number): number {
    const sizeBits = Math.ceil(Math.log2(maxLength + 1));
    if (slice.loadBit()) {
        return slice.loadBit() ? slice.skip(1).loadUint(sizeBits) : skipped(slice, slice.loadUint(sizeBits));
    }
    let length = 0;
    while (slice.loadBit()) {
        length++;
    }
    return skipped(slice, length);
}

function skipped(slice: Slice, length: number): number {
    slice.skip(length);
    return length;
}
