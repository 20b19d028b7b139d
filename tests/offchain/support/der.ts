/** Writes the little DER that a certificate authority under test needs. */

export function der(tag: number, ...parts: Buffer[]): Buffer {
    const body = Buffer.concat(parts);
    if (body.length < 0x80) {
        return Buffer.concat([Buffer.of(tag, body.length), body]);
    }
    const bytes = body.length < 0x100 ? 1 : body.length < 0x10000 ? 2 : 3;
    const length = Buffer.alloc(bytes);
    length.writeUIntBE(body.length, 0, bytes);
    return Buffer.concat([Buffer.of(tag, 0x80 | bytes), length, body]);
}

export const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
export const octets = (bytes: Buffer) => der(0x04, bytes);
export const bits = (bytes: Buffer, unused = 0) => der(0x03, Buffer.of(unused), bytes);
export const yes = () => der(0x01, Buffer.of(0xff));

export function integer(value: number): Buffer {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
    return der(0x02, bytes[0] & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** An object identifier in its dotted form. */
export function oid(dotted: string): Buffer {
    const [first, second, ...rest] = dotted.split('.').map(Number);
    const septets = (value: number): number[] =>
        value < 0x80 ? [value] : [...septets(Math.floor(value / 0x80)).map((byte) => byte | 0x80), value % 0x80];
    return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(septets)]));
}

/** A GeneralizedTime of unix seconds. */
export function time(seconds: number): Buffer {
    const text = new Date(seconds * 1000).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '');
    return der(0x18, Buffer.from(text));
}

/** A name of one common name. */
export function name(common: string): Buffer {
    return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(common)))));
}
