/** As much DER as certificates and revocation lists need, and nothing that DER forbids. */

/** One element: its tag, what it contains, and all of it. */
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

/** The elements that these bytes are a row of. Throws when a length is not the shortest, or they end in the middle of one. */
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
    const first = bytes[at + 1];
    const extra = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + extra;
    if (first === 0x80 || extra > 3 || start > bytes.length) {
        throw new Error('The DER has a length that it may not have');
    }
    const length = extra === 0 ? first : bytes.readUIntBE(at + 2, extra);
    if (extra > 0 && length < Math.max(0x80, 2 ** (8 * (extra - 1)))) {
        throw new Error('The DER has a length that is not the shortest');
    }
    if (start + length > bytes.length) {
        throw new Error('The DER ends in the middle of an element');
    }
    return { start, end: start + length };
}

/** The elements of the one element of this tag that the bytes are. */
export function inside(bytes: Buffer, tag: number): Element[] {
    const [only, ...more] = row(bytes);
    if (only?.tag !== tag || more.length > 0) {
        throw new Error('The DER is not what is expected here');
    }
    return row(only.body);
}

/** Unix seconds of a UTCTime or GeneralizedTime in the one form that certificates use. */
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
    return Date.UTC(whole, month - 1, day, hour, minute, second) / 1000;
}
