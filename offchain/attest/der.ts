/** A strict reader of the DER in certificates and revocation lists. */

/** One element: its tag, its content, and its whole encoding. */
export interface Element {
    tag: number;
    body: Buffer;
    whole: Buffer;
}

export const Tag = {
    Boolean: 0x01,
    Integer: 0x02,
    BitString: 0x03,
    OctetString: 0x04,
    Oid: 0x06,
    UtcTime: 0x17,
    GeneralizedTime: 0x18,
    Sequence: 0x30,
} as const;

/**
 * The elements in these bytes. Throws when a length is not in its shortest form, a tag has more than one byte, or the
 * last element is cut.
 */
export function row(bytes: Buffer): Element[] {
    const elements: Element[] = [];
    for (let at = 0; at < bytes.length;) {
        const { start, end } = span(bytes, at);
        elements.push({ tag: bytes[at], body: bytes.subarray(start, end), whole: bytes.subarray(at, end) });
        at = end;
    }
    return elements;
}

function span(bytes: Buffer, at: number): { start: number; end: number } {
    if (at + 2 > bytes.length) {
        throw new Error('The DER ends in the middle of an element');
    }
    if ((bytes[at] & 0x1f) === 0x1f) {
        throw new Error('The DER has a tag of a forbidden form');
    }
    const first = bytes[at + 1];
    const extra = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + extra;
    if (first === 0x80 || extra > 3 || start > bytes.length) {
        throw new Error('The DER has a length of a forbidden form');
    }
    const length = extra === 0 ? first : bytes.readUIntBE(at + 2, extra);
    if (extra > 0 && length < Math.max(0x80, 2 ** (8 * (extra - 1)))) {
        throw new Error('The DER has a length that is not in its shortest form');
    }
    if (start + length > bytes.length) {
        throw new Error('The DER ends in the middle of an element');
    }
    return { start, end: start + length };
}

/** The elements inside the bytes' only element, which must have this tag. */
export function inside(bytes: Buffer, tag: number): Element[] {
    const [only, ...more] = row(bytes);
    if (only?.tag !== tag || more.length > 0) {
        throw new Error('The DER has another element than expected');
    }
    return row(only.body);
}

/** The content of this element. Throws when the element is missing or has another tag. */
export function bodyOf(element: Element | undefined, tag: number): Buffer {
    if (element?.tag !== tag) {
        throw new Error('The DER has another element than expected');
    }
    return element.body;
}

/** The bytes of an integer of at least 0. Throws when it is negative, or not in its shortest form. */
export function naturalOf(element: Element | undefined): Buffer {
    const body = bodyOf(element, Tag.Integer);
    if (body.length === 0 || body[0] >= 0x80 || (body.length > 1 && body[0] === 0 && body[1] < 0x80)) {
        throw new Error('The DER has an integer of a forbidden form');
    }
    return body;
}

/** The bytes of a bit string. Throws when its unused bits are not zeros. */
export function bitsOf(element: Element | undefined): { bytes: Buffer; unused: number } {
    const [unused, ...bits] = bodyOf(element, Tag.BitString);
    const last = bits.at(-1);
    if (unused === undefined || unused > 7 || (last === undefined ? unused > 0 : last % 2 ** unused !== 0)) {
        throw new Error('The DER has a bit string of a forbidden form');
    }
    return { bytes: Buffer.from(bits), unused };
}

/** A bit string of whole bytes, such as a signature. */
export function bytesOfBits(element: Element | undefined): Buffer {
    const { bytes, unused } = bitsOf(element);
    if (unused !== 0) {
        throw new Error('The DER has a bit string that does not end with a byte');
    }
    return bytes;
}

/** Unix seconds of a UTCTime or GeneralizedTime in the form that certificates use. */
export function timeOf({ tag, body }: Element): number {
    const text = body.toString('latin1');
    const generalized = tag === Tag.GeneralizedTime;
    const parts = (generalized ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/)
        .exec(text)
        ?.slice(1);
    if ((!generalized && tag !== Tag.UtcTime) || parts === undefined) {
        throw new Error('The DER has a time in an unknown form');
    }
    const [year, month, day, hour, minute, second] = parts.map(Number);
    const whole = generalized ? year : year + (year < 50 ? 2000 : 1900);
    const milliseconds = Date.UTC(whole, month - 1, day, hour, minute, second);
    if (new Date(milliseconds).toISOString().replace(/\.000|\D/g, '') !== [whole, ...parts.slice(1)].join('')) {
        throw new Error('The DER has a time that does not exist'); // such as a month 13, which Date would accept
    }
    return milliseconds / 1000;
}
